//! The steps after a sync, as a pipeline whose every run leaves one line in a ledger: a line that is missing was lost, a second one was
//! done twice. The last steps make features and a model of it.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::STUCK_AFTER;
use super::features::Features;
use super::models::Models;
use super::rows::Rows;
use super::syncs::Differences;
use crate::client::Client;

/// Some runs' steps: a sync, a cleaned copy, a line in the ledger, features of the ledger, a version of a model.
pub(super) struct Journey {
    pipeline: String,
    ledger: String,
    features: Features,
    models: Models,
    started: Vec<String>,
}

impl Journey {
    pub(super) fn prepare(client: &Client, rows: &Rows) -> Result<Self> {
        let schema = rows.schema();
        let (clean, ledger) = (format!("{schema}_clean"), format!("{schema}_ledger"));
        let features = Features::new(format!("{schema}_view"), &ledger);
        let models = Models::new(format!("{schema}_model"));
        let steps = json!([
            {"id": "load", "kind": "ingestion", "with": {"ingestion": rows.syncs().id()}},
            {"id": "clean", "kind": "silver", "needs": ["load"], "with": {
                "source_path": format!("bronze.{schema}_whole"), "table": clean,
                "sql": "SELECT id, md5(note) AS note FROM source_data"}},
            {"id": "note", "kind": "gold", "needs": ["clean"], "with": {"name": ledger, "materialization": "incremental",
                "sql_query": format!("SELECT '${{number}}' AS number, COUNT(*) AS found FROM {{{{ ref('{clean}') }}}}")}},
            features.step("note"),
            models.step("features", features.of_deployment()),
        ]);
        let pipeline = schema.replace('_', "-");
        let body = json!({"name": pipeline, "parameters": {"number": "none"}, "steps": steps});
        client.post("/pipelines", &body)?;
        Ok(Self { pipeline, ledger, features, models, started: Vec::new() })
    }

    /// Asks for a run.
    pub(super) fn start(&mut self, client: &Client) -> Result<()> {
        let number = self.started.len().to_string();
        let path = format!("/pipelines/{}/runs", self.pipeline);
        client.post(&path, &json!({"parameters": {"number": number}}))?;
        self.started.push(number);
        Ok(())
    }

    /// Asks for the features of the runs until now; for a run where there is none yet.
    pub(super) fn join(&mut self, client: &Client) -> Result<()> {
        if self.started.is_empty() {
            return self.start(client);
        }
        self.features.ask(client);
        Ok(())
    }

    /// Waits for all runs and joins; answers how many did not end well.
    pub(super) fn settle(&self, client: &Client) -> Result<u64> {
        let limit = Instant::now() + STUCK_AFTER;
        let path = format!("/pipelines/{}/runs?page_size=1000", self.pipeline);
        loop {
            let runs = client.get(&path)?;
            let runs = runs["runs"].as_array().context("no runs")?;
            let of = |wanted: &[&str]| -> Vec<&Value> {
                runs.iter().filter(|run| run["status"].as_str().is_some_and(|is| wanted.contains(&is))).collect()
            };
            let under_way = of(&["pending", "running"]).len();
            if under_way == 0 {
                let failed = of(&["failed", "cancelled"]);
                ensure!(failed.is_empty(), "a run failed: {}", failed[0]);
                return Features::settle(client);
            }
            if Instant::now() > limit {
                return Ok(under_way as u64);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// The ledger, its features and the models, beside the runs that were asked for.
    pub(super) fn compare(&mut self, client: &Client) -> Result<Differences> {
        let mut differences = Differences::default();
        if self.started.is_empty() {
            return Ok(differences);
        }
        let sql =
            format!("SELECT number, COUNT(*) AS lines, MAX(found) AS found FROM gold.{} GROUP BY number", self.ledger);
        let found = client.post("/lakehouse/query", &json!({"dialect": "spark", "max_rows": 10_000, "sql": sql}))?;
        let mut lines: HashMap<&str, u64> = HashMap::new();
        let mut features: HashMap<String, Value> = HashMap::new();
        for row in found["rows"].as_array().context("no rows")? {
            let number = row["number"].as_str().unwrap_or_default();
            lines.insert(number, row["lines"].as_u64().unwrap_or_default());
            features.insert(number.to_owned(), row["found"].clone());
        }
        for number in &self.started {
            match lines.remove(number.as_str()) {
                None => differences.lost += 1,
                Some(lines) => differences.doubled += lines - 1,
            }
        }
        differences.doubled += lines.len() as u64;
        differences.add(self.features.compare(client, &features)?);
        differences.add(self.models.compare(client, self.started.len() as u64)?);
        Ok(differences)
    }

    /// Ends what the models serve; answers how many are served nevertheless.
    pub(super) fn end(&self, client: &Client) -> Result<u64> {
        self.models.remove(client)
    }
}
