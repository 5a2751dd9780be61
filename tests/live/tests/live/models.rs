//! From a script to a model that answers outside of the cluster, each part in pods: training as a Job on MLflow, the image by
//! Kaniko, the Deployment behind a load balancer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use asgard_journey::client::Client;
use asgard_journey::s3::S3;
use asgard_live::bindings;
use asgard_live::ecr::Ecr;
use asgard_live::kubernetes::Kubernetes;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, test, until};

/// Training, a build that unpacks a gigabyte, and a rollout, on a busy machine.
const DEPLOYED_WITHIN: Duration = Duration::from_secs(1200);

/// Learns the exclusive or of two columns from the features; `FAIL` says where it goes wrong.
const SCRIPT: &str = r#"
import os
import mlflow, pandas, sklearn
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestClassifier

rows = pandas.read_parquet(os.environ["ASGARD_FEATURES"])
print(len(rows), "rows", flush=True)
if os.environ.get("FAIL") == "script":
    raise ValueError("out of steel")
inputs, target = rows[["a", "b"]].astype("float64"), rows[os.environ["ASGARD_TARGET"]]
missing = ["asgard-has-no-such-package==9"] if os.environ.get("FAIL") == "build" else []
with mlflow.start_run():
    model = RandomForestClassifier(20, random_state=1).fit(inputs, target)
    mlflow.log_metric("accuracy", model.score(inputs, target))
    mlflow.sklearn.log_model(model, name="model", signature=infer_signature(inputs, target), serialization_format="cloudpickle",
        pip_requirements=[f"scikit-learn=={sklearn.__version__}", f"pandas=={pandas.__version__}", *missing])
"#;

/// Rows of every kind, some times over.
const ROWS: &str = "SELECT row_number() OVER () AS id, a, b, CASE WHEN a = b THEN 0 ELSE 1 END AS differs, \
    TIMESTAMP '2026-01-01 00:00:00' AS seen FROM (VALUES (0, 0), (0, 1), (1, 0), (1, 1)) AS pairs(a, b) \
    CROSS JOIN (VALUES (1), (2), (3), (4), (5), (6), (7), (8)) AS times(n)";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_model_is_trained_built_served_and_rolled_over_in_pods_without_a_lost_request", rolls_over),
        test(world, "what_fails_in_pods_is_told_in_its_own_words_and_a_registry_like_ecr_is_prepared", fails),
        test(world, "an_image_that_is_not_there_is_told_with_the_registrys_answer", has_no_image),
    ]
}

/// The versions of this model are counted, and all tests share one tracker: no other test has its name.
fn rolls_over(world: &World) {
    let environment = environment(world, "pods", &json!({}), &json!({}));
    let first = deployed(&environment, "rolled", &json!({}));
    assert!(first["ecr_image"].as_str().unwrap().contains("/models/rolled@sha256:"), "{first}");
    let url = first["inference_url"].as_str().unwrap().to_owned();
    assert_eq!(first["external_ip"].as_str(), url.strip_prefix("http://"));
    let client = Client::new(&url);
    let answer = client.post("/predict", &json!({"instances": [{"a": 0, "b": 1}, {"a": 1, "b": 1}]})).unwrap();
    assert_eq!((&answer["predictions"], &answer["version"]), (&json!([1, 0]), &json!("1")), "{answer}");
    assert_eq!(client.get("/health").unwrap()["status"], "healthy");
    let page = client.send("GET", "/docs", None, &[]).unwrap();
    assert_eq!(page.status, 200);

    let callers = Callers::start(&url);
    let second = deployed(&environment, "rolled", &json!({}));
    let versions = callers.end();
    assert!(versions.iter().any(|version| version == "1") && versions.last().unwrap() == "2", "{versions:?}");
    assert_eq!(second["inference_url"].as_str(), Some(url.as_str()));
    assert_eq!(second["model_version"], "2");
    remove(&environment, &first);
    assert_eq!(client.get("/health").unwrap()["version"], "2", "the older deployment's model is gone already");

    let callers = Callers::start(&url);
    let last = scaled_shared_and_rolled_back(world, &environment, &first, &second);
    callers.end();
    remove(&environment, &last);
    let kubernetes = world.kubernetes();
    let gone = |path: &str| kubernetes.find(path).unwrap().is_none();
    let both =
        ["/apis/apps/v1/namespaces/pods/deployments/model-rolled", "/api/v1/namespaces/pods/services/model-rolled"];
    until("the model is gone", Duration::from_secs(120), || both.iter().all(|path| gone(path)).then_some(()));
    let left = kubernetes.kubectl(&["-n", "pods", "get", "jobs,secrets", "-o", "name"]).unwrap();
    assert_eq!(left, "", "Jobs are deleted with all that they needed");
}

/// The second version is scaled, shares the requests with the first, has them all again, and gives its place back to the first:
/// none of them is trained or built again. Answers with the deployment that is served at the end.
fn scaled_shared_and_rolled_back(world: &World, environment: &Client, first: &Value, second: &Value) -> Value {
    let kubernetes = world.kubernetes();
    let pods = || -> BTreeSet<String> {
        let labels = "asgard.dev/service=model-rolled";
        let names = kubernetes.kubectl(&["-n", "pods", "get", "pods", "-l", labels, "-o", "name"]).unwrap();
        names.lines().map(str::to_owned).collect()
    };
    let url = second["inference_url"].as_str().unwrap();
    // Those of the first version end a while after the second has its place.
    let before = until("the first version's pods have ended", Duration::from_secs(120), || {
        Some(pods()).filter(|pods| pods.len() == 2)
    });
    let more = served_again(environment, second, &json!({"replicas": 3}));
    assert_eq!((&more["made_by"], &more["replicas"]), (&second["deployment_id"], &json!(3)));
    assert!(pods().is_superset(&before) && pods().len() == 3, "no pod is started anew: {before:?}, {:?}", pods());

    let canary = served_again(environment, first, &json!({"canary_weight": 25}));
    assert_eq!((&canary["canary_weight"], &canary["inference_url"]), (&json!(25), &more["inference_url"]));
    // One pod of four: seven standard deviations of three hundred calls.
    let share = share_of("1", url, 300);
    assert!((0.08..0.42).contains(&share), "{share}");
    assert!(pods().is_superset(&before), "the version beside the canary is not started anew");
    remove(environment, &canary);
    until("the canary's pod has ended", Duration::from_secs(120), || (pods().len() == 3).then_some(()));
    assert_eq!(share_of("1", url, 50), 0.0);

    served_again(environment, first, &json!({"canary_weight": 50}));
    let back = served_again(environment, first, &json!({}));
    assert_eq!(back["model_version"], "1");
    assert_eq!(share_of("1", url, 50), 1.0);
    let canary = "/apis/apps/v1/namespaces/pods/deployments/canary-rolled";
    until("the canary is gone", Duration::from_secs(120), || kubernetes.find(canary).unwrap().is_none().then_some(()));
    back
}

/// The part of so many calls that a version answered.
fn share_of(version: &str, url: &str, calls: u32) -> f64 {
    let asked = (0..calls).map(|_| Client::new(url).post("/predict", &json!({"features": [[0, 1]]})).unwrap());
    f64::from(asked.filter(|answer| answer["version"] == version).count() as u32) / f64::from(calls)
}

pub(crate) fn remove(environment: &Client, deployment: &Value) {
    let path = format!("/mlops/deployments/{}", deployment["deployment_id"].as_str().unwrap());
    let answer = environment.send("DELETE", &path, None, &[]).unwrap();
    assert!(answer.status < 300, "{}", answer.body);
}

/// Callers who never pause.
struct Callers {
    done: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<(Vec<String>, Vec<String>)>>,
}

impl Callers {
    fn start(url: &str) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let call = || {
            let (done, url) = (Arc::clone(&done), url.to_owned());
            thread::spawn(move || call_until(&done, &url))
        };
        let threads = (0..3).map(|_| call()).collect();
        Self { done, threads }
    }

    /// The versions that answered one of them, one after the other. Each of their requests was answered.
    fn end(self) -> Vec<String> {
        self.done.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for thread in self.threads {
            let (versions, lost) = thread.join().unwrap();
            assert_eq!(lost, Vec::<String>::new());
            all = versions;
        }
        all
    }
}

/// Versions that answered, one after the other, and what was no answer.
fn call_until(done: &AtomicBool, url: &str) -> (Vec<String>, Vec<String>) {
    let (mut versions, mut lost) = (Vec::new(), Vec::new());
    while !done.load(Ordering::Relaxed) {
        // A connection of its own each time: kept ones would all go to one pod.
        let client = Client::new(url);
        match client.post("/predict", &json!({"features": [[0, 1]]})) {
            Ok(answer) if answer["predictions"] == json!([1]) => {
                let version = answer["version"].as_str().unwrap_or_default().to_owned();
                if versions.last() != Some(&version) {
                    versions.push(version);
                }
            }
            Ok(answer) => lost.push(answer.to_string()),
            Err(error) => lost.push(format!("{error:#}")),
        }
    }
    (versions, lost)
}

fn fails(world: &World) {
    let s3 = json!({"endpoint": world.s3().endpoint(), "region": "us-east-1", "secret": "keys"});
    let lakehouse = json!({"lakehouse": {"storage": format!("s3://{}/models", S3::BUCKET), "s3": s3}});
    let ecr = json!({
        "region": Ecr::REGION, "endpoint": format!("http://{}", world.ecr().address()), "access_key_id": Ecr::KEY_ID,
        "secret_access_key": "secret://aws", "lifecycle_policy": {"rules": []},
    });
    let environment = environment(world, "bucket-pods", &lakehouse, &json!({"ecr": ecr}));

    let script = ended(&environment, "pairs", &json!({"environment_vars": {"FAIL": "script"}}));
    let why = script["error"].as_str().unwrap();
    assert!(why.contains("ValueError: out of steel") && why.contains("exited with status 1"), "{why}");

    let requirement = ended(&environment, "pairs", &json!({"requirements": ["asgard-has-no-such-package==9"]}));
    let why = requirement["error"].as_str().unwrap();
    assert!(why.contains("pip could not install asgard-has-no-such-package==9"), "{why}");

    // Trained with features from the bucket; built from a context in the bucket.
    let build = ended(&environment, "pairs", &json!({"environment_vars": {"FAIL": "build"}}));
    let why = build["error"].as_str().unwrap();
    assert_eq!(build["progress"], "building", "{build}");
    assert!(why.contains("No matching distribution found for asgard-has-no-such-package==9"), "{why}");
    let made = world.ecr().ask("DescribeRepositories", "models/pairs").unwrap();
    assert_eq!(made["repositories"][0]["imageScanningConfiguration"]["scanOnPush"], true, "{made}");
    assert_eq!(made["repositories"][0]["imageTagMutability"], "IMMUTABLE");
    let policy = world.ecr().ask("GetLifecyclePolicy", "models/pairs").unwrap();
    assert_eq!(policy["lifecyclePolicyText"], r#"{"rules":[]}"#);
}

fn has_no_image(world: &World) {
    let environment =
        environment(world, "no-image", &json!({}), &json!({"image": world.kubernetes().registry().image("nobody:1")}));
    let build = ended(&environment, "pairs", &json!({}));
    let why = build["error"].as_str().unwrap();
    assert_eq!(build["progress"], "building", "{build}");
    assert!(why.contains("nobody:1") && why.contains("not found"), "{why}");
}

/// An environment whose models live in pods of a namespace of its name, with features to learn from.
fn environment(world: &World, name: &str, more: &Value, build: &Value) -> Client {
    let mut changes = in_pods(world.kubernetes(), world.tracker().url(), name, build);
    changes["kubernetes"] = json!({"type": "kubeconfig", "path": world.kubernetes().kubeconfig()});
    for (section, value) in more.as_object().into_iter().flatten() {
        changes[section.as_str()] = value.clone();
    }
    let keys = format!("{}:{}", S3::ACCESS_KEY, S3::SECRET_KEY);
    let client = world.environment_with(name, &[("keys", &keys), ("aws", Ecr::SECRET)], &changes).unwrap();
    make_features(&client);
    client
}

/// What the script learns from.
pub(crate) fn make_features(client: &Client) {
    let gold = client.post("/dbt/transform", &json!({"name": "pairs", "sql_query": ROWS})).unwrap();
    assert_eq!(gold["status"], "completed", "{gold}");
    let feature = |name: &str| json!({"name": name, "dtype": "int64"});
    let view = json!({
        "name": "pairs", "entities": ["id"], "features": [feature("a"), feature("b"), feature("differs")],
        "source": {"table_name": "pairs", "timestamp_field": "seen"}, "ttl_seconds": 0,
    });
    client.post("/feast/features", &view).unwrap();
}

/// The bindings of training, build and serving in pods of a namespace, which is made.
pub(crate) fn in_pods(kubernetes: &Kubernetes, tracker: &str, name: &str, build: &Value) -> Value {
    bindings::in_pods(kubernetes, tracker, name, build).unwrap()
}

/// A deployment that was made.
pub(crate) fn deployed(environment: &Client, model: &str, changes: &Value) -> Value {
    let deployment = ended(environment, model, changes);
    assert_eq!(deployment["status"], "deployed", "{deployment}");
    deployment
}

/// A deployment at its end.
pub(crate) fn ended(environment: &Client, model: &str, changes: &Value) -> Value {
    followed(environment, &environment.post("/mlops/deploy", &request(model, changes)).unwrap())
}

/// What is asked for a model of the script.
pub(crate) fn request(model: &str, changes: &Value) -> Value {
    let mut request = json!({
        "script_name": "train.py", "script_content": SCRIPT, "experiment_name": "pairs", "model_name": model, "timeout": 600,
        "features": {"view": "pairs", "target": "differs"}, "replicas": 2,
    });
    for (key, value) in changes.as_object().into_iter().flatten() {
        request[key.as_str()] = value.clone();
    }
    request
}

/// What a deployment made, served once more.
pub(crate) fn served_again(environment: &Client, deployment: &Value, how: &Value) -> Value {
    let again = ended_again(environment, deployment, how);
    assert_eq!(again["status"], "deployed", "{again}");
    again
}

/// As [`served_again`], however it ends.
pub(crate) fn ended_again(environment: &Client, deployment: &Value, how: &Value) -> Value {
    let path = format!("/mlops/deployments/{}/serve", deployment["deployment_id"].as_str().unwrap());
    followed(environment, &environment.post(&path, how).unwrap())
}

pub(crate) fn followed(environment: &Client, submitted: &Value) -> Value {
    let path = format!("/mlops/deployments/{}", submitted["deployment_id"].as_str().unwrap());
    let start = Instant::now();
    loop {
        let deployment = environment.look(&path).unwrap();
        if ["deployed", "failed"].iter().any(|end| deployment["status"] == *end) {
            return deployment;
        }
        assert!(start.elapsed() < DEPLOYED_WITHIN, "it takes too long: {deployment}");
        thread::sleep(Duration::from_millis(500));
    }
}
