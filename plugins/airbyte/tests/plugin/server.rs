//! An Airbyte in memory, as far as the plugin uses one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use asgard_plugin_airbyte::configuration::Configuration;
use asgard_plugin_airbyte::host::Host;
use asgard_sdk::connector::{Ingestion, Sink, Source, StreamSelection, SyncMode};
use asgard_sdk::context::Level;
use asgard_sdk::{Column, Error, Result, http};
use serde_json::{Value, json};

const PUBLIC: &str = "http://airbyte.test/api/public/v1";
const OWN: &str = "http://airbyte.test/api/v1";

/// Status, headers, body.
type Answered = (u16, Vec<(String, String)>, String);

#[derive(Default)]
pub(crate) struct State {
    /// `METHOD path` of every request, and its body.
    pub(crate) asked: RefCell<Vec<(String, Value)>>,
    /// By kind: `sources`, `destinations`, `connections`.
    pub(crate) things: RefCell<BTreeMap<String, Vec<Value>>>,
    pub(crate) jobs: RefCell<Vec<Value>>,
    /// Answers to come before any other.
    pub(crate) instead: RefCell<Vec<Answered>>,
    /// Answers of the server's own API, by path.
    pub(crate) own: RefCell<BTreeMap<String, Value>>,
    pub(crate) values: RefCell<BTreeMap<(String, String), Vec<u8>>>,
    pub(crate) log: RefCell<Vec<String>>,
    ids: Cell<u64>,
    /// The host dies when it has sent so many requests more.
    pub(crate) dies_after: Cell<Option<u64>>,
    /// After so many answers more one is lost: the server did what was asked.
    pub(crate) loses_after: Cell<Option<u64>>,
    /// Of the ingestion that the plugin is called for.
    pub(crate) resets: Cell<u32>,
}

#[derive(Clone, Default)]
pub(crate) struct Server(pub(crate) Rc<State>);

impl Server {
    pub(crate) fn count(&self, request: &str) -> usize {
        self.0.asked.borrow().iter().filter(|(asked, _)| asked.starts_with(request)).count()
    }

    pub(crate) fn things(&self, kind: &str) -> Vec<Value> {
        self.0.things.borrow().get(kind).cloned().unwrap_or_default()
    }

    pub(crate) fn own(&self, path: &str, answer: Value) {
        self.0.own.borrow_mut().insert(path.to_owned(), answer);
    }

    fn id(&self) -> u64 {
        self.0.ids.set(self.0.ids.get() + 1);
        self.0.ids.get()
    }

    fn answer(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["workspaces", _, "definitions", "sources"]) => {
                let of = |name: &str| json!({"id": format!("def-{name}"), "name": name, "dockerRepository": format!("airbyte/source-{name}"), "dockerImageTag": "1.0.0"});
                let all = ["postgres", "mysql", "mongodb-v2", "kafka", "hubspot"].map(of);
                (200, json!({ "data": all }))
            }
            ("GET", ["jobs"]) => {
                let kind = query.split('&').find_map(|part| part.strip_prefix("jobType=")).unwrap();
                let jobs = self.0.jobs.borrow();
                let newest: Vec<&Value> = jobs.iter().rev().filter(|job| job["jobType"] == kind).take(1).collect();
                (200, json!({ "data": newest }))
            }
            ("POST", ["jobs"]) => {
                let job = json!({"jobId": self.id(), "status": "pending", "jobType": body["jobType"], "startTime": "2026-01-01T00:00:00Z", "connectionId": body["connectionId"]});
                self.0.jobs.borrow_mut().push(job.clone());
                (200, job)
            }
            (_, ["jobs", id]) => {
                let mut jobs = self.0.jobs.borrow_mut();
                let Some(job) = jobs.iter_mut().find(|job| id.parse().is_ok_and(|id: u64| job["jobId"] == id)) else {
                    return (404, json!({}));
                };
                if method == "DELETE" {
                    job["status"] = json!("cancelled");
                }
                (200, job.clone())
            }
            ("GET", [kind]) => (200, json!({"data": self.things(kind)})),
            ("POST", [kind]) => {
                let mut thing = body.clone();
                thing[id_of(kind)] = json!(format!("{kind}-{}", self.id()));
                self.0.things.borrow_mut().entry((*kind).to_owned()).or_default().push(thing.clone());
                (200, thing)
            }
            (_, [kind, id]) => {
                let mut things = self.0.things.borrow_mut();
                let all = things.entry((*kind).to_owned()).or_default();
                let Some(index) = all.iter().position(|thing| thing[id_of(kind)] == **id) else {
                    return (404, json!({"message": "Could not find it"}));
                };
                if method == "DELETE" {
                    all.remove(index);
                    return (204, Value::Null);
                }
                for (key, value) in body.as_object().into_iter().flatten() {
                    all[index][key] = value.clone();
                }
                (200, all[index].clone())
            }
            _ => panic!("nobody answers {method} {path}"),
        }
    }
}

fn id_of(kind: &str) -> String {
    format!("{}Id", kind.trim_end_matches('s'))
}

impl Host for Server {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        if let Some(left) = self.0.dies_after.get() {
            assert!(left > 0, "the host is dead");
            self.0.dies_after.set(Some(left - 1));
        }
        let body: Value = request.body.as_deref().map(|body| serde_json::from_slice(body).unwrap()).unwrap_or_default();
        let (path, own) = match request.url.strip_prefix(PUBLIC) {
            Some(path) => (path, false),
            None => (request.url.strip_prefix(OWN).unwrap(), true),
        };
        self.0.asked.borrow_mut().push((format!("{} {path}", request.method), body.clone()));
        if !self.0.instead.borrow().is_empty() {
            let (status, headers, body) = self.0.instead.borrow_mut().remove(0);
            return Ok(http::Response { status, headers, body: body.into_bytes() });
        }
        let (status, answer) = if own {
            let answers = self.0.own.borrow();
            answers.get(path).map_or((404, json!({"message": "Object not found."})), |answer| (200, answer.clone()))
        } else {
            self.answer(&request.method, path, &body)
        };
        let left = self.0.loses_after.get();
        self.0.loses_after.set(left.and_then(|left| left.checked_sub(1)));
        if left == Some(0) {
            return Err(Error::unavailable("the connection ended before the answer"));
        }
        Ok(http::Response { status, headers: Vec::new(), body: answer.to_string().into_bytes() })
    }
    fn recall(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.values.borrow().get(&(bucket.to_owned(), key.to_owned())).cloned())
    }
    fn remember(&self, bucket: &str, key: &str, value: &[u8]) -> Result<()> {
        self.0.values.borrow_mut().insert((bucket.to_owned(), key.to_owned()), value.to_vec());
        Ok(())
    }
    fn forget(&self, bucket: &str) -> Result<()> {
        self.0.values.borrow_mut().retain(|(other, _), _| other != bucket);
        Ok(())
    }
    fn resets(&self) -> u32 {
        self.0.resets.get()
    }
    fn log(&self, _level: Level, message: &str) {
        self.0.log.borrow_mut().push(message.to_owned());
    }
}

pub(crate) fn configuration(more: Value) -> Configuration {
    let mut configuration = json!({
        "url": PUBLIC, "workspace_id": "w1", "destination": "s3-data-lake", "poll_seconds": 10, "request_timeout_seconds": 110,
        "catalog": {"uri": "http://nessie:19120/api/v2", "warehouse": "s3://lake/warehouse"},
    });
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    serde_json::from_value(configuration).unwrap()
}

pub(crate) fn source() -> Source {
    let configuration = json!({"host": "db", "port": 5432, "database": "erp", "username": "reader", "password": "secret://source-s1.password",
        "ssl_mode": {"mode": "require"}, "replication_method": {"method": "Standard"}, "schemas": ["production"]});
    Source {
        id: "s1".to_owned(),
        name: "erp".to_owned(),
        source_type: "postgres".to_owned(),
        configuration: configuration.to_string(),
        handle: None,
    }
}

pub(crate) fn stream(name: &str, table: &str, sync_mode: SyncMode) -> StreamSelection {
    StreamSelection {
        namespace: Some("production".to_owned()),
        name: name.to_owned(),
        sync_mode,
        cursor: None,
        primary_key: vec!["id".to_owned()],
        columns: vec![Column::new("id", "long")],
        table: table.to_owned(),
        checkpoint: None,
    }
}

pub(crate) fn ingestion() -> Ingestion {
    let sink = json!({"s3_bucket_name": "lake", "s3_bucket_region": "us-east-1", "s3_bucket_path": "raw", "s3_endpoint": "http://s3:8333",
        "access_key_id": "secret://sink-k1.access_key_id", "secret_access_key": "secret://sink-k1.secret_access_key"});
    Ingestion {
        id: "i1".to_owned(),
        name: "orders".to_owned(),
        source: source(),
        sink: Sink {
            id: "k1".to_owned(),
            name: "lake".to_owned(),
            sink_type: "s3".to_owned(),
            configuration: sink.to_string(),
            handle: None,
        },
        streams: vec![stream("work_orders", "erp_work_orders", SyncMode::IncrementalMerge)],
        handle: None,
        parts: 0,
        moment: None,
    }
}
