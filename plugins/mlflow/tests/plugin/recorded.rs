//! A host whose MLflow answers from recordings and whose process does what the test says.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use asgard_plugin_mlflow::configuration::{Configuration, Runner};
use asgard_plugin_mlflow::host::Host;
use asgard_sdk::context::Level;
use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::processes::{Chunk, ProcessStatus, Spec};
use asgard_sdk::{Error, Result, http};
use asgard_workloads::cluster::Cluster;
use serde_json::Value;

pub(crate) const URI: &str = "http://127.0.0.1:5000";

/// `answers/NAME` with the status it came with.
macro_rules! answer {
    ($status:literal, $name:literal) => {
        ($status, include_str!(concat!("answers/", $name)).to_owned())
    };
}
pub(crate) use answer;

type Answer = (u16, String);

#[derive(Default)]
pub(crate) struct Recorded {
    /// `METHOD path` (without the API's prefix and the query) -> answers in order; the last one stays.
    answers: RefCell<BTreeMap<String, Vec<Answer>>>,
    /// `METHOD path?query body` of every request, in order.
    pub(crate) asked: RefCell<Vec<String>>,
    pub(crate) spec: RefCell<Option<Spec>>,
    pub(crate) status: Cell<Option<ProcessStatus>>,
    pub(crate) output: RefCell<Vec<u8>>,
    pub(crate) script_began: Cell<bool>,
    pub(crate) objects: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) now_ms: Cell<u64>,
    /// `Kind/name` -> resource as it was applied, with a uid.
    pub(crate) resources: RefCell<BTreeMap<String, Value>>,
    /// Merge patches, in order.
    pub(crate) patches: RefCell<Vec<Value>>,
    /// What the cluster says of pods.
    pub(crate) pods: RefCell<Vec<Value>>,
    /// The cluster takes no deletion for now.
    pub(crate) keeps: Cell<bool>,
}

impl Recorded {
    pub(crate) fn new(answers: &[(&str, Answer)]) -> Self {
        let host = Self::default();
        for (request, answer) in answers {
            host.answers.borrow_mut().entry((*request).to_owned()).or_default().push(answer.clone());
        }
        host
    }

    /// What was asked that starts like this.
    pub(crate) fn requests(&self, start: &str) -> Vec<String> {
        self.asked.borrow().iter().filter(|asked| asked.starts_with(start)).cloned().collect()
    }
}

pub(crate) fn configuration() -> Configuration {
    Configuration {
        tracking_uri: URI.to_owned(),
        runner: Runner::Process,
        kubernetes: None,
        program: "python".to_owned(),
        memory_mb: None,
        request_timeout_seconds: 30,
        model_alias: "candidate".to_owned(),
    }
}

/// A cluster that keeps what is applied, and whose pods are what the test says. Its log is the process's output.
impl Cluster for Recorded {
    fn apply(&self, manifest: &Value) -> Result<Value> {
        let mut made = manifest.clone();
        made["metadata"]["uid"] = "0c7a".into();
        let key = format!("{}/{}", text(manifest, "/kind"), text(manifest, "/metadata/name"));
        self.resources.borrow_mut().insert(key, made.clone());
        Ok(made)
    }
    fn patch(&self, reference: &Reference, patch: &Value) -> Result<Value> {
        self.patches.borrow_mut().push(patch.clone());
        let mut resources = self.resources.borrow_mut();
        let found = resources.get_mut(&format!("{}/{}", reference.kind, reference.name));
        let found = found.ok_or_else(|| Error::NotFound(reference.name.clone()))?;
        if let Some(suspend) = patch.pointer("/spec/suspend") {
            found["spec"]["suspend"] = suspend.clone();
        }
        Ok(found.clone())
    }
    fn get(&self, reference: &Reference) -> Result<Value> {
        let found = self.resources.borrow().get(&format!("{}/{}", reference.kind, reference.name)).cloned();
        found.ok_or_else(|| Error::NotFound(reference.name.clone()))
    }
    fn list(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Vec<Value>> {
        Ok(self.pods.borrow().clone())
    }
    fn delete(&self, reference: &Reference) -> Result<()> {
        if self.keeps.get() {
            return Err(Error::unavailable("the API server did not answer"));
        }
        self.resources.borrow_mut().remove(&format!("{}/{}", reference.kind, reference.name));
        Ok(())
    }
    fn logs(&self, _: &str, _: &str, _: &LogOptions) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.output.borrow()).into_owned())
    }
    fn events(&self, _: &Reference) -> Result<Vec<Value>> {
        Ok(Vec::new())
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl Host for Recorded {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        let path = request.url.strip_prefix(URI).expect("a request to the tracking server");
        let path = path.strip_prefix("/api/2.0/mlflow/").or(path.strip_prefix("/api/2.0/")).expect("an API path");
        let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        self.asked.borrow_mut().push(format!("{} {path} {body}", request.method));
        let (bare, _) = path.split_once('?').unwrap_or((path, ""));
        let mut answers = self.answers.borrow_mut();
        let Some(queue) = answers.get_mut(&format!("{} {bare}", request.method)) else {
            panic!("nothing is recorded for {} {path}", request.method);
        };
        let (status, body) = if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() };
        Ok(http::Response { status, headers: Vec::new(), body: body.into_bytes() })
    }
    fn start(&self, _key: &str, spec: &Spec) -> Result<()> {
        *self.spec.borrow_mut() = Some(spec.clone());
        self.status.set(Some(ProcessStatus::Running));
        Ok(())
    }
    fn status(&self, key: &str) -> Result<ProcessStatus> {
        self.status.get().ok_or_else(|| Error::NotFound(key.to_owned()))
    }
    fn output(&self, _key: &str, offset: u64, max: u32) -> Result<Chunk> {
        let output = self.output.borrow();
        let rest = output.get(offset as usize..).unwrap_or_default();
        let data = rest[..rest.len().min(max as usize)].to_vec();
        Ok(Chunk { next: offset + data.len() as u64, data })
    }
    fn read_file(&self, _key: &str, path: &str) -> Result<Vec<u8>> {
        if self.script_began.get() { Ok(Vec::new()) } else { Err(Error::NotFound(path.to_owned())) }
    }
    fn remove(&self, _key: &str) -> Result<()> {
        self.status.set(None);
        Ok(())
    }
    fn get_object(&self, key: &str) -> Result<Vec<u8>> {
        self.objects.borrow().get(key).cloned().ok_or_else(|| Error::NotFound(key.to_owned()))
    }
    fn location(&self, key: &str) -> Result<String> {
        Ok(format!("file:///data/objects/{key}"))
    }
    fn put_object(&self, key: &str, data: &[u8]) -> Result<()> {
        self.objects.borrow_mut().insert(key.to_owned(), data.to_vec());
        Ok(())
    }
    fn log(&self, _level: Level, message: &str) {
        self.log.borrow_mut().push(message.to_owned());
    }
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }
}
