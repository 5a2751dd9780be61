//! An environment of the host, by its REST API.

use std::time::Duration;

use asgard_journey::client::{Answer as Response, Client};
use asgard_journey::s3::S3;
use asgard_journey::steps::Source;
use asgard_live::nessie::Nessie;
use asgard_live::rows::{Answer, Type};
use asgard_live::trino::Trino;
use serde_json::{Value, json};

use crate::world::until;

/// Far more than any step needs.
const STEP_WITHIN: Duration = Duration::from_secs(180);

/// One environment.
pub(crate) struct Lake(pub(crate) Client);

impl Lake {
    /// Runs a gold model.
    pub(crate) fn gold(&self, name: &str, sql: &str) {
        let mut model = self.0.post("/dbt/transform", &json!({"name": name, "sql_query": sql})).unwrap();
        if matches!(model["status"].as_str(), Some("pending" | "running")) {
            let path = format!("/dbt/transformations/{}", model["transformation_id"].as_str().unwrap());
            model = until("the model ends", STEP_WITHIN, || {
                let model = self.0.look(&path).ok()?;
                (!matches!(model["status"].as_str(), Some("pending" | "running"))).then_some(model)
            });
        }
        assert_eq!(model["status"], "completed", "{name}: {model}");
    }

    /// Runs an incremental gold model of `(id, v)`. `config`: more of dbt's `config`, such as `, unique_key=['id']`.
    pub(crate) fn incremental(&self, name: &str, strategy: &str, config: &str, rows: &str) {
        let keyed = if strategy == "append" { "" } else { ", unique_key=['id']" };
        let sql = format!(
            "{{{{ config(materialized='incremental', incremental_strategy='{strategy}'{keyed}{config}) }}}}
             SELECT * FROM (VALUES {rows}) AS t (id, v)"
        );
        self.gold(name, &sql);
    }

    /// Runs a silver transformation.
    pub(crate) fn silver(&self, table: &str, source: &str, sql: &str) {
        self.silver_run(&json!({"sql": sql, "source_path": source, "table": table}));
    }

    /// Runs a silver transformation as its request says.
    pub(crate) fn silver_run(&self, run: &Value) {
        let run = self.0.post("/spark/transform", run).unwrap();
        let path = format!("/spark/transform/{}/status", run["run_id"].as_str().unwrap());
        let ended = until("the transformation ends", STEP_WITHIN, || {
            let status = self.0.look(&path).ok()?;
            matches!(status["state"].as_str(), Some("COMPLETED" | "FAILED" | "CANCELLED")).then_some(status)
        });
        assert_eq!(ended["state"], "COMPLETED", "{ended}");
    }

    /// Source, sink in the bucket and ingestion, its first sync ended; answers with the ingestion's id.
    pub(crate) fn ingest(&self, name: &str, path: &str, s3: &S3, source: &Source, more: &Value) -> String {
        let mut config = json!({"host": source.host, "port": source.port, "database": source.database,
            "username": source.username, "password": source.password, "ssl_mode": {"mode": "disable"}});
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        let named =
            |kind: &str, config: &Value| json!({"name": format!("{name} {kind}"), "type": kind, "config": config});
        self.ingest_from(name, &named("postgres", &config), path, s3)
    }

    /// As [`Lake::ingest`], from one file of Parquet at a location of the connector `files`; its stream has the ingestion's name.
    pub(crate) fn ingest_files(&self, name: &str, location: &Value, s3: &S3) -> String {
        let streams = json!([{"name": name, "files": ["*.parquet"]}]);
        let config = json!({"location": location, "streams": streams});
        let source = json!({"name": format!("{name} files"), "type": "files", "config": config});
        self.ingest_from(name, &source, &format!("bucket/{name}"), s3)
    }

    fn ingest_from(&self, name: &str, source: &Value, path: &str, s3: &S3) -> String {
        let source = self.0.post("/datasource", source).unwrap();
        let bucket = json!({"s3_bucket_name": S3::BUCKET, "s3_bucket_region": "us-east-1", "s3_bucket_path": path,
            "access_key_id": S3::ACCESS_KEY, "secret_access_key": S3::SECRET_KEY, "s3_endpoint": s3.endpoint()});
        let sink = json!({"name": format!("{name} s3"), "type": "s3", "config": bucket});
        let sink = self.0.post("/sink", &sink).unwrap();
        let ingestion = json!({"name": name, "sourceId": source["id"], "destinationId": sink["id"], "prefix": ""});
        let ingestion = self.0.post("/ingestion", &ingestion).unwrap();
        let id = ingestion["connectionId"].as_str().unwrap().to_owned();
        self.synced(&id);
        id
    }

    /// Syncs again.
    pub(crate) fn sync(&self, ingestion: &str) {
        self.0.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
        self.synced(ingestion);
    }

    fn synced(&self, ingestion: &str) {
        let job = until("the sync ends", STEP_WITHIN, || {
            let job = self.0.look(&format!("/ingestion/{ingestion}/status")).ok()?["job"].clone();
            matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(job)
        });
        assert_eq!(job["status"], "succeeded", "{job}");
    }

    /// Changes a table's columns or layout.
    pub(crate) fn change(&self, table: &str, changes: &Value) {
        let path = format!("/lakehouse/tables/{}", table.replace('.', "/"));
        let answer = self.0.send("PATCH", &path, Some(&json!({ "changes": changes })), &[]).unwrap();
        assert_eq!(answer.status, 200, "{table}: {}", answer.body);
    }

    /// Compacts a table; answers with what was done.
    pub(crate) fn compact(&self, table: &str) -> Value {
        self.maintain(table, &json!({"compact": true}))["compaction"].clone()
    }

    /// Maintains a table; answers with what was done.
    pub(crate) fn maintain(&self, table: &str, what: &Value) -> Value {
        let path = format!("/lakehouse/tables/{}/maintenance", table.replace('.', "/"));
        let started = self.0.post(&path, what).unwrap();
        let path = format!("/tasks/{}", started["id"].as_str().unwrap());
        let task = until("the maintenance ends", STEP_WITHIN, || {
            let task = self.0.look(&path).ok()?;
            matches!(task["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(task)
        });
        assert_eq!(task["status"], "succeeded", "{table}: {task}");
        task["outcome"].clone()
    }

    /// What is known of a table.
    pub(crate) fn table(&self, table: &str) -> Value {
        self.0.look(&format!("/lakehouse/tables/{}", table.replace('.', "/"))).unwrap()
    }

    /// Ids of a table's snapshots, the newest first.
    pub(crate) fn snapshots(&self, table: &str) -> Vec<String> {
        let path = format!("/lakehouse/tables/{}/snapshots", table.replace('.', "/"));
        let snapshots = self.0.look(&path).unwrap()["snapshots"].clone();
        let ids = snapshots.as_array().unwrap().iter();
        ids.map(|snapshot| snapshot["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The newest task of a role.
    pub(crate) fn newest(&self, role: &str) -> Value {
        let tasks = self.0.look("/tasks?page_size=100").unwrap();
        let newest = tasks["tasks"].as_array().unwrap().iter().find(|task| task["kind"] == role);
        newest.unwrap_or_else(|| panic!("{role} ran: {tasks}")).clone()
    }

    /// The plugin that ran the newest task of a role.
    pub(crate) fn newest_by(&self, role: &str) -> String {
        self.newest(role)["plugin"].as_str().unwrap().split('@').next().unwrap().to_owned()
    }

    /// Branches of Nessie that tasks of the environment left behind.
    pub(crate) fn branches(&self, nessie: &Nessie) -> Vec<String> {
        let tasks = self.tasks();
        let own = |name: &String| tasks.iter().any(|task| name.ends_with(task));
        nessie.branches().unwrap().into_iter().filter(own).collect()
    }

    /// Catalogs of Trino that tasks of the environment left behind.
    pub(crate) fn catalogs(&self, trino: &Trino) -> Vec<String> {
        let tasks = self.tasks();
        let own = |name: &String| tasks.iter().any(|task| name.ends_with(&task.replace('-', "_")));
        let all = trino.sql("SELECT catalog_name FROM system.metadata.catalogs").unwrap().rows;
        all.iter().map(|row| row[0].as_str().unwrap().to_owned()).filter(own).collect()
    }

    /// Ids of the environment's newest tasks.
    fn tasks(&self) -> Vec<String> {
        let tasks = self.0.look("/tasks?page_size=100").unwrap();
        tasks["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Asks a question in Trino's SQL.
    pub(crate) fn query(&self, sql: &str) -> Answer {
        let answer = self.ask(&json!({"sql": sql, "max_rows": 10_000}));
        assert_eq!(answer.status, 200, "{sql}: {}", answer.body);
        assert_eq!(answer.body["truncated"], false, "{sql}");
        read(&answer.body["columns"], &[&answer.body["rows"]])
    }

    /// As [`Lake::query`], whatever the answer.
    pub(crate) fn ask(&self, question: &Value) -> Response {
        self.0.send("POST", "/lakehouse/query", Some(question), &[]).unwrap()
    }

    /// All rows of a table, page by page.
    pub(crate) fn pages(&self, table: &str) -> Answer {
        let path = format!("/lakehouse/tables/{}/rows?limit=1000", table.replace('.', "/"));
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.0.look(&format!("{path}{cursor}")).unwrap();
            let next = page["next_cursor"].as_str().map(|next| format!("&cursor={next}"));
            pages.push(page);
            let Some(next) = next else { break };
            cursor = next;
        }
        let rows: Vec<&Value> = pages.iter().map(|page| &page["rows"]).collect();
        read(&pages[0]["columns"], &rows)
    }
}

fn read(columns: &Value, pages: &[&Value]) -> Answer {
    let text = |column: &Value, field: &str| column[field].as_str().unwrap().to_owned();
    let columns: Vec<_> =
        columns.as_array().unwrap().iter().map(|column| (text(column, "name"), text(column, "type"))).collect();
    let types: Vec<Type> = columns.iter().map(|(_, of)| Type::parse(of).unwrap()).collect();
    let row = |row: &Value| columns.iter().zip(&types).map(|((name, _), of)| of.plain(&row[name])).collect();
    let rows = pages.iter().flat_map(|page| page.as_array().unwrap()).map(row).collect();
    Answer { columns, rows }
}
