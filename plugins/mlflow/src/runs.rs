//! Runs: the one that a deployment's script made, found by its tag, and the model that it logged.

use asgard_sdk::context::Level;
use asgard_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::json;

use crate::client::{Client, quoted};
use crate::experiments;
use crate::wire::{LoggedModelAnswer, Run, Runs};

/// The tag by which a deployment's runs are found.
pub const DEPLOYMENT_TAG: &str = "asgard.deployment_id";

/// On runs within a run; MLflow's own name.
const PARENT_TAG: &str = "mlflow.parentRunId";

/// Where clients before MLflow 3 say what they logged.
const HISTORY_TAG: &str = "mlflow.log-model.history";

/// How many a page holds. More runs than this in one training are rare; all are read.
const PAGE: u32 = 200;

/// All runs of a deployment, the newest first.
///
/// They are looked for in `experiment` and, when there are none, in all others: a script may choose its own.
///
/// # Errors
/// Those of the server.
pub fn of_deployment(client: &Client, experiment: &str, deployment: &str) -> Result<Vec<Run>> {
    let here = search(client, &[experiment.to_owned()], deployment)?;
    if !here.is_empty() {
        return Ok(here);
    }
    search(client, &experiments::active(client)?, deployment)
}

fn search(client: &Client, experiments: &[String], deployment: &str) -> Result<Vec<Run>> {
    let filter = format!("tags.`{DEPLOYMENT_TAG}` = {}", quoted(deployment)?);
    let mut runs: Vec<Run> = Vec::new();
    let mut token = String::new();
    loop {
        let page: Runs = client.post(
            "runs/search",
            &json!({ "experiment_ids": experiments, "filter": filter, "max_results": PAGE, "page_token": token,
                "order_by": ["attributes.start_time DESC"] }),
        )?;
        runs.extend(page.runs);
        match page.next_page_token.filter(|next| !next.is_empty()) {
            Some(next) => token = next,
            None => break,
        }
    }
    // MLflow breaks ties as it likes.
    runs.sort_by_key(|run| std::cmp::Reverse(run.info.start_time));
    Ok(runs)
}

/// Which of a deployment's runs made its model, and where the model is.
///
/// A script may start several: a run that stands by itself goes before runs within a run (a search for parameters logs its
/// best model in the outer one), then the newest. None when no run logged a model.
///
/// # Errors
/// Those of the server.
pub fn with_model<'a>(client: &Client, runs: &'a [Run]) -> Result<Option<(&'a Run, String)>> {
    let (inner, outer): (Vec<_>, Vec<_>) = runs.iter().partition(|run| run.tag(PARENT_TAG).is_some());
    for run in outer.into_iter().chain(inner) {
        if let Some(uri) = model_of(client, run)? {
            return Ok(Some((run, uri)));
        }
    }
    Ok(None)
}

/// The model that the run logged: the one called `model` if there are several, or else the last.
fn model_of(client: &Client, run: &Run) -> Result<Option<String>> {
    let mut chosen = None;
    for output in &run.outputs.model_outputs {
        let answer: LoggedModelAnswer = client.get(&format!("logged-models/{}", output.model_id), &[])?;
        let info = answer.model.info;
        // A script that was interrupted while it wrote leaves one that is pending or failed.
        if info.status != "LOGGED_MODEL_READY" {
            continue;
        }
        let uri = format!("models:/{}", info.model_id);
        if info.name == "model" {
            return Ok(Some(uri));
        }
        chosen = Some(uri);
    }
    Ok(chosen.or_else(|| model_in_history(run)))
}

fn model_in_history(run: &Run) -> Option<String> {
    #[derive(Deserialize)]
    struct Entry {
        artifact_path: String,
    }
    let entries: Vec<Entry> = serde_json::from_str(run.tag(HISTORY_TAG)?).ok()?;
    let entry = entries.iter().find(|entry| entry.artifact_path == "model").or(entries.last())?;
    Some(format!("runs:/{}/{}", run.info.run_id, entry.artifact_path))
}

/// Marks the runs that the script left open as ended: a script that was ended from outside cannot.
///
/// # Errors
/// Those of the server.
pub fn close(client: &Client, runs: &[Run]) -> Result<()> {
    for run in runs.iter().filter(|run| run.info.status == "RUNNING") {
        let body = json!({ "run_id": run.info.run_id, "status": "KILLED", "end_time": client.host().now_ms() });
        client.post::<serde_json::Value>("runs/update", &body)?;
    }
    Ok(())
}

/// Deletes the runs that MLflow's client made twice. It asks again where an answer is lost, even for a new run; the first one then
/// stays open and empty beside the one that the script knows. Answers with the runs that are left.
///
/// # Errors
/// `unavailable`.
pub fn without_doubles(client: &Client, runs: Vec<Run>) -> Result<Vec<Run>> {
    let (doubles, rest): (Vec<_>, Vec<_>) = runs.iter().cloned().partition(|run| run.is_double(&runs));
    for double in doubles {
        let id = &double.info.run_id;
        let why = "MLflow's client made it twice when an answer was lost";
        match client.post::<serde_json::Value>("runs/delete", &json!({ "run_id": id })) {
            Ok(_) => client.host().log(Level::Info, &format!("deleted run {id}: {why}")),
            Err(error @ Error::Unavailable(_)) => return Err(error),
            Err(error) => client.host().log(Level::Warn, &format!("run {id} stays, although {why}: {error:?}")),
        }
    }
    Ok(rest)
}

impl Run {
    /// Whether it is another one's double, and not the one that is kept.
    fn is_double(&self, runs: &[Run]) -> bool {
        // What the client sent again was the same to the millisecond.
        let sent_again = |other: &&Run| {
            (&other.info.experiment_id, other.info.start_time) == (&self.info.experiment_id, self.info.start_time)
                && other.tag(PARENT_TAG) == self.tag(PARENT_TAG)
                && other.info.run_id != self.info.run_id
        };
        let mut others = runs.iter().filter(sent_again);
        self.is_untouched() && others.any(|other| !other.is_untouched() || other.info.run_id < self.info.run_id)
    }

    /// Whether nothing has been done with it since it was made.
    fn is_untouched(&self) -> bool {
        let data = &self.data;
        self.info.status == "RUNNING"
            && data.metrics.is_empty()
            && data.params.is_empty()
            && self.outputs.model_outputs.is_empty()
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.data.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }

    /// The last value of each metric. Those that are no finite numbers have no place in JSON: they are told, not kept.
    pub fn metrics(&self, client: &Client) -> Vec<(String, f64)> {
        let mut metrics = Vec::with_capacity(self.data.metrics.len());
        for metric in &self.data.metrics {
            match metric.value.as_f64() {
                Some(value) => metrics.push((metric.key.clone(), value)),
                None => client.host().log(
                    Level::Warn,
                    &format!("metric `{}` is {}: it is kept in MLflow only", metric.key, metric.value),
                ),
            }
        }
        metrics
    }
}

/// What a script that logged no model is told.
pub fn no_model(script: &str, runs: &[Run]) -> Error {
    let call = "`mlflow.<flavour>.log_model(model, name=\"model\")`, such as `mlflow.sklearn.log_model`";
    let message = if runs.is_empty() {
        format!("`{script}` ended well but started no MLflow run: within `with mlflow.start_run():`, call {call}")
    } else {
        format!("`{script}` ended well but logged no model: before its run ends, call {call}")
    };
    Error::invalid("script_content", message)
}
