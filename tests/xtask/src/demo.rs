//! `cargo xtask demo`: the journey on one machine, from nothing; on the embedded plugins, or on the stack of production.

use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::source::FactorySource;
use asgard_journey::steps::{Figures, Journey};
use asgard_live::installed::Installed;
use asgard_live::stack::Stack;
use clap::{Args, ValueEnum};

use crate::build::{self, Profile};
use crate::live;
use crate::shell::{emptied, say};

/// The first start makes a Python environment of 600 MB; a slow registry must not end the demo.
const PREPARED_WITHIN: Duration = Duration::from_secs(1200);

/// A run of Spark takes a minute to begin, and an image is built and fetched, on a machine that runs all of the servers.
const STEP_WITHIN: Duration = Duration::from_secs(1800);

/// Run the journey: PostgreSQL -> bronze -> silver -> gold -> features -> a trained, registered and served model.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// What the requests run on.
    #[arg(long, value_enum, default_value_t = Environment::Local)]
    environment: Environment,
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

/// What the same requests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Environment {
    /// The embedded plugins.
    Local,
    /// Nessie, Spark's operator, Trino with dbt, Feast, MLflow, Kaniko and Kubernetes, all started here. Takes Linux, an administrator's
    /// rights, and half an hour the first time.
    Production,
}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        ensure!(
            TcpStream::connect(("127.0.0.1", self.port)).is_err(),
            "something listens on port {} already, perhaps an earlier demo: stop it, or choose another with `--port`",
            self.port
        );
        match self.environment {
            Environment::Local => self.local(),
            Environment::Production if Installed::asked_for() => self.production(),
            Environment::Production => provided(),
        }
    }

    fn local(self) -> Result<()> {
        let built = build::everything(Profile::Dev)?;
        let folder = emptied("demo")?;
        // The host first: it starts its MLflow server while the source is filled.
        say(&format!("starting the host on http://127.0.0.1:{}", self.port));
        let host = Host::start(&built, &folder.join("host"), self.port)?;
        say("starting PostgreSQL and filling it with the factory's rows");
        let factory = FactorySource::start(&folder.join("postgres"))?;
        prepared(&host)?;

        let client = host.client().showing(Box::new(|line| println!("{line}")));
        let figures = Journey::new(&client, &|line| println!("{line}")).run(&factory.source())?;
        let differences = figures.differences();
        self.end(host, &client, "local", &figures, &differences)
    }

    fn production(self) -> Result<()> {
        let built = build::everything(Profile::Dev)?;
        let folder = emptied("production")?;
        say("starting PostgreSQL and filling it with the factory's rows");
        let factory = FactorySource::start(&folder.join("postgres"))?;
        say("starting the stack of production");
        let stack = Stack::start(&weed()?, &folder)?;
        say(&format!("starting the host on http://127.0.0.1:{}", self.port));
        let host = Host::start_light(&built, &folder.join("host"), self.port)?;
        let client = stack.environment(&host.client())?.showing(Box::new(|line| println!("{line}")));
        println!("kubectl finds the cluster by {}", stack.kubeconfig().display());

        let journey = Journey::new(&client, &|line| println!("{line}"));
        let figures = journey.with_steps_within(STEP_WITHIN).to_sink(stack.sink()).run(&factory.source())?;
        // How long a prediction takes is no matter of a machine that runs all of this.
        let differences = figures.differences().into_iter().filter(|off| !off.starts_with("prediction_ms"));
        self.end(host, &client, Stack::NAME, &figures, &differences.collect::<Vec<_>>())
    }

    /// Tells the figures, and leaves the host on until it is enough.
    fn end(
        self,
        host: Host,
        client: &Client,
        environment: &str,
        figures: &Figures,
        differences: &[String],
    ) -> Result<()> {
        println!("the journey took {:.1} s", figures.journey_seconds);
        for difference in differences {
            println!("off: {difference}");
        }
        if !self.exit {
            next_steps(client, &host.url(), environment);
            wait_for_interrupt()?;
        }
        host.stop()?;
        if self.json {
            println!("{}", json(figures)?);
        }
        ensure!(differences.is_empty(), "{} of the figures are off", differences.len());
        Ok(())
    }
}

/// This chore anew, with all that the stack is made of in its environment.
fn provided() -> Result<()> {
    let variables = live::production()?;
    let mut again = Command::new(std::env::current_exe()?);
    // It comes back only where it fails.
    Err(again.args(std::env::args_os().skip(1)).envs(variables).exec()).context("the demo does not start")
}

fn weed() -> Result<PathBuf> {
    let python = std::env::var_os("ASGARD_TEST_PYTHON").context("ASGARD_TEST_PYTHON is not set")?;
    Ok(Path::new(&python).with_file_name("weed"))
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

fn next_steps(client: &Client, url: &str, environment: &str) {
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
    let base = client.base();
    println!("  the environment and its plugins {url}/environments/{environment}");
    println!("  silver and gold tables          {base}/dbt/sources/silver and {base}/dbt/tables/gold");
}

fn wait_for_interrupt() -> Result<()> {
    println!("Ctrl-C ends the host and everything it started.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::signal::ctrl_c()).context("Ctrl-C cannot be waited for")
}

fn json(figures: &Figures) -> Result<String> {
    serde_json::to_string(figures).context("the figures have no JSON form")
}
