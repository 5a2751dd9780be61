//! The streams of an ingestion: what is refused when they are chosen, and what becomes of them when the choice or the source changes.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::{Answer, Client};
use asgard_journey::source::FactorySource;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, ingest_from, refused, refused_field, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "streams_are_taken_out_put_in_and_synced_otherwise_while_the_others_go_on", changed),
        test(world, "what_can_be_no_cursor_and_no_key_is_refused_when_it_is_chosen", impossible),
        test(world, "a_reset_takes_the_sources_new_primary_key_and_none_that_was_chosen", rekeyed),
        test(world, "a_column_that_a_sync_fills_keeps_its_name_and_a_dropped_table_begins_anew", dropped),
        test(world, "a_table_that_was_made_anew_goes_on_from_its_cursor_until_a_reset", recreated),
        test(world, "columns_of_any_name_are_synced_merged_and_asked_for", named),
        test(world, "streams_are_read_side_by_side_as_many_as_the_limit_says_and_each_row_comes_once", side_by_side),
        test(world, "numbers_and_times_at_the_ends_of_their_types_are_asked_for_and_shown", extremes),
    ]
}

/// A schema of the factory's database with an ingestion of its own.
struct Own<'a> {
    world: &'a World,
    client: Client,
    schema: &'a str,
}

impl<'a> Own<'a> {
    fn new(world: &'a World, schema: &'a str, script: &str) -> Self {
        world
            .factory()
            .execute(&format!("CREATE SCHEMA {schema}; SET LOCAL search_path TO {schema}; {script}"))
            .unwrap();
        Self { world, client: world.light(), schema }
    }

    fn execute(&self, script: &str) {
        self.world.factory().execute(&format!("SET LOCAL search_path TO {}; {script}", self.schema)).unwrap();
    }

    fn config(&self) -> Value {
        let mut config = source_config(&self.world.source());
        config["schemas"] = json!([self.schema]);
        config
    }

    fn ingest(&self, streams: &Value) -> anyhow::Result<String> {
        ingest_from(&self.client, &self.config(), self.schema, json!({"streams": streams}))
    }

    /// Records by stream.
    fn sync(&self, ingestion: &str) -> Value {
        self.client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
        ended_job(&self.client, ingestion)
    }

    fn patch(&self, ingestion: &str, body: &Value) -> Answer {
        self.client.send("PATCH", &format!("/ingestion/{ingestion}"), Some(body), &[]).unwrap()
    }

    fn rows(&self, sql: &str) -> Value {
        self.client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "trino"})).unwrap()["rows"].clone()
    }
}

fn records(job: &Value) -> Value {
    assert_eq!(job["status"], "succeeded", "{job}");
    let streams = job["streams"].as_array().unwrap().iter();
    streams.map(|stream| (stream["name"].as_str().unwrap().to_owned(), stream["records"].clone())).collect()
}

fn changed(world: &World) {
    let own = Own::new(
        world,
        "rechosen",
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1), (2); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1);
         CREATE TABLE c (id int PRIMARY KEY); INSERT INTO c VALUES (1), (2), (3);",
    );
    let merged = json!({"name": "a", "syncMode": "incremental_merge", "cursorField": "id"});
    let ingestion = own.ingest(&json!([merged, {"name": "b"}])).unwrap();
    assert_eq!(records(&ended_job(&own.client, &ingestion)), json!({"rechosen.a": 2, "rechosen.b": 1}));

    own.execute("DROP TABLE b; INSERT INTO a VALUES (3)");
    let answer = own.patch(&ingestion, &json!({"streams": [{"name": "a"}, {"name": "rechosen.c"}]}));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["streams"][0]["syncMode"], "incremental_merge", "what is not said stays: {}", answer.body);
    assert_eq!(records(&own.sync(&ingestion)), json!({"rechosen.a": 2, "rechosen.c": 3}), "the cursor goes on");
    assert_eq!(own.rows("SELECT count(*) AS n FROM bronze.rechosen_b"), json!([{"n": 1}]), "its table stays");

    own.execute("DELETE FROM a WHERE id = 1");
    let whole = json!([{"name": "a", "syncMode": "full_refresh_overwrite"}]);
    assert_eq!(own.patch(&ingestion, &json!({"streams": whole})).status, 200);
    assert_eq!(records(&own.sync(&ingestion)), json!({"rechosen.a": 2}));
    assert_eq!(own.rows("SELECT count(*) AS n FROM bronze.rechosen_a"), json!([{"n": 2}]));
    let again = json!([merged]);
    assert_eq!(own.patch(&ingestion, &json!({"streams": again})).status, 200);
    assert_eq!(records(&own.sync(&ingestion)), json!({"rechosen.a": 2}), "an older checkpoint does not count");

    refused_field(&own.patch(&ingestion, &json!({"streams": []})), "streams");
    refused_field(&own.patch(&ingestion, &json!({"streams": [{"name": "b"}]})), "streams[0].name");
    let unknown = refused_field(&own.patch(&ingestion, &json!({"stream": []})), "stream");
    assert!(unknown.contains("did you mean `streams`?"), "{unknown}");
    own.execute("DROP SCHEMA rechosen CASCADE");
}

fn impossible(world: &World) {
    let own = Own::new(
        world,
        "impossible",
        "CREATE TABLE t (id int PRIMARY KEY, v text, tags int[]); CREATE TABLE twins (id int PRIMARY KEY, name text, \"Name\" text);",
    );
    let cursor = json!({"name": "t", "syncMode": "incremental_merge", "cursorField": "v"});
    let key = |columns: Value| json!({"name": "t", "primaryKey": columns});
    for (streams, field, told) in [
        (cursor, "streams[0].cursorField", "expected one of id"),
        (key(json!(["tags"])), "streams[0].primaryKey", "plain values"),
        (key(json!(["id", "id"])), "streams[0].primaryKey", "twice"),
        (json!({"name": "twins"}), "streams[0]", "differ in case alone"),
    ] {
        let source = json!({"name": format!("impossible {field} {told}"), "type": "postgres", "config": own.config()});
        let source = own.client.post("/datasource", &source).unwrap();
        let sink =
            json!({"name": format!("impossible {field} {told}"), "type": "local", "config": {"path": "impossible"}});
        let sink = own.client.post("/sink", &sink).unwrap();
        let body =
            json!({"name": "impossible", "sourceId": source["id"], "destinationId": sink["id"], "streams": [streams]});
        let detail = refused_field(&own.client.send("POST", "/ingestion", Some(&body), &[]).unwrap(), field);
        assert!(detail.contains(told), "{detail}");
        let long = json!({"prefix": "x".repeat(250), "streams": [{"name": "t"}], "name": "impossible",
            "sourceId": source["id"], "destinationId": sink["id"]});
        refused_field(&own.client.send("POST", "/ingestion", Some(&long), &[]).unwrap(), "prefix");
    }
    own.execute("DROP SCHEMA impossible CASCADE");
}

fn rekeyed(world: &World) {
    let script = "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL); INSERT INTO t VALUES (1, 1);";
    let own = Own::new(world, "rekeyed", script);
    let ingestion = own.ingest(&json!([{"name": "t", "syncMode": "incremental_merge", "cursorField": "v"}])).unwrap();
    records(&ended_job(&own.client, &ingestion));
    own.execute(
        "ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (id, v); INSERT INTO t VALUES (1, 2)",
    );
    let job = own.sync(&ingestion);
    let told = "its primary key is (id, v) and was (id)";
    assert!(job["status"] == "failed" && job["error"].as_str().unwrap().contains(told), "{job}");
    let reset = own.client.post(&format!("/ingestion/{ingestion}/reset"), &json!({})).unwrap();
    assert_eq!(reset["streams"][0]["primaryKey"], json!(["id", "v"]), "{reset}");
    assert_eq!(records(&own.sync(&ingestion)), json!({"rekeyed.t": 2}));
    assert_eq!(
        own.rows("SELECT id, v FROM bronze.rekeyed_t ORDER BY v"),
        json!([{"id": 1, "v": 1}, {"id": 1, "v": 2}])
    );

    let chosen = json!([{"name": "t", "syncMode": "incremental_merge", "cursorField": "v", "primaryKey": ["v"]}]);
    assert_eq!(own.patch(&ingestion, &json!({"streams": chosen})).status, 200);
    let reset = own.client.post(&format!("/ingestion/{ingestion}/reset"), &json!({})).unwrap();
    assert_eq!(reset["streams"][0]["primaryKey"], json!(["v"]), "{reset}");
    own.execute("DROP SCHEMA rekeyed CASCADE");
}

fn dropped(world: &World) {
    let own = Own::new(world, "appended", "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1);");
    let ingestion = own.ingest(&json!([{"name": "t", "syncMode": "full_refresh_append"}])).unwrap();
    records(&ended_job(&own.client, &ingestion));
    let table = "/lakehouse/tables/bronze/appended_t";
    for change in
        [json!({"action": "rename_column", "name": "v", "to": "w"}), json!({"action": "drop_column", "name": "v"})]
    {
        let answer = own.client.send("PATCH", table, Some(&json!({"changes": [change]})), &[]).unwrap();
        let detail = refused_field(&answer, "changes[0]");
        assert!(detail.contains("filled by an ingestion"), "{detail}");
    }
    let bad =
        json!({"changes": [{"action": "set_property", "name": "write.target-file-size-bytes", "value": "large"}]});
    refused_field(&own.client.send("PATCH", table, Some(&bad), &[]).unwrap(), "changes[0]");

    own.execute("ALTER TABLE t ALTER v TYPE text USING 'text'");
    own.client.post(&format!("/ingestion/{ingestion}/reset"), &json!({})).unwrap();
    let job = own.sync(&ingestion);
    assert!(job["status"] == "failed" && job["error"].as_str().unwrap().contains(&format!("DELETE {table}")), "{job}");
    let delete = || own.client.send("DELETE", table, None, &[]).unwrap();
    assert_eq!(delete().status, 204);
    refused(&delete(), 404);
    assert_eq!(records(&own.sync(&ingestion)), json!({"appended.t": 1}));
    assert_eq!(own.rows("SELECT id, v FROM bronze.appended_t"), json!([{"id": 1, "v": "text"}]));
    own.execute("DROP SCHEMA appended CASCADE");
}

fn recreated(world: &World) {
    let script = |rows: &str| format!("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES {rows};");
    let own = Own::new(world, "recreated", &script("(1, 10), (2, 20)"));
    let merged = json!([{"name": "t", "syncMode": "incremental_merge", "cursorField": "v"}]);
    let ingestion = own.ingest(&merged).unwrap();
    assert_eq!(records(&ended_job(&own.client, &ingestion)), json!({"recreated.t": 2}));
    own.execute(&format!("DROP TABLE t; {}", script("(5, 1), (6, 20), (7, 30)")));
    assert_eq!(records(&own.sync(&ingestion)), json!({"recreated.t": 2}), "from the cursor's last value on");
    let ids = || own.rows("SELECT id FROM bronze.recreated_t ORDER BY id");
    assert_eq!(ids(), json!([{"id": 1}, {"id": 2}, {"id": 6}, {"id": 7}]), "what was read of the old one stays");
    own.client.post(&format!("/ingestion/{ingestion}/reset"), &json!({})).unwrap();
    assert_eq!(records(&own.sync(&ingestion)), json!({"recreated.t": 3}));
    assert_eq!(ids(), json!([{"id": 5}, {"id": 6}, {"id": 7}]), "the new one, whole");
    own.execute("DROP SCHEMA recreated CASCADE");
}

fn named(world: &World) {
    let key = r#"i"d'; DROP TABLE t; --"#;
    let names =
        [key, "a.b", "{{ var('x') }}", "${X}", "select", "tab\tline\nbreak", r"back\slash", "ünïcode 🦀", "Mixed Case"];
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = names.iter().skip(1).map(|name| format!("{} text", quoted(name))).collect();
    let columns = columns.join(", ");
    let row = |id: u32| {
        let values: Vec<String> = (1..names.len()).map(|at| format!("'{id} of {at}'")).collect();
        format!("({id}, '2026-01-0{id}', {})", values.join(", "))
    };
    let script = format!(
        "CREATE TABLE t ({} int PRIMARY KEY, at timestamptz, {columns}); INSERT INTO t VALUES {}, {};",
        quoted(key),
        row(1),
        row(2)
    );
    let own = Own::new(world, "oddly_named", &script);
    let merged = json!([{"name": "t", "syncMode": "incremental_merge", "cursorField": "at", "primaryKey": [key]}]);
    let ingestion = own.ingest(&merged).unwrap();
    assert_eq!(records(&ended_job(&own.client, &ingestion)), json!({"oddly_named.t": 2}));
    own.execute(&format!("UPDATE t SET at = '2026-02-01', {} = 'merged' WHERE at = '2026-01-02'", quoted("a.b")));
    own.execute(&format!("INSERT INTO t VALUES {}", row(3)));
    records(&own.sync(&ingestion));

    let mut expected = json!([]);
    for id in 1..=3 {
        let mut values: serde_json::Map<String, Value> =
            names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), json!(format!("{id} of {at}")))).collect();
        values.insert(key.to_owned(), json!(id));
        if id == 2 {
            values.insert("a.b".to_owned(), json!("merged"));
        }
        expected.as_array_mut().unwrap().push(Value::Object(values));
    }
    let list = |quoted: &dyn Fn(&str) -> String| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT {} FROM bronze.oddly_named_t ORDER BY {}", list(&quoted), quoted(key));
    // Trino's names of columns are lower-case.
    let lower = expected.as_array().unwrap().iter().map(|row| {
        let values = row.as_object().unwrap().iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
        Value::Object(values.collect())
    });
    assert_eq!(own.rows(&sql), lower.collect::<Value>());
    let spark = |name: &str| format!("`{}`", name.replace('`', "``"));
    let sql = format!("SELECT {} FROM bronze.oddly_named_t ORDER BY {}", list(&spark), spark(key));
    let asked = own.client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "spark"})).unwrap();
    assert_eq!(asked["rows"], expected);
    own.execute("DROP SCHEMA oddly_named CASCADE");
}

/// Views that cannot be read while a lock is held show how many streams are under way.
fn side_by_side(world: &World) {
    let source = FactorySource::start_with(&world.folder("parallel-postgres"), &[("max_prepared_transactions", "1")]);
    let source = source.unwrap();
    source
        .execute(
            "CREATE SCHEMA parallel; CREATE SCHEMA below; CREATE TABLE below.large AS
                 SELECT id, id % 5 AS part, 'row ' || id AS v FROM generate_series(1, 200000) id;",
        )
        .unwrap();
    for part in 0..5 {
        source
            .execute(&format!(
                "CREATE VIEW parallel.gated_{part} AS SELECT id, v
                 FROM (SELECT pg_advisory_xact_lock_shared(7) OFFSET 0) gate, below.large WHERE part = {part}"
            ))
            .unwrap();
    }
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("parallel");
    document["limits"] = json!({"parallel_streams": 3});
    let put = client.send("PUT", "/environments/parallel", Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let there = Client::new(format!("{}/environments/parallel", client.base()));

    // A prepared transaction keeps its locks without a session.
    source.execute("BEGIN; SELECT pg_advisory_xact_lock(7); PREPARE TRANSACTION 'held'").unwrap();
    let mut config = source_config(&source.source());
    config["schemas"] = json!(["parallel"]);
    let ingestion = ingest_from(&there, &config, "parallel", json!({})).unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'";
    until("three streams are under way", Duration::from_secs(50), || {
        (source.rows(waiting).ok()?[0][0].as_deref() == Some("3")).then_some(())
    });
    source.execute("COMMIT PREPARED 'held'").unwrap();
    let job = ended_job(&there, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(200_000)), "{job}");
    let parts = (0..5)
        .map(|part| format!("SELECT id FROM bronze.parallel_gated_{part}"))
        .collect::<Vec<_>>()
        .join(" UNION ALL ");
    let sql = format!("SELECT count(*) AS n, count(DISTINCT id) AS ids, max(id) AS last FROM ({parts}) AS t");
    let answer = there.post("/lakehouse/query", &json!({"sql": sql, "dialect": "trino"})).unwrap();
    assert_eq!(answer["rows"], json!([{"n": 200_000, "ids": 200_000, "last": 200_000}]));
}

fn extremes(world: &World) {
    let own = Own::new(
        world,
        "extremes",
        "CREATE TABLE t (id bigint PRIMARY KEY, at timestamptz, day date);
         INSERT INTO t VALUES (-9223372036854775808, '4713-01-01 00:00:00+00 BC', '4713-01-01 BC'),
             (9223372036854775807, '294246-12-31 23:59:59.5+00', '5874897-12-31'), (0, NULL, NULL);",
    );
    let ingestion = own.ingest(&json!([{"name": "t"}])).unwrap();
    records(&ended_job(&own.client, &ingestion));
    assert_eq!(
        own.rows("SELECT id FROM bronze.extremes_t WHERE id >= 0 ORDER BY id"),
        json!([{"id": 0}, {"id": i64::MAX}])
    );
    let far = json!([{"id": i64::MAX, "at": "+294246-12-31T23:59:59.500Z", "day": "+5874897-12-31"}]);
    assert_eq!(own.rows("SELECT id, at, day FROM bronze.extremes_t WHERE id > 0"), far);
    let page = own.client.get("/lakehouse/tables/bronze/extremes_t/rows").unwrap();
    assert!(page["rows"].as_array().unwrap().contains(&far[0]), "{page}");
    let huge = json!({"sql": "SELECT repeat('x', 200000000) AS x", "dialect": "spark", "memory_bytes": 256 << 20});
    let detail = refused_field(&own.client.send("POST", "/lakehouse/query", Some(&huge), &[]).unwrap(), "sql");
    assert!(detail.contains("more than 64 MiB"), "{detail}");
    own.execute("DROP SCHEMA extremes CASCADE");
}
