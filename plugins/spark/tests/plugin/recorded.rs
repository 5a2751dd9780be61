//! A host whose servers answer from recordings, whose process does what the test says, and whose cluster is a list of resources.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use asgard_plugin_spark::configuration::Configuration;
use asgard_plugin_spark::host::Host;
use asgard_plugin_spark::run::Runs;
use asgard_sdk::context::Level;
use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::processes::{Chunk, ProcessStatus, Spec};
use asgard_sdk::transform::{Compute, Input, Request, SilverRun, Status, Step, WriteMode};
use asgard_sdk::types::InvalidInput;
use asgard_sdk::{Error, Result, TableName, http};
use serde_json::{Value, json};

#[derive(Default)]
pub(crate) struct Recorded {
    /// `METHOD URL` without the query -> answers in order; the last one stays.
    answers: RefCell<BTreeMap<String, Vec<(u16, String)>>>,
    /// `METHOD URL` and body of every request.
    pub(crate) asked: RefCell<Vec<(String, String)>>,
    /// The answer to the next such request is lost: the server did what was asked.
    pub(crate) loses: RefCell<Option<String>>,
    pub(crate) spec: RefCell<Option<Spec>>,
    pub(crate) status: Cell<Option<ProcessStatus>>,
    pub(crate) output: RefCell<Vec<u8>>,
    pub(crate) objects: RefCell<BTreeMap<String, Vec<u8>>>,
    /// `KIND NAME` -> the resource, as a watch or a get tells it.
    pub(crate) cluster: RefCell<BTreeMap<String, Value>>,
    pub(crate) pod_log: RefCell<String>,
    pub(crate) pod_events: RefCell<Vec<Value>>,
    /// `VERB KIND NAME` of all that changed the cluster.
    pub(crate) changes: RefCell<Vec<String>>,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) events: RefCell<Vec<String>>,
    pub(crate) now_ms: Cell<u64>,
}

impl Recorded {
    pub(crate) fn answer(self, request: &str, status: u16, body: &str) -> Self {
        self.answers.borrow_mut().entry(request.to_owned()).or_default().push((status, body.to_owned()));
        self
    }

    /// From now on only this.
    pub(crate) fn answers_now(&self, request: &str, status: u16, body: &str) {
        self.answers.borrow_mut().insert(request.to_owned(), vec![(status, body.to_owned())]);
    }

    pub(crate) fn requests(&self, start: &str) -> usize {
        self.asked.borrow().iter().filter(|(asked, _)| asked.starts_with(start)).count()
    }

    fn resource(&self, kind: &str, name: &str) -> Result<String> {
        let cluster = self.cluster.borrow();
        let resource = cluster.get(&format!("{kind} {name}"));
        resource.map(Value::to_string).ok_or_else(|| Error::NotFound(format!("{kind} {name}")))
    }
}

/// A configuration over one lakehouse, with what the test adds.
pub(crate) fn configuration(more: Value) -> Configuration {
    let mut all = json!({
        "catalog_uri": "http://nessie:19120/iceberg/main",
        "catalog_warehouse": "lake",
        "s3_endpoint": "http://s3:8333",
        "s3_region": "us-east-1",
        "access_key_id": "secret://keys#access_key_id",
        "secret_access_key": "secret://keys#secret_access_key",
    });
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

pub(crate) fn request() -> Request {
    Request::Silver(SilverRun {
        run_id: "ab12cd34".to_owned(),
        sql: "SELECT id FROM source_data".to_owned(),
        inputs: vec![
            (
                "source_data".to_owned(),
                Input::Table(TableName { namespace: "bronze".to_owned(), name: "orders".to_owned() }),
            ),
            ("more".to_owned(), Input::Location("s3://lake/raw/more/".to_owned())),
        ],
        target: TableName { namespace: "silver".to_owned(), name: "orders".to_owned() },
        write_mode: WriteMode::Append,
        compute: Compute {
            executor_instances: 2,
            executor_cores: 1,
            executor_memory: "512m".to_owned(),
            driver_cores: 1,
            driver_memory: "640m".to_owned(),
        },
    })
}

pub(crate) fn start(host: &Recorded, configuration: &Configuration) -> Step {
    Runs::new(host, configuration).start(request()).unwrap()
}

/// Steps until the work is done.
pub(crate) fn ended(host: &Recorded, configuration: &Configuration, mut state: Vec<u8>) -> Step {
    for _ in 0..50 {
        let step = Runs::new(host, configuration).advance(&state).unwrap();
        match step.status {
            Status::Running(_) => state = step.state,
            _ => return step,
        }
    }
    panic!("the run does not end");
}

pub(crate) fn failure(status: &Status) -> &Error {
    match status {
        Status::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn field_of<T: std::fmt::Debug>(result: Result<T>) -> (String, String) {
    match result {
        Err(Error::InvalidInput(InvalidInput { field, message })) => (field.unwrap(), message),
        other => panic!("{other:?}"),
    }
}

impl Host for Recorded {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        let bare = request.url.split('?').next().unwrap();
        // The two outputs differ in their query alone.
        let stream = request.url.split("logType=").nth(1).and_then(|rest| rest.split('&').next());
        let asked =
            format!("{} {bare}{}", request.method, stream.map(|stream| format!("#{stream}")).unwrap_or_default());
        self.asked.borrow_mut().push((asked.clone(), body.into_owned()));
        let mut answers = self.answers.borrow_mut();
        let Some(queue) = answers.get_mut(&asked) else { panic!("nothing is recorded for {asked}") };
        let (status, body) = if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() };
        if self.loses.borrow_mut().take_if(|lost| asked.starts_with(&**lost)).is_some() {
            return Err(Error::unavailable("the connection ended before the answer"));
        }
        let body = match request.url.split("offset=").nth(1).and_then(|rest| rest.split('&').next()) {
            Some(offset) => page(&body, offset.parse().unwrap()),
            None => body,
        };
        Ok(http::Response { status, headers: Vec::new(), body: body.into_bytes() })
    }
    fn start(&self, _key: &str, spec: &Spec) -> Result<()> {
        if self.status.get().is_none() {
            *self.spec.borrow_mut() = Some(spec.clone());
            self.status.set(Some(ProcessStatus::Running));
        }
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
    fn remove(&self, _key: &str) -> Result<()> {
        self.status.set(None);
        Ok(())
    }
    fn apply(&self, manifest: &str) -> Result<String> {
        let manifest: Value = serde_json::from_str(manifest).unwrap();
        let of = format!("{} {}", manifest["kind"].as_str().unwrap(), manifest["metadata"]["name"].as_str().unwrap());
        self.changes.borrow_mut().push(format!("apply {of}"));
        let mut cluster = self.cluster.borrow_mut();
        let resource = cluster.entry(of).or_insert_with(|| manifest.clone());
        for part in ["spec", "data", "stringData"] {
            if let Some(value) = manifest.get(part) {
                resource[part] = value.clone();
            }
        }
        resource["metadata"] = manifest["metadata"].clone();
        resource["metadata"]["uid"] = json!("u-1");
        resource["metadata"]["resourceVersion"] = json!("7");
        Ok(resource.to_string())
    }
    fn get(&self, reference: &Reference) -> Result<String> {
        self.resource(&reference.kind, &reference.name)
    }
    fn watch(&self, reference: &Reference, _resource_version: &str, deadline_ms: u32) -> Result<String> {
        self.now_ms.set(self.now_ms.get() + u64::from(deadline_ms));
        self.resource(&reference.kind, &reference.name)
    }
    fn delete(&self, reference: &Reference) -> Result<()> {
        let of = format!("{} {}", reference.kind, reference.name);
        self.changes.borrow_mut().push(format!("delete {of}"));
        self.cluster.borrow_mut().remove(&of);
        Ok(())
    }
    fn logs(&self, _namespace: &str, _pod: &str, options: &LogOptions) -> Result<String> {
        assert_eq!(options.container.as_deref(), Some("spark-kubernetes-driver"));
        Ok(self.pod_log.borrow().clone())
    }
    fn events(&self, reference: &Reference) -> Result<Vec<String>> {
        let events = self.pod_events.borrow();
        Ok(events
            .iter()
            .filter(|event| event["involvedObject"]["kind"] == reference.kind)
            .map(Value::to_string)
            .collect())
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
    fn reveal(&self, secret: &str) -> Result<String> {
        Ok(secret.replace("secret://", "revealed "))
    }
    fn log(&self, _level: Level, message: &str) {
        self.log.borrow_mut().push(message.to_owned());
    }
    fn event(&self, _kind: &str, reason: &str, message: &str) {
        self.events.borrow_mut().push(format!("{reason}: {message}"));
    }
    fn task_id(&self) -> String {
        "task-1".to_owned()
    }
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }
}

/// A worker's page of an output from an offset on.
fn page(whole: &str, offset: usize) -> String {
    let rest = whole.get(offset..).unwrap_or_default();
    format!("==== Bytes {offset}-{} of {} of /work/driver/stdout ====\n{rest}", whole.len(), whole.len())
}
