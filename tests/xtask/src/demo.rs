//! `cargo xtask demo`: the journey on one machine, from nothing.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::source::FactorySource;
use asgard_journey::steps::{Figures, Journey};
use clap::Args;

use crate::build::{self, Profile};
use crate::shell::{root, say};

/// The first start makes a Python environment of 600 MB; a slow registry must not end the demo.
const PREPARED_WITHIN: Duration = Duration::from_secs(1200);

/// Run the journey: PostgreSQL -> bronze -> silver -> gold -> features -> a trained, registered and served model.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Stop at the end, with an error if a figure is off. Default: leave the host on until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// Print the figures as one last line of JSON.
    #[arg(long)]
    json: bool,
    /// Where the host listens.
    #[arg(long, default_value_t = 8000)]
    port: u16,
}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        ensure!(
            TcpStream::connect(("127.0.0.1", self.port)).is_err(),
            "something listens on port {} already, perhaps an earlier demo: stop it, or choose another with `--port`",
            self.port
        );
        let built = build::everything(Profile::Dev)?;
        let folder = root().join(".asgard/demo");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
        }
        // The host first: it starts its MLflow server while the source is filled.
        say(&format!("starting the host on http://127.0.0.1:{}", self.port));
        let host = Host::start(&built, &folder.join("host"), self.port)?;
        say("starting PostgreSQL and filling it with the factory's rows");
        let factory = FactorySource::start(&folder.join("postgres"))?;
        prepared(&host)?;

        let client = host.client().showing(Box::new(|line| println!("{line}")));
        let figures = Journey::new(&client, &|line| println!("{line}")).run(&factory.source())?;
        println!("the journey took {:.1} s", figures.journey_seconds);
        let differences = figures.differences();
        for difference in &differences {
            println!("off: {difference}");
        }
        if self.exit {
            host.stop()?;
        } else {
            next_steps(&host.client(), &host.url());
            wait_for_interrupt()?;
            host.stop()?;
        }
        if self.json {
            println!("{}", json(&figures)?);
        }
        ensure!(differences.is_empty(), "{} of the figures are off", differences.len());
        Ok(())
    }
}

/// Waits for the environment's MLflow server. The host makes its Python environment when it is first needed.
pub(crate) fn prepared(host: &Host) -> Result<()> {
    say("waiting for MLflow, a service of the environment (the first time, its Python environment is made)");
    let client = host.client();
    let start = Instant::now();
    let mut told = String::new();
    loop {
        let status = client.look("/mlops/status")?;
        if status["mlflow_available"] == true {
            return Ok(());
        }
        let message = status["message"].as_str().unwrap_or("starting").to_owned();
        if start.elapsed() > PREPARED_WITHIN {
            bail!("MLflow did not start within {} s: {message}", PREPARED_WITHIN.as_secs());
        }
        if message != told || start.elapsed().as_secs().is_multiple_of(10) {
            say(&format!("{:4.0} s: {message}", start.elapsed().as_secs_f64()));
            told = message;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn next_steps(client: &Client, url: &str) {
    let text = |path: &str, pointer: &str| {
        client.look(path).ok().and_then(|body| body.pointer(pointer).and_then(|v| v.as_str().map(str::to_owned)))
    };
    println!();
    println!("open next:");
    println!("  the API, to read and to try     {url}/docs");
    if let Some(mlflow) = text("/mlops/status", "/mlflow_tracking_uri") {
        println!("  runs and models in MLflow       {mlflow}");
    }
    if let Some(docs) = text("/mlops/deployments", "/0/endpoints/docs") {
        println!("  the served model                {docs}");
    }
    println!("  the environment and its plugins {url}/environments/local");
    println!("  silver and gold tables          {url}/dbt/sources/silver and {url}/dbt/tables/gold");
}

fn wait_for_interrupt() -> Result<()> {
    println!("Ctrl-C ends the host and everything it started.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::signal::ctrl_c()).context("Ctrl-C cannot be waited for")
}

fn json(figures: &Figures) -> Result<String> {
    serde_json::to_string(figures).context("the figures have no JSON form")
}
