//! Exactly once, with the host itself: it is killed two hundred times, at any moment, while source and network break too; and the
//! source's server is killed in the middle of every way of syncing.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::host::Host;
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

const TABLES: u64 = 2;

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

/// Something happens in the source.
fn change(source: &FactorySource, random: &mut Random) {
    let (schema, mode) = WAYS[random.below(3) as usize];
    let (table, id) = (format!("{schema}.t{}", random.below(TABLES)), random.below(400));
    // A cursor sees neither deletions nor changed keys.
    let statement = match random.below(if mode == "incremental_merge" { 2 } else { 4 }) {
        0 => format!(
            "INSERT INTO {table} (id, body) SELECT n, repeat('new', 700) FROM generate_series({0}, {0} + 30) n ON CONFLICT DO NOTHING",
            400 + random.below(1000)
        ),
        1 => format!("UPDATE {table} SET note = '{}', at = DEFAULT WHERE id % 40 = {}", random.below(1000), id % 40),
        2 => format!("DELETE FROM {table} WHERE id BETWEEN {id} AND {id} + 3"),
        _ => format!("UPDATE {table} SET id = id + 5000 + {} WHERE id = {id}", random.below(1000) * 10_000),
    };
    source.execute(&statement).unwrap();
}

/// Every sync is asked for; one that is under way already says so.
fn ask(client: &Client, ingestions: &[String]) {
    for ingestion in ingestions {
        let answer = client.send("POST", &format!("/ingestion/{ingestion}/sync"), Some(&json!({})), &[]).unwrap();
        assert!(matches!(answer.status, 200..=202 | 409), "{}", answer.body);
    }
}

/// Each way's schema, with `rows` rows of 3 kB in each of its tables.
fn fill(source: &FactorySource, rows: u32) {
    for (schema, _) in WAYS {
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
    fill(&source, 400);
    let proxy = Proxy::start(source.source().port).unwrap();
    let mut host = world.start_light(&world.folder("interrupted")).unwrap();
    let client = host.client();
    let ingestions: Vec<String> = WAYS.into_iter().map(|way| make(&client, &source, proxy.port(), way)).collect();

    let mut random = Random(SEED);
    for _ in 0..KILLS {
        for _ in 0..random.below(3) {
            change(&source, &mut random);
        }
        ask(&client, &ingestions);
        match random.below(6) {
            0 => proxy.break_after(random.below(300_000) as i64),
            1 => source
                .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'asgard'")
                .unwrap(),
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(random.below(250)));
        host.crash_and_restart().unwrap();
        proxy.mend();
    }
    compare(&host, &source, &ingestions);
    host.stop().unwrap();
}

/// Ways that add rows and take none away: what is read a second time is there twice.
fn appended(world: &World) {
    const APPENDING: [(&str, &str); 2] = [("again", "full_refresh_append"), ("further", "incremental_append")];
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
    fill(&source, 400);
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
    compare(&host, &source, &ingestions);
    host.stop().unwrap();
}

fn compare(host: &Host, source: &FactorySource, ingestions: &[String]) {
    let client = host.client();
    for ingestion in ingestions {
        // The one that was under way, then one that sees everything.
        ended_job(&client, ingestion);
        client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
        let job = ended_job(&client, ingestion);
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    for (schema, _) in WAYS {
        for table in 0..TABLES {
            let wanted = source.rows(&format!("SELECT id, note, md5(body) FROM {schema}.t{table} ORDER BY id"));
            let wanted: Vec<Value> =
                wanted.unwrap().into_iter().map(|row| json!({"key": row[0], "note": row[1], "body": row[2]})).collect();
            let query = json!({"dialect": "spark", "max_rows": 10_000,
                "sql": format!("SELECT CAST(id AS string) AS key, note, md5(body) AS body FROM bronze.{schema}_t{table} ORDER BY id")});
            let found = client.post("/lakehouse/query", &query).unwrap();
            assert_eq!(found["truncated"], false);
            assert_eq!(found["rows"], Value::Array(wanted), "{schema}.t{table}");
        }
    }
}
