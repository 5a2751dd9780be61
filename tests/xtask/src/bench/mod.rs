//! `cargo xtask bench`: measurements side by side with a peer, in one run, on optimised builds. Never part of the tests.

mod cdc;
mod features;
mod hostile;
mod ingest;
mod journey;
mod lab;
mod merge;
mod predict;
mod process;
mod serve;
mod sql;
mod step;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::process::Costs;
use crate::shell::say;

/// Measure, beside a peer.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure. Default: all.
    names: Vec<Name>,
    /// Print a line of JSON per measurement.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// A plugin's step from fresh instance to result, beside the same work as a native call.
    Step,
    /// The whole journey, beside the same journey as a Python script.
    Journey,
    /// `asgard serve` to ready, and its idle memory, beside `mlflow server`.
    Serve,
    /// Predictions over HTTP, beside `mlflow models serve` on the same model.
    Predict,
    /// Features of a million rows as they were, and of one entity as they are, beside Feast's own.
    Features,
    /// PostgreSQL to Iceberg, beside `psql`, ConnectorX and dlt.
    Ingest,
    /// One per cent of changes into ten million rows, beside PyIceberg and Spark.
    Merge,
    /// Changes a second and their lag, beside `pg_recvlogical`.
    Cdc,
    /// The journey's statements and TPC-H, beside DuckDB, Sail and Spark.
    Sql,
    /// Requests while a plugin is hostile, beside the same requests in peace.
    Hostile,
}

/// One figure of ours beside one of a peer's.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measurement {
    pub(crate) name: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: Option<f64>,
    pub(crate) peer_name: &'static str,
    pub(crate) unit: &'static str,
    /// Ours over the peer's: below 1 is faster, or smaller.
    pub(crate) ratio: Option<f64>,
    /// Peak resident memory of our process.
    pub(crate) rss_mb: Option<f64>,
    pub(crate) peer_rss_mb: Option<f64>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) peer_cpu_seconds: Option<f64>,
    /// That we worked through.
    pub(crate) rows_per_second: Option<f64>,
    #[serde(skip)]
    seconds: Option<f64>,
}

impl Measurement {
    pub(crate) fn new(
        name: &'static str,
        ours: f64,
        peer: Option<f64>,
        peer_name: &'static str,
        unit: &'static str,
    ) -> Self {
        let ratio = peer.map(|peer| ours / peer);
        Self { name, ours, peer, peer_name, unit, ratio, ..Self::default() }
    }

    pub(crate) fn with_costs(mut self, ours: Costs, peer: Option<Costs>) -> Self {
        (self.seconds, self.cpu_seconds, self.rss_mb) = (Some(ours.seconds), Some(ours.cpu_seconds), Some(ours.rss_mb));
        (self.peer_cpu_seconds, self.peer_rss_mb) = (peer.map(|peer| peer.cpu_seconds), peer.map(|peer| peer.rss_mb));
        self
    }

    /// After [`Measurement::with_costs`].
    pub(crate) fn with_rows(mut self, rows: u64) -> Self {
        self.rows_per_second = self.seconds.map(|seconds| rows as f64 / seconds);
        self
    }

    /// At so many rows a second.
    pub(crate) fn at(mut self, rows_per_second: f64) -> Self {
        self.rows_per_second = Some(rows_per_second);
        self
    }

    pub(crate) fn with_rss(mut self, megabytes: f64) -> Self {
        self.rss_mb = Some(megabytes);
        self
    }
}

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        let names = if self.names.is_empty() { Name::value_variants().to_vec() } else { self.names.clone() };
        for name in names {
            say(&format!("measuring {name:?}"));
            let measurements = match name {
                Name::Step => step::measure()?,
                Name::Journey => journey::measure()?,
                Name::Serve => serve::measure()?,
                Name::Predict => predict::measure()?,
                Name::Features => features::measure()?,
                Name::Ingest => ingest::measure()?,
                Name::Merge => merge::measure()?,
                Name::Cdc => cdc::measure()?,
                Name::Sql => sql::measure()?,
                Name::Hostile => hostile::measure()?,
            };
            for measurement in &measurements {
                self.print(measurement)?;
            }
        }
        Ok(())
    }

    fn print(&self, measurement: &Measurement) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(measurement)?);
            return Ok(());
        }
        let Measurement { name, ours, unit, peer_name, .. } = measurement;
        print!("{name:<16} {ours:10.3} {unit}");
        if let (Some(peer), Some(ratio)) = (measurement.peer, measurement.ratio) {
            print!("   {peer_name}: {peer:.3} {unit}   ratio {ratio:.3}");
        }
        if let Some(rows) = measurement.rows_per_second {
            print!("   {rows:.0} rows/s");
        }
        if let Some(cpu) = measurement.cpu_seconds {
            print!("   CPU {cpu:.1} s");
        }
        if let Some(rss) = measurement.rss_mb {
            print!("   {rss:.0} MB");
        }
        if let (Some(cpu), Some(rss)) = (measurement.peer_cpu_seconds, measurement.peer_rss_mb) {
            print!("   peer: CPU {cpu:.1} s, {rss:.0} MB");
        }
        println!();
        Ok(())
    }
}

/// A field of `/proc/PID/status` in megabytes, such as `VmRSS` or `VmHWM`.
pub(crate) fn memory(pid: u32, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(field)).with_context(|| format!("no {field}"))?;
    let kilobytes =
        line.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok()).context("no number")?;
    Ok(kilobytes / 1024.0)
}

/// The value below which this share of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}
