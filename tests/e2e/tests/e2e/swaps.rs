//! Backends are swapped while everything runs: running tasks finish on the code that they started with, a plugin that fails its check is
//! not bound, and bindings go from one environment to the next without their surroundings.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, refused, refused_field, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_running_task_finishes_on_the_code_that_it_started_with", running),
        test(world, "a_plugin_that_fails_its_check_is_bound_only_by_force", failing),
        test(world, "a_backend_that_is_away_keeps_nobody_from_swapping_another", unconcerned),
        test(world, "a_promotion_takes_bindings_along_and_leaves_endpoints_and_secrets", promoted),
        test(world, "a_check_says_what_is_wrong_and_which_line_to_add", checked),
        test(world, "a_secret_in_a_file_is_used_as_it_is_now", rotated),
    ]
}

/// A stored component, built against the contract as it was when it was stored.
pub(crate) fn stored(name: &str) -> (String, Vec<u8>) {
    let folder = Path::new("../fixtures/stored").join(name);
    let manifest = std::fs::read_to_string(folder.join("plugin.toml")).unwrap();
    (manifest, std::fs::read(folder.join("plugin.wasm")).unwrap())
}

pub(crate) fn register(client: &Client, manifest: &str, component: &[u8]) -> Value {
    let body = json!({"manifest": manifest, "component": STANDARD.encode(component)});
    client.post("/plugins", &body).unwrap()
}

/// A document of its own on the shared host.
fn document(client: &Client, name: &str) -> Value {
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!(name);
    document
}

fn put(client: &Client, document: &Value) -> asgard_journey::client::Answer {
    let path = format!("/environments/{}", document["name"].as_str().unwrap());
    client.send("PUT", &path, Some(document), &[]).unwrap()
}

fn running(world: &World) {
    let client = world.light();
    let (manifest, component) = stored("patient");
    register(&client, &manifest, &component);
    let at = component.windows(6).position(|window| window == b"code A").unwrap();
    let mut other = component.clone();
    other[at + 5] = b'B';
    register(&client, &manifest.replace("0.1.0", "0.2.0"), &other);

    let mut document = document(&client, "swapped");
    document["silver"] = json!({"plugin": "patient", "version": "0.1.0", "configuration": {"label": "first"}});
    assert_eq!(put(&client, &document).status, 200);
    let run = |target: &str| {
        let body = json!({"sql": "SELECT 1 AS one", "source_path": "bronze.x", "table": target});
        let made = client.post("/environments/swapped/spark/transform", &body).unwrap();
        made["run_id"].as_str().unwrap().to_owned()
    };
    let before = run("before");
    let logs = |run: &str| {
        let answer = client.get(&format!("/environments/swapped/spark/transform/{run}/logs")).unwrap();
        answer["logs"].as_str().unwrap().to_owned()
    };
    until("the run takes steps", Duration::from_secs(20), || logs(&before).contains("step 2").then_some(()));
    document["silver"]["version"] = json!("0.2.0");
    assert_eq!(put(&client, &document).status, 200);
    let after = run("after");
    let whole = |run: &str| {
        until("the run takes all steps", Duration::from_secs(30), || {
            let log = logs(run);
            log.contains("takes step 10").then_some(log)
        })
    };
    until("the second run takes steps", Duration::from_secs(20), || logs(&after).contains("step 2").then_some(()));
    // Another plugin altogether, whose configuration would not fit the one that is running.
    document["silver"] = json!({"plugin": "sql", "grants": {"lakehouse": {"read": ["bronze"], "write": ["silver"]}}});
    assert_eq!(put(&client, &document).status, 200);
    for (run, own, other) in [(&before, "code A", "code B"), (&after, "code B", "code A")] {
        let log = whole(run);
        assert!(log.contains(own) && !log.contains(other), "{log}");
    }
}

fn failing(world: &World) {
    let client = world.light();
    let mut document = document(&client, "guarded");
    assert_eq!(put(&client, &document).status, 200);
    let source = json!({"name": "erp", "type": "postgres", "config": source_config(&world.source())});
    client.post("/environments/guarded/datasource", &source).unwrap();

    document["ingestion"][0]["grants"]["sockets"] = json!(["db.example.com:5432"]);
    let detail = refused_field(&put(&client, &document), "ingestion[0]");
    assert!(detail.contains("erp") && detail.contains("grants.sockets") && detail.contains("force"), "{detail}");
    assert_eq!(client.get("/environments/guarded").unwrap()["revision"], 1, "nothing has changed");

    let forced = client.send("PUT", "/environments/guarded?force=true&note=known", Some(&document), &[]).unwrap();
    assert_eq!((forced.status, forced.body["revision"].as_i64()), (200, Some(2)), "{}", forced.body);

    document["silver"]["grants"]["lakehouse"] = json!({});
    let detail = refused_field(&put(&client, &document), "silver");
    assert!(detail.contains("sql") && detail.contains("grants.lakehouse"), "{detail}");

    document["silver"] = json!({"plugin": "sql"});
    document["ingestion"] = json!([{"plugin": "files"}]);
    let detail = refused(&put(&client, &document), 422);
    assert!(detail.contains("erp") && detail.contains("no connector serves"), "{detail}");
}

fn unconcerned(world: &World) {
    let client = world.light();
    let mut document = document(&client, "unconcerned");
    assert_eq!(put(&client, &document).status, 200);
    let source = json!({"name": "erp", "type": "postgres", "config": source_config(&world.source())});
    client.post("/environments/unconcerned/datasource", &source).unwrap();
    document["ingestion"][0]["grants"]["sockets"] = json!(["db.example.com:5432"]);
    let forced = client.send("PUT", "/environments/unconcerned?force=true", Some(&document), &[]).unwrap();
    assert_eq!(forced.status, 200, "{}", forced.body);
    document["limits"]["query_seconds"] = json!(100);
    document["gold"]["configuration"] = json!({});
    let put = put(&client, &document);
    assert_eq!(put.status, 200, "the source is no affair of this change: {}", put.body);
}

fn promoted(world: &World) {
    let client = world.light();
    let mut staging = document(&client, "promoted-from");
    staging["ingestion"][0]["grants"]["sockets"] = json!(["staging.example.com:5432"]);
    staging["silver"]["grants"]["objects"] = json!(true);
    staging["limits"]["query_seconds"] = json!(7);
    staging.as_object_mut().unwrap().remove("features");
    assert_eq!(put(&client, &staging).status, 200);
    let mut production = document(&client, "promoted-to");
    production["ingestion"][0]["grants"]["sockets"] = json!(["production.example.com:5432"]);
    production["limits"]["query_seconds"] = json!(70);
    assert_eq!(put(&client, &production).status, 200);

    let plan = client.get("/environments/promoted-to/promotion?from=promoted-from").unwrap();
    let fields = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|each| each["field"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(fields(&plan["changes"]), ["features", "silver.grants.objects"], "{plan}");
    assert_eq!(fields(&plan["kept"]), ["ingestion[0].grants.sockets"], "{plan}");
    assert_eq!(client.get("/environments/promoted-to").unwrap()["revision"], 1, "a plan changes nothing");

    let answer = client.post("/environments/promoted-to/promotion", &json!({"from": "promoted-from"})).unwrap();
    let made = &answer["environment"]["document"];
    assert_eq!(made["ingestion"][0]["grants"]["sockets"], json!(["production.example.com:5432"]));
    assert_eq!((&made["limits"]["query_seconds"], &made["features"]), (&json!(70), &Value::Null));
    assert_eq!(made["silver"]["grants"]["objects"], true);
    let revisions = client.get("/environments/promoted-to/revisions").unwrap();
    assert_eq!(revisions["revisions"][0]["note"], "promoted from promoted-from");
    let again = client.get("/environments/promoted-to/promotion?from=promoted-from").unwrap();
    assert_eq!(again["changes"], json!([]));
    refused_field(
        &client.send("POST", "/environments/promoted-to/promotion", Some(&json!({"from": "no-such"})), &[]).unwrap(),
        "from",
    );
}

fn checked(world: &World) {
    let client = world.light();
    let mut document = document(&client, "checked");
    document["silver"]["grants"]["http"] =
        json!([{"host": "spark:1", "credential": {"type": "bearer", "secret": "no-such-secret"}}]);
    document["gold"]["grants"] = json!({});
    document["secrets"] = json!({"warehouse": {"from": "env", "name": "NO_SUCH_VARIABLE"}});
    let forced = client.send("PUT", "/environments/checked?force=true", Some(&document), &[]).unwrap();
    assert_eq!(forced.status, 200, "{}", forced.body);
    let report = client.post("/environments/checked/check", &json!({})).unwrap();
    assert_eq!(report["passed"], false, "{report}");
    let findings = report["findings"].as_array().unwrap();
    let said = |field: &str, verdict: &str| {
        let found = findings.iter().find(|each| each["field"] == field && each["verdict"] == verdict);
        assert!(found.is_some(), "{field} {verdict}: {report:#}");
        found.and_then(|found| found["message"].as_str()).unwrap()
    };
    assert!(said("silver.grants.http[0].credential.secret", "failed").contains("no-such-secret"));
    assert!(said("secrets.warehouse", "failed").contains("NO_SUCH_VARIABLE"));
    assert!(said("silver", "passed").contains("sql@"));
    assert!(said("gold", "failed").contains("grants.lakehouse"));
    assert!(said("gold.grants", "warned").contains("grants.lakehouse = "));
    assert!(said("ingestion[0]", "passed").contains("postgres"));
    said("lakehouse.catalog", "passed");
    said("lakehouse.storage", "passed");
    assert_eq!(put(&client, &self::document(&client, "well-checked")).status, 200);
    let well = client.post("/environments/well-checked/check", &json!({})).unwrap();
    assert_eq!(well["passed"], true, "{well:#}");
}

fn rotated(world: &World) {
    let client = world.light();
    let file = world.folder("rotated").join("password");
    let source = world.source();
    std::fs::write(&file, &source.password).unwrap();
    let mut document = document(&client, "rotated");
    document["secrets"] = json!({"erp": {"from": "file", "path": file}});
    assert_eq!(put(&client, &document).status, 200);
    let mut config = source_config(&source);
    config["password"] = json!("secret://erp");
    let made = client
        .post("/environments/rotated/datasource", &json!({"name": "erp", "type": "postgres", "config": config}))
        .unwrap();
    let check = format!("/environments/rotated/datasource/{}/check", made["id"].as_str().unwrap());
    let check = |expected: u16| {
        let answer = client.send("POST", &check, None, &[]).unwrap();
        assert_eq!(answer.status, expected, "{}", answer.body);
        assert!(!answer.body.to_string().contains("not the password"), "{}", answer.body);
    };
    check(200);
    std::fs::write(&file, "not the password").unwrap();
    check(422);
    std::fs::write(&file, format!("{}\n", source.password)).unwrap();
    check(200);
    std::fs::remove_file(&file).unwrap();
    let report = client.post("/environments/rotated/check", &json!({})).unwrap();
    assert!(report["passed"] == false && report.to_string().contains("secrets.erp"), "{report}");
}
