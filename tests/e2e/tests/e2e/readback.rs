//! What we wrote, read by others: PyIceberg and DuckDB through the catalog, and without the host by the files alone.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use asgard_journey::client::Client;
use asgard_journey::source::FactorySource;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::lakehouse::compare;
use crate::world::{World, ended_job, gold, ingest_from, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "pyiceberg_and_duckdb_read_the_journeys_tables", read_back),
        test(world, "pyiceberg_and_duckdb_read_every_type_to_its_ends", types),
        test(world, "pyiceberg_and_duckdb_read_what_writing_and_evolving_left", operations),
        test(world, "pyiceberg_and_duckdb_read_what_maintenance_and_a_rollback_left", maintained),
        test(world, "pyiceberg_and_duckdb_read_what_capture_and_merging_by_key_left_at_each_snapshot", synced),
        test(world, "pyiceberg_and_duckdb_read_a_changed_table_as_it_was", travelled),
    ]
}

fn script(world: &World, name: &str, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } =
        Command::new(world.python()).arg(format!("../interop/{name}")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{said}{}", String::from_utf8_lossy(&stderr));
    said
}

fn read_back(world: &World) {
    world.figures();
    let lakehouse = world.full_data().join("environments/local/lakehouse");
    let tables = ["bronze.work_orders=15000", "bronze.machine_logs=25000", "bronze.quality_checks=3500"];
    let more = ["bronze.materials=2323", "silver.work_orders=14850", "gold.operator_efficiency=142"];
    script(world, "read_back.py", &[&[lakehouse.to_str().unwrap()], &tables[..], &more[..]].concat());
}

/// From a file of Parquet, which has a word for all of them.
fn types(world: &World) {
    let client = world.light();
    let folder = world.light_data().join("environments/local/files/every_type");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("rows.parquet");
    let file = file.to_str().unwrap();
    script(world, "every_type.py", &["write", file]);
    let config = json!({"location": {"provider": "local", "folder": "files/every_type"},
        "streams": [{"name": "every_type", "files": ["*.parquet"]}]});
    let source = client.post("/datasource", &json!({"name": "every type", "type": "files", "config": config})).unwrap();
    let sink = json!({"name": "every type", "type": "local", "config": {"path": "every_type"}});
    let sink = client.post("/sink", &sink).unwrap();
    let body = json!({"name": "every type", "sourceId": source["id"], "destinationId": sink["id"]});
    let ingestion = client.post("/ingestion", &body).unwrap();
    let job = ended_job(&client, ingestion["connectionId"].as_str().unwrap());
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(5)), "{job}");

    let table = client.get("/lakehouse/tables/bronze/every_type").unwrap();
    let made: Vec<&str> = table["columns"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    for of in [
        "boolean",
        "int",
        "long",
        "float",
        "double",
        "decimal(38,10)",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "string",
        "uuid",
        "fixed[4]",
        "binary",
        "list<list<string>>",
        "map<int,list<date>>",
        "struct<x:int,y:struct<z:list<timestamptz>,b:binary>>",
    ] {
        assert!(made.contains(&of), "no column is {of}: {made:?}");
    }
    let differing = script(world, "every_type.py", &["read", client.base(), "bronze.every_type", file]);
    // PyIceberg makes lists of structs anew by their offsets, and loses which of them are null.
    assert_eq!(differing.trim(), r#"["PyIceberg has people of row 3 as [], expected None"]"#);
}

fn config(strategy: &str, more: &str) -> String {
    format!("{{{{ config(materialized='incremental', incremental_strategy='{strategy}'{more}) }}}}")
}

fn change(client: &Client, table: &str, changes: &Value) {
    let path = format!("/lakehouse/tables/{}", table.replace('.', "/"));
    let answer = client.send("PATCH", &path, Some(&json!({"changes": changes})), &[]).unwrap();
    assert_eq!(answer.status, 200, "{table}: {}", answer.body);
}

fn operations(world: &World) {
    let client = world.light();
    for (name, strategy) in [("back_appended", "append"), ("back_merged", "merge"), ("back_rewritten", "delete+insert")]
    {
        let keyed = if strategy == "append" { "" } else { ", unique_key=['id']" };
        for rows in ["(1, 'one'), (2, NULL), (3, 'three')", "(3, 'drei'), (4, 'vier')"] {
            let sql = format!("{} SELECT * FROM (VALUES {rows}) AS t (id, v)", config(strategy, keyed));
            gold(&client, name, &sql).unwrap();
        }
    }
    gold(&client, "back_replaced", "SELECT 1 AS old, 'x' AS gone").unwrap();
    gold(&client, "back_replaced", "SELECT * FROM (VALUES ('a', 2.5e0), ('b', NULL)) AS t (gone, fresh)").unwrap();
    gold(&client, "back_emptied", "SELECT 1 AS n").unwrap();
    gold(&client, "back_emptied", "SELECT 1 AS n WHERE false").unwrap();

    let growing = config("append", ", on_schema_change='append_new_columns'");
    let grow = |columns: &str| gold(&client, "back_evolved", &format!("{growing} SELECT {columns}")).unwrap();
    grow("1 AS id, CAST(2 AS INTEGER) AS whole, CAST(0.5 AS REAL) AS part, 'a' AS a, 'b' AS b, 'x' AS gone");
    change(
        &client,
        "gold.back_evolved",
        &json!([{"action": "rename_column", "name": "a", "to": "c"}, {"action": "rename_column", "name": "b", "to": "a"},
            {"action": "widen_column", "name": "whole", "type": "long"}, {"action": "widen_column", "name": "part", "type": "double"},
            {"action": "add_column", "name": "note", "type": "struct<by:string,n:int>"}, {"action": "drop_column", "name": "gone"},
            {"action": "move_column", "name": "a", "after": "id"}]),
    );
    grow("2 AS id, 9007199254740991 AS whole, 1e300 AS part, 'c2' AS c, 'a2' AS a");
    change(&client, "gold.back_evolved", &json!([{"action": "add_column", "name": "gone", "type": "long"}]));
    grow("3 AS id, 3 AS whole, 7 AS gone, 'later' AS extra");

    let rows = "SELECT n AS id, n % 3 AS part, concat('w', CAST(n AS VARCHAR)) AS word FROM (VALUES (1), (2), (3), (4), (5)) AS t (n)";
    for by in ["'part'", "'bucket(id, 2)'", "'truncate(word, 1)', 'part'", ""] {
        let sql = format!("{} {rows}", config("append", &format!(", partition_by=[{by}], sorted_by=['id DESC']")));
        gold(&client, "back_parted", &sql).unwrap();
    }
    let grown = ["gold.back_appended=5", "gold.back_merged=4", "gold.back_rewritten=4", "gold.back_parted=20"];
    compare(world, &[&grown[..], &["gold.back_replaced=2", "gold.back_emptied=0", "gold.back_evolved=3"]].concat());
}

fn snapshots(client: &Client, table: &str) -> Vec<String> {
    let found = client.get(&format!("/lakehouse/tables/{}/snapshots", table.replace('.', "/"))).unwrap();
    found["snapshots"].as_array().unwrap().iter().map(|snapshot| snapshot["id"].as_str().unwrap().to_owned()).collect()
}

fn maintain(client: &Client, table: &str, what: &Value) -> Value {
    let path = format!("/lakehouse/tables/{}/maintenance", table.replace('.', "/"));
    let id = client.post(&path, what).unwrap()["id"].as_str().unwrap().to_owned();
    let task = until("the maintenance ends", Duration::from_secs(120), || {
        let task = client.get(&format!("/tasks/{id}")).ok()?;
        matches!(task["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(task)
    });
    assert_eq!(task["status"], "succeeded", "{task}");
    task["outcome"].clone()
}

fn maintained(world: &World) {
    let client = world.light();
    let table = "gold.back_kept";
    let add = |id: usize| {
        let sql = format!("{} SELECT {id} AS id, 'v{id}' AS v", config("append", ""));
        gold(&client, "back_kept", &sql).unwrap();
    };
    (1..=6).for_each(add);
    let outcome = maintain(&client, table, &json!({"compact": true}));
    assert_eq!(outcome["compaction"]["files_after"], 1, "{outcome}");
    compare(world, &["gold.back_kept=6"]);
    assert_eq!(snapshots(&client, table).len(), 7);

    script(world, "history.py", &[client.base(), "age", table]);
    add(7);
    let outcome = maintain(&client, table, &json!({"expire_snapshots": {"older_than_hours": 120, "retain_last": 1}}));
    assert_eq!(snapshots(&client, table).len(), 1, "{outcome}");
    compare(world, &["gold.back_kept=7"]);

    let location = client.get("/lakehouse/tables/gold/back_kept").unwrap()["location"].as_str().unwrap().to_owned();
    let data = std::path::Path::new(location.trim_start_matches("file://")).join("data");
    let stray = data.join("stray.parquet");
    std::fs::write(&stray, "nobody's").unwrap();
    let old = SystemTime::now() - Duration::from_secs(10 * 24 * 3600);
    std::fs::File::options().write(true).open(&stray).unwrap().set_modified(old).unwrap();
    let outcome = maintain(&client, table, &json!({"remove_orphans": {"older_than_hours": 72, "dry_run": false}}));
    assert!(!stray.exists(), "{outcome}");
    compare(world, &["gold.back_kept=7"]);

    add(8);
    add(9);
    let kept = &snapshots(&client, table)[1];
    script(world, "history.py", &[client.base(), "rollback", table, kept]);
    compare(world, &["gold.back_kept=8"]);
    add(10);
    compare(world, &["gold.back_kept=9"]);
    let ids = client.post(
        "/lakehouse/query",
        &json!({"sql": "SELECT max(id) AS last, count(*) AS n FROM gold.back_kept WHERE id <> 9"}),
    );
    assert_eq!(ids.unwrap()["rows"], json!([{"last": 10, "n": 9}]));
}

/// The table as its newest snapshot has it, for [`compare`].
fn now(client: &Client, table: &str, rows: u32) -> String {
    format!("{table}@{}={rows}", snapshots(client, table)[0])
}

fn compare_all(world: &World, tables: &[String]) {
    compare(world, &tables.iter().map(String::as_str).collect::<Vec<_>>());
}

/// One table of a source, by its log and by a cursor, which sees no deletions and no changed keys.
fn synced(world: &World) {
    let source = FactorySource::start_with(&world.folder("back-postgres"), &[("wal_level", "logical")]).unwrap();
    source
        .execute(
            "CREATE SCHEMA back;
             CREATE TABLE back.t (id bigint PRIMARY KEY, price numeric(12, 2), day date, tags text[], body text,
                 at timestamptz DEFAULT clock_timestamp());
             ALTER TABLE back.t ALTER body SET STORAGE EXTERNAL;
             INSERT INTO back.t SELECT n, n / 4.0, date '2026-01-01' + n, ARRAY['a', NULL], repeat('page', 1000)
                 FROM generate_series(1, 300) n",
        )
        .unwrap();
    let client = world.light();
    let mut config = source_config(&source.source());
    config["schemas"] = json!(["back"]);
    let streams = json!({"streams": [{"name": "t", "syncMode": "incremental_merge", "cursorField": "at"}]});
    let keyed = ingest_from(&client, &config, "back_keyed", streams).unwrap();
    config["replication_method"] = json!({"method": "CDC"});
    let streams = json!({"streams": [{"name": "t", "syncMode": "change_data_capture"}]});
    let logged = ingest_from(&client, &config, "back_logged", streams).unwrap();
    let tables = [("bronze.back_keyed_t", &keyed), ("bronze.back_logged_t", &logged)];

    let mut asked = Vec::new();
    for (script, rows) in [
        // Whoever makes an ingestion has asked for its first sync.
        (None, [300, 300]),
        // Large values that an update leaves alone are not in the log.
        (
            Some(
                "UPDATE back.t SET price = -price, at = DEFAULT WHERE id % 3 = 0; DELETE FROM back.t WHERE id % 10 = 0;
                 INSERT INTO back.t SELECT n, NULL, NULL, NULL, 'new' FROM generate_series(301, 310) n",
            ),
            [310, 280],
        ),
        (
            Some(
                "ALTER TABLE back.t ADD note text; UPDATE back.t SET note = 'noted', at = DEFAULT WHERE id % 7 = 0;
                 UPDATE back.t SET id = id + 1000 WHERE id < 6",
            ),
            [310, 280],
        ),
        (
            Some(
                "TRUNCATE back.t;
                 INSERT INTO back.t (id, body, note) VALUES (1, 'again', 'x'), (2, 'again', NULL), (2000, 'last', 'y')",
            ),
            [311, 3],
        ),
    ] {
        if let Some(script) = script {
            source.execute(script).unwrap();
            for (_, ingestion) in tables {
                client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
            }
        }
        for ((table, ingestion), rows) in tables.into_iter().zip(rows) {
            let job = ended_job(&client, ingestion);
            assert_eq!(job["status"], "succeeded", "{job}");
            asked.push(now(&client, table, rows));
        }
    }
    asked.extend(["bronze.back_keyed_t=311", "bronze.back_logged_t=3"].map(str::to_owned));
    compare_all(world, &asked);
    // While the server is there, which has a slot for it.
    assert_eq!(client.send("DELETE", &format!("/ingestion/{logged}"), None, &[]).unwrap().status, 204);
}

fn travelled(world: &World) {
    let client = world.light();
    let (merged, replaced) = ("gold.back_travelled", "gold.back_turned");
    let merge = |columns: &str, rows: &str| {
        let sql = format!("{} SELECT * FROM (VALUES {rows}) AS t ({columns})", config("merge", ", unique_key=['id']"));
        gold(&client, "back_travelled", &sql).unwrap();
    };
    let mut asked = Vec::new();
    merge("id, v", "(1, 'one'), (2, NULL)");
    asked.push(now(&client, merged, 2));
    merge("id, v", "(2, 'zwei'), (3, 'drei')");
    asked.push(now(&client, merged, 3));
    // The name is that of another column from here on.
    change(
        &client,
        merged,
        &json!([{"action": "rename_column", "name": "v", "to": "word"}, {"action": "add_column", "name": "v", "type": "date"},
            {"action": "set_partitioning", "by": ["bucket(id, 2)"]}]),
    );
    merge("id, word, v", "(3, 'trois', DATE '2026-01-01'), (4, 'quatre', NULL)");
    asked.push(now(&client, merged, 4));
    maintain(&client, merged, &json!({"compact": true}));
    asked.push(now(&client, merged, 4));
    merge("id, word, v", "(1, 'uno', DATE '1969-12-31')");
    asked.push(now(&client, merged, 4));

    gold(&client, "back_turned", "SELECT 1 AS old, 'x' AS gone").unwrap();
    asked.push(now(&client, replaced, 1));
    gold(&client, "back_turned", "SELECT * FROM (VALUES ('a', 2.5e0), ('b', NULL)) AS t (gone, fresh)").unwrap();
    asked.push(now(&client, replaced, 2));
    gold(&client, "back_turned", "SELECT 'c' AS gone WHERE false").unwrap();
    asked.push(now(&client, replaced, 0));
    compare_all(world, &asked);
}
