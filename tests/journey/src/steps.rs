//! The six steps, each one REST call and what it takes to see it done: PostgreSQL → bronze → silver → gold → feature view →
//! trained, registered and served model.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::Client;

/// The walkthrough's SQL and its training script.
pub const SILVER_SQL: &str = include_str!("../silver.sql");
/// The gold model.
pub const GOLD_SQL: &str = include_str!("../gold.sql");
/// The training script, as a user writes it.
pub const TRAIN_SCRIPT: &str = include_str!("../train.py");

/// The feature view's name.
pub const VIEW: &str = "operator_efficiency_features_v1";
/// The model's name.
pub const MODEL: &str = "operator_efficiency_predictor";

/// The features with their types, in the order that the model is asked with.
pub const FEATURES: [(&str, &str); 6] = [
    ("total_orders", "int64"),
    ("completed_orders", "int64"),
    ("total_units", "int64"),
    ("avg_duration_hours", "float64"),
    ("units_per_hour", "float64"),
    ("completion_rate", "float64"),
];

/// The column to learn.
pub const TARGET: &str = "is_high_performer";

/// The walkthrough's three operators: [`FEATURES`] in order.
pub const OPERATORS: [[f64; 6]; 3] = [
    [87.0, 85.0, 43_500.0, 8.2, 92.5, 0.977],
    [62.0, 45.0, 18_750.0, 9.5, 48.2, 0.726],
    [105.0, 98.0, 52_500.0, 7.8, 95.3, 0.933],
];

/// How long a step may take on one machine; far more than any needs.
const STEP_WITHIN: Duration = Duration::from_secs(300);

/// Where the source's rows are.
#[derive(Debug, Clone)]
pub struct Source {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role.
    pub username: String,
    /// Its password.
    pub password: String,
}

/// What a journey found, in the words of the walkthrough.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Figures {
    /// Rows of all streams.
    pub records_copied: u64,
    /// `namespace.name` -> rows.
    pub streams: BTreeMap<String, u64>,
    /// Rows of the silver table.
    pub silver_rows: u64,
    /// Rows of the gold table.
    pub gold_rows: u64,
    /// Rows that the model learned from.
    pub train_rows: u64,
    /// Rows that it was tested with.
    pub test_rows: u64,
    /// Share of right answers on the test rows.
    pub accuracy: f64,
    /// For [`OPERATORS`].
    pub predictions: Vec<i64>,
    /// The median of some predictions over HTTP.
    pub prediction_ms: f64,
    /// From the first call to the last answer.
    pub journey_seconds: f64,
}

impl Figures {
    /// What differs from the walkthrough; empty when all is as it says.
    pub fn differences(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |what: &str, ours: String, expected: &str, good: bool| {
            if !good {
                found.push(format!("{what} is {ours}, expected {expected}"));
            }
        };
        let counted = [
            ("records_copied", self.records_copied, 45_823),
            ("production.work_orders", self.stream("production.work_orders"), 15_000),
            ("production.machine_logs", self.stream("production.machine_logs"), 25_000),
            ("production.quality_checks", self.stream("production.quality_checks"), 3500),
            ("inventory.materials", self.stream("inventory.materials"), 2323),
            ("silver_rows", self.silver_rows, 14_850),
            ("gold_rows", self.gold_rows, 142),
            ("train_rows", self.train_rows, 113),
            ("test_rows", self.test_rows, 29),
        ];
        for (what, ours, expected) in counted {
            check(what, ours.to_string(), &expected.to_string(), ours == expected);
        }
        check("accuracy", format!("{:.3}", self.accuracy), "0.90 to 1", (0.90..=1.0).contains(&self.accuracy));
        check("predictions", format!("{:?}", self.predictions), "[1, 0, 1]", self.predictions == [1, 0, 1]);
        check("prediction_ms", format!("{:.1}", self.prediction_ms), "under 50", self.prediction_ms < 50.0);
        found
    }

    fn stream(&self, name: &str) -> u64 {
        self.streams.get(name).copied().unwrap_or_default()
    }
}

/// One journey through one host.
pub struct Journey<'a> {
    client: &'a Client,
    /// Says how it goes, a line at a time.
    say: &'a dyn Fn(&str),
    figures: Figures,
    step_within: Duration,
    /// What is asked for the sink.
    sink: Value,
}

impl<'a> Journey<'a> {
    /// A journey that tells `say` its figures as they come.
    pub fn new(client: &'a Client, say: &'a dyn Fn(&str)) -> Self {
        let sink = json!({"name": "lake", "type": "local", "config": {"path": "factory"}});
        Self { client, say, figures: Figures::default(), step_within: STEP_WITHIN, sink }
    }

    /// A journey whose steps may take so long.
    #[must_use]
    pub fn with_steps_within(self, step_within: Duration) -> Self {
        Self { step_within, ..self }
    }

    /// A journey to another sink than the environment's own folder, by what `POST /sink` is asked.
    #[must_use]
    pub fn to_sink(self, sink: Value) -> Self {
        Self { sink, ..self }
    }

    /// All six steps.
    ///
    /// # Errors
    /// With the step's own error when one fails.
    pub fn run(mut self, source: &Source) -> Result<Figures> {
        let start = Instant::now();
        self.ingest(source)?;
        let mut figures = self.from_silver()?;
        figures.journey_seconds = start.elapsed().as_secs_f64();
        Ok(figures)
    }

    /// The steps after the first.
    ///
    /// # Errors
    /// With the step's own error when one fails.
    pub fn from_silver(mut self) -> Result<Figures> {
        self.clean()?;
        self.aggregate()?;
        self.register_features()?;
        let predict = self.deploy()?;
        self.predict(&predict)?;
        Ok(self.figures)
    }

    /// Source, sink and ingestion; its first sync starts by itself.
    ///
    /// # Errors
    /// When the sync fails.
    pub fn ingest(&mut self, source: &Source) -> Result<()> {
        (self.say)("1. Ingest: PostgreSQL -> bronze");
        let made = self.client.post(
            "/datasource",
            &json!({"name": "factory", "type": "postgres", "config": {
                "host": source.host, "port": source.port, "database": source.database,
                "username": source.username, "password": source.password,
                "ssl_mode": {"mode": "disable"}, "schemas": ["production", "inventory"],
            }}),
        )?;
        let sink = self.client.post("/sink", &self.sink)?;
        let ingestion = self.client.post(
            "/ingestion",
            &json!({"name": "factory to lake", "sourceId": made["id"], "destinationId": sink["id"],
                    "schedule": {"scheduleType": "manual"}}),
        )?;
        let path = format!("/ingestion/{}/status", text(&ingestion, "connectionId")?);
        let status = self.until(&path, |status| match status["job"]["status"].as_str() {
            Some("succeeded") => Some(Ok(())),
            Some("failed" | "cancelled") => Some(Err(status["job"]["error"].to_string())),
            _ => None,
        })?;
        let job = &status["job"];
        self.figures.records_copied = job["recordsCopied"].as_u64().unwrap_or_default();
        for stream in job["streams"].as_array().into_iter().flatten() {
            self.figures.streams.insert(text(stream, "name")?, stream["records"].as_u64().unwrap_or_default());
        }
        (self.say)(&format!("   {} records copied: {:?}", self.figures.records_copied, self.figures.streams));
        Ok(())
    }

    /// The silver run.
    ///
    /// # Errors
    /// When the run fails.
    pub fn clean(&mut self) -> Result<()> {
        (self.say)("2. Clean: bronze -> silver");
        let run = self.client.post(
            "/spark/transform",
            &json!({"sql": SILVER_SQL, "source_path": "bronze.work_orders", "table": "work_orders"}),
        )?;
        let id = text(&run, "run_id")?;
        self.until(&format!("/spark/transform/{id}/status"), |status| match status["state"].as_str() {
            Some("COMPLETED") => Some(Ok(())),
            Some("FAILED" | "CANCELLED") => Some(Err(status["error_message"].to_string())),
            _ => None,
        })?;
        let metrics = self.client.get(&format!("/spark/transform/{id}/metrics"))?;
        self.figures.silver_rows = metrics["total_rows"].as_u64().context("metrics have no total_rows")?;
        (self.say)(&format!("   {} work orders", self.figures.silver_rows));
        Ok(())
    }

    /// The gold model.
    ///
    /// # Errors
    /// When it fails.
    pub fn aggregate(&mut self) -> Result<()> {
        (self.say)("3. Aggregate: silver -> gold");
        let mut model = self.client.post(
            "/dbt/transform",
            &json!({"name": "operator_efficiency", "sql_query": GOLD_SQL, "materialization": "table",
                    "description": "How operators work: totals, rates and whether they are high performers",
                    "tags": ["operators"]}),
        )?;
        if matches!(model["status"].as_str(), Some("pending" | "running")) {
            let path = format!("/dbt/transformations/{}", text(&model, "transformation_id")?);
            model = self.until(&path, |model| match model["status"].as_str() {
                Some("pending" | "running") => None,
                _ => Some(Ok(())),
            })?;
        }
        ensure!(model["status"] == "completed", "the gold model failed: {}", model["error_message"]);
        self.figures.gold_rows = model["row_count"].as_u64().context("the gold model has no row_count")?;
        (self.say)(&format!("   {} operator profiles", self.figures.gold_rows));
        Ok(())
    }

    /// The feature view.
    ///
    /// # Errors
    /// When it is refused.
    pub fn register_features(&mut self) -> Result<()> {
        (self.say)("4. Features: a view over gold");
        let mut features: Vec<Value> =
            FEATURES.iter().map(|(name, dtype)| json!({"name": name, "dtype": dtype, "tags": {}})).collect();
        features.push(json!({"name": TARGET, "dtype": "bool", "description": "what is to be learned", "tags": {}}));
        let mut view = self.client.post(
            "/feast/features",
            &json!({"name": VIEW, "entities": ["operator_id"], "features": features, "online": true, "ttl_seconds": 0,
                    "source": {"table_name": "operator_efficiency", "timestamp_field": "feature_timestamp"},
                    "description": "efficiency of operators", "tags": {"team": "factory"}}),
        )?;
        // A store elsewhere is filled meanwhile.
        if view["status"] == "registered" {
            let done = |view: &Value| (view["status"] != "registered").then_some(Ok(()));
            view = self.until(&format!("/feast/features/{VIEW}"), done)?;
        }
        ensure!(view["status"] == "materialized", "the view is not materialised: {}", view["message"]);
        (self.say)(&format!("   {}: {}", VIEW, view["status"].as_str().unwrap_or_default()));
        Ok(())
    }

    /// Training, registration and serving. Answers with the URL to predict with.
    ///
    /// # Errors
    /// When the deployment fails.
    pub fn deploy(&mut self) -> Result<String> {
        (self.say)("5. Train, register, serve");
        let deployment = self.client.post(
            "/mlops/deploy",
            &json!({"script_name": "train.py", "script_content": STANDARD.encode(TRAIN_SCRIPT),
                    "experiment_name": "operator_efficiency", "model_name": MODEL,
                    "requirements": ["scikit-learn", "pandas"], "timeout": 300, "replicas": 2,
                    "features": {"view": VIEW, "target": TARGET}}),
        )?;
        let path = format!("/mlops/deployments/{}", text(&deployment, "deployment_id")?);
        let deployed = self.until(&path, |deployment| match deployment["status"].as_str() {
            Some("deployed") => Some(Ok(())),
            Some("failed") => Some(Err(deployment["error"].to_string())),
            _ => None,
        })?;
        let metrics = &deployed["metrics"];
        let number = |name: &str| metrics[name].as_f64().with_context(|| format!("the run logged no `{name}`"));
        self.figures.train_rows = number("train_rows")? as u64;
        self.figures.test_rows = number("test_rows")? as u64;
        self.figures.accuracy = number("accuracy")?;
        (self.say)(&format!(
            "   version {} of {MODEL}: {} rows to train, {} to test, accuracy {:.1} %",
            deployed["model_version"].as_str().unwrap_or("?"),
            self.figures.train_rows,
            self.figures.test_rows,
            self.figures.accuracy * 100.0
        ));
        text(&deployed["endpoints"], "predict")
    }

    /// Asks the served model about [`OPERATORS`].
    ///
    /// # Errors
    /// When it does not answer.
    pub fn predict(&mut self, url: &str) -> Result<()> {
        /// Calls whose median is told: the first ones find cold caches.
        const CALLS: usize = 15;
        (self.say)("6. Predict");
        let body = json!({"features": OPERATORS});
        let answer = self.client.post(url, &body)?;
        let predictions = answer["predictions"].as_array().context("the answer has no predictions")?;
        self.figures.predictions = predictions.iter().map(as_label).collect();
        for (row, operator) in OPERATORS.iter().enumerate() {
            (self.say)(&format!(
                "   {operator:?} -> {} (probabilities {})",
                self.figures.predictions.get(row).copied().unwrap_or_default(),
                answer["probabilities"][row]
            ));
        }
        let quiet = Client::new(self.client.base());
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let start = Instant::now();
            quiet.post(url, &body)?;
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        self.figures.prediction_ms = times[CALLS / 2];
        (self.say)(&format!("   {:.1} ms a prediction", self.figures.prediction_ms));
        Ok(())
    }

    /// Looks until `done` says so; the first look is shown.
    fn until(&self, path: &str, done: impl Fn(&Value) -> Option<std::result::Result<(), String>>) -> Result<Value> {
        let deadline = Instant::now() + self.step_within;
        let mut answer = self.client.get(path)?;
        let mut told = Instant::now();
        loop {
            match done(&answer) {
                Some(Ok(())) => return Ok(answer),
                Some(Err(error)) => bail!("{path}: {error}"),
                None if Instant::now() > deadline => {
                    bail!("{path} was not done within {} s", self.step_within.as_secs())
                }
                None => {}
            }
            if told.elapsed() > Duration::from_secs(3) {
                told = Instant::now();
                let progress = answer.get("progress").or_else(|| answer.get("state")).and_then(Value::as_str);
                (self.say)(&format!("   … {}", progress.unwrap_or("running")));
            }
            sleep(Duration::from_millis(50));
            answer = self.client.look(path)?;
        }
    }
}

/// Labels are numbers or booleans, as the model learned them.
fn as_label(value: &Value) -> i64 {
    value.as_bool().map(i64::from).or_else(|| value.as_i64()).or_else(|| value.as_f64().map(|v| v as i64)).unwrap_or(-1)
}

fn text(value: &Value, field: &str) -> Result<String> {
    value[field].as_str().map(str::to_owned).with_context(|| format!("the answer has no `{field}`: {value}"))
}
