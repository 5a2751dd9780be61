//! A host that is killed: what was running goes on, nothing is lost or done twice, the served model comes back.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::host::Host;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{MODEL_WITHIN, World, ended_job, gold, ingest, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_sync_that_was_killed_copies_every_row_once", killed_sync),
        test(world, "a_killed_host_remembers_everything", remembered),
        test(world, "a_second_host_on_the_same_data_is_refused", second_host),
        test(world, "a_deployment_and_its_served_model_outlive_a_killed_host", killed_training),
    ]
}

fn killed_sync(world: &World) {
    let mut host = world.start_light(&world.folder("killed")).unwrap();
    let client = host.client();
    let ingestion = ingest(&client, &world.source(), "killed", json!({})).unwrap();
    for pause in [150, 300, 500] {
        std::thread::sleep(Duration::from_millis(pause));
        host.crash_and_restart().unwrap();
    }
    let job = ended_job(&client, &ingestion);
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["recordsCopied"], 45_823, "{job}");
    let sql = "SELECT (SELECT COUNT(*) FROM iceberg.bronze.killed_work_orders) AS a, \
        (SELECT COUNT(*) FROM iceberg.bronze.killed_machine_logs) AS b, \
        (SELECT COUNT(*) FROM iceberg.bronze.killed_quality_checks) AS c, \
        (SELECT COUNT(*) FROM iceberg.bronze.killed_materials) AS d";
    gold(&client, "killed_counts", sql).unwrap();
    let check = "SELECT a FROM iceberg.gold.killed_counts WHERE a = 15000 AND b = 25000 AND c = 3500 AND d = 2323";
    assert_eq!(gold(&client, "killed_check", check).unwrap()["row_count"], 1);
}

fn remembered(world: &World) {
    let mut host = world.start_light(&world.folder("remembered")).unwrap();
    let client = host.client();
    let sink = client.post("/sink", &json!({"name": "kept", "type": "local", "config": {"path": "kept"}})).unwrap();
    gold(&client, "kept", "SELECT 1 AS one, 2 AS two").unwrap();
    host.crash_and_restart().unwrap();
    assert_eq!(client.get(&format!("/sink/{}", sink["id"].as_str().unwrap())).unwrap()["name"], "kept");
    assert_eq!(gold(&client, "kept_reader", "SELECT one FROM {{ ref('kept') }}").unwrap()["row_count"], 1);
    host.stop().unwrap();
}

fn second_host(world: &World) {
    let folder = world.folder("shared-data");
    let host = world.start_light(&folder).unwrap();
    let output = std::process::Command::new(&world.built().asgard)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("another host") && said.contains("--data"), "{said}");
    until("the first host still answers", Duration::from_secs(5), || host.client().get("/ready").ok());
}

/// Says that it began, takes its time, and logs one model.
const SLOW_SCRIPT: &str = "import time, mlflow, mlflow.sklearn
from sklearn.linear_model import LogisticRegression
print('the script began', flush=True)
time.sleep(8)
with mlflow.start_run():
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    mlflow.sklearn.log_model(model, name='model', input_example=[[0.0]])
";

fn killed_training(world: &World) {
    let mut host = Host::start(world.built(), &world.folder("killed-training"), 0).unwrap();
    let client = host.client();
    let available = || client.get("/mlops/status").is_ok_and(|status| status["mlflow_available"] == true).then_some(());
    until("MLflow is available", MODEL_WITHIN, available);
    let request = json!({"script_name": "train.py", "script_content": STANDARD.encode(SLOW_SCRIPT),
        "experiment_name": "killed", "model_name": "killed", "timeout": 300});
    let made = client.post("/mlops/deploy", &request).unwrap();
    let path = format!("/mlops/deployments/{}", made["deployment_id"].as_str().unwrap());
    until("the script runs", Duration::from_secs(120), || {
        let log = client.get(&format!("{path}/logs?limit=1000")).ok()?;
        log.to_string().contains("the script began").then_some(())
    });
    host.crash_and_restart().unwrap();
    let deployed = until("the deployment ends", Duration::from_secs(120), || {
        let deployment = client.get(&path).ok()?;
        matches!(deployment["status"].as_str(), Some("failed" | "deployed")).then_some(deployment)
    });
    assert_eq!(deployed["status"], "deployed", "{deployed}");
    assert_eq!(deployed["model_version"], "1", "trained and registered once: {deployed}");
    let predict = deployed["endpoints"]["predict"].as_str().unwrap().to_owned();
    let question = json!({"features": [[1.0]]});
    let answer = client.post(&predict, &question).unwrap();

    host.crash_and_restart().unwrap();
    let again = until("the model is served again", Duration::from_secs(30), || client.post(&predict, &question).ok());
    assert_eq!(again["predictions"], answer["predictions"], "{again}");
    host.stop().unwrap();
}
