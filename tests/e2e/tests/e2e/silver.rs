//! Silver runs: what is refused with which words, and what runs past its limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, ingest, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_silver_run_tells_its_status_logs_events_and_metrics", told),
        test(world, "sql_that_does_not_parse_is_refused_with_line_and_column", syntax),
        test(world, "a_missing_column_is_refused_with_the_nearest_name", missing_column),
        test(world, "two_statements_and_ddl_are_refused", ddl),
        test(world, "a_run_past_its_time_fails_and_says_so", too_long),
        test(world, "a_run_past_its_memory_fails_and_the_host_goes_on", too_large),
        test(world, "runs_with_more_rows_than_a_result_may_have_fail_and_say_so", too_many),
        test(world, "a_cancelled_run_ends_within_a_second", cancelled),
        test(world, "ten_heavy_runs_at_once_hold_up_no_request_and_no_cancel", at_once),
        test(world, "files_of_the_machine_are_read_in_granted_folders_only", files),
    ]
}

/// A table to read from; made once.
pub(crate) fn materials(world: &World) -> &'static str {
    static MADE: std::sync::OnceLock<()> = std::sync::OnceLock::new();
    MADE.get_or_init(|| {
        let client = world.light();
        let streams = json!({"streams": [{"namespace": "inventory", "name": "materials"}]});
        let ingestion = ingest(&client, &world.source(), "shared", streams).unwrap();
        assert_eq!(ended_job(&client, &ingestion)["status"], "succeeded");
    });
    "bronze.shared_materials"
}

fn start(world: &World, base: &str, body: &Value) -> asgard_journey::client::Answer {
    world.light().send("POST", &format!("{base}/spark/transform"), Some(body), &[]).unwrap()
}

/// The run's status once it has ended.
pub(crate) fn ended(world: &World, base: &str, run: &str) -> Value {
    let client = world.light();
    until("the run ends", Duration::from_secs(60), || {
        let status = client.get(&format!("{base}/spark/transform/{run}/status")).ok()?;
        matches!(status["state"].as_str(), Some("COMPLETED" | "FAILED" | "CANCELLED")).then_some(status)
    })
}

fn told(world: &World) {
    let client = world.light();
    let body = json!({"sql": "SELECT COUNT(*) AS materials FROM source_data", "source_path": materials(world)});
    let run = start(world, "", &body).body;
    let id = run["run_id"].as_str().unwrap();
    assert_eq!(id.len(), 8);
    assert_eq!(run["spark_application"], format!("sql-exec-{id}"));
    assert_eq!(run["status"], "submitted");
    assert_eq!(run["table"], format!("silver.run_{id}"));
    let status = ended(world, "", id);
    assert_eq!(status["state"], "COMPLETED", "{status}");
    let metrics = client.get(&format!("/spark/transform/{id}/metrics")).unwrap();
    assert_eq!((metrics["rows_written"].as_u64(), metrics["total_rows"].as_u64()), (Some(1), Some(1)), "{metrics}");
    assert!(metrics["spark_info"]["plugin"].as_str().unwrap().starts_with("sql@"), "{metrics}");
    assert!(client.get(&format!("/spark/transform/{id}/logs")).unwrap()["logs"].is_string());
    assert!(client.get(&format!("/spark/transform/{id}/events")).unwrap()["events"].is_array());
    let jobs = client.get("/spark/transform/jobs?limit=1000&status_filter=COMPLETED").unwrap();
    assert!(jobs["jobs"].as_array().unwrap().iter().any(|job| job["run_id"] == id));
    let tables = client.get("/dbt/sources/silver").unwrap();
    let table = tables["sources"].as_array().unwrap().iter().find(|t| t["table_name"] == format!("run_{id}")).unwrap();
    assert_eq!((table["row_count"].as_u64(), table["columns"][0]["name"].as_str()), (Some(1), Some("materials")));
    refused(&client.send("GET", "/spark/transform/00000000/status", None, &[]).unwrap(), 404);
}

fn files(world: &World) {
    let client = world.light();
    let (granted, closed) = (world.folder("silver-granted"), world.folder("silver-closed"));
    for folder in [&granted, &closed] {
        std::fs::write(folder.join("rows.jsonl"), "{\"a\": 1}\n{\"a\": 2}\n").unwrap();
    }
    std::os::unix::fs::symlink(closed.join("rows.jsonl"), granted.join("link.jsonl")).unwrap();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("reads-files");
    document["silver"]["grants"]["files"] = json!([granted]);
    let applied = client.send("PUT", "/environments/reads-files", Some(&document), &[]).unwrap();
    assert_eq!(applied.status, 200, "{}", applied.body);
    let base = "/environments/reads-files";
    let read = |base: &str, file: std::path::PathBuf| {
        let body =
            json!({"sql": "SELECT SUM(a) AS a FROM source_data", "source_path": format!("file://{}", file.display())});
        start(world, base, &body)
    };
    let run = read(base, granted.join("rows.jsonl")).body;
    assert_eq!(ended(world, base, run["run_id"].as_str().unwrap())["state"], "COMPLETED");
    for (base, file) in [
        ("", granted.join("rows.jsonl")),
        (base, closed.join("rows.jsonl")),
        (base, granted.join("link.jsonl")),
        (base, granted.join("../silver-closed/rows.jsonl")),
    ] {
        let detail = refused_field(&read(base, file), "source_path");
        assert!(detail.contains("`grants.files`"), "{detail}");
    }
}

fn syntax(world: &World) {
    let body = json!({"sql": "SELECT a\nFROM source_data WHERE WHERE", "source_path": materials(world)});
    let detail = refused_field(&start(world, "", &body), "sql");
    assert!(detail.to_lowercase().contains("line 2") && detail.to_lowercase().contains("column"), "{detail}");
}

fn missing_column(world: &World) {
    let body = json!({"sql": "SELECT\n  material_nam FROM source_data", "source_path": materials(world)});
    let detail = refused_field(&start(world, "", &body), "sql");
    assert!(detail.contains("material_nam") && detail.contains("line 2"), "{detail}");
    let body = json!({"sql": "SELECT 1 FROM source_data", "source_path": "bronze.no_such_table"});
    let detail = refused(&start(world, "", &body), 422);
    assert!(detail.contains("no_such_table"), "{detail}");
}

fn ddl(world: &World) {
    for sql in [
        "DROP TABLE silver.x",
        "SELECT 1; DELETE FROM source_data",
        "INSERT INTO source_data VALUES (1)",
        "CREATE TABLE x AS SELECT 1",
    ] {
        let body = json!({"sql": sql, "source_path": materials(world)});
        refused_field(&start(world, "", &body), "sql");
    }
    // Words are no statements: a column of that name and a text that says it are fine.
    let body = json!({"sql": "SELECT 'drop' AS update_time, 1 AS `delete` FROM source_data LIMIT 1", "source_path": materials(world)});
    let run = start(world, "", &body);
    assert_eq!(run.status, 200, "{}", run.body);
    assert_eq!(ended(world, "", run.body["run_id"].as_str().unwrap())["state"], "COMPLETED");
}

/// More work than any limit here lasts for: the squares of squares of 300 rows.
pub(crate) fn heavy(result: &str) -> String {
    let rows: Vec<String> = (0..300).map(|row| format!("('material {row}')")).collect();
    format!(
        "CREATE TEMPORARY VIEW v AS SELECT * FROM VALUES {} AS t (name);
         SELECT {result} AS result FROM v a CROSS JOIN v b CROSS JOIN v c CROSS JOIN v d",
        rows.join(", ")
    )
}

/// An environment of the shared host with small limits.
fn limited(world: &World, name: &str, limits: Value) -> String {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!(name);
    for (limit, value) in limits.as_object().unwrap() {
        document["limits"][limit] = value.clone();
    }
    let put = client.send("PUT", &format!("/environments/{name}"), Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    format!("/environments/{name}")
}

fn too_long(world: &World) {
    let base = limited(world, "hasty", json!({"query_seconds": 1}));
    let run = start(world, &base, &json!({"sql": heavy("COUNT(DISTINCT CONCAT(a.name, b.name, c.name, d.name))")}));
    assert_eq!(run.status, 200, "{}", run.body);
    let status = ended(world, &base, run.body["run_id"].as_str().unwrap());
    assert_eq!(status["state"], "FAILED");
    assert!(status["error_message"].as_str().unwrap().contains("query_seconds"), "{status}");
}

fn too_large(world: &World) {
    let base = limited(world, "small", json!({"query_memory_bytes": 8 << 20, "query_seconds": 20}));
    let run = start(world, &base, &json!({"sql": heavy("ARRAY_AGG(CONCAT(a.name, b.name, c.name, d.name))")}));
    assert_eq!(run.status, 200, "{}", run.body);
    let status = ended(world, &base, run.body["run_id"].as_str().unwrap());
    assert_eq!(status["state"], "FAILED", "{status}");
    assert!(status["error_message"].as_str().unwrap().contains("query_memory_bytes"), "{status}");
    assert_eq!(world.light().get("/health").unwrap()["status"], "healthy");
}

fn too_many(world: &World) {
    let base = limited(world, "narrow", json!({"query_rows": 2}));
    let rows = "SELECT * FROM VALUES (1), (2), (3) AS t (a)";
    let run = start(world, &base, &json!({"sql": rows, "table": "wide"}));
    assert_eq!(run.status, 200, "{}", run.body);
    let status = ended(world, &base, run.body["run_id"].as_str().unwrap());
    assert_eq!(status["state"], "FAILED", "{status}");
    assert!(status["error_message"].as_str().unwrap().contains("limits.query_rows"), "{status}");
    let client = world.light();
    let model = json!({"name": "wide", "sql_query": "SELECT * FROM (VALUES (1), (2), (3)) AS t (a)"});
    let model = client.post(&format!("{base}/dbt/transform"), &model).unwrap();
    assert!(model["error_message"].as_str().unwrap().contains("limits.query_rows"), "{model}");
    for table in ["silver/wide", "gold/wide"] {
        let found = client.send("GET", &format!("{base}/lakehouse/tables/{table}"), None, &[]).unwrap();
        assert_eq!(found.status, 404, "{}", found.body);
    }
    let run = start(world, &base, &json!({"sql": format!("{rows} LIMIT 2")}));
    assert_eq!(ended(world, &base, run.body["run_id"].as_str().unwrap())["state"], "COMPLETED");
}

fn cancelled(world: &World) {
    let client = world.light();
    let run = start(world, "", &json!({"sql": heavy("COUNT(DISTINCT CONCAT(a.name, b.name, c.name, d.name))")}));
    let id = run.body["run_id"].as_str().unwrap().to_owned();
    std::thread::sleep(Duration::from_millis(300));
    client.post(&format!("/spark/transform/{id}/cancel"), &json!({})).unwrap();
    let start = Instant::now();
    assert_eq!(ended(world, "", &id)["state"], "CANCELLED");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Of an answer beside statements that take all cores, on a machine that has other tests to run as well.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);

/// A second for the statement, and one for the machine that is busy with the others.
const CANCELLED_WITHIN_SECONDS: f64 = 2.0;

/// An answer that somebody waits for.
fn soon(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Value {
    let asked = Instant::now();
    let answer = client.send(method, path, body, &[]).unwrap();
    let took = asked.elapsed();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(took < ANSWERED_WITHIN, "{method} {path} took {took:?}");
    answer.body
}

fn at_once(world: &World) {
    // A host of its own: runs of other tests would wait behind these.
    let host = world.start_light(&world.folder("at-once")).unwrap();
    let client = host.client();
    gold(&client, "small", "SELECT 1 AS a, 2 AS b").unwrap();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    // Little enough for as many at once as the host has places.
    document["limits"]["query_memory_bytes"] = json!(256 << 20);
    let applied = client.send("PUT", "/environments/local", Some(&document), &[]).unwrap();
    assert_eq!(applied.status, 200, "{}", applied.body);

    let pairs = "FROM range(300000) a CROSS JOIN range(300000) b";
    let heavy = [
        format!("SELECT COUNT(*) AS result {pairs} WHERE (a.id * b.id) % 7 = 1"),
        format!("SELECT (a.id * 31 + b.id * 17) % 1000003 AS result {pairs} ORDER BY result DESC LIMIT 10"),
    ];
    let runs: Vec<String> = (0..10)
        .map(|number| {
            let run = soon(&client, "POST", "/spark/transform", Some(&json!({"sql": heavy[number % 2]})));
            run["run_id"].as_str().unwrap().to_owned()
        })
        .collect();
    let running = until("a statement runs", Duration::from_secs(60), || {
        let tasks = client.get("/tasks?kind=silver&status=running").ok()?;
        let begun = |task: &&Value| task["progress"]["message"].as_str().is_some_and(|said| said.contains("rows read"));
        tasks["tasks"].as_array()?.iter().find(begun)?["subject"].as_str().map(str::to_owned)
    });

    let small = json!({"sql": "SELECT count(*) AS n FROM gold.small", "dialect": "trino"});
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(10) {
        assert_eq!(soon(&client, "GET", "/health", None)["status"], "healthy");
        assert_eq!(soon(&client, "POST", "/lakehouse/query", Some(&small))["rows"][0]["n"], 1);
        let status = soon(&client, "GET", &format!("/spark/transform/{running}/status"), None);
        assert_eq!(status["state"], "RUNNING", "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }

    let cancel = |run: &str| {
        client.post(&format!("/spark/transform/{run}/cancel"), &json!({})).unwrap();
        let state = until("the run ends", Duration::from_secs(60), || {
            let status = client.get(&format!("/spark/transform/{run}/status")).ok()?;
            let state = status["state"].as_str()?;
            (!matches!(state, "SUBMITTED" | "RUNNING")).then(|| state.to_owned())
        });
        assert_eq!(state, "CANCELLED");
    };
    let lasted = || {
        let metrics = client.get(&format!("/spark/transform/{running}/metrics")).unwrap();
        metrics["timing"]["duration_seconds"].as_f64().unwrap()
    };
    let before = lasted();
    cancel(&running);
    let went_on = lasted() - before;
    assert!(went_on < CANCELLED_WITHIN_SECONDS, "it went on for {went_on} s");
    for run in runs.iter().filter(|run| **run != running) {
        cancel(run);
    }
    assert_eq!(soon(&client, "GET", "/health", None)["status"], "healthy");
}
