//! The whole journey on an optimised host, beside the same journey as a Python script, with the same rows and the same
//! tracking server.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use asgard_journey::host::Host;
use asgard_journey::source::FactorySource;
use asgard_journey::steps::{Figures, Journey, Source};
use serde_json::Value;

use super::{Measurement, memory};
use crate::build::{self, Profile};
use crate::python;
use crate::shell::{emptied, root, say};

/// What the script imports; MLflow and scikit-learn as the built-in environment has them.
const REQUIREMENTS: [&str; 8] = [
    "adbc-driver-manager==1.13.0",
    "adbc-driver-postgresql==1.13.0",
    "duckdb==1.5.5",
    "mlflow==3.17.2",
    "pandas",
    "pyarrow",
    "pyiceberg[pyarrow,sql-sqlite]==0.12.0",
    "scikit-learn==1.9.1",
];

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let built = build::everything(Profile::Release)?;
    let python = python::environment("journey-peer", &REQUIREMENTS)?;
    let folder = emptied("bench-journey")?;
    let host = Host::start(&built, &folder.join("host"), 0)?;
    let factory = FactorySource::start(&folder.join("postgres"))?;
    super::super::demo::prepared(&host)?;
    let client = host.client();
    let figures = Journey::new(&client, &|_| {}).run(&factory.source())?;
    let rss = memory(host.pid().context("the host has gone")?, "VmHWM")?;

    say("the same journey as a script");
    let tracking = client.get("/mlops/status")?["mlflow_tracking_uri"].as_str().context("no MLflow")?.to_owned();
    let work = folder.join("peer");
    std::fs::create_dir_all(&work)?;
    let output = Command::new(python)
        .arg(root().join("tests/journey/peer.py"))
        .args([uri(&factory.source()), tracking])
        .arg(&work)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the script failed: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let peer: Value =
        serde_json::from_str(text.lines().last().unwrap_or_default()).context("the script said nothing")?;
    host.stop()?;
    same(&figures, &peer)?;
    let seconds = peer["seconds"].as_f64();
    Ok(vec![
        Measurement::new("journey", figures.journey_seconds, seconds, "the same as a Python script", "s").with_rss(rss),
    ])
}

fn uri(source: &Source) -> String {
    let Source { host, port, database, username, password } = source;
    format!("postgresql://{username}:{password}@{host}:{port}/{database}")
}

/// Times of different work say nothing.
fn same(ours: &Figures, peer: &Value) -> Result<()> {
    let counted =
        [("records_copied", ours.records_copied), ("silver_rows", ours.silver_rows), ("gold_rows", ours.gold_rows)];
    for (name, value) in counted {
        ensure!(peer[name] == value, "{name}: ours {value}, the script's {}", peer[name]);
    }
    Ok(())
}
