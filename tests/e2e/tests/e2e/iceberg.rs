//! The lakehouse as an Iceberg REST catalog: PyIceberg and DuckDB attach by its URL, and our SQL reads what they wrote.

use std::process::Command;
use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, ingest_from, source_config, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "pyiceberg_and_duckdb_attach_by_url_and_read", read),
        test(world, "sql_reads_a_table_that_pyiceberg_made_evolved_and_deleted_from", evolved),
        test(world, "sql_reads_a_table_that_pyiceberg_partitioned", partitioned),
        test(world, "a_staged_table_is_made_by_its_first_commit", staged),
        test(world, "of_many_commits_at_once_none_is_lost", raced),
        test(world, "tables_are_renamed_dropped_and_registered_again", lifecycle),
        test(world, "duckdb_makes_and_fills_a_table", ducks),
        test(world, "errors_of_the_catalog_have_the_protocols_shape", errors),
        test(world, "what_could_not_be_read_is_refused_with_the_reason", refusals),
        test(world, "a_transaction_over_two_tables_is_made_whole_or_not_at_all", transaction),
        test(world, "a_view_made_by_the_catalog_is_read_by_sql", view),
        test(world, "a_client_changes_a_synced_table_only_as_its_next_sync_can_go_on", synced),
    ]
}

/// Runs one scenario; answers with what it found.
fn step(world: &World, url: &str, name: &str) -> Value {
    step_with(world, url, name, &[])
}

/// As [`step`], at a host that wants tokens.
pub(crate) fn step_with(world: &World, url: &str, name: &str, tokens: &[&str]) -> Value {
    let mut command = Command::new(world.python());
    let output = command.args(["../interop/rest_catalog.py", url, name]).args(tokens).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap()
}

/// One number that a query over the lakehouse gives.
fn count(world: &World, name: &str, sql: &str) -> i64 {
    let client = world.light();
    gold(&client, name, sql).unwrap();
    let script = "import sys; from pyiceberg.catalog import load_catalog; \
        print(load_catalog('x', type='rest', uri=sys.argv[1] + '/iceberg').load_table('gold.' + sys.argv[2]).scan().to_arrow()[0][0])";
    let output = Command::new(world.python()).args(["-c", script, client.base(), name]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

fn read(world: &World) {
    let client = world.light();
    gold(&client, "to_read", "SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS t (n, word)").unwrap();
    let found = step(world, client.base(), "read");
    assert_eq!(found["pyiceberg"], json!([{"n": 1, "word": "one"}, {"n": 2, "word": "two"}]));
    assert_eq!(found["duckdb"], json!([[1, "one"], [2, "two"]]));
    assert_eq!(found["listed"], true);
}

fn evolved(world: &World) {
    assert_eq!(step(world, world.light().base(), "evolve"), json!({"rows": 3, "snapshots": 3}));
    let sum = "SELECT CAST(SUM(id) + SUM(COALESCE(amount, 0)) AS BIGINT) AS n FROM iceberg.silver.evolved";
    assert_eq!(count(world, "evolved_sum", sum), 1 + 3 + 4 + 40);
}

fn partitioned(world: &World) {
    assert_eq!(step(world, world.light().base(), "partition"), json!({"rows": 2}));
    let sum = "SELECT CAST(SUM(id) AS BIGINT) AS n FROM iceberg.silver.partitioned WHERE place = 'a'";
    assert_eq!(count(world, "partitioned_sum", sum), 4);
}

fn staged(world: &World) {
    assert_eq!(step(world, world.light().base(), "stage"), json!({"rows": 3}));
    assert_eq!(count(world, "staged_count", "SELECT COUNT(*) AS n FROM iceberg.silver.staged"), 3);
}

fn raced(world: &World) {
    let found = step(world, world.light().base(), "race");
    assert_eq!(found["told"], found["rows"], "{found}");
    assert!(found["rows"].as_i64().unwrap() > 0, "{found}");
}

fn lifecycle(world: &World) {
    let found = step(world, world.light().base(), "lifecycle");
    let expected = json!({"rows": 3, "apart": true, "properties": {"purpose": "tries"}, "placed": true, "left": false});
    assert_eq!(found, expected);
}

fn ducks(world: &World) {
    assert_eq!(step(world, world.light().base(), "ducks"), json!({"rows": 2}));
    assert_eq!(count(world, "ducks_count", "SELECT COUNT(*) AS n FROM iceberg.silver.ducks WHERE name = 'teal'"), 1);
}

/// Sends a request that is to be refused; answers with the error's status, type and message.
fn refused(world: &World, method: &str, path: &str, body: Option<&Value>) -> (u16, String, String) {
    let answer = world.light().send(method, path, body, &[]).unwrap();
    let error = &answer.body["error"];
    assert_eq!(error["code"], answer.status, "{}", answer.body);
    let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
    (answer.status, text("type"), text("message"))
}

fn errors(world: &World) {
    let get = |path: &str| refused(world, "GET", path, None);
    let (status, kind, message) = get("/iceberg/v1/namespaces/silver/tables/nowhere");
    assert_eq!((status, kind.as_str()), (404, "NoSuchTableException"));
    assert!(message.contains("silver.nowhere"), "{message}");
    let (status, kind, _) = get("/iceberg/v1/namespaces/nowhere/tables");
    assert_eq!((status, kind.as_str()), (404, "NoSuchNamespaceException"));
    let (status, kind, _) = get("/iceberg/v1/namespaces/silver/views/nowhere");
    assert_eq!((status, kind.as_str()), (404, "NoSuchViewException"));
    let (status, _, message) = get("/iceberg/v1/no/such/route");
    assert!(status == 404 && message.contains("no route"), "{message}");
    let (status, _, message) = get("/environments/nowhere/iceberg/v1/config");
    assert!(status == 404 && message.contains("nowhere"), "{message}");
    let post = |path: &str, body: Value| refused(world, "POST", path, Some(&body));
    let (status, kind, _) = post("/iceberg/v1/namespaces", json!({"namespace": ["silver"]}));
    assert_eq!((status, kind.as_str()), (409, "AlreadyExistsException"));
    let (status, _, message) = post("/iceberg/v1/namespaces", json!({"namespace": ["../up"]}));
    assert!(status == 400 && message.contains("../up"), "{message}");
    let (status, _, message) = post("/iceberg/v1/namespaces/silver/tables", json!({"name": "x", "schema": 1}));
    assert!(status == 400 && message.starts_with("schema"), "{message}");
    let (status, _, _) = refused(world, "DELETE", "/iceberg/v1/namespaces/gold", None);
    assert_eq!(status, 400);
}

/// A table of one column.
fn table(name: &str, extra: Value) -> Value {
    let mut body = json!({"name": name, "schema": {"type": "struct", "schema-id": 0,
        "fields": [{"id": 1, "name": "id", "type": "long", "required": false}]}});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

fn refusals(world: &World) {
    let tables = "/iceberg/v1/namespaces/silver/tables";
    for (extra, words) in [
        (json!({"properties": {"format-version": "3"}}), "format-version"),
        (json!({"properties": {"write.format.default": "orc"}}), "Parquet"),
        (json!({"properties": {"write.target-file-size-bytes": "large"}}), "a whole number"),
        (json!({"location": "file:///etc"}), "location"),
        (json!({"location": "s3://elsewhere/x"}), "location"),
    ] {
        let (status, _, message) = refused(world, "POST", tables, Some(&table("unreadable", extra)));
        assert!((status == 400 || status == 406) && message.contains(words), "{message}");
    }
    let register = json!({"name": "registered", "metadata-location": "file:///etc/passwd"});
    let (status, _, message) = refused(world, "POST", "/iceberg/v1/namespaces/silver/register", Some(&register));
    assert!(status == 400 && message.contains("outside"), "{message}");
    let client = world.light();
    client.post(tables, &table("guarded", json!({}))).unwrap();
    for (path, body) in
        [(tables, table("GUARDED", json!({}))), ("/iceberg/v1/namespaces", json!({"namespace": ["Silver"]}))]
    {
        let (status, _, message) = refused(world, "POST", path, Some(&body));
        assert!(status == 400 && message.contains("in case alone"), "{message}");
    }
    let statistics = json!({"requirements": [], "updates": [{"action": "set-statistics", "statistics": {
        "snapshot-id": 1, "statistics-path": "file:///etc/passwd", "file-size-in-bytes": 1,
        "file-footer-size-in-bytes": 1, "blob-metadata": []}}]});
    let (status, _, message) = refused(world, "POST", &format!("{tables}/guarded"), Some(&statistics));
    assert!(status == 400 && message.contains("outside"), "{message}");
}

fn transaction(world: &World) {
    let client = world.light();
    let tables = "/iceberg/v1/namespaces/silver/tables";
    let mut ids = Vec::new();
    for name in ["both_one", "both_two"] {
        let made = client.post(tables, &table(name, json!({}))).unwrap();
        ids.push(made["metadata"]["table-uuid"].clone());
    }
    let change = |name: &str, uuid: &Value| {
        json!({"identifier": {"namespace": ["silver"], "name": name},
            "requirements": [{"type": "assert-table-uuid", "uuid": uuid}],
            "updates": [{"action": "set-properties", "updates": {"changed": "yes"}}]})
    };
    let changed =
        |name: &str| client.get(&format!("{tables}/{name}")).unwrap()["metadata"]["properties"]["changed"].clone();
    let commit = "/iceberg/v1/transactions/commit";
    let wrong = json!({"table-changes": [change("both_one", &ids[0]), change("both_two", &ids[0])]});
    let (status, kind, _) = refused(world, "POST", commit, Some(&wrong));
    assert_eq!((status, kind.as_str()), (409, "CommitFailedException"));
    assert_eq!(changed("both_one"), Value::Null);
    client.post(commit, &json!({"table-changes": [change("both_one", &ids[0]), change("both_two", &ids[1])]})).unwrap();
    assert_eq!((changed("both_one"), changed("both_two")), (json!("yes"), json!("yes")));
}

fn view(world: &World) {
    let client = world.light();
    let version = |dialect: &str| {
        json!({"name": "answers", "schema": {"type": "struct", "schema-id": 0,
            "fields": [{"id": 1, "name": "n", "type": "long", "required": false}]},
        "view-version": {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": ["gold"],
            "representations": [{"type": "sql", "sql": "SELECT CAST(42 AS BIGINT) AS n", "dialect": dialect}]},
        "properties": {}})
    };
    let views = "/iceberg/v1/namespaces/gold/views";
    let (status, _, message) = refused(world, "POST", views, Some(&version("duckdb")));
    assert!(status == 406 && message.contains("dialect"), "{message}");
    client.post(views, &version("trino")).unwrap();
    assert_eq!(count(world, "from_view", "SELECT n FROM iceberg.gold.answers"), 42);
    let (status, kind, _) = refused(world, "GET", "/iceberg/v1/namespaces/gold/tables/answers", None);
    assert_eq!((status, kind.as_str()), (404, "NoSuchTableException"));
    let gone = client.send("DELETE", &format!("{views}/answers"), None, &[]).unwrap();
    assert_eq!(gone.status, 204);
}

/// A clients' commit to a synced table that goes back, takes a column or the checkpoint away, or the table from its name, is refused;
/// all else is made, and the next sync goes on from where it was.
fn synced(world: &World) {
    let (client, source) = (world.light(), world.factory());
    source
        .execute(
            "CREATE SCHEMA guarded; CREATE TABLE guarded.t (id int PRIMARY KEY, v int);
             INSERT INTO guarded.t SELECT n, n FROM generate_series(1, 3) n",
        )
        .unwrap();
    let mut config = source_config(&world.source());
    config["schemas"] = json!(["guarded"]);
    let streams = json!({"streams": [{"name": "t", "syncMode": "incremental_merge", "cursorField": "v"}]});
    let ingestion = ingest_from(&client, &config, "guarded", streams).unwrap();
    assert_eq!(ended_job(&client, &ingestion)["recordsCopied"], 3);

    let found = step(world, client.base(), "synced");
    for (tried, words) in [
        ("rename", "finds it by its name"),
        ("drop_column", "`v` is filled by an ingestion"),
        ("rename_column", "`v` is filled by an ingestion"),
        ("set_checkpoint", "`asgard.checkpoint` is the host's own"),
        ("remove_writer", "`asgard.checkpoint.writer` is the host's own"),
        ("rollback", "go back to an older snapshot"),
    ] {
        let told = found["refused"][tried].as_str().unwrap();
        assert!(told.contains(words), "{tried}: {told}");
    }
    let rows = json!([{"id": 2, "v": 2, "note": null}, {"id": 3, "v": 3, "note": null}, {"id": 101, "v": 101, "note": "noted"}]);
    assert_eq!(found["rows"], rows, "what is not refused is made");

    let tables = "/iceberg/v1/namespaces/bronze/tables";
    let table = format!("{tables}/guarded_t");
    let loaded = || client.get(&table).unwrap();
    let current = loaded()["metadata"]["current-snapshot-id"].clone();
    let commit = |update: Value| json!({"requirements": [], "updates": [update]});
    for (update, words) in [
        // Of no table.
        (json!({"action": "remove-snapshots", "snapshot-ids": [current]}), "current snapshot"),
        (json!({"action": "remove-snapshot-ref", "ref-name": "main"}), "filled by an ingestion"),
    ] {
        let (status, kind, message) = refused(world, "POST", &table, Some(&commit(update.clone())));
        assert_eq!((status, kind.as_str()), (400, "BadRequestException"), "{update}: {message}");
        assert!(message.contains(words), "{update}: {message}");
    }
    // Neither does another table take its place.
    let other = client.post("/iceberg/v1/namespaces/silver/tables", &self::table("guarded_other", json!({}))).unwrap();
    assert_eq!(
        client.send("DELETE", "/iceberg/v1/namespaces/silver/tables/guarded_other", None, &[]).unwrap().status,
        204
    );
    let replace = json!({"name": "guarded_t", "metadata-location": other["metadata-location"], "overwrite": true});
    let (status, _, message) = refused(world, "POST", "/iceberg/v1/namespaces/bronze/register", Some(&replace));
    assert!(status == 400 && message.contains("finds it by its name"), "{message}");
    let own = json!({"properties": {"asgard.checkpoint": "{}"}});
    let (status, _, message) = refused(world, "POST", tables, Some(&self::table("guarded_new", own)));
    assert!(status == 400 && message.contains("the host's own"), "{message}");

    let sync = || {
        client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
        let job = ended_job(&client, &ingestion);
        assert_eq!(job["status"], "succeeded", "{job}");
        job["recordsCopied"].clone()
    };
    let rows =
        |sql: &str| client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "trino"})).unwrap()["rows"].clone();
    source.execute("INSERT INTO guarded.t VALUES (4, 4)").unwrap();
    assert_eq!(sync(), json!(2), "from the checkpoint's value on");
    assert_eq!(
        rows("SELECT id FROM bronze.guarded_t ORDER BY id"),
        json!([{"id": 2}, {"id": 3}, {"id": 4}, {"id": 101}])
    );

    // Dropped, it begins anew.
    assert_eq!(client.send("DELETE", &table, None, &[]).unwrap().status, 204);
    assert_eq!(sync(), json!(4));
    assert_eq!(
        rows("SELECT id FROM bronze.guarded_t ORDER BY id"),
        json!([{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}])
    );

    // Without its ingestion it is a table as any other.
    assert_eq!(client.send("DELETE", &format!("/ingestion/{ingestion}"), None, &[]).unwrap().status, 204);
    let renamed = json!({"source": {"namespace": ["bronze"], "name": "guarded_t"},
        "destination": {"namespace": ["bronze"], "name": "kept_t"}});
    let answer = client.send("POST", "/iceberg/v1/tables/rename", Some(&renamed), &[]).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.body);
    source.execute("DROP SCHEMA guarded CASCADE").unwrap();
}
