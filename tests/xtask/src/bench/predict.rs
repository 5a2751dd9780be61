//! Predictions over HTTP, by one client and by many at once, beside `mlflow models serve` on the same model with the same rows.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::ports::free_port;
use asgard_journey::source::FactorySource;
use asgard_journey::steps::{FEATURES, Journey, MODEL, OPERATORS};
use serde_json::{Value, json};

use super::{Measurement, quantile};
use crate::build::{self, Profile};
use crate::shell::emptied;

const WARM_UP: usize = 50;
/// Of all clients together.
const CALLS: usize = 2000;
/// How many there are at once, and what median and last percentile are called.
const CLIENTS: [(usize, [&str; 2]); 3] = [
    (1, ["predict_p50", "predict_p99"]),
    (16, ["predict_16_clients_p50", "predict_16_clients_p99"]),
    (64, ["predict_64_clients_p50", "predict_64_clients_p99"]),
];
/// As many processes as our own service has by default.
const WORKERS: &str = "2";
const ROUNDS: usize = 5;

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let built = build::everything(Profile::Release)?;
    let folder = emptied("bench-predict")?;
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
        .args(["--workers", WORKERS, "--port", &port.to_string(), "--model-uri", &format!("models:/{MODEL}/1")])
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
        let ours = json!({"features": [OPERATORS[0]]});
        let mut measured = Vec::new();
        for (clients, names) in CLIENTS {
            measured.extend(side_by_side(clients, names, (&url, &ours), (&format!("{base}/invocations"), &theirs))?);
        }
        Ok(measured)
    });
    peer.kill()?;
    peer.wait()?;
    host.stop()?;
    measured
}

/// Both services, each a URL with what it is asked, under so many clients at once.
fn side_by_side(
    clients: usize,
    [median, percentile]: [&'static str; 2],
    ours: (&str, &Value),
    theirs: (&str, &Value),
) -> Result<Vec<Measurement>> {
    // Turn and turn about, so that a noisy moment of the machine meets both.
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_times.extend(times(clients, ours)?);
        their_times.extend(times(clients, theirs)?);
    }
    our_times.sort_by(f64::total_cmp);
    their_times.sort_by(f64::total_cmp);
    let measurement = |name, share| {
        let peer = Some(quantile(&their_times, share));
        Measurement::new(name, quantile(&our_times, share), peer, "mlflow models serve", "ms")
    };
    Ok(vec![measurement(median, 0.5), measurement(percentile, 0.99)])
}

fn folder_of(python: &Path) -> Result<&Path> {
    python.parent().with_context(|| format!("{} is in no folder", python.display()))
}

/// One round: what each call took, in milliseconds.
fn times(clients: usize, (url, body): (&str, &Value)) -> Result<Vec<f64>> {
    let one = || -> Result<Vec<f64>> {
        let client = Client::new("");
        for _ in 0..WARM_UP.div_ceil(clients) {
            client.post(url, body)?;
        }
        (0..(CALLS / ROUNDS).div_ceil(clients))
            .map(|_| {
                let start = Instant::now();
                client.post(url, body)?;
                Ok(start.elapsed().as_secs_f64() * 1000.0)
            })
            .collect()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow::anyhow!("a client ended oddly"))??);
        }
        Ok(all)
    })
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
