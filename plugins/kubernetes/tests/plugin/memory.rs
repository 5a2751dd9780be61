//! A cluster in memory, and what the tests do with a server on it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use asgard_plugin_kubernetes::configuration::Configuration;
use asgard_plugin_kubernetes::host::Host;
use asgard_plugin_kubernetes::serving::Server;
use asgard_sdk::context::Level;
use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::serving::{Request, Status};
use asgard_sdk::{Error, Result, http};
use asgard_workloads::cluster::Cluster;
use serde_json::{Value, json};

/// A cluster in memory. What controllers would do, the test does.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) resources: RefCell<BTreeMap<String, Value>>,
    pub(crate) pods: RefCell<Vec<Value>>,
    pub(crate) logs: RefCell<BTreeMap<bool, String>>,
    pub(crate) health: Cell<u16>,
    pub(crate) now_ms: Cell<u64>,
    pub(crate) environment: RefCell<Option<String>>,
    pub(crate) versions: Cell<u64>,
    /// What somebody else does just before a Deployment of this name is applied.
    pub(crate) meanwhile: RefCell<Option<(&'static str, Meanwhile)>>,
    /// What the cluster does not let the host do, such as `list Pod`.
    pub(crate) forbidden: Cell<Option<&'static str>>,
}

type Meanwhile = Box<dyn FnOnce(&Memory)>;

impl Memory {
    /// The controllers have done their work: every container is of the newest version and answers.
    pub(crate) fn roll_out(&self) {
        let mut resources = self.resources.borrow_mut();
        for (_, deployment) in resources.iter_mut().filter(|(name, _)| name.starts_with("Deployment/")) {
            let replicas = deployment["spec"]["replicas"].clone();
            deployment["status"] = json!({
                "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas,
            });
        }
        if let Some(service) = resources.get_mut("Service/model-predictor") {
            service["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "198.51.100.10" }] } });
        }
    }
    fn permit(&self, act: &str, kind: &str) -> Result<()> {
        let act = format!("{act} {kind}");
        if self.forbidden.get() == Some(act.as_str()) {
            return Err(Error::Forbidden(format!("the account may not {act}")));
        }
        Ok(())
    }
    pub(crate) fn image(&self) -> Option<String> {
        let resources = self.resources.borrow();
        let image = resources.get(DEPLOYMENT)?["spec"]["template"]["spec"]["containers"][0]["image"].clone();
        image.as_str().map(str::to_owned)
    }
}

pub(crate) const DEPLOYMENT: &str = "Deployment/model-predictor";

impl Cluster for Memory {
    fn apply(&self, manifest: &Value) -> Result<Value> {
        let name = format!("{}/{}", manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap());
        let mut meanwhile = self.meanwhile.borrow_mut();
        if let Some((_, act)) = meanwhile.take_if(|(of, _)| *of == name) {
            drop(meanwhile);
            act(self);
        }
        let mut made = manifest.clone();
        made["metadata"]["generation"] = json!(1);
        let mut resources = self.resources.borrow_mut();
        if let Some(before) = resources.get(&name) {
            let read = &manifest["metadata"]["resourceVersion"];
            if !read.is_null() && *read != before["metadata"]["resourceVersion"] {
                return Err(Error::Conflict("the object has been modified".to_owned()));
            }
            if let Some(status) = before.get("status") {
                made["status"] = status.clone();
            }
            made["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            if made == *before {
                return Ok(made);
            }
            // Of a Deployment, annotations count too.
            let annotations = "/metadata/annotations";
            if before["spec"] != made["spec"] || before.pointer(annotations) != made.pointer(annotations) {
                made["status"]["observedGeneration"] = json!(0);
            }
        }
        self.versions.set(self.versions.get() + 1);
        made["metadata"]["resourceVersion"] = json!(self.versions.get().to_string());
        resources.insert(name, made.clone());
        Ok(made)
    }
    fn patch(&self, _: &Reference, _: &Value) -> Result<Value> {
        panic!("nothing is patched")
    }
    fn get(&self, reference: &Reference) -> Result<Value> {
        let found = self.resources.borrow().get(&format!("{}/{}", reference.kind, reference.name)).cloned();
        found.ok_or_else(|| Error::NotFound(reference.name.clone()))
    }
    fn list(&self, _: &str, kind: &str, _: &str, _: &str) -> Result<Vec<Value>> {
        self.permit("list", kind)?;
        Ok(self.pods.borrow().clone())
    }
    fn delete(&self, reference: &Reference) -> Result<()> {
        self.permit("delete", &reference.kind)?;
        self.resources.borrow_mut().remove(&format!("{}/{}", reference.kind, reference.name));
        Ok(())
    }
    fn logs(&self, _: &str, _: &str, options: &LogOptions) -> Result<String> {
        Ok(self.logs.borrow().get(&options.previous).cloned().unwrap_or_default())
    }
    fn events(&self, reference: &Reference) -> Result<Vec<Value>> {
        let message = "Readiness probe failed: Get \"http://10.244.0.9:8080/health\": connection refused";
        Ok(if reference.kind == "Pod" {
            vec![json!({ "type": "Warning", "reason": "Unhealthy", "message": message })]
        } else {
            Vec::new()
        })
    }
}

impl Host for Memory {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        assert_eq!(request.url, "http://198.51.100.10/health");
        Ok(http::Response { status: self.health.get(), headers: Vec::new(), body: Vec::new() })
    }
    fn environment(&self) -> String {
        self.environment.borrow().clone().unwrap_or_else(|| "production".to_owned())
    }
    fn log(&self, _: Level, _: &str) {}
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }
}

pub(crate) fn request(deployment: &str, version: &str) -> Request {
    Request {
        deployment_id: deployment.to_owned(),
        model_name: "predictor".to_owned(),
        model_version: version.to_owned(),
        image: Some(format!("registry:5000/predictor@sha256:{version}")),
        model_files: Vec::new(),
        requirements: Vec::new(),
        replicas: 2,
        namespace: "asgard".to_owned(),
    }
}

pub(crate) fn with_server<T>(
    host: &Memory,
    configuration: Value,
    work: impl FnOnce(&Server) -> Result<T>,
) -> Result<T> {
    let configuration: Configuration = serde_json::from_value(configuration).unwrap();
    work(&Server::new(host, &configuration)?)
}

pub(crate) fn start(host: &Memory, deployment: &str, version: &str) -> Vec<u8> {
    with_server(host, json!({}), |server| server.start(request(deployment, version))).unwrap().state
}

/// One step: where it is, and the state to go on from.
pub(crate) fn advance(host: &Memory, state: &mut Vec<u8>) -> Status {
    let step = with_server(host, json!({}), |server| server.advance(state)).unwrap();
    *state = step.state;
    step.status
}

pub(crate) fn served(host: &Memory, deployment: &str, version: &str) -> Vec<u8> {
    let mut state = start(host, deployment, version);
    followed(host, &mut state);
    state
}

/// Steps with controllers that do their work at once, until the deployment is done.
pub(crate) fn followed(host: &Memory, state: &mut Vec<u8>) {
    for _ in 0..10 {
        host.roll_out();
        match advance(host, state) {
            Status::Running(_) => {}
            Status::Succeeded(_) => return,
            Status::Failed(error) => panic!("{error:?}"),
        }
    }
    panic!("it goes on for ever");
}
