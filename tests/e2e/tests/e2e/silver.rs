//! Silver runs: what is refused with which words, and what runs past its limits.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, ingest, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_silver_run_tells_its_status_logs_events_and_metrics", told),
        test(world, "sql_that_does_not_parse_is_refused_with_line_and_column", syntax),
        test(world, "a_missing_column_is_refused_with_the_nearest_name", missing_column),
        test(world, "two_statements_and_ddl_are_refused", ddl),
        test(world, "a_run_past_its_time_fails_and_says_so", too_long),
        test(world, "a_run_past_its_memory_fails_and_the_host_goes_on", too_large),
        test(world, "a_cancelled_run_ends_within_a_second", cancelled),
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

fn cancelled(world: &World) {
    let client = world.light();
    let run = start(world, "", &json!({"sql": heavy("COUNT(DISTINCT CONCAT(a.name, b.name, c.name, d.name))")}));
    let id = run.body["run_id"].as_str().unwrap().to_owned();
    std::thread::sleep(Duration::from_millis(300));
    client.post(&format!("/spark/transform/{id}/cancel"), &json!({})).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(ended(world, "", &id)["state"], "CANCELLED");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
