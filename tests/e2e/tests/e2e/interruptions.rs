//! Exactly once, with the host itself: it is killed two hundred times, at any moment, by every way of syncing, while source and
//! network break too and the source's tables get columns; and the source's server is killed in the middle of syncs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asgard_journey::client::Client;
use asgard_journey::proxy::Proxy;
use asgard_journey::random::Random;
use asgard_journey::source::FactorySource;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "tables_are_those_of_an_undisturbed_run_though_the_host_is_killed_two_hundred_times", killed),
        test(world, "what_is_appended_is_there_once_for_each_sync_though_the_host_is_killed", appended),
        test(world, "a_sync_goes_on_by_itself_when_its_killed_source_is_there_again", source_killed),
    ]
}

const KILLS: u32 = 200;

/// The same numbers with each run; what they meet depends on the machine.
const SEED: u64 = 0x00a5_6a2d_17e5;

/// One schema of the source for each way of syncing, so that each may change as its way can see.
const WAYS: [(&str, &str); 3] =
    [("whole", "full_refresh_overwrite"), ("grown", "incremental_merge"), ("logged", "change_data_capture")];

/// Ways that add rows and take none away: what is read a second time is there twice.
const APPENDING: [(&str, &str); 2] = [("again", "full_refresh_append"), ("further", "incremental_append")];

const TABLES: u64 = 2;

/// Columns that the source's tables get meanwhile, and before which kill.
const LATER: [(u32, &str); 2] = [(KILLS / 3, "added"), (2 * KILLS / 3, "later")];

fn make(client: &Client, source: &FactorySource, port: u16, (schema, mode): (&str, &str)) -> String {
    let server = source.source();
    let method = if mode == "change_data_capture" { "CDC" } else { "Standard" };
    let config = json!({
        "host": server.host, "port": port, "database": server.database, "username": server.username,
        "password": server.password, "ssl_mode": {"mode": "disable"}, "schemas": [schema],
        "replication_method": {"method": method},
    });
    let made = client.post("/datasource", &json!({"name": schema, "type": "postgres", "config": config})).unwrap();
    let sink = client.post("/sink", &json!({"name": schema, "type": "local", "config": {"path": schema}})).unwrap();
    let streams: Vec<Value> = (0..TABLES)
        .map(|table| {
            let mut stream = json!({"namespace": schema, "name": format!("t{table}"), "syncMode": mode});
            if mode.starts_with("incremental") {
                stream["cursorField"] = json!("at");
            }
            stream
        })
        .collect();
    let body = json!({"name": schema, "sourceId": made["id"], "destinationId": sink["id"], "streams": streams,
        "prefix": format!("{schema}_"), "schedule": {"scheduleType": "manual"}});
    client.post("/ingestion", &body).unwrap()["connectionId"].as_str().unwrap().to_owned()
}

/// Something happens in the source: the `number`th change, of tables that have got these columns by now.
fn change(source: &FactorySource, random: &mut Random, ways: &[(&str, &str)], number: u32, columns: &[&str]) {
    let (schema, mode) = ways[random.below(ways.len() as u64) as usize];
    let (table, id) = (random.below(TABLES), random.below(400));
    let name = format!("{schema}.t{table}");
    let noted: Vec<String> = ["note"].iter().chain(columns).map(|column| format!("{column} = '{number}'")).collect();
    let noted = noted.join(", ");
    if APPENDING.contains(&(schema, mode)) {
        let which = if schema == "again" { String::new() } else { format!("WHERE id % 40 = {}", id % 40) };
        // One transaction: a sync finds what was before it or what is after it.
        let statements = format!(
            "INSERT INTO {name} (id, note, body) SELECT max(id) + 1, '{number}', 'new' FROM {name};
             UPDATE {name} SET {noted}, at = DEFAULT {which}; {}",
            remember(schema, table, &number.to_string(), columns)
        );
        return source.execute(&statements).unwrap();
    }
    // A cursor sees neither deletions nor changed keys.
    let statement = match random.below(if mode == "incremental_merge" { 2 } else { 4 }) {
        0 => format!(
            "INSERT INTO {name} (id, body) SELECT n, repeat('new', 700) FROM generate_series({0}, {0} + 30) n ON CONFLICT DO NOTHING",
            400 + random.below(1000)
        ),
        1 => format!("UPDATE {name} SET {noted}, at = DEFAULT WHERE id % 40 = {}", id % 40),
        2 => format!("DELETE FROM {name} WHERE id BETWEEN {id} AND {id} + 3"),
        _ => format!("UPDATE {name} SET id = id + 5000 + {} WHERE id = {id}", random.below(1000) * 10_000),
    };
    source.execute(&statement).unwrap();
}

/// Writes down what a sync may find from here on: of `further` each row that has this note now, of `again`, where all rows have it,
/// the largest id, which is how many they are.
fn remember(schema: &str, table: u64, note: &str, columns: &[&str]) -> String {
    let columns = [&["note"], columns].concat().join(", ");
    let (id, which) = match schema {
        "again" => ("max(id)", format!("GROUP BY {columns}")),
        _ => ("id", format!("WHERE note = '{note}'")),
    };
    format!("INSERT INTO past.{schema}_t{table} (id, {columns}) SELECT {id}, {columns} FROM {schema}.t{table} {which}")
}

/// Every sync is asked for; one that is under way already says so.
fn ask(client: &Client, ingestions: &[String]) {
    for ingestion in ingestions {
        let answer = client.send("POST", &format!("/ingestion/{ingestion}/sync"), Some(&json!({})), &[]).unwrap();
        assert!(matches!(answer.status, 200..=202 | 409), "{}", answer.body);
    }
}

/// The sync of each ingestion that has begun and not ended.
fn under_way(client: &Client, ingestions: &[String]) -> Vec<Option<String>> {
    let sync = |ingestion: &String| {
        let status = client.get(&format!("/ingestion/{ingestion}/status")).unwrap();
        let job = &status["job"];
        (job["status"] == "running").then(|| job["id"].as_str().unwrap().to_owned())
    };
    ingestions.iter().map(sync).collect()
}

/// Each way's schema, with `rows` rows of 3 kB in each of its tables.
fn fill(source: &FactorySource, ways: &[(&str, &str)], rows: u32) {
    for (schema, _) in ways {
        source.execute(&format!("CREATE SCHEMA {schema}")).unwrap();
        for table in 0..TABLES {
            source
                .execute(&format!(
                    "CREATE TABLE {schema}.t{table} (id bigint PRIMARY KEY, note text, body text, at timestamptz DEFAULT clock_timestamp());
                     ALTER TABLE {schema}.t{table} ALTER body SET STORAGE EXTERNAL;
                     INSERT INTO {schema}.t{table} SELECT n, 'note', repeat('x', 3000) FROM generate_series(1, {rows}) n"
                ))
                .unwrap();
        }
    }
}

fn killed(world: &World) {
    let source = FactorySource::start_with(&world.folder("interrupted-postgres"), &[("wal_level", "logical")]).unwrap();
    let ways = [&WAYS[..], &APPENDING[..]].concat();
    fill(&source, &ways, 400);
    source.execute("CREATE SCHEMA past").unwrap();
    for (schema, _) in APPENDING {
        for table in 0..TABLES {
            let past = format!("CREATE TABLE past.{schema}_t{table} (id bigint, note text, added text, later text)");
            source.execute(&format!("{past}; {}", remember(schema, table, "note", &[]))).unwrap();
        }
    }
    let proxy = Proxy::start(source.source().port).unwrap();
    let mut host = world.start_light(&world.folder("interrupted")).unwrap();
    let client = host.client();
    let ingestions: Vec<String> = ways.iter().map(|way| make(&client, &source, proxy.port(), *way)).collect();

    let mut random = Random(SEED);
    let (mut changes, mut columns) = (0, Vec::new());
    // Kills that found a sync at work, and syncs of each way that a kill found unfinished.
    let (mut struck, mut unfinished) = (0, vec![0; ways.len()]);
    for round in 0..KILLS {
        if let Some((_, column)) = LATER.iter().find(|(before, _)| *before == round) {
            // Each by itself: a sync that reads several tables is not waited for with a lock on one of them.
            for (schema, _) in &ways {
                for table in 0..TABLES {
                    source.execute(&format!("ALTER TABLE {schema}.t{table} ADD {column} text")).unwrap();
                }
            }
            columns.push(*column);
        }
        for _ in 0..random.below(3) {
            changes += 1;
            change(&source, &mut random, &ways, changes, &columns);
        }
        ask(&client, &ingestions);
        let mut held = false;
        match random.below(8) {
            0 => proxy.break_after(random.below(300_000) as i64),
            1 => source
                .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'asgard'")
                .unwrap(),
            // The network stands still in the middle of the rows, so that these kills find syncs at work on any machine.
            2..=5 => {
                held = true;
                proxy.hold_after(random.below(300_000) as i64);
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(random.below(250)));
        // One that failed in the round before pauses first.
        let limit = Instant::now() + Duration::from_secs(3);
        while held && !proxy.is_used_up() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
        let before = under_way(&client, &ingestions);
        // A sync that pauses before it tries again is under way, too, but has none.
        let sessions = source.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'asgard'").unwrap();
        host.crash().unwrap();
        if held {
            proxy.mend();
        }
        host.restart().unwrap();
        let mut found = false;
        for (index, (before, after)) in before.iter().zip(under_way(&client, &ingestions)).enumerate() {
            if before.is_some() && *before == after {
                unfinished[index] += 1;
                found = true;
            }
        }
        struck += u32::from(found && !sessions.is_empty());
        proxy.mend();
    }
    assert!(struck >= KILLS / 3, "of {KILLS} kills {struck} found a sync at work");
    for ((_, mode), unfinished) in ways.iter().zip(unfinished) {
        assert!(unfinished >= KILLS / 20, "of {KILLS} kills {unfinished} found a sync by {mode} unfinished");
    }
    settle(&client, &ingestions);
    compare(&client, &source, &columns);
    for table in 0..TABLES {
        compare_copies(&client, &source, table, &ingestions[WAYS.len()]);
        compare_states(&client, &source, table);
    }
    host.stop().unwrap();
}

/// Each sync has added one whole copy of what the source had at one moment.
fn compare_copies(client: &Client, source: &FactorySource, table: u64, ingestion: &str) {
    let sql = format!(
        "SELECT note, added, later, count(*) AS ids, max(id) AS highest, min(n) AS fewest, max(n) AS most
         FROM (SELECT id, note, added, later, count(*) AS n FROM bronze.again_t{table} GROUP BY id, note, added, later) AS rows_of_copies
         GROUP BY note, added, later"
    );
    let found = client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "trino"})).unwrap();
    let found = found["rows"].as_array().unwrap();
    let past = source.rows(&format!("SELECT note, id, added, later FROM past.again_t{table}")).unwrap();
    let mut copies = 0;
    for copy in found {
        let then = past.iter().find(|then| then[0].as_deref() == copy["note"].as_str());
        let [_, rows, added, later] = then.expect("a note that the source had").as_slice() else {
            unreachable!("four columns were asked for")
        };
        assert_eq!([added, later].map(Option::as_deref), [copy["added"].as_str(), copy["later"].as_str()], "{copy}");
        let rows: u64 = rows.as_deref().unwrap().parse().unwrap();
        assert_eq!((copy["ids"].as_u64(), copy["highest"].as_u64()), (Some(rows), Some(rows)), "{copy}");
        assert_eq!(copy["fewest"], copy["most"], "{copy}");
        copies += copy["most"].as_u64().unwrap();
    }
    let jobs = client.get(&format!("/ingestion/{ingestion}/jobs?page_size=1000")).unwrap();
    let streams = jobs["jobs"].as_array().unwrap().iter().flat_map(|job| job["streams"].as_array().unwrap());
    let name = format!("again.t{table}");
    let syncs = streams.filter(|stream| stream["name"] == name.as_str() && stream["status"] == "succeeded").count();
    assert_eq!(copies, syncs as u64, "{name}: {found:?}");
    let now = source.rows(&format!("SELECT DISTINCT note FROM again.t{table}")).unwrap();
    assert!(
        found.iter().any(|copy| copy["note"].as_str() == now[0][0].as_deref()),
        "{name}: the last sync saw {now:?}"
    );
}

/// Each state in which a sync has found a row is there once, the last one for certain, and nothing else.
fn compare_states(client: &Client, source: &FactorySource, table: u64) {
    const COLUMNS: [&str; 4] = ["id", "note", "added", "later"];
    let query = json!({"dialect": "spark", "max_rows": 10_000,
        "sql": format!("SELECT CAST(id AS string) AS id, note, added, later FROM bronze.further_t{table}")});
    let found = client.post("/lakehouse/query", &query).unwrap();
    assert_eq!(found["truncated"], false);
    let rows = found["rows"].as_array().unwrap();
    let state = |row: &Value| COLUMNS.map(|column| row[column].as_str().map(str::to_owned)).to_vec();
    let found: BTreeSet<Vec<Option<String>>> = rows.iter().map(state).collect();
    assert_eq!(found.len(), rows.len(), "further.t{table} has rows twice");
    let of = |name: String| -> BTreeSet<Vec<Option<String>>> {
        source.rows(&format!("SELECT {} FROM {name}", COLUMNS.join(", "))).unwrap().into_iter().collect()
    };
    let past = of(format!("past.further_t{table}"));
    let made_up: Vec<_> = found.difference(&past).collect();
    assert!(made_up.is_empty(), "further.t{table} has rows that the source never had: {made_up:?}");
    let now = of(format!("further.t{table}"));
    let lost: Vec<_> = now.difference(&found).collect();
    assert!(lost.is_empty(), "further.t{table} lacks rows of the source: {lost:?}");
}

fn appended(world: &World) {
    const ROWS: u64 = 60_000;
    let source = FactorySource::start(&world.folder("appended-postgres")).unwrap();
    for (schema, _) in APPENDING {
        source.execute(&format!("CREATE SCHEMA {schema}")).unwrap();
        for table in 0..TABLES {
            let table = format!("{schema}.t{table}");
            let made = format!(
                "CREATE TABLE {table} (id bigint PRIMARY KEY, note text, at timestamptz DEFAULT clock_timestamp());
                 INSERT INTO {table} SELECT n, repeat('x', 200) FROM generate_series(1, {ROWS}) n"
            );
            source.execute(&made).unwrap();
        }
    }
    let mut host = world.start_light(&world.folder("appended")).unwrap();
    let client = host.client();
    let port = source.source().port;
    let ingestions: Vec<String> = APPENDING.into_iter().map(|way| make(&client, &source, port, way)).collect();
    let mut random = Random(SEED);
    for round in 1..=3 {
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(random.below(900)));
            host.crash_and_restart().unwrap();
        }
        for ((schema, mode), ingestion) in APPENDING.iter().zip(&ingestions) {
            let job = ended_job(&client, ingestion);
            assert_eq!(job["status"], "succeeded", "{job}");
            let rows = if *mode == "full_refresh_append" { ROWS * round } else { ROWS + (round - 1) * 1000 };
            for table in 0..TABLES {
                let sql = format!("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM bronze.{schema}_t{table}");
                let found = client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "trino"})).unwrap();
                let ids = if *mode == "full_refresh_append" { ROWS } else { rows };
                assert_eq!(found["rows"], json!([{"n": rows, "ids": ids}]), "{schema}.t{table} after {round} syncs");
                if *mode == "incremental_append" {
                    let first = ROWS + (round - 1) * 1000 + 1;
                    let more = format!(
                        "INSERT INTO {schema}.t{table} SELECT n, 'more' FROM generate_series({first}, {first} + 999) n"
                    );
                    source.execute(&more).unwrap();
                }
            }
            if round < 3 {
                client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
            }
        }
    }
    host.stop().unwrap();
}

/// The server is killed while the network to it stands still, in the middle of the rows.
fn source_killed(world: &World) {
    // What was committed outlives a kill, or the source itself would not have what was read of it.
    let settings = [("wal_level", "logical"), ("synchronous_commit", "on")];
    let mut source = FactorySource::start_with(&world.folder("killed-postgres"), &settings).unwrap();
    fill(&source, &WAYS, 400);
    let proxy = Proxy::start(source.source().port).unwrap();
    let host = world.start_light(&world.folder("killed-source")).unwrap();
    let client = host.client();
    // A table has more than a megabyte, so that the end of it is not on its way yet.
    let kill = |source: &mut FactorySource, ingestion: &str| {
        until("the sync is in the middle of its rows", Duration::from_secs(120), || proxy.is_used_up().then_some(()));
        source.kill().unwrap();
        proxy.break_after(0);
        source.start_again().unwrap();
        proxy.mend();
        let job = ended_job(&client, ingestion);
        assert_eq!(job["status"], "succeeded", "{job}");
    };
    let mut ingestions = Vec::new();
    for way in WAYS {
        proxy.hold_after(1_000_000);
        let ingestion = make(&client, &source, proxy.port(), way);
        kill(&mut source, &ingestion);
        ingestions.push(ingestion);
    }
    for ((schema, mode), ingestion) in WAYS.iter().zip(&ingestions) {
        for table in 0..TABLES {
            source
                .execute(&format!(
                    "INSERT INTO {schema}.t{table} (id, body) SELECT n, repeat('new', 1000) FROM generate_series(401, 800) n;
                     UPDATE {schema}.t{table} SET note = 'changed', at = DEFAULT WHERE id % 3 = 0"
                ))
                .unwrap();
            if *mode != "incremental_merge" {
                source.execute(&format!("DELETE FROM {schema}.t{table} WHERE id % 7 = 0")).unwrap();
            }
        }
        proxy.hold_after(1_000_000);
        client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
        kill(&mut source, ingestion);
    }
    settle(&client, &ingestions);
    compare(&client, &source, &[]);
    host.stop().unwrap();
}

fn settle(client: &Client, ingestions: &[String]) {
    for ingestion in ingestions {
        // The one that was under way, then one that sees everything.
        ended_job(client, ingestion);
        client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
        let job = ended_job(client, ingestion);
        assert_eq!(job["status"], "succeeded", "{job}");
    }
}

/// The tables of all ways but those that append; `columns` are those that they got later.
fn compare(client: &Client, source: &FactorySource, columns: &[&str]) {
    let names = [&["note"], columns].concat();
    let (columns, names) = (names.join(", "), [&["key"], &names[..], &["body"]].concat());
    for (schema, _) in WAYS {
        for table in 0..TABLES {
            let wanted = source.rows(&format!("SELECT id, {columns}, md5(body) FROM {schema}.t{table} ORDER BY id"));
            let wanted: Vec<Value> =
                wanted.unwrap().into_iter().map(|row| names.iter().copied().zip(row).collect()).collect();
            let query = json!({"dialect": "spark", "max_rows": 10_000,
                "sql": format!("SELECT CAST(id AS string) AS key, {columns}, md5(body) AS body FROM bronze.{schema}_t{table} ORDER BY id")});
            let found = client.post("/lakehouse/query", &query).unwrap();
            assert_eq!(found["truncated"], false);
            assert_eq!(found["rows"], Value::Array(wanted), "{schema}.t{table}");
        }
    }
}
