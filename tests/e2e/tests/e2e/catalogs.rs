//! An environment whose tables another catalog lists: here the one that the same host serves for its first environment.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, gold, refused_field, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "an_environment_works_on_the_tables_of_another_catalog", attached),
        test(world, "a_catalog_that_does_not_answer_is_told_as_unavailable", away),
        test(world, "an_environment_with_a_catalog_elsewhere_says_where_to_attach", elsewhere),
    ]
}

/// The document of an environment on the light host's own catalog, as another program's.
fn document(world: &World, name: &str, uri: &str) -> Value {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    let warehouse = world.light_data().join("environments/local/lakehouse/warehouse").join(name);
    document["name"] = json!(name);
    document["lakehouse"] = json!({
        "catalog": {"type": "rest", "uri": uri}, "storage": format!("file://{}", warehouse.display()),
    });
    document
}

fn attached(world: &World) {
    let client = world.light();
    let document = document(world, "attached", &format!("{}/iceberg", client.base()));
    let put = client.send("PUT", "/environments/attached", Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let there = |path: &str| format!("/environments/attached{path}");
    let model = |name: &str, sql: &str, kind: &str| {
        let body = json!({"name": name, "sql_query": sql, "materialization": kind});
        let model = client.post(&there("/dbt/transform"), &body).unwrap();
        assert_eq!(model["status"], "completed", "{model}");
    };
    model("elsewhere_made", "SELECT 1 AS one, 'a' AS word", "table");
    model("elsewhere_made", "SELECT 2 AS one, 'b' AS word UNION ALL SELECT 3, 'c'", "table");
    model("elsewhere_view", "SELECT one FROM iceberg.gold.elsewhere_made", "view");
    // Both environments see the same tables: one catalog, two ways to it.
    let rows = gold(&client, "elsewhere_read", "SELECT one FROM iceberg.gold.elsewhere_view").unwrap();
    assert_eq!(rows["row_count"], 2);

    let source = json!({"name": "attached", "type": "postgres", "config": source_config(&world.source())});
    let source = client.post(&there("/datasource"), &source).unwrap();
    let folder = world.light_data().join("environments/local/lakehouse/warehouse/attached/sink");
    let sink = json!({"name": "attached", "type": "local", "config": {"path": folder}});
    let sink = client.post(&there("/sink"), &sink).unwrap();
    let ingestion =
        json!({"name": "attached", "sourceId": source["id"], "destinationId": sink["id"], "prefix": "att_"});
    let ingestion = client.post(&there("/ingestion"), &ingestion).unwrap();
    let id = ingestion["connectionId"].as_str().unwrap();
    let job = until("the sync ends", std::time::Duration::from_secs(120), || {
        let job = client.get(&there(&format!("/ingestion/{id}/status"))).ok()?["job"].clone();
        matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(job)
    });
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(45_823)), "{job}");
    let read = gold(
        &client,
        "attached_read",
        "SELECT COUNT(*) AS n FROM iceberg.bronze.att_work_orders HAVING COUNT(*) = 15000",
    );
    assert_eq!(read.unwrap()["row_count"], 1);
}

fn away(world: &World) {
    let client = world.light();
    let document = document(world, "away", "http://127.0.0.1:1/iceberg");
    let refused = client.send("PUT", "/environments/away", Some(&document), &[]).unwrap();
    let detail = refused_field(&refused, "lakehouse.catalog");
    assert!(detail.contains("127.0.0.1:1") && detail.contains("force"), "{detail}");
    assert_eq!(client.send("PUT", "/environments/away?force=true", Some(&document), &[]).unwrap().status, 200);
    let answer = client.send("GET", "/environments/away/dbt/tables/gold", None, &[]).unwrap();
    let detail = crate::world::refused(&answer, 503);
    assert!(detail.contains("127.0.0.1:1"), "{detail}");
    let mut document = document;
    document["lakehouse"]["storage"] = Value::Null;
    refused_field(&client.send("PUT", "/environments/away", Some(&document), &[]).unwrap(), "lakehouse.storage");
}

fn elsewhere(world: &World) {
    let client = world.light();
    let uri = format!("{}/iceberg", client.base());
    let document = document(world, "pointing", &uri);
    assert_eq!(client.send("PUT", "/environments/pointing", Some(&document), &[]).unwrap().status, 200);
    let answer = client.send("GET", "/environments/pointing/iceberg/v1/config", None, &[]).unwrap();
    assert_eq!((answer.status, &answer.body["error"]["type"]), (406, &json!("UnsupportedOperationException")));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains(&uri), "{}", answer.body);
}
