//! A host whose Trino answers from recordings, whose process does what the test says, and whose cluster is a map.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use asgard_plugin_dbt_trino::configuration::Configuration;
use asgard_plugin_dbt_trino::host::Host;
use asgard_plugin_dbt_trino::run::Gold;
use asgard_sdk::context::Level;
use asgard_sdk::json::{self, Value, json};
use asgard_sdk::kubernetes::Reference;
use asgard_sdk::processes::{Chunk, ProcessStatus, Spec};
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization, Request, Status, Step};
use asgard_sdk::{Error, Result, TableName, http};

const URL: &str = "http://127.0.0.1:28080";

/// The pages of a recorded query.
macro_rules! answer {
    ($name:literal) => {
        include_str!(concat!("answers/", $name, ".jsonl"))
    };
}
pub(crate) use answer;

#[derive(Default)]
pub(crate) struct Recorded {
    /// A part of a statement -> its query's pages, for each time that it is posted; the last stays.
    statements: RefCell<Vec<(String, Vec<String>)>>,
    /// What is asked for next -> the page.
    pages: RefCell<BTreeMap<String, String>>,
    /// Statements that began: posted, and asked for.
    pub(crate) begun: RefCell<Vec<String>>,
    posted: RefCell<BTreeMap<String, String>>,
    /// Statements that were posted, each with the catalog of its session.
    pub(crate) sessions: RefCell<Vec<(String, String)>>,
    /// Addresses that were ended.
    pub(crate) deleted: RefCell<Vec<String>>,
    /// A status in place of every answer.
    pub(crate) status_code: Cell<Option<u16>>,
    /// Of the last request.
    pub(crate) headers: RefCell<Vec<(String, String)>>,
    pub(crate) spec: RefCell<Option<Spec>>,
    pub(crate) status: Cell<Option<ProcessStatus>>,
    pub(crate) output: RefCell<Vec<u8>>,
    pub(crate) files: RefCell<BTreeMap<String, Vec<u8>>>,
    /// `Kind/name` -> resource.
    pub(crate) resources: RefCell<BTreeMap<String, Value>>,
    pub(crate) pod_log: RefCell<String>,
    pub(crate) log: RefCell<Vec<String>>,
}

impl Recorded {
    pub(crate) fn new(statements: &[(&str, &str)]) -> Self {
        let host = Self::default();
        for (part, pages) in statements {
            host.answers(part, pages);
        }
        host
    }

    /// What a statement with this part in it is answered from now on.
    pub(crate) fn answers(&self, part: &str, pages: &str) {
        let mut statements = self.statements.borrow_mut();
        match statements.iter_mut().find(|(known, _)| known == part) {
            Some((_, queue)) => queue.push(pages.to_owned()),
            None => statements.push((part.to_owned(), vec![pages.to_owned()])),
        }
    }

    /// As [`Recorded::answers`], in the place of what was there.
    pub(crate) fn answers_now(&self, part: &str, pages: &str) {
        self.statements.borrow_mut().retain(|(known, _)| known != part);
        self.answers(part, pages);
    }

    pub(crate) fn forget_queries(&self) {
        self.pages.borrow_mut().clear();
    }

    /// Begun statements that write.
    pub(crate) fn writes(&self) -> Vec<String> {
        let begun = self.begun.borrow();
        let writes = ["CREATE", "INSERT", "MERGE", "ALTER", "DROP"];
        let schema = "CREATE SCHEMA";
        begun
            .iter()
            .filter(|sql| writes.iter().any(|word| sql.starts_with(word)) && !sql.starts_with(schema))
            .cloned()
            .collect()
    }

    fn post(&self, sql: &str) -> http::Response {
        let pages = {
            let mut statements = self.statements.borrow_mut();
            let found = statements.iter_mut().find(|(part, _)| sql.contains(part.as_str()));
            let Some((_, queue)) = found else { panic!("nothing is recorded for {sql}") };
            if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() }
        };
        // Each query has addresses of its own, however often its recording is played.
        let number = self.posted.borrow().len();
        let own = |page: &str| page.replace("/v1/statement/", &format!("/v1/statement/{number}/"));
        let lines: Vec<String> = pages.lines().map(own).collect();
        for (page, next) in lines.iter().zip(lines.iter().skip(1)) {
            let page: Value = json::from_str(page).unwrap();
            self.pages.borrow_mut().insert(page["nextUri"].as_str().unwrap().to_owned(), next.clone());
        }
        let first: Value = json::from_str(&lines[0]).unwrap();
        let way = first["nextUri"].as_str().map_or_else(|| format!("none {number}"), str::to_owned);
        self.posted.borrow_mut().insert(way, sql.to_owned());
        answered(200, &lines[0])
    }
}

fn answered(status: u16, body: &str) -> http::Response {
    http::Response { status, headers: vec![("Retry-After".to_owned(), "7".to_owned())], body: body.as_bytes().to_vec() }
}

impl Host for Recorded {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        assert!(request.url.starts_with(URL), "{}", request.url);
        *self.headers.borrow_mut() = request.headers.clone();
        if let Some(status) = self.status_code.get() {
            return Ok(answered(status, "busy"));
        }
        Ok(match request.method.as_str() {
            "POST" => {
                let sql = std::str::from_utf8(request.body.as_deref().unwrap()).unwrap();
                let catalog = request.headers.iter().find(|(name, _)| name == "x-trino-catalog").unwrap();
                self.sessions.borrow_mut().push((sql.to_owned(), catalog.1.clone()));
                self.post(sql)
            }
            "GET" => {
                let page = self.pages.borrow().get(&request.url).cloned();
                let Some(page) = page else { return Ok(answered(404, "Error 404 Not Found: Query not found")) };
                if let Some(sql) = self.posted.borrow_mut().remove(&request.url) {
                    self.begun.borrow_mut().push(sql);
                }
                answered(200, &page)
            }
            "DELETE" => {
                self.deleted.borrow_mut().push(request.url.clone());
                answered(204, "")
            }
            other => panic!("{other}"),
        })
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
    fn read_file(&self, _key: &str, path: &str) -> Result<Vec<u8>> {
        self.files.borrow().get(path).cloned().ok_or_else(|| Error::NotFound(path.to_owned()))
    }
    fn remove(&self, _key: &str) -> Result<()> {
        self.status.set(None);
        Ok(())
    }
    fn apply(&self, manifest: &str) -> Result<String> {
        let mut resource: Value = json::from_str(manifest).unwrap();
        let key = format!("{}/{}", resource["kind"].as_str().unwrap(), resource["metadata"]["name"].as_str().unwrap());
        resource["metadata"]["uid"] = json!(format!("uid of {key}"));
        self.resources.borrow_mut().insert(key, resource.clone());
        Ok(resource.to_string())
    }
    fn patch(&self, reference: &Reference, patch: &str) -> Result<String> {
        let mut resources = self.resources.borrow_mut();
        let resource = resources
            .get_mut(&format!("{}/{}", reference.kind, reference.name))
            .ok_or_else(|| Error::NotFound(reference.name.clone()))?;
        let patch: Value = json::from_str(patch).unwrap();
        resource["spec"]["suspend"] = patch["spec"]["suspend"].clone();
        Ok(resource.to_string())
    }
    fn get(&self, reference: &Reference) -> Result<String> {
        let resources = self.resources.borrow();
        let found = resources.get(&format!("{}/{}", reference.kind, reference.name));
        found.map(Value::to_string).ok_or_else(|| Error::NotFound(reference.name.clone()))
    }
    fn list(&self, _api_version: &str, kind: &str, _namespace: &str, selector: &str) -> Result<Vec<String>> {
        let resources = self.resources.borrow();
        let job = selector.strip_prefix("job-name=").unwrap();
        let of_job = |(key, value): (&String, &Value)| {
            (key.starts_with(&format!("{kind}/")) && value["metadata"]["labels"]["job-name"] == job)
                .then(|| value.to_string())
        };
        Ok(resources.iter().filter_map(of_job).collect())
    }
    fn delete(&self, reference: &Reference) -> Result<()> {
        self.resources.borrow_mut().remove(&format!("{}/{}", reference.kind, reference.name));
        Ok(())
    }
    fn logs(&self, _namespace: &str, _pod: &str) -> Result<String> {
        Ok(self.pod_log.borrow().clone())
    }
    fn environment(&self) -> String {
        "production".to_owned()
    }
    fn task_id(&self) -> String {
        "t-1".to_owned()
    }
    fn log(&self, _level: Level, message: &str) {
        self.log.borrow_mut().push(message.to_owned());
    }
    fn event(&self, _kind: &str, _reason: &str, _message: &str) {}
    fn now_ms(&self) -> u64 {
        1_000
    }
}

/// An object with more in it, or other values.
pub(crate) fn with(mut all: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

pub(crate) fn configuration(more: &Value) -> Configuration {
    json::from_value(with(json!({ "url": URL, "mode": "statements" }), more)).unwrap()
}

pub(crate) fn gold<'a>(host: &'a Recorded, more: &Value) -> Gold<'a> {
    Gold::new(host, &configuration(more)).unwrap()
}

pub(crate) fn table(namespace: &str, name: &str) -> TableName {
    TableName { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// The model of the recordings.
pub(crate) fn model() -> GoldModel {
    GoldModel {
        name: "Totals".to_owned(),
        sql: "SELECT id, v, 'a' AS word FROM iceberg.silver.t".to_owned(),
        target: table("gold", "totals"),
        materialization: Materialization::Table,
        incremental_strategy: IncrementalStrategy::Append,
        unique_key: Vec::new(),
        description: None,
        tags: Vec::new(),
        owner: "dbt".to_owned(),
        models: vec![("t".to_owned(), table("silver", "t"))],
    }
}

pub(crate) fn incremental(strategy: IncrementalStrategy, key: &[&str]) -> GoldModel {
    GoldModel {
        materialization: Materialization::Incremental,
        incremental_strategy: strategy,
        unique_key: key.iter().map(|name| (*name).to_owned()).collect(),
        ..model()
    }
}

/// Steps until the end, each of them twice from the same state: as after a crash.
pub(crate) fn to_the_end(gold: &Gold, model: GoldModel) -> Step {
    let mut step = gold.start(Request::Gold(model)).unwrap();
    for _ in 0..50 {
        let Status::Running(_) = step.status else { return step };
        gold.advance(&step.state).unwrap();
        step = gold.advance(&step.state).unwrap();
    }
    panic!("the run does not end");
}

/// Steps until the end.
pub(crate) fn finish(gold: &Gold, mut step: Step) -> Step {
    while let Status::Running(_) = step.status {
        step = gold.advance(&step.state).unwrap();
    }
    step
}

/// A Trino on which the model's table is made.
pub(crate) fn replacing() -> Recorded {
    let host = Recorded::new(&[
        (EXISTING, answer!("existing-nothing")),
        (COLUMNS, answer!("columns")),
        (SCHEMA, answer!("schema")),
        ("CREATE OR REPLACE TABLE", answer!("replaced")),
        (PROPERTIES, answer!("properties")),
        (COUNT, answer!("count")),
        (SUMMARY, answer!("summary")),
    ]);
    host.answers(EXISTING, answer!("existing-table"));
    host
}

/// A Trino that has the table, to which rows are added.
pub(crate) fn appending() -> Recorded {
    Recorded::new(&[
        (EXISTING, answer!("existing-table")),
        (COLUMNS, answer!("columns")),
        ("SELECT * FROM \"gold\".\"totals\" LIMIT 0", answer!("table-columns")),
        (SCHEMA, answer!("schema")),
        (INSERT, answer!("appended")),
        (PROPERTIES, answer!("properties")),
        (COUNT, answer!("count")),
        (SUMMARY, answer!("summary")),
        (WORK, answer!("work-none")),
    ])
}

pub(crate) const EXISTING: &str = "FROM information_schema.tables";
pub(crate) const COLUMNS: &str = "SELECT * FROM (\n";
pub(crate) const SCHEMA: &str = "CREATE SCHEMA IF NOT EXISTS \"gold\"";
pub(crate) const PROPERTIES: &str = "FROM \"gold\".\"totals$properties\"";
pub(crate) const COUNT: &str = "SELECT count(*) FROM \"gold\".\"totals\"";
pub(crate) const SUMMARY: &str = "SELECT element_at(summary, 'added-records')";
pub(crate) const WORK: &str = "SELECT (SELECT count(*)";
pub(crate) const INSERT: &str = "INSERT INTO";
