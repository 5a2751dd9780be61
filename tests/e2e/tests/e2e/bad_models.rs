//! Deployments that cannot succeed: each ends `failed`, with the reason in words, and leaves no process behind.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_script_that_is_no_base64_and_no_text_is_refused", no_base64),
        test(world, "a_script_that_exits_with_1_fails_with_its_last_lines", exits),
        test(world, "a_script_that_hangs_is_ended_with_its_children", hangs),
        test(world, "a_script_that_logs_no_model_is_told_what_to_call", no_model),
        test(world, "a_requirement_that_does_not_exist_fails_with_pips_words", no_requirement),
        test(world, "a_cancelled_deployment_ends_its_script", cancelled),
    ]
}

fn request(name: &str, script: &str) -> Value {
    json!({"script_name": "train.py", "script_content": script, "experiment_name": "bad models", "model_name": name,
        "timeout": 300})
}

fn failed(client: &Client, body: &Value) -> String {
    let made = client.post("/mlops/deploy", body).unwrap();
    let path = format!("/mlops/deployments/{}", made["deployment_id"].as_str().unwrap());
    let ended = until("the deployment ends", Duration::from_secs(360), || {
        let deployment = client.get(&path).ok()?;
        matches!(deployment["status"].as_str(), Some("failed" | "deployed")).then_some(deployment)
    });
    assert_eq!(ended["status"], "failed", "{ended}");
    ended["error"].as_str().unwrap().to_owned()
}

/// Processes whose command line has this word.
pub(crate) fn processes(word: &str) -> usize {
    let found = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(word))
    });
    found.count()
}

fn no_base64(world: &World) {
    let client = world.full();
    let answer = client.send("POST", "/mlops/deploy", Some(&request("no_base64", "%%% neither %%%")), &[]).unwrap();
    refused_field(&answer, "script_content");
    let mut short = request("no_base64", "import mlflow\nprint(1)\n");
    short["timeout"] = json!(5);
    refused_field(&client.send("POST", "/mlops/deploy", Some(&short), &[]).unwrap(), "timeout");
}

fn exits(world: &World) {
    let client = world.after_journey();
    let error =
        failed(&client, &request("exits", "import sys\nprint('about to give up')\nraise ValueError('out of steel')\n"));
    assert!(error.contains("out of steel"), "{error}");
}

fn hangs(world: &World) {
    let client = world.after_journey();
    let script = "import subprocess, sys, time\n\
        child = 'import time; time.sleep(3600) # orphan-of-hangs'\n\
        subprocess.Popen([sys.executable, '-c', child], start_new_session=True)\n\
        time.sleep(3600)\n";
    let mut body = request("hangs", script);
    body["timeout"] = json!(60);
    let error = failed(&client, &body);
    assert!(error.contains("60 s") || error.contains("timeout"), "{error}");
    until("the script's children have ended", Duration::from_secs(20), || {
        (processes("orphan-of-hangs") == 0).then_some(())
    });
}

fn no_model(world: &World) {
    let client = world.after_journey();
    let script = "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('accuracy', 1.0)\n";
    let error = failed(&client, &request("no_model", script));
    assert!(error.contains("log_model"), "{error}");
}

fn no_requirement(world: &World) {
    let client = world.after_journey();
    let mut body = request("no_requirement", "import mlflow\nprint('never runs')\n");
    body["requirements"] = json!(["asgard-package-that-does-not-exist==9.9"]);
    let error = failed(&client, &body);
    assert!(error.contains("asgard-package-that-does-not-exist"), "{error}");
    body["requirements"] = json!(["--index-url=http://elsewhere"]);
    refused_field(&client.send("POST", "/mlops/deploy", Some(&body), &[]).unwrap(), "requirements[0]");
}

fn cancelled(world: &World) {
    let client = world.after_journey();
    let script = "import time\nprint('started')\ntime.sleep(3600)  # script-of-cancelled\n";
    let made = client.post("/mlops/deploy", &request("cancelled", script)).unwrap();
    let id = made["deployment_id"].as_str().unwrap().to_owned();
    until("the script runs", Duration::from_secs(60), || {
        let log = client.get(&format!("/mlops/deployments/{id}/logs?limit=1000")).ok()?;
        log.to_string().contains("started").then_some(())
    });
    let before = processes(&id);
    client.post(&format!("/mlops/deployments/{id}/cancel"), &json!({})).unwrap();
    let ended = until("the deployment ends", Duration::from_secs(20), || {
        let deployment = client.get(&format!("/mlops/deployments/{id}")).ok()?;
        (deployment["status"] == "failed").then_some(deployment)
    });
    assert!(ended["error"].as_str().unwrap().contains("cancelled"), "{ended}");
    until("the script has ended", Duration::from_secs(20), || {
        (processes(&id) <= before.saturating_sub(1)).then_some(())
    });
}
