//! Builds against a cluster in memory that answers as a real one did, and an ECR that answers as moto did.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends with the first thing that is not as it should be"
)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Read as _;

use asgard_plugin_kaniko::build::Builder;
use asgard_plugin_kaniko::configuration::Configuration;
use asgard_plugin_kaniko::host::Host;
use asgard_sdk::context::Level;
use asgard_sdk::image_build::{Request, Status};
use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::types::InvalidInput;
use asgard_sdk::{Error, Result, http};
use asgard_workloads::cluster::Cluster;
use serde_json::{Value, json};

const DIGEST: &str = "sha256:0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9";

#[derive(Default)]
struct Memory {
    resources: RefCell<BTreeMap<String, Value>>,
    pods: RefCell<Vec<Value>>,
    output: RefCell<String>,
    objects: RefCell<BTreeMap<String, Vec<u8>>>,
    bucket: bool,
    /// Why the cluster takes no resource, if it does not.
    refuses: Option<fn() -> Error>,
    /// Operations of ECR, with their bodies.
    asked: RefCell<Vec<(String, Value)>>,
    repositories: RefCell<Vec<String>>,
    /// Of the repositories that have one.
    policies: RefCell<Vec<String>>,
    /// What befalls the next request for an operation.
    trouble: RefCell<Option<(&'static str, Trouble)>>,
    log: RefCell<Vec<String>>,
    now_ms: Cell<u64>,
}

/// What befalls a request to ECR.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// ECR does what was asked, and its answer does not come.
    Lost,
    /// ECR does not hear of it; the answer has this status and body, and wishes for a pause of 7 s.
    Status(u16, &'static str),
}

impl Cluster for Memory {
    fn apply(&self, manifest: &Value) -> Result<Value> {
        if let Some(why) = self.refuses {
            return Err(why());
        }
        let mut made = manifest.clone();
        made["metadata"]["uid"] = json!("1-2-3");
        let name = format!("{}/{}", manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap());
        self.resources.borrow_mut().insert(name, made.clone());
        Ok(made)
    }
    fn patch(&self, reference: &Reference, patch: &Value) -> Result<Value> {
        let mut resources = self.resources.borrow_mut();
        let job = resources.get_mut(&format!("{}/{}", reference.kind, reference.name)).expect("a Job");
        job["spec"]["suspend"] = patch["spec"]["suspend"].clone();
        Ok(job.clone())
    }
    fn get(&self, reference: &Reference) -> Result<Value> {
        let found = self.resources.borrow().get(&format!("{}/{}", reference.kind, reference.name)).cloned();
        found.ok_or_else(|| Error::NotFound(reference.name.clone()))
    }
    fn list(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Vec<Value>> {
        Ok(self.pods.borrow().clone())
    }
    fn delete(&self, reference: &Reference) -> Result<()> {
        self.resources.borrow_mut().remove(&format!("{}/{}", reference.kind, reference.name));
        Ok(())
    }
    fn logs(&self, _: &str, _: &str, _: &LogOptions) -> Result<String> {
        Ok(self.output.borrow().clone())
    }
    fn events(&self, _: &Reference) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }
}

impl Host for Memory {
    fn send(&self, request: &http::Request, credential: Option<&http::Credential>) -> Result<http::Response> {
        assert_eq!(request.url, "http://ecr:5566/");
        assert!(matches!(credential, Some(http::Credential::AwsSigv4(key)) if key.service == "ecr"));
        let header =
            |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()).unwrap();
        let target = header("x-amz-target");
        let operation = target.rsplit_once('.').unwrap().1.to_owned();
        let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        let name = body["repositoryName"].as_str().unwrap_or_default().to_owned();
        let trouble = self.trouble.borrow_mut().take_if(|(of, _)| *of == operation).map(|(_, trouble)| trouble);
        if let Some(Trouble::Status(status, body)) = trouble {
            let headers = vec![("Retry-After".to_owned(), "7".to_owned())];
            return Ok(http::Response { status, headers, body: body.into() });
        }
        self.asked.borrow_mut().push((operation.clone(), body));
        // As moto 5.2.5 answers.
        let (status, answer) = match operation.as_str() {
            "CreateRepository" if self.repositories.borrow().contains(&name) => {
                (400, json!({ "__type": "RepositoryAlreadyExistsException", "message": "exists", "Message": "exists" }))
            }
            "CreateRepository" => {
                self.repositories.borrow_mut().push(name.clone());
                let uri = format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/{name}");
                (
                    200,
                    json!({ "repository": { "repositoryName": name, "repositoryUri": uri, "createdAt": 1_795_472_160.801 } }),
                )
            }
            "GetLifecyclePolicy" if self.policies.borrow().contains(&name) => {
                (200, json!({ "lifecyclePolicyText": "{}" }))
            }
            "GetLifecyclePolicy" => (400, json!({ "__type": "LifecyclePolicyNotFoundException", "message": "none" })),
            "PutLifecyclePolicy" => {
                self.policies.borrow_mut().push(name);
                (200, json!({}))
            }
            "GetAuthorizationToken" => {
                let token = "QVdTOjEyMzQ1Njc4OTAxMi1hdXRoLXRva2Vu";
                (200, json!({ "authorizationData": [{ "authorizationToken": token, "expiresAt": 1_420_070_400 }] }))
            }
            other => panic!("{other}"),
        };
        if trouble.is_some() {
            return Err(Error::unavailable("`ecr:5566` broke off its answer"));
        }
        Ok(http::Response { status, headers: Vec::new(), body: answer.to_string().into_bytes() })
    }
    fn get_object(&self, key: &str) -> Result<Vec<u8>> {
        self.objects.borrow().get(key).cloned().ok_or_else(|| Error::NotFound(key.to_owned()))
    }
    fn put_object(&self, key: &str, data: &[u8]) -> Result<()> {
        self.objects.borrow_mut().insert(key.to_owned(), data.to_vec());
        Ok(())
    }
    fn delete_object(&self, key: &str) -> Result<()> {
        self.objects.borrow_mut().remove(key);
        Ok(())
    }
    fn location(&self, key: &str) -> Result<String> {
        Ok(if self.bucket { format!("s3://lake/objects/{key}") } else { format!("file:///data/{key}") })
    }
    fn log(&self, _: Level, message: &str) {
        self.log.borrow_mut().push(message.to_owned());
    }
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }
}

fn host() -> Memory {
    let host = Memory::default();
    for (path, data) in [
        ("MLmodel", "flavors: {}"),
        ("model.pkl", "bytes"),
        ("requirements.txt", "mlflow==3.17.2\nscikit-learn==1.9.1\n"),
    ] {
        host.put_object(&format!("deployments/d-7/model/{path}"), data.as_bytes()).unwrap();
    }
    host
}

fn request() -> Request {
    let file = |path: &str| (path.to_owned(), format!("deployments/d-7/model/{path}"));
    Request {
        deployment_id: "d-7".to_owned(),
        model_name: "Predictor".to_owned(),
        model_version: "3".to_owned(),
        model_files: vec![file("MLmodel"), file("model.pkl"), file("requirements.txt")],
        requirements: vec!["scikit-learn==1.9.1".to_owned(), "pandas".to_owned()],
    }
}

fn configuration(more: Value) -> Configuration {
    let mut all = json!({ "image": "kaniko:1", "registry": "registry:5000", "base_image": "python:3.11-slim" });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn started(host: &Memory, configuration: &Configuration) -> Vec<u8> {
    Builder::new(host, configuration).start(&request()).unwrap().state
}

/// Steps until the work is done.
fn ended(host: &Memory, configuration: &Configuration, mut state: Vec<u8>) -> Status {
    for _ in 0..20 {
        let step = Builder::new(host, configuration).advance(&state).unwrap();
        match step.status {
            Status::Running(_) => state = step.state,
            end => return end,
        }
    }
    panic!("the build does not end");
}

fn failure(status: Status) -> (String, String) {
    match status {
        Status::Failed(Error::InvalidInput(InvalidInput { field, message })) => (field.unwrap(), message),
        other => panic!("{other:?}"),
    }
}

/// The Job's end as a cluster tells it.
fn end_with(host: &Memory, exit_code: i64, message: &str) {
    let (of, reason) =
        if exit_code == 0 { ("Complete", "CompletionsReached") } else { ("Failed", "BackoffLimitExceeded") };
    let mut resources = host.resources.borrow_mut();
    let job = resources.get_mut("Job/build-d-7").expect("the Job");
    job["status"] = json!({ "conditions": [{ "type": of, "status": "True", "reason": reason }] });
    let ended = json!({ "exitCode": exit_code, "reason": "Error", "message": message });
    *host.pods.borrow_mut() = vec![json!({
        "metadata": { "name": "build-d-7-x", "creationTimestamp": "2026-11-28T03:29:31Z" },
        "spec": { "nodeName": "node1" },
        "status": { "containerStatuses": [{ "name": "builder", "state": { "terminated": ended } }] },
    })];
}

fn arguments(host: &Memory) -> Vec<String> {
    let resources = host.resources.borrow();
    let pod = &resources["Job/build-d-7"]["spec"]["template"]["spec"];
    serde_json::from_value(pod["containers"][0]["args"].clone()).unwrap()
}

/// Files of an archive: path -> content.
fn files(archive: &[u8]) -> BTreeMap<String, String> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(archive).read_to_end(&mut tar).unwrap();
    let (mut files, mut at) = (BTreeMap::new(), 0);
    while tar[at] != 0 {
        let text = |from: usize, to: usize| {
            String::from_utf8_lossy(&tar[at + from..at + to]).trim_end_matches('\0').to_owned()
        };
        let size = usize::from_str_radix(&text(124, 135), 8).unwrap();
        let sum: u32 = (0..512).map(|n| if (148..156).contains(&n) { 32 } else { u32::from(tar[at + n]) }).sum();
        assert_eq!(u32::from_str_radix(text(148, 154).trim(), 8).unwrap(), sum, "{}", text(0, 100));
        files.insert(text(0, 100), String::from_utf8_lossy(&tar[at + 512..at + 512 + size]).into_owned());
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

#[test]
fn an_image_is_named_by_the_digest_that_the_builder_leaves() {
    let (host, configuration) = (host(), configuration(json!({})));
    let state = started(&host, &configuration);
    assert_eq!(host.resources.borrow()["Job/build-d-7"]["spec"]["suspend"], false);
    *host.output.borrow_mut() = "INFO[0001] RUN pip\nINFO[0009] Pushed\n".to_owned();
    end_with(&host, 0, DIGEST);
    let Status::Succeeded(outcome) = ended(&host, &configuration, state) else { panic!() };
    assert_eq!(outcome.image, format!("registry:5000/predictor@{DIGEST}"));
    assert!(host.log.borrow().contains(&"INFO[0009] Pushed".to_owned()));
    assert!(!host.resources.borrow().contains_key("Job/build-d-7"), "the Job is deleted");
}

#[test]
fn the_context_goes_through_the_cluster_where_objects_are_on_the_hosts_disk() {
    let (host, configuration) =
        (host(), configuration(json!({ "build_arguments": { "PIP_INDEX_URL": "http://index/$(HOME)" } })));
    started(&host, &configuration);
    assert!(arguments(&host).contains(&"--context=tar:///asgard/context/context.tar.gz".to_owned()));
    assert!(arguments(&host).contains(&"--destination=registry:5000/predictor:v3-d7".to_owned()));
    assert!(
        arguments(&host).contains(&"--build-arg=PIP_INDEX_URL=http://index/$$(HOME)".to_owned()),
        "no variable is put in"
    );
    let part = host.resources.borrow()["ConfigMap/build-d-7-0"].clone();
    assert_eq!(part["metadata"]["ownerReferences"][0]["uid"], "1-2-3");
    use base64::Engine as _;
    let data = part["binaryData"]["part-0000"].as_str().unwrap();
    let files = files(&base64::engine::general_purpose::STANDARD.decode(data).unwrap());
    assert_eq!(files["model/model.pkl"], "bytes");
    assert!(files["service/web.py"].contains("/predict"));
    let requirements: Vec<&str> = files["requirements.txt"].lines().collect();
    assert_eq!(
        requirements,
        ["mlflow==3.17.2", "scikit-learn==1.9.1", "pandas", "starlette", "uvicorn", "pyyaml", "numpy"]
    );
    let dockerfile = &files["Dockerfile"];
    let place = |line: &str| dockerfile.find(line).expect(line);
    assert!(dockerfile.starts_with("FROM python:3.11-slim\nARG PIP_INDEX_URL\n"), "{dockerfile}");
    assert!(place("RUN ") < place("COPY model"), "packages are a layer of their own");
    assert!(
        dockerfile.contains("USER 10001\n") && dockerfile.contains(r#""--name=Predictor","--version=3""#),
        "{dockerfile}"
    );
}

#[test]
fn the_context_is_an_object_where_objects_are_in_a_bucket() {
    let host = Memory { bucket: true, ..host() };
    let configuration = configuration(
        json!({ "storage": { "endpoint": "http://s3:8333", "region": "us-east-1", "secret": "secret://lake" } }),
    );
    let state = started(&host, &configuration);
    assert!(arguments(&host).contains(&"--context=s3://lake/objects/deployments/d-7/context.tar.gz".to_owned()));
    assert!(files(&host.objects.borrow()["deployments/d-7/context.tar.gz"]).contains_key("Dockerfile"));
    let secret = host.resources.borrow()["Secret/build-d-7-storage"].clone();
    assert_eq!(secret["stringData"]["AWS_SECRET_ACCESS_KEY"], "secret://lake#secret_access_key");
    Builder::new(&host, &configuration).cancel(&state).unwrap();
    Builder::new(&host, &configuration).cancel(&state).unwrap();
    assert!(
        !host.objects.borrow().contains_key("deployments/d-7/context.tar.gz"),
        "a cancelled build leaves no context"
    );
}

#[test]
fn a_build_that_cannot_be_started_leaves_no_context() {
    let away: fn() -> Error = || Error::unavailable("the API server did not answer");
    let forbidden: fn() -> Error = || Error::Forbidden("the account may not patch Jobs".to_owned());
    for (refuses, stays) in [(away, true), (forbidden, false)] {
        let host = Memory { bucket: true, refuses: Some(refuses), ..host() };
        let configuration = configuration(json!({ "storage": { "region": "us-east-1" } }));
        let refused = Builder::new(&host, &configuration).start(&request());
        assert_eq!(refused.map(|_| ()), Err(refuses()));
        // A step that is repeated puts it there again; nobody comes after the other.
        assert_eq!(host.objects.borrow().contains_key("deployments/d-7/context.tar.gz"), stays);
    }
}

fn ecr(more: Value) -> Configuration {
    let mut ecr = json!({
        "region": "us-east-1", "endpoint": "http://ecr:5566", "access_key_id": "AKIA", "secret_access_key": "secret://aws",
        "lifecycle_policy": { "rules": [] },
    });
    ecr.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    configuration(json!({ "ecr": ecr, "repository": "models/{model}" }))
}

#[test]
fn ecrs_repository_is_made_once_and_its_token_is_the_builders() {
    let (host, configuration) = (host(), ecr(json!({})));
    started(&host, &configuration);
    started(&host, &configuration);
    let asked = host.asked.borrow();
    assert_eq!(asked[0].1["imageScanningConfiguration"]["scanOnPush"], true);
    assert_eq!(asked[0].1["imageTagMutability"], "IMMUTABLE");
    let operations: Vec<&str> = asked.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(
        operations[..4],
        ["CreateRepository", "GetLifecyclePolicy", "PutLifecyclePolicy", "GetAuthorizationToken"]
    );
    assert_eq!(asked[2].1["lifecyclePolicyText"], r#"{"rules":[]}"#);
    let config = host.resources.borrow()["Secret/build-d-7-login"]["stringData"][".dockerconfigjson"].clone();
    let config: Value = serde_json::from_str(config.as_str().unwrap()).unwrap();
    assert_eq!(config["auths"]["registry:5000"]["auth"], "QVdTOjEyMzQ1Njc4OTAxMi1hdXRoLXRva2Vu");
    assert!(host.log.borrow().iter().any(|line| line.contains("look whether both are one")), "{:?}", host.log);
}

#[test]
fn ecr_that_is_away_for_a_moment_gets_one_repository_and_one_job() {
    let busy = r#"{"__type": "com.amazonaws#ThrottlingException", "message": "Rate exceeded"}"#;
    let troubles = [
        Trouble::Lost,
        Trouble::Status(400, busy),
        Trouble::Status(429, ""),
        Trouble::Status(500, r#"{"__type": "ServerException", "message": "so it is"}"#),
        Trouble::Status(503, "<html>busy</html>"),
    ];
    for operation in ["CreateRepository", "GetLifecyclePolicy", "PutLifecyclePolicy", "GetAuthorizationToken"] {
        for trouble in troubles {
            let (host, configuration) = (host(), ecr(json!({})));
            host.trouble.replace(Some((operation, trouble)));
            let what = format!("{operation}: {trouble:?}");
            let Err(Error::Unavailable(away)) = Builder::new(&host, &configuration).start(&request()) else {
                panic!("{what}")
            };
            if let Trouble::Status(status, body) = trouble {
                assert_eq!(away.retry_after_ms, Some(7000), "{what}");
                assert!(!body.is_empty() || away.message.contains(&status.to_string()), "{what}: {}", away.message);
            }
            assert!(!host.resources.borrow().contains_key("Job/build-d-7"), "{what}");
            started(&host, &configuration);
            assert_eq!(*host.repositories.borrow(), ["models/predictor"], "{what}");
            assert_eq!(*host.policies.borrow(), ["models/predictor"], "{what}");
            assert!(host.resources.borrow().contains_key("Job/build-d-7"), "{what}");
        }
    }
}

#[test]
fn tags_of_cached_layers_may_move() {
    let (host, mut configuration) = (host(), ecr(json!({})));
    configuration.cache = Some(serde_json::from_value(json!({})).unwrap());
    started(&host, &configuration);
    let asked = host.asked.borrow();
    let made = |repository: &str| {
        let found =
            asked.iter().find(|(what, body)| what == "CreateRepository" && body["repositoryName"] == repository);
        found.expect(repository).1["imageTagMutability"].clone()
    };
    assert_eq!((made("models/predictor"), made("models/predictor/cache")), (json!("IMMUTABLE"), json!("MUTABLE")));
    assert!(arguments(&host).contains(&"--cache=true".to_owned()));
}

#[test]
fn a_builder_with_rights_of_its_own_gets_no_token() {
    let (host, configuration) = (host(), ecr(json!({ "login": "helper" })));
    started(&host, &configuration);
    assert!(host.asked.borrow().iter().all(|(operation, _)| operation != "GetAuthorizationToken"));
    let config = host.resources.borrow()["Secret/build-d-7-login"]["stringData"][".dockerconfigjson"].to_string();
    assert!(config.contains("ecr-login"), "{config}");
}

#[test]
fn who_pushes_is_a_reference_that_the_host_fills_in() {
    let host = host();
    started(&host, &configuration(json!({ "username": "ci", "password": "secret://registry" })));
    let config = host.resources.borrow()["Secret/build-d-7-login"]["stringData"][".dockerconfigjson"].clone();
    let config: Value = serde_json::from_str(config.as_str().unwrap()).unwrap();
    assert_eq!(config["auths"]["registry:5000"], json!({ "username": "ci", "password": "secret://registry" }));
    let both = configuration(json!({ "username": "ci", "password": "secret://a", "docker_config_secret": "b" }));
    let refused = Builder::new(&host, &both).start(&request());
    assert!(
        matches!(&refused, Err(Error::InvalidInput(why)) if why.message.contains("one `config.json`")),
        "{refused:?}"
    );
}

#[test]
fn a_failing_pip_ends_the_build_with_its_lines() {
    let (host, configuration) = (host(), configuration(json!({})));
    let state = started(&host, &configuration);
    // As Kaniko 1.24 wrote it.
    *host.output.borrow_mut() = "\u{1b}[36mINFO\u{1b}[0m[0004] Running: [/bin/sh -c pip install]\n\
        ERROR: Could not find a version that satisfies the requirement nope==9 (from versions: none)\n\
        ERROR: No matching distribution found for nope==9\n\
        error building image: error building stage: failed to execute command: waiting for process to exit: exit status 1\n"
        .to_owned();
    end_with(&host, 1, "");
    let (field, message) = failure(ended(&host, &configuration, state));
    assert_eq!(field, "requirements");
    assert!(message.starts_with("pip could not install the model's packages:\nERROR: Could not find"), "{message}");
    assert!(
        message.contains("No matching distribution found for nope==9") && message.contains("exit status 1"),
        "{message}"
    );
}

#[test]
fn a_builder_that_cannot_be_pulled_is_given_up_after_a_minute() {
    let (host, configuration) = (host(), configuration(json!({})));
    let mut state = started(&host, &configuration);
    let waiting = json!({ "reason": "ImagePullBackOff", "message": "Back-off pulling image \"kaniko:1\": not found" });
    *host.pods.borrow_mut() = vec![json!({
        "metadata": { "name": "build-d-7-x" }, "spec": { "nodeName": "node1" },
        "status": { "containerStatuses": [{ "name": "builder", "image": "kaniko:1", "state": { "waiting": waiting } }] },
    })];
    for now in [0, 30_000, 59_000] {
        host.now_ms.set(now);
        let step = Builder::new(&host, &configuration).advance(&state).unwrap();
        assert!(matches!(step.status, Status::Running(_)), "a registry may come back");
        state = step.state;
    }
    host.now_ms.set(61_000);
    let (field, message) = failure(ended(&host, &configuration, state));
    assert_eq!(field, "configuration.image");
    assert!(message.contains("not found"), "{message}");
}

#[test]
fn a_build_without_a_digest_is_no_success() {
    let (host, configuration) = (host(), configuration(json!({})));
    let state = started(&host, &configuration);
    end_with(&host, 0, "latest");
    let (field, message) = failure(ended(&host, &configuration, state));
    assert_eq!(field, "configuration.image");
    assert!(message.contains("no digest"), "{message}");
}

#[test]
fn files_that_are_no_model_are_refused_before_anything_is_made() {
    let (host, configuration) = (host(), configuration(json!({})));
    let mut request = request();
    request.model_files.remove(0);
    let refused = Builder::new(&host, &configuration).start(&request);
    assert!(matches!(&refused, Err(Error::InvalidInput(why)) if why.message.contains("MLmodel")), "{refused:?}");
    assert!(host.resources.borrow().is_empty());
}

#[test]
fn cluster_and_registry_are_checked_without_making_anything() {
    let (host, plain) = (host(), configuration(json!({})));
    let told = Builder::new(&host, &plain).check().unwrap();
    assert!(told.contains("reached by builds alone") && host.asked.borrow().is_empty(), "{told}");
    let told = Builder::new(&host, &ecr(json!({}))).check().unwrap();
    assert!(told.contains("ECR gives a token"), "{told}");
    let asked: Vec<String> = host.asked.borrow().iter().map(|(operation, _)| operation.clone()).collect();
    assert_eq!(asked, ["GetAuthorizationToken"]);
    assert!(host.resources.borrow().is_empty());
}
