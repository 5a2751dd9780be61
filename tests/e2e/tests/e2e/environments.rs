//! Environments: a document is made true as a whole, and clients choose one by their base URL.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{World, gold, refused, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_second_environment_has_tables_and_resources_of_its_own", apart),
        test(world, "a_document_that_does_not_fit_changes_nothing", misfit),
        test(world, "a_role_without_a_plugin_is_told_as_such", unbound),
        test(world, "a_revoked_grant_is_told_with_the_line_to_add", revoked),
    ]
}

fn apart(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("apart");
    let put = client.send("PUT", "/environments/apart", Some(&document), &[]).unwrap();
    assert_eq!((put.status, put.body["revision"].as_i64()), (200, Some(1)), "{}", put.body);
    let sink = json!({"name": "only here", "type": "local", "config": {"path": "x"}});
    client.post("/environments/apart/sink", &sink).unwrap();
    let elsewhere = client.get("/sink?page_size=1000").unwrap();
    assert!(!elsewhere["destinations"].as_array().unwrap().iter().any(|s| s["name"] == "only here"));
    gold(&client, "apart_model", "SELECT 1 AS one, 2 AS two").unwrap();
    let tables = client.get("/environments/apart/dbt/tables/gold").unwrap();
    assert_eq!(tables["total_count"], 0, "{tables}");
    document["description"] = json!("changed");
    let put = client.send("PUT", "/environments/apart", Some(&document), &[]).unwrap();
    assert_eq!(put.body["revision"], 2);
    let revisions = client.get("/environments/apart/revisions").unwrap();
    assert_eq!(revisions["revisions"].as_array().unwrap().len(), 2);
}

fn misfit(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("misfit");
    document["silver"]["plugin"] = json!("postgres");
    let detail = refused(&client.send("PUT", "/environments/misfit", Some(&document), &[]).unwrap(), 422);
    assert!(detail.contains("postgres") && detail.contains("silver"), "{detail}");
    document["silver"]["plugin"] = json!("no-such-plugin");
    let detail = refused(&client.send("PUT", "/environments/misfit", Some(&document), &[]).unwrap(), 422);
    assert!(detail.contains("no-such-plugin"), "{detail}");
    document["silvr"] = json!({});
    refused(&client.send("PUT", "/environments/misfit", Some(&document), &[]).unwrap(), 422);
    refused(&client.send("GET", "/environments/misfit", None, &[]).unwrap(), 404);
}

fn unbound(world: &World) {
    let client = world.light();
    let body = json!({"script_name": "t.py", "script_content": "import x\nimport y\n", "experiment_name": "e", "model_name": "m"});
    let detail = refused(&client.send("POST", "/mlops/deploy", Some(&body), &[]).unwrap(), 422);
    assert!(detail.contains("training") && detail.contains("local"), "{detail}");
}

fn revoked(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("revoked");
    document["ingestion"][0]["grants"]["sockets"] = json!([]);
    assert_eq!(client.send("PUT", "/environments/revoked", Some(&document), &[]).unwrap().status, 200);
    let config = crate::world::source_config(&world.source());
    let body = json!({"name": "revoked", "type": "postgres", "config": config});
    let detail = refused(&client.send("POST", "/environments/revoked/datasource", Some(&body), &[]).unwrap(), 403);
    assert!(detail.contains("grants.sockets") && detail.contains("revoked"), "{detail}");
}
