//! A host whose Feast answers from recordings.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use asgard_plugin_feast::client::Client;
use asgard_plugin_feast::configuration::Configuration;
use asgard_plugin_feast::host::Host;
use asgard_plugin_feast::run::Feast;
use asgard_sdk::context::Level;
use asgard_sdk::feature_source::{Dtype, Feature, FeatureView};
use asgard_sdk::processes::{Chunk, Content, ProcessStatus, Spec};
use asgard_sdk::{Column, Error, Result, TableName, http, lakehouse};
use serde_json::{Value, json};

const REGISTRY: &str = "http://feast:6572";
const SERVER: &str = "http://feast:6566";

/// `answers/NAME` with the status it came with.
macro_rules! answer {
    ($status:literal, $name:literal) => {
        ($status, include_str!(concat!("answers/", $name)).to_owned())
    };
}
pub(crate) use answer;

type Answer = (u16, String);

pub(crate) struct Recorded {
    /// `METHOD path` (without the query) -> answers in order; the last one stays.
    answers: RefCell<BTreeMap<String, Vec<Answer>>>,
    /// Path and body of every request with one, in order.
    pub(crate) asked: RefCell<Vec<(String, Value)>>,
    pub(crate) snapshot: Cell<i64>,
    pub(crate) columns: Vec<Column>,
    /// Statements that were submitted, in order, and where their rows went.
    pub(crate) written: RefCell<Vec<(String, String)>>,
    submitted: RefCell<Vec<String>>,
    /// Rows that the engine finds for an object.
    pub(crate) rows: RefCell<BTreeMap<String, u64>>,
    values: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(crate) objects: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Processes that were started, in order, and how they end.
    pub(crate) specs: RefCell<Vec<(String, Spec)>>,
    pub(crate) status: Cell<ProcessStatus>,
    /// Another host goes on, which knows nothing of the process: at the next look.
    pub(crate) elsewhere: Cell<bool>,
    pub(crate) output: RefCell<Vec<u8>>,
    pub(crate) removed: RefCell<Vec<String>>,
    pub(crate) now_ms: Cell<u64>,
}

impl Recorded {
    pub(crate) fn new(answers: &[(&str, Answer)]) -> Self {
        let column = |(name, data_type): (&str, &str)| Column {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            nullable: true,
            doc: None,
        };
        let columns = [
            ("k", "string"),
            ("t", "timestamptz"),
            ("made", "timestamp"),
            ("i", "long"),
            ("f", "float"),
            ("s", "string"),
            ("b", "binary"),
            ("o", "boolean"),
            ("u", "date"),
            ("ai", "list<long>"),
            ("as", "list<string>"),
            ("i3", "int"),
        ];
        let host = Self {
            answers: RefCell::default(),
            asked: RefCell::default(),
            snapshot: Cell::new(7),
            columns: columns.map(column).to_vec(),
            written: RefCell::default(),
            submitted: RefCell::default(),
            rows: RefCell::default(),
            values: RefCell::default(),
            objects: RefCell::default(),
            specs: RefCell::default(),
            status: Cell::new(ProcessStatus::Exited(0)),
            elsewhere: Cell::default(),
            output: RefCell::default(),
            removed: RefCell::default(),
            now_ms: Cell::new(1_770_000_000_000),
        };
        for (request, answer) in answers {
            host.answers.borrow_mut().entry((*request).to_owned()).or_default().push(answer.clone());
        }
        host
    }

    /// Works with a plugin that is configured for the recorded servers.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Feast<'_>) -> T) -> T {
        let configuration = configuration();
        let client = Client::new(self, &configuration);
        work(Feast { host: self, configuration: &configuration, client: &client })
    }

    /// Bodies that were sent to that path.
    pub(crate) fn bodies(&self, path: &str) -> Vec<Value> {
        self.asked.borrow().iter().filter(|(asked, _)| asked == path).map(|(_, body)| body.clone()).collect()
    }

    /// What processes were asked for, in order.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let request = |spec: &Spec| {
            let file = spec.files.iter().find(|file| file.path == "request.json").unwrap();
            let Content::Inline(bytes) = &file.content else { panic!("an object") };
            serde_json::from_slice(bytes).unwrap()
        };
        self.specs.borrow().iter().map(|(_, spec)| request(spec)).collect()
    }
}

fn configuration() -> Configuration {
    serde_json::from_value(json!({
        "registry": format!("{REGISTRY}/"), "feature_server": SERVER, "project": "live",
        "store": {"registry": "sqlite://", "online_store": {"type": "redis"}, "offline_store": {"type": "duckdb"}},
        "environment": {"REDIS_PASSWORD": "secret://redis"},
    }))
    .unwrap()
}

pub(crate) fn view(features: &[(&str, Dtype)]) -> FeatureView {
    let feature = |(name, dtype): &(&str, Dtype)| Feature {
        name: (*name).to_owned(),
        dtype: *dtype,
        description: None,
        tags: Vec::new(),
    };
    FeatureView {
        name: "v".to_owned(),
        entities: vec!["k".to_owned()],
        features: features.iter().map(feature).collect(),
        source: TableName { namespace: "gold".to_owned(), name: "rows".to_owned() },
        timestamp_field: Some("t".to_owned()),
        created_timestamp_column: Some("made".to_owned()),
        ttl_seconds: 0,
        description: None,
        tags: Vec::new(),
        online: true,
    }
}

impl Host for Recorded {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        let path = request.url.strip_prefix(REGISTRY).or(request.url.strip_prefix(SERVER)).unwrap();
        let (bare, _) = path.split_once('?').unwrap_or((path, ""));
        if let Some(body) = &request.body {
            self.asked.borrow_mut().push((bare.to_owned(), serde_json::from_slice(body).unwrap()));
        }
        let mut answers = self.answers.borrow_mut();
        let Some(queue) = answers.get_mut(&format!("{} {bare}", request.method)) else {
            panic!("nothing is recorded for {} {path}", request.method);
        };
        let (status, body) = if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() };
        if status == 0 {
            return Err(Error::unavailable(body));
        }
        Ok(http::Response { status, headers: Vec::new(), body: body.into_bytes() })
    }
    fn describe(&self, table: &TableName) -> Result<lakehouse::Table> {
        Ok(lakehouse::Table {
            name: table.clone(),
            columns: self.columns.clone(),
            snapshot: Some(self.snapshot.get()),
            rows: None,
            bytes: None,
            location: String::new(),
            properties: Vec::new(),
            view_sql: None,
        })
    }
    fn plan(&self, _: &lakehouse::Statement) -> Result<lakehouse::QueryPlan> {
        let mut columns = self.columns[..2].to_vec();
        columns[1].name = "event_timestamp".to_owned();
        Ok(lakehouse::QueryPlan { columns, tables: Vec::new() })
    }
    fn submit(&self, key: &str, statement: &lakehouse::Statement, output: &lakehouse::Output) -> Result<()> {
        assert!(is_name(key), "the host refuses `{key}`");
        let lakehouse::Output::Parquet(object) = output else { panic!("no Parquet") };
        self.written.borrow_mut().push((object.clone(), statement.sql.clone()));
        self.submitted.borrow_mut().push(format!("{key} {object}"));
        Ok(())
    }
    fn poll(&self, key: &str) -> Result<lakehouse::Status> {
        let submitted = self.submitted.borrow();
        let Some(object) = submitted.iter().find_map(|known| known.strip_prefix(&format!("{key} "))) else {
            return Err(Error::NotFound(key.to_owned()));
        };
        let rows = self.rows.borrow().get(object).copied().unwrap_or(3);
        Ok(lakehouse::Status::Succeeded(lakehouse::Written {
            rows,
            bytes: 0,
            rows_read: rows,
            bytes_read: 0,
            snapshot: None,
            location: String::new(),
            total_rows: rows,
        }))
    }
    fn cancel(&self, _: &str) -> Result<()> {
        Ok(())
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
        Ok(format!("file:///data/objects/{key}"))
    }
    fn get_value(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.values.borrow().get(&format!("{bucket}/{key}")).cloned())
    }
    fn set_value(&self, bucket: &str, key: &str, value: &[u8]) -> Result<()> {
        self.values.borrow_mut().insert(format!("{bucket}/{key}"), value.to_vec());
        Ok(())
    }
    fn forget_values(&self, bucket: &str) -> Result<()> {
        self.values.borrow_mut().retain(|key, _| !key.starts_with(&format!("{bucket}/")));
        Ok(())
    }
    fn start(&self, key: &str, spec: &Spec) -> Result<()> {
        assert!(is_name(key), "the host refuses `{key}`");
        self.specs.borrow_mut().push((key.to_owned(), spec.clone()));
        Ok(())
    }
    fn status(&self, key: &str) -> Result<ProcessStatus> {
        if self.elsewhere.take() { Err(Error::NotFound(key.to_owned())) } else { Ok(self.status.get()) }
    }
    fn output(&self, _: &str, offset: u64, max: u32) -> Result<Chunk> {
        let output = self.output.borrow();
        let rest = output.get(offset as usize..).unwrap_or_default();
        let data = rest[..rest.len().min(max as usize)].to_vec();
        Ok(Chunk { next: offset + data.len() as u64, data })
    }
    fn store_file(&self, _: &str, path: &str, object: &str) -> Result<()> {
        self.put_object(object, path.as_bytes())
    }
    fn remove(&self, key: &str) -> Result<()> {
        self.removed.borrow_mut().push(key.to_owned());
        Ok(())
    }
    fn task_id(&self) -> String {
        "task".to_owned()
    }
    fn log(&self, _: Level, _: &str) {}
    fn now_ms(&self) -> u64 {
        self.now_ms.set(self.now_ms.get() + 10);
        self.now_ms.get()
    }
    fn pause(&self, milliseconds: u32) {
        self.now_ms.set(self.now_ms.get() + u64::from(milliseconds));
    }
}

/// As the host takes keys.
fn is_name(key: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    (1..=80).contains(&key.len()) && !key.starts_with('.') && key.chars().all(plain)
}
