//! The process that runs a script: its files, and the environment in which MLflow finds its way.

use asgard_sdk::context::Level;
use asgard_sdk::processes::{Content, File, Spec};
use asgard_sdk::training::Request;
use asgard_sdk::{Error, Result};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::runs::DEPLOYMENT_TAG;

/// The process's name within its task, of which there is one.
pub const KEY: &str = "training";

/// Exists once the script itself runs; see `runner.py`.
pub const STARTED: &str = ".asgard/started";

const FOLDER: &str = ".asgard";
const FEATURES: &str = ".asgard/features.parquet";
/// Runs the script.
pub const RUNNER: &str = include_str!("runner.py");
/// Installs what is missing.
pub const REQUIREMENTS: &str = include_str!("requirements.py");

/// How to run the script of `request`.
///
/// # Errors
/// `internal` when the tags have no JSON form.
pub fn spec(host: &dyn Host, request: &Request, configuration: &Configuration) -> Result<Spec> {
    let mut arguments = vec![format!("{FOLDER}/runner.py"), request.script_name.clone()];
    arguments.extend(request.requirements.iter().map(|line| line.trim().to_owned()));
    Ok(Spec {
        program: configuration.program.clone(),
        arguments,
        environment: environment(host, request, &configuration.tracking_uri)?,
        files: files(request),
        timeout_ms: request.timeout_ms,
        memory_bytes: configuration.memory_mb.map(|mib| mib << 20),
    })
}

fn files(request: &Request) -> Vec<File> {
    let inline = |path: String, bytes: &[u8]| File { path, content: Content::Inline(bytes.to_vec()) };
    let mut files = vec![
        inline(request.script_name.clone(), request.script.as_bytes()),
        inline(format!("{FOLDER}/runner.py"), RUNNER.as_bytes()),
        inline(format!("{FOLDER}/requirements.py"), REQUIREMENTS.as_bytes()),
    ];
    if let Some(object) = &request.features {
        files.push(File { path: FEATURES.to_owned(), content: Content::Object(object.clone()) });
    }
    files
}

/// The request's variables, except those that tell MLflow where it is; then ours.
///
/// # Errors
/// `internal` when the tags have no JSON form.
pub fn environment(host: &dyn Host, request: &Request, tracking_uri: &str) -> Result<Vec<(String, String)>> {
    let ours = ours(request, tracking_uri)?;
    let defaults = [
        // Lines reach the log when they are written, not when a buffer is full.
        ("PYTHONUNBUFFERED", "1"),
        // A crash in native code leaves a traceback too.
        ("PYTHONFAULTHANDLER", "1"),
        ("MPLBACKEND", "Agg"),
        ("GIT_PYTHON_REFRESH", "quiet"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("DO_NOT_TRACK", "true"),
    ];
    let mut variables: Vec<(String, String)> = Vec::new();
    for (name, value) in &request.environment {
        if ours.iter().any(|(reserved, _)| reserved == name) {
            host.log(Level::Warn, &format!("the variable `{name}` is set by the deployment itself: yours is left out"));
        } else {
            variables.push((name.clone(), value.clone()));
        }
    }
    for (name, value) in defaults {
        if !variables.iter().any(|(set, _)| set == name) {
            variables.push((name.to_owned(), value.to_owned()));
        }
    }
    variables.extend(ours);
    Ok(variables)
}

fn ours(request: &Request, tracking_uri: &str) -> Result<Vec<(String, String)>> {
    let mut tags: serde_json::Map<String, serde_json::Value> =
        request.tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    tags.insert(DEPLOYMENT_TAG.to_owned(), request.deployment_id.clone().into());
    let context = serde_json::to_string(&tags).map_err(Error::internal)?;
    let mut ours = vec![
        ("MLFLOW_TRACKING_URI", tracking_uri.trim_end_matches('/').to_owned()),
        ("MLFLOW_EXPERIMENT_NAME", request.experiment.clone()),
        // MLflow puts these tags on every run and model that the script makes, autologged ones included.
        ("MLFLOW_RUN_CONTEXT", context),
        ("ASGARD_DEPLOYMENT_ID", request.deployment_id.clone()),
        ("ASGARD_MODEL_NAME", request.model_name.clone()),
    ];
    if request.features.is_some() {
        ours.push(("ASGARD_FEATURES", FEATURES.to_owned()));
    }
    Ok(ours.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
