//! Predictions over HTTP, one client, beside `mlflow models serve` on the same model with the same rows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::{Host, free_port};
use asgard_journey::source::FactorySource;
use asgard_journey::steps::{FEATURES, Journey, MODEL, OPERATORS};
use serde_json::{Value, json};

use super::{Measurement, quantile};
use crate::build::{self, Profile};
use crate::shell::root;

const WARM_UP: usize = 50;
const CALLS: usize = 500;

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let built = build::everything(Profile::Release)?;
    let folder = root().join(".asgard/bench-predict");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let host = Host::start(&built, &folder.join("host"), 0)?;
    let factory = FactorySource::start(&folder.join("postgres"))?;
    super::super::demo::prepared(&host)?;
    let client = host.client();
    Journey::new(&client, &|_| {}).run(&factory.source())?;
    let deployed = client.get("/mlops/deployments")?;
    let url = deployed[0]["endpoints"]["predict"].as_str().context("no deployment")?.to_owned();
    let tracking = client.get("/mlops/status")?["mlflow_tracking_uri"].as_str().context("no MLflow")?.to_owned();

    let port = free_port()?;
    let python = python_of(&host)?;
    // It looks for `uvicorn` on the path, as in an activated environment.
    let activated = format!("{}:{}", folder_of(&python)?.display(), std::env::var("PATH")?);
    let mut peer = Command::new(&python)
        .args(["-m", "mlflow", "models", "serve", "--env-manager", "local", "--host", "127.0.0.1"])
        .args(["--port", &port.to_string(), "--model-uri", &format!("models:/{MODEL}/1")])
        .env("MLFLOW_TRACKING_URI", tracking)
        .env("PATH", activated)
        .current_dir(&folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("mlflow models serve does not start")?;
    let base = format!("http://127.0.0.1:{port}");
    let measured = super::serve::answers(&mut peer, &base, "/ping").and_then(|()| {
        let columns: Vec<&str> = FEATURES.iter().map(|(name, _)| *name).collect();
        let theirs = json!({"dataframe_split": {"columns": columns, "data": [OPERATORS[0]]}});
        // Turn and turn about, so that a noisy moment of the machine meets both.
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            ours.extend(times(&url, &json!({"features": [OPERATORS[0]]}))?);
            peers.extend(times(&format!("{base}/invocations"), &theirs)?);
        }
        Ok((ours, peers))
    });
    peer.kill()?;
    peer.wait()?;
    host.stop()?;
    let (mut ours, mut peers) = measured?;
    ours.sort_by(f64::total_cmp);
    peers.sort_by(f64::total_cmp);
    let measurement = |name, share| {
        Measurement::new(name, quantile(&ours, share), Some(quantile(&peers, share)), "mlflow models serve", "ms")
    };
    Ok(vec![measurement("predict_p50", 0.5), measurement("predict_p99", 0.99)])
}

fn folder_of(python: &Path) -> Result<&Path> {
    python.parent().with_context(|| format!("{} is in no folder", python.display()))
}

fn times(url: &str, body: &Value) -> Result<Vec<f64>> {
    let client = Client::new("");
    for _ in 0..WARM_UP {
        client.post(url, body)?;
    }
    (0..CALLS / 5)
        .map(|_| {
            let start = Instant::now();
            client.post(url, body)?;
            Ok(start.elapsed().as_secs_f64() * 1000.0)
        })
        .collect()
}

/// The interpreter of the environment's own Python, as its MLflow service runs it.
pub(super) fn python_of(host: &Host) -> Result<PathBuf> {
    let tracking = host.client().get("/mlops/status")?;
    ensure!(tracking["mlflow_available"] == true, "MLflow is not available");
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let of_this_host = line.contains(&*host.data().to_string_lossy());
        if of_this_host && line.contains(" -m mlflow server ") {
            return line.split(' ').next().map(PathBuf::from).context("an empty command line");
        }
    }
    anyhow::bail!("the MLflow service of the host is not among the processes")
}
