//! What the job program is asked: the run, and Spark's settings for the lakehouse. `job.py` reads it.

use std::collections::BTreeMap;

use asgard_sdk::transform::{Input, SilverRun, WriteMode};
use asgard_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::configuration::{Configuration, Mode, told};

/// The job program, as a driver runs it.
pub const PROGRAM: &str = include_str!("job.py");

/// Of what passes between plugin and program: a program that was installed apart may be of another version.
const VERSION: u32 = 1;

/// The lakehouse's catalog, as statements name it.
const CATALOG: &str = "spark.sql.catalog.iceberg";

/// A job program's request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRequest {
    version: u32,
    /// Of the application.
    pub name: String,
    pub run_id: String,
    /// What the commit is known by.
    key: String,
    sql: String,
    inputs: Vec<(String, Source)>,
    pub target: (String, String),
    write_mode: String,
    pub settings: BTreeMap<String, String>,
    /// Of Spark Connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
    #[serde(default)]
    connect_seconds: u64,
}

/// What a view stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Table(String, String),
    Location(String),
}

impl JobRequest {
    /// The request of a run.
    ///
    /// # Errors
    /// `invalid-input` with the field of the configuration that is missing.
    pub fn new(run: SilverRun, task: &str, configuration: &Configuration) -> Result<Self> {
        let source = |input| match input {
            Input::Table(table) => Source::Table(table.namespace, table.name),
            Input::Location(location) => Source::Location(location),
        };
        let remote = match configuration.mode {
            Mode::Connect => Some(configuration.needed("url", &configuration.url)?.to_owned()),
            Mode::Operator | Mode::Standalone => None,
        };
        Ok(Self {
            version: VERSION,
            name: application(&run.run_id),
            // A task makes one run; a run's id alone is short enough to come twice in a lakehouse's life.
            key: format!("{task}/{}", run.run_id),
            sql: run.sql,
            inputs: run.inputs.into_iter().map(|(view, input)| (view, source(input))).collect(),
            target: (run.target.namespace, run.target.name),
            write_mode: match run.write_mode {
                WriteMode::Overwrite => "overwrite".to_owned(),
                WriteMode::Append => "append".to_owned(),
            },
            settings: settings(configuration)?,
            remote,
            connect_seconds: configuration.connect_seconds,
            run_id: run.run_id,
        })
    }

    /// The target's name.
    pub fn target_name(&self) -> String {
        format!("{}.{}", self.target.0, self.target.1)
    }

    /// As JSON.
    ///
    /// # Errors
    /// `internal` when it has no such form.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }
}

/// The name under which a run is known to Spark.
pub fn application(run_id: &str) -> String {
    format!("sql-exec-{run_id}")
}

/// Spark's settings for the lakehouse, without secrets.
fn settings(configuration: &Configuration) -> Result<BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    let mut set = |name: String, value: &str| settings.insert(name, value.to_owned());
    set(CATALOG.to_owned(), "org.apache.iceberg.spark.SparkCatalog");
    set(format!("{CATALOG}.type"), "rest");
    set(format!("{CATALOG}.uri"), configuration.needed("catalog_uri", &configuration.catalog_uri)?);
    // A table that another program changes is loaded anew by every statement.
    set(format!("{CATALOG}.cache-enabled"), "false");
    if let Some(warehouse) = told(&configuration.catalog_warehouse) {
        set(format!("{CATALOG}.warehouse"), warehouse);
    }
    // A session that is there already takes Hadoop's settings as its own, without the prefix.
    let files = if configuration.mode == Mode::Connect { "fs.s3a" } else { "spark.hadoop.fs.s3a" };
    if let Some(region) = told(&configuration.s3_region) {
        set(format!("{CATALOG}.client.region"), region);
        set(format!("{files}.endpoint.region"), region);
    }
    if let Some(endpoint) = told(&configuration.s3_endpoint) {
        set(format!("{CATALOG}.s3.endpoint"), endpoint);
        set(format!("{CATALOG}.s3.path-style-access"), "true");
        set(format!("{files}.endpoint"), endpoint);
        set(format!("{files}.path.style.access"), "true");
    }
    settings.extend(configuration.spark_conf.clone());
    Ok(settings)
}
