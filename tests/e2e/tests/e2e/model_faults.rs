//! Deployments whose MLflow is behind a network that fails. The host asks it through that network, and so does the script.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::faults::{Fault, Faults, Seen};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::faults::assert_met;
use crate::served_models::{CONSTANT, available, ended};
use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "answers_of_mlflow_that_are_lost_leave_one_run_and_one_version", lost),
        test(world, "mlflow_that_is_busy_or_slow_is_asked_again_and_gets_one_run_and_one_version", busy),
        test(world, "answers_of_mlflow_that_break_off_leave_one_run_and_one_version", half),
        test(world, "a_script_whose_run_cannot_be_made_fails_with_the_reason", no_run),
        test(world, "mlflow_that_wants_to_be_left_alone_for_long_fails_the_deployment_with_its_status", away),
    ]
}

/// Of the binding: shorter than the delay that a request meets.
const REQUEST_SECONDS: u64 = 4;

/// One model's experiment and versions, with MLflow behind the network and without it.
struct Tracked {
    faults: Faults,
    /// Of the environment behind the network.
    client: Client,
    /// MLflow itself.
    mlflow: Client,
    name: &'static str,
}

impl Tracked {
    fn new(world: &World, name: &'static str) -> Self {
        let host = available(world);
        let status = host.get("/mlops/status").unwrap();
        let server = status["mlflow_tracking_uri"].as_str().unwrap().to_owned();
        let faults = Faults::before(&server).unwrap();
        let mut document = host.get("/environments/local").unwrap()["document"].clone();
        let environment = name.replace('_', "-");
        document["name"] = json!(environment);
        document.as_object_mut().unwrap().remove("services");
        let training = &mut document["training"];
        training["configuration"] = json!({"tracking_uri": faults.url(), "request_timeout_seconds": REQUEST_SECONDS});
        training["grants"]["http"] = json!([{"host": faults.url().trim_start_matches("http://")}]);
        let put = host.send("PUT", &format!("/environments/{environment}"), Some(&document), &[]).unwrap();
        assert_eq!(put.status, 200, "{}", put.body);
        let client = Client::new(format!("{}/environments/{environment}", host.base()));
        Self { faults, client, mlflow: Client::new(server), name }
    }

    /// Trains, registers and serves; answers with the deployment at its end.
    fn deploy(&self) -> Value {
        let request = json!({"script_name": "train.py", "script_content": CONSTANT, "experiment_name": self.name,
            "model_name": self.name, "environment_vars": {"ANSWER": "1"}, "replicas": 1});
        ended(&self.client, &self.client.post("/mlops/deploy", &request).unwrap())
    }

    /// The runs of the experiment.
    fn runs(&self) -> Vec<Value> {
        let path = format!("/api/2.0/mlflow/experiments/get-by-name?experiment_name={}", self.name);
        let experiment = self.mlflow.get(&path).unwrap()["experiment"]["experiment_id"].clone();
        let search = json!({"experiment_ids": [experiment], "max_results": 100});
        let found = self.mlflow.post("/api/2.0/mlflow/runs/search", &search).unwrap();
        found["runs"].as_array().cloned().unwrap_or_default()
    }

    fn versions(&self) -> Vec<Value> {
        let path = format!("/api/2.0/mlflow/model-versions/search?filter=name%3D%27{}%27", self.name);
        self.mlflow.get(&path).unwrap()["model_versions"].as_array().cloned().unwrap_or_default()
    }

    /// That all was done, and done once.
    fn assert_deployed_once(&self, deployment: &Value) {
        assert_eq!(deployment["status"], "deployed", "{deployment}");
        let (runs, versions) = (self.runs(), self.versions());
        assert_eq!(runs.len(), 1, "{runs:?}");
        let run = &runs[0]["info"];
        assert_eq!((&run["run_id"], &run["status"]), (&deployment["run_id"], &json!("FINISHED")));
        assert_eq!(versions.len(), 1, "{versions:?}");
        assert_eq!(versions[0]["run_id"], deployment["run_id"]);
        let tags = versions[0]["tags"].as_array().unwrap();
        let id = json!({"key": "asgard.deployment_id", "value": deployment["deployment_id"]});
        assert!(tags.contains(&id), "{tags:?}");
        let predict = deployment["endpoints"]["predict"].as_str().unwrap();
        assert_eq!(self.client.post(predict, &json!({"features": [[0.0]]})).unwrap()["predictions"], json!([1]));
    }
}

fn lost(world: &World) {
    let tracked = Tracked::new(world, "faults_lost");
    let lost = [
        ("POST", "/experiments/create"),
        // By the script, whose client asks again.
        ("POST", "/runs/create"),
        ("POST", "/runs/update"),
        ("POST", "/runs/search"),
        ("POST", "/registered-models/create"),
        ("POST", "/model-versions/create"),
        ("GET", "/artifacts/MLmodel"),
        // The double of the first run.
        ("POST", "/runs/delete"),
    ];
    for (method, path) in lost {
        tracked.faults.fail(method, path, 0..1, Fault::LostAnswer);
    }
    tracked.assert_deployed_once(&tracked.deploy());
    let seen = tracked.faults.mend();
    for (method, path) in lost {
        let met = |each: &&Seen| each.method == method && each.path.contains(path) && each.fault.is_some();
        assert_eq!(seen.iter().filter(met).count(), 1, "{method} {path}");
    }
}

fn busy(world: &World) {
    let tracked = Tracked::new(world, "faults_busy");
    let late = Fault::Delay(Duration::from_secs(REQUEST_SECONDS + 1));
    for (method, path, at, fault) in [
        ("GET", "/experiments/get-by-name", 0, Fault::RetryAt(503, 2)),
        ("POST", "/runs/create", 0, Fault::Status(503)),
        ("POST", "/runs/search", 0, Fault::RetryAfter(429, 3)),
        ("POST", "/model-versions/create", 0, Fault::Status(502)),
        // The host has given up by then, and MLflow has made the version.
        ("POST", "/model-versions/create", 1, late),
    ] {
        tracked.faults.fail(method, path, at..at + 1, fault);
    }
    tracked.assert_deployed_once(&tracked.deploy());
    let seen = tracked.faults.mend();
    for fault in [Fault::RetryAt(503, 2), Fault::Status(503), Fault::RetryAfter(429, 3), Fault::Status(502), late] {
        assert_met(&seen, fault);
    }
}

fn half(world: &World) {
    let tracked = Tracked::new(world, "faults_half");
    let cut = [
        ("POST", "/experiments/create"),
        ("POST", "/runs/search"),
        ("POST", "/model-versions/create"),
        ("GET", "/artifacts/MLmodel"),
    ];
    for (method, path) in cut {
        tracked.faults.fail(method, path, 0..1, Fault::HalfBody);
    }
    tracked.faults.fail("GET", "/model-versions/search", 0..1, Fault::LostRequest);
    tracked.assert_deployed_once(&tracked.deploy());
    let seen = tracked.faults.mend();
    assert_eq!(seen.iter().filter(|each| each.fault == Some(Fault::HalfBody)).count(), cut.len());
    assert_met(&seen, Fault::LostRequest);
}

fn no_run(world: &World) {
    let tracked = Tracked::new(world, "faults_no_run");
    // MLflow's client takes half an answer for none, and does not ask again.
    tracked.faults.fail("POST", "/runs/create", 0..1, Fault::HalfBody);
    let deployment = tracked.deploy();
    assert_eq!(deployment["status"], "failed", "{deployment}");
    let error = deployment["error"].as_str().unwrap();
    assert!(error.contains("train.py") && error.contains("IncompleteRead"), "{error}");
    assert_met(&tracked.faults.mend(), Fault::HalfBody);
    let runs = tracked.runs();
    let statuses: Vec<&Value> = runs.iter().map(|run| &run["info"]["status"]).collect();
    assert_eq!(statuses, ["KILLED"], "no run stays open");
    assert_eq!(tracked.versions().len(), 0);
}

fn away(world: &World) {
    let tracked = Tracked::new(world, "faults_away");
    tracked.faults.fail("GET", "/experiments/get-by-name", 0..usize::MAX, Fault::RetryAfter(503, 3600));
    let deployment = tracked.deploy();
    assert_eq!(deployment["status"], "failed", "{deployment}");
    let error = deployment["error"].as_str().unwrap();
    assert!(error.contains(tracked.faults.url()) && error.contains("503"), "{error}");
    let asked = tracked.faults.mend().into_iter().filter(|each| each.fault.is_some()).count();
    assert_eq!(asked, 1, "who wants to be left alone for an hour is not asked again");
}
