//! `asgard serve`: the host.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use asgard_api::{Api, ApiConfig};
use asgard_pipeline::{Pipeline, PipelineConfig, TaskRetention};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::access::Access;
use crate::data::{self, DataFolder};

/// Start the host. An empty data folder becomes the environment `local`, which needs nothing but this machine.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    data: DataFolder,
    /// A folder that all hosts on one database see: tables, objects and files of environments that keep them in files are there.
    /// Default: the data folder.
    #[arg(long, value_name = "DIR", env = "ASGARD_SHARED")]
    shared: Option<PathBuf>,
    /// Where to listen. Other addresses than this machine's own need tokens.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000", env = "ASGARD_LISTEN")]
    listen: SocketAddr,
    #[command(flatten)]
    access: Access,
    /// Plugins to register at the start, `DIR/NAME/{plugin.toml,plugin.wasm}`. Default: `plugins` beside the binary.
    #[arg(long, value_name = "DIR", env = "ASGARD_PLUGINS")]
    plugins: Option<PathBuf>,
    /// The environment file that an empty data folder begins with. Default: the built-in `local`.
    #[arg(long, value_name = "FILE")]
    first_environment: Option<PathBuf>,
    /// The environment that routes without `/environments/NAME` act on.
    #[arg(long, value_name = "NAME", default_value = "local")]
    environment: String,
    /// How many days after its end a task's log is kept.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    task_log_days: u32,
    /// How many days after its end a task is kept, where a newer one of the same subject has succeeded.
    #[arg(long, value_name = "DAYS", default_value_t = 400)]
    task_days: u32,
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 3600)
}

impl Serve {
    pub(crate) fn run(self) -> Result<()> {
        let filter = EnvFilter::try_from_env("ASGARD_LOG").unwrap_or_else(|_| EnvFilter::new("warn,asgard=info"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
        runtime()?.block_on(self.serve())
    }

    async fn serve(self) -> Result<()> {
        let folder = self.data.open()?;
        let _lock = data::lock(&folder)?;
        let admission = self.access.admission(self.listen, &self.data).await?;
        let binary = std::env::current_exe().context("the path of this binary is not known")?;
        // Bound before anything is opened: a port in use is told at once, and requests that come early wait.
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}: choose another address with `--listen`", self.listen))?;
        let first_environment = self
            .first_environment
            .map(|file| std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display())));
        let pipeline = Pipeline::open(PipelineConfig {
            first_environment: first_environment.transpose()?,
            store: self.data.store_config(),
            data: folder,
            shared: self.shared.as_deref().map(data::opened).transpose()?,
            bundled_plugins: self.plugins.or_else(|| binary.parent().map(|folder| folder.join("plugins"))),
            keeper: binary,
            retention: TaskRetention { logs: days(self.task_log_days), tasks: days(self.task_days) },
        })
        .await?;
        let config = ApiConfig {
            default_environment: self.environment,
            limits: self.access.limits(&admission),
            audit: self.access.audit(),
            tls: self.access.tls(),
            admission,
        };
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let api = Api::open(pipeline.clone(), config).await?;
        let shutdown = CancellationToken::new();
        let work = tokio::spawn({
            let (pipeline, shutdown) = (pipeline.clone(), shutdown.clone());
            async move { pipeline.run(shutdown).await }
        });
        println!("asgard listens on {scheme}://{}", listener.local_addr()?);
        tokio::spawn({
            let shutdown = shutdown.clone();
            async move {
                stopped().await;
                shutdown.cancel();
            }
        });
        let served = api.serve(listener, shutdown.clone()).await;
        shutdown.cancel();
        work.await.context("the worker ended badly")?;
        served.context("serving requests failed")
    }
}

/// Until SIGINT or SIGTERM.
async fn stopped() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads for the host")
}
