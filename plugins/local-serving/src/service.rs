//! A model's service: its name, its files and its command line.

use asgard_sdk::processes::{Content, File};
use asgard_sdk::services::Spec;

use crate::configuration::Configuration;
use crate::record::Deployed;

/// The host's limit for names is 80.
const LONGEST_NAME: usize = 80;

/// The inference service, as Python runs it from a folder.
const PROGRAM: [(&str, &[u8]); 7] = [
    ("service/__main__.py", include_bytes!("service/__main__.py")),
    ("service/model.py", include_bytes!("service/model.py")),
    ("service/batches.py", include_bytes!("service/batches.py")),
    ("service/columns.py", include_bytes!("service/columns.py")),
    ("service/web.py", include_bytes!("service/web.py")),
    ("service/docs.html", include_bytes!("service/docs.html")),
    // One way to install what is missing, for the training of a model and for its serving: both must end up with the
    // same packages.
    ("service/requirements.py", include_bytes!("../../mlflow/src/requirements.py")),
];

/// The service's name, the same for all versions of a model.
pub fn name(model: &str) -> String {
    let name = format!("model-{model}");
    if name.len() <= LONGEST_NAME {
        return name;
    }
    // FNV-1a: long names that start alike stay apart.
    let hash = model
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let start: String = name.chars().take(LONGEST_NAME - 17).collect();
    format!("{start}-{hash:016x}")
}

/// How to run it. The same for the same deployment at any time: the host goes back to an earlier service by this.
pub fn spec(deployed: &Deployed, configuration: &Configuration) -> Spec {
    Spec {
        program: configuration.program.clone(),
        arguments: arguments(deployed),
        environment: environment(),
        files: files(deployed),
        memory_bytes: configuration.memory_mb.map(|mib| mib << 20),
        health_path: "/health".to_owned(),
        ready_timeout_ms: u64::from(configuration.ready_timeout_seconds) * 1000,
    }
}

fn arguments(deployed: &Deployed) -> Vec<String> {
    let mut arguments = vec![
        "service".to_owned(),
        "model".to_owned(),
        "--port={port}".to_owned(),
        format!("--name={}", deployed.model),
        format!("--version={}", deployed.version),
        format!("--workers={}", deployed.replicas),
    ];
    arguments.extend(deployed.requirements.iter().map(|line| format!("--requirement={}", line.trim())));
    arguments
}

fn environment() -> Vec<(String, String)> {
    let variables = [
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONFAULTHANDLER", "1"),
        // The workers are what runs in parallel. A pool of threads in each would only take memory from the others.
        ("OMP_NUM_THREADS", "1"),
        ("OPENBLAS_NUM_THREADS", "1"),
        ("MKL_NUM_THREADS", "1"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("DO_NOT_TRACK", "true"),
    ];
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn files(deployed: &Deployed) -> Vec<File> {
    let program =
        PROGRAM.iter().map(|(path, data)| File { path: (*path).to_owned(), content: Content::Inline(data.to_vec()) });
    let model = deployed
        .files
        .iter()
        .map(|(path, object)| File { path: format!("model/{path}"), content: Content::Object(object.clone()) });
    program.chain(model).collect()
}
