//! Deployments whose MLflow is behind a network that fails. The host asks it through that network, and so does the script.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::faults::{Fault, Faults, Seen};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::cluster::{Asked, stand_in};
use crate::environment_commands::asgard_at;
use crate::faults::assert_met;
use crate::served_models::{CONSTANT, available, ended};
use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "answers_of_mlflow_that_are_lost_leave_one_run_and_one_version", lost),
        test(world, "mlflow_that_is_busy_or_slow_is_asked_again_and_gets_one_run_and_one_version", busy),
        test(world, "answers_of_mlflow_that_break_off_leave_one_run_and_one_version", half),
        test(world, "a_version_that_the_script_registered_gets_the_deployments_tags_and_the_alias", by_script),
        test(world, "a_script_whose_run_cannot_be_made_fails_with_the_reason", no_run),
        test(world, "mlflow_that_wants_to_be_left_alone_for_long_fails_the_deployment_with_its_status", away),
        test(world, "a_backend_that_is_soon_ready_is_waited_for_before_it_is_bound", unready),
        test(world, "ecr_behind_a_network_that_fails_gets_one_repository_and_one_build", ecr),
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
        Self::with(world, name, |_| ())
    }

    /// With more in the environment.
    fn with(world: &World, name: &'static str, more: impl FnOnce(&mut Value)) -> Self {
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
        more(&mut document);
        let put = host.send("PUT", &format!("/environments/{environment}"), Some(&document), &[]).unwrap();
        assert_eq!(put.status, 200, "{}", put.body);
        let client = Client::new(format!("{}/environments/{environment}", host.base()));
        Self { faults, client, mlflow: Client::new(server), name }
    }

    /// Trains, registers and serves; answers with the deployment at its end.
    fn deploy(&self) -> Value {
        self.deploy_script(CONSTANT)
    }

    fn deploy_script(&self, script: &str) -> Value {
        let request = json!({"script_name": "train.py", "script_content": script, "experiment_name": self.name,
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
        let plugin = tags.iter().find(|tag| tag["key"] == "asgard.training_plugin").unwrap();
        assert!(plugin["value"].as_str().unwrap().contains("sha256:"), "{tags:?}");
        let path = format!("/api/2.0/mlflow/registered-models/get?name={}", self.name);
        let aliases = self.mlflow.get(&path).unwrap()["registered_model"]["aliases"].clone();
        assert_eq!(aliases, json!([{"alias": "candidate", "version": deployment["model_version"]}]));
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
        ("POST", "/registered-models/alias"),
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

fn by_script(world: &World) {
    let tracked = Tracked::new(world, "faults_by_script");
    // One of the deployment's tags.
    tracked.faults.fail("POST", "/model-versions/set-tag", 0..1, Fault::LostAnswer);
    let (before, after) = ("name='model',", "name='model', registered_model_name=os.environ['ASGARD_MODEL_NAME'],");
    assert!(CONSTANT.contains(before));
    tracked.assert_deployed_once(&tracked.deploy_script(&CONSTANT.replace(before, after)));
    let seen = tracked.faults.mend();
    assert_met(&seen, Fault::LostAnswer);
    let made = |each: &&Seen| each.path.ends_with("/model-versions/create");
    assert_eq!(seen.iter().filter(made).count(), 1, "the script's");
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

fn unready(world: &World) {
    let tracked = Tracked::new(world, "soon_ready");
    let host = available(world);
    let mut document = host.get("/environments/soon-ready").unwrap()["document"].clone();
    document["training"]["configuration"]["request_timeout_seconds"] = json!(REQUEST_SECONDS + 1);
    tracked.faults.fail("POST", "/experiments/search", 0..usize::MAX, Fault::RetryAfter(503, 7));
    let put = host.send("PUT", "/environments/soon-ready", Some(&document), &[]).unwrap();
    assert_eq!((put.status, put.header("retry-after")), (503, Some("7")), "{}", put.body);
    let detail = put.body["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("training: plugin `mlflow` fails its check") && detail.contains("ask again"),
        "{detail}"
    );
    assert_eq!(host.get("/environments/soon-ready").unwrap()["revision"], 1, "nothing has changed");

    let file = world.folder("soon-ready").join("document.json");
    std::fs::write(&file, document.to_string()).unwrap();
    tracked.faults.mend();
    tracked.faults.fail("POST", "/experiments/search", 0..1, Fault::RetryAfter(503, 7));
    let (code, said) = asgard_at(world, host.base(), &["apply", "-f", file.to_str().unwrap()]);
    assert!(code == 0 && said.contains("soon-ready is at revision 2"), "{code}: {said}");
    assert!(said.contains("soon-ready: training: plugin `mlflow` fails its check"), "{said}");
}

/// The digest of an image that nobody built.
const DIGEST: &str = "sha256:0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";

/// A cluster that keeps what is applied, and whose Jobs succeed as soon as they may.
#[derive(Default)]
struct Cluster {
    /// By path.
    resources: BTreeMap<String, Value>,
    /// Paths that were applied, each time.
    applied: Vec<String>,
}

impl Cluster {
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        let path = asked.path().to_owned();
        let kind = |plural: &str, kind: &str| json!({"name": plural, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get", "list", "patch", "delete"]});
        let kinds = |version: &str, kinds: &[Value]| json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": kinds});
        match (asked.method.as_str(), path.as_str()) {
            ("GET", "/api/v1") => {
                let core = [kind("pods", "Pod"), kind("secrets", "Secret"), kind("configmaps", "ConfigMap")];
                (200, kinds("v1", &core))
            }
            ("GET", "/apis/batch/v1") => (200, kinds("batch/v1", &[kind("jobs", "Job")])),
            ("GET", "/api/v1/namespaces/builds/pods") => {
                let ended = json!({"exitCode": 0, "reason": "Completed", "message": DIGEST});
                let status = json!({"name": "builder", "state": {"terminated": ended}});
                let pod = json!({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": "build-x", "namespace": "builds", "creationTimestamp": "2026-11-28T03:29:31Z"},
                    "spec": {"nodeName": "node"}, "status": {"phase": "Succeeded", "containerStatuses": [status]}});
                (200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]}))
            }
            ("GET", "/api/v1/namespaces/builds/pods/build-x/log") => (200, json!("built")),
            ("PATCH", _) if asked.header("content-type").is_some_and(|of| of.contains("apply-patch")) => {
                let mut made = asked.body.clone();
                made["metadata"]["uid"] = json!(path);
                self.applied.push(path.clone());
                self.resources.insert(path, made.clone());
                (200, made)
            }
            ("PATCH", _) => {
                let Some(job) = self.resources.get_mut(&path) else { return (404, missing(&path)) };
                job["spec"]["suspend"] = asked.body["spec"]["suspend"].clone();
                job["status"] =
                    json!({"conditions": [{"type": "Complete", "status": "True", "reason": "CompletionsReached"}]});
                (200, job.clone())
            }
            ("GET", _) => self.resources.get(&path).map_or_else(|| (404, missing(&path)), |found| (200, found.clone())),
            ("DELETE", _) => (200, self.resources.remove(&path).unwrap_or_else(|| missing(&path))),
            _ => (405, missing(&path)),
        }
    }
}

fn missing(path: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": format!("{path} is not there")})
}

/// The API of ECR, as far as builds ask it. The second time that somebody asks for a token, too many do.
#[derive(Default)]
struct Registry {
    policies: BTreeMap<String, Option<String>>,
    tokens: u32,
    /// Operations, with whether they succeeded.
    asked: Vec<(String, bool)>,
}

impl Registry {
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        let signed =
            asked.header("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 Credential=AKIA"));
        assert!(signed, "each request is signed");
        let operation = asked.header("x-amz-target").and_then(|target| target.rsplit('.').next()).unwrap_or_default();
        let name = asked.body["repositoryName"].as_str().unwrap_or_default().to_owned();
        let refused = |kind: &str| (400, json!({"__type": kind, "message": "so it is"}));
        let answer = match operation {
            "CreateRepository" if self.policies.contains_key(&name) => refused("RepositoryAlreadyExistsException"),
            "CreateRepository" => {
                self.policies.insert(name.clone(), None);
                (
                    200,
                    json!({"repository": {"repositoryName": name, "repositoryUri": format!("registry.example/{name}")}}),
                )
            }
            "GetLifecyclePolicy" => match self.policies.get(&name).cloned().flatten() {
                Some(policy) => (200, json!({"lifecyclePolicyText": policy})),
                None => refused("LifecyclePolicyNotFoundException"),
            },
            "PutLifecyclePolicy" => {
                let policy = asked.body["lifecyclePolicyText"].as_str().map(str::to_owned);
                self.policies.insert(name, policy);
                (200, json!({}))
            }
            "GetAuthorizationToken" => {
                self.tokens += 1;
                if self.tokens == 2 {
                    refused("ThrottlingException")
                } else {
                    (
                        200,
                        json!({"authorizationData": [{"authorizationToken": "QVdTOnRva2Vu", "expiresAt": 1_420_070_400}]}),
                    )
                }
            }
            _ => refused("InvalidParameterException"),
        };
        self.asked.push((operation.to_owned(), answer.0 == 200));
        answer
    }
}

fn ecr(world: &World) {
    let (cluster, registry) = (Arc::new(Mutex::new(Cluster::default())), Arc::new(Mutex::new(Registry::default())));
    let (api, shared) = (Arc::clone(&cluster), Arc::clone(&registry));
    let server = stand_in(move |asked| api.lock().unwrap().answer(asked));
    let network = Faults::before(&stand_in(move |asked| shared.lock().unwrap().answer(asked))).unwrap();
    let secrets = world.folder("faults-ecr");
    std::fs::write(secrets.join("key"), "secret key").unwrap();
    std::fs::write(secrets.join("token"), "token").unwrap();
    let tracked = Tracked::with(world, "faults_ecr", |document| {
        let granted = |kinds: &[&str], verbs: &[&str]| json!({"namespaces": ["builds"], "kinds": kinds, "verbs": verbs, "substitute_secrets": kinds.contains(&"v1/Secret")});
        let secret = |name: &str| json!({"from": "file", "path": secrets.join(name)});
        document["secrets"] = json!({"cluster-token": secret("token"), "aws": secret("key")});
        document["kubernetes"] = json!({"type": "token", "server": server, "secret": "cluster-token"});
        document["build"] = json!({
            "plugin": "kaniko",
            "configuration": {
                "namespace": "builds", "image": "kaniko:1", "registry": "registry.example", "base_image": "python:3.11-slim",
                "ecr": {"region": "us-east-1", "endpoint": network.url(), "access_key_id": "AKIA",
                    "secret_access_key": "secret://aws", "lifecycle_policy": {"rules": []}},
            },
            "grants": {
                "http": [{"host": network.url().trim_start_matches("http://")}], "objects": true,
                "kubernetes": [
                    granted(&["batch/v1/Job"], &["get", "apply", "patch", "delete"]),
                    granted(&["v1/ConfigMap", "v1/Secret"], &["apply"]),
                    granted(&["v1/Pod"], &["get", "list", "logs"]),
                ],
            },
        });
    });
    // Of each operation the first that comes.
    for (operation, fault) in [
        ("CreateRepository", Fault::LostAnswer),
        ("GetLifecyclePolicy", Fault::Status(503)),
        ("PutLifecyclePolicy", Fault::RetryAfter(429, 3)),
        ("GetAuthorizationToken", Fault::HalfBody),
    ] {
        network.fail_after(&format!("_V20150921.{operation}"), "POST", "/", 0..1, fault);
    }
    tracked.assert_deployed_once(&tracked.deploy());
    let seen = network.mend();
    for fault in [Fault::LostAnswer, Fault::Status(503), Fault::RetryAfter(429, 3), Fault::HalfBody] {
        assert_met(&seen, fault);
    }
    let registry = registry.lock().unwrap();
    let done = |operation: &str| registry.asked.iter().filter(|(asked, done)| asked == operation && *done).count();
    assert_eq!((done("CreateRepository"), done("PutLifecyclePolicy")), (1, 1), "{:?}", registry.asked);
    assert_eq!(registry.policies["faults_ecr"].as_deref(), Some(r#"{"rules":[]}"#));
    let cluster = cluster.lock().unwrap();
    let jobs: Vec<&String> = cluster.applied.iter().filter(|path| path.contains("/jobs/")).collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert!(!cluster.resources.contains_key(jobs[0]), "an ended Job is deleted");
}
