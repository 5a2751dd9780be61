//! Tables in S3: sinks, environments, and other readers of the same tables.

use std::process::Command;
use std::sync::Arc;

use asgard_journey::s3::S3;
use asgard_journey::steps::SILVER_SQL;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, refused_field, source_config, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "the_factory_is_synced_into_s3_and_cleaned_and_counted_there", synced),
        test(world, "an_s3_sink_that_cannot_be_used_is_refused_with_its_field", refused),
        test(world, "an_environment_keeps_all_its_tables_in_a_bucket", environment),
        test(world, "tables_in_s3_are_there_after_a_restart", restarted),
    ]
}

fn config(s3: &S3, path: &str) -> Value {
    json!({"s3_bucket_name": S3::BUCKET, "s3_bucket_region": "us-east-1", "access_key_id": S3::ACCESS_KEY,
        "secret_access_key": S3::SECRET_KEY, "s3_bucket_path": path, "s3_endpoint": s3.endpoint()})
}

/// What PyIceberg says of a table: its location, and a query's result.
fn pyiceberg(world: &World, url: &str, table: &str) -> (String, i64) {
    let script = "import sys; from pyiceberg.catalog import load_catalog; \
        t = load_catalog('x', **{'type': 'rest', 'uri': sys.argv[1] + '/iceberg', 's3.access-key-id': sys.argv[3], \
        's3.secret-access-key': sys.argv[4]}).load_table(sys.argv[2]); print(t.location(), t.scan().to_arrow().num_rows)";
    let output =
        Command::new(world.python()).args(["-c", script, url, table, S3::ACCESS_KEY, S3::SECRET_KEY]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (location, rows) = said.rsplit_once(' ').unwrap();
    (location.to_owned(), rows.parse().unwrap())
}

/// Syncs the factory into a sink of a bucket, under a prefix of its own.
fn sync(world: &World, client: &asgard_journey::client::Client, prefix: &str, sink: &Value) {
    let source =
        json!({"name": format!("{prefix} source"), "type": "postgres", "config": source_config(&world.source())});
    let source = client.post("/datasource", &source).unwrap();
    let ingestion = json!({"name": prefix, "sourceId": source["id"], "destinationId": sink["id"],
        "prefix": format!("{prefix}_")});
    let made = client.post("/ingestion", &ingestion).unwrap();
    let job = ended_job(client, made["connectionId"].as_str().unwrap());
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(45_823)), "{job}");
}

fn synced(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    let sink = client.post("/sink", &json!({"name": "bucket", "type": "s3", "config": config(s3, "factory")})).unwrap();
    assert_eq!(sink["config"]["secret_access_key"], "**********");
    sync(world, &client, "s3", &sink);
    let transform = json!({"sql": SILVER_SQL,
        "source_path": "bronze.s3_work_orders", "table": "s3_work_orders"});
    let run = client.post("/spark/transform", &transform).unwrap();
    let run = run["run_id"].as_str().unwrap().to_owned();
    let state = crate::world::until("the transform ends", std::time::Duration::from_secs(60), || {
        let status = client.get(&format!("/spark/transform/{run}/status")).ok()?;
        matches!(status["state"].as_str(), Some("COMPLETED" | "FAILED")).then_some(status)
    });
    assert_eq!(state["state"], "COMPLETED", "{state}");
    let model = gold(&client, "s3_orders", "SELECT COUNT(*) AS n FROM iceberg.silver.s3_work_orders").unwrap();
    assert_eq!(model["row_count"], 1);
    let (location, rows) = pyiceberg(world, client.base(), "bronze.s3_work_orders");
    assert_eq!((location.as_str(), rows), ("s3://lake/factory/bronze/s3_work_orders", 15_000));
    assert_eq!(pyiceberg(world, client.base(), "silver.s3_work_orders").1, 14_850);
}

fn refused(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    for (field, value) in [
        ("s3_bucket_name", "no-such-bucket"),
        ("s3_bucket_name", "UPPER"),
        ("access_key_id", "nobody"),
        ("secret_access_key", "wrong"),
        ("s3_endpoint", "http://127.0.0.1:1"),
        ("s3_bucket_path", "a?b"),
    ] {
        let mut config = config(s3, "refused");
        config[field] = json!(value);
        let body = json!({"name": format!("refused {field} {value}"), "type": "s3", "config": config});
        let detail =
            refused_field(&client.send("POST", "/sink", Some(&body), &[]).unwrap(), &format!("config.{field}"));
        assert!(!detail.contains(S3::SECRET_KEY), "{detail}");
    }
}

fn environment(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("bucket");
    assert_eq!(client.send("PUT", "/environments/bucket", Some(&document), &[]).unwrap().status, 200);
    document["lakehouse"]["storage"] = json!("s3://lake/environment");
    let put = |document: &Value| client.send("PUT", "/environments/bucket", Some(document), &[]).unwrap();
    refused_field(&put(&document), "lakehouse.s3");
    document["lakehouse"]["s3"] = json!({"endpoint": s3.endpoint(), "secret": "bucket"});
    refused_field(&put(&document), "lakehouse.s3.secret");
    let secret = |value: &str| {
        let set = client.send("PUT", "/environments/bucket/secrets/bucket", Some(&json!({"value": value})), &[]);
        assert!(set.unwrap().status < 300);
    };
    secret("no colon");
    refused_field(&put(&document), "lakehouse.s3.secret");
    secret(&format!("{}:{}", S3::ACCESS_KEY, S3::SECRET_KEY));
    let done = put(&document);
    assert_eq!(done.status, 200, "{}", done.body);
    let model = json!({"name": "in_bucket", "sql_query": "SELECT 1 AS one UNION ALL SELECT 2"});
    let model = client.post("/environments/bucket/dbt/transform", &model).unwrap();
    assert_eq!(model["status"], "completed", "{model}");
    let url = format!("{}/environments/bucket", client.base());
    let (location, rows) = pyiceberg(world, &url, "gold.in_bucket");
    assert_eq!((location.as_str(), rows), ("s3://lake/environment/gold/in_bucket", 2));
}

fn restarted(world: &World) {
    let mut host = world.start_light(&world.folder("s3-restart")).unwrap();
    let client = host.client();
    let sink = json!({"name": "bucket", "type": "s3", "config": config(world.s3(), "restarted")});
    let sink = client.post("/sink", &sink).unwrap();
    sync(world, &client, "again", &sink);
    host.crash_and_restart().unwrap();
    let model = gold(&host.client(), "counted", "SELECT COUNT(*) AS n FROM iceberg.bronze.again_materials").unwrap();
    assert_eq!(model["row_count"], 1, "{model}");
}
