//! The domain: sources, syncs, tables, features, models, environments. Knows no backend and no HTTP: roles resolve to
//! plugins in [`roles`], long work becomes tasks, and the API shapes what this crate answers.

mod adapters;
mod catalog;
pub mod concealment;
pub mod environments;
pub mod features;
pub mod ingestion;
pub mod lakehouse;
pub mod lineage;
pub mod models;
mod names;
pub mod pipelines;
pub mod plugins;
mod roles;
mod secrets;
pub mod sql;
mod stepping;
mod storage;
pub mod transforms;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use asgard_capabilities::processes::Supervisor;
use asgard_contract::connector::SourceType;
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Result};
use asgard_plugins::{Runtime, RuntimeConfig};
use asgard_store::{Store, StoreConfig};
pub use asgard_tasks::TaskRetention;
use asgard_tasks::{Allowances, Tasks, TasksConfig};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

pub use environments::{Active, Environments};
use pipelines::StepReader;
pub use plugins::Plugins;

/// Where a host keeps its things and finds what came with it.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// Everything the host remembers; made when it does not exist.
    pub data: PathBuf,
    /// The environments' own folders, where several hosts see the same; none = in `data`.
    pub shared: Option<PathBuf>,
    /// Which database it is remembered in.
    pub store: StoreConfig,
    /// The text of the environment file that an empty data folder begins with; none = [`environments::LOCAL`].
    pub first_environment: Option<String>,
    /// The plugins that came with the host; see [`Plugins::add_bundled`].
    pub bundled_plugins: Option<PathBuf>,
    /// The `asgard` binary, which is run as `asgard keep FOLDER` around every process.
    pub keeper: PathBuf,
    /// How long after their end tasks are kept.
    pub retention: TaskRetention,
}

/// One page of a list: at most `limit` items after the first `offset`.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub limit: u32,
    pub offset: u64,
}

/// A page's items and how many there are in all.
#[derive(Debug, Clone)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub total: u64,
}

/// The host without its surface.
pub struct Pipeline {
    pub(crate) store: Store,
    pub(crate) tasks: Arc<Tasks>,
    plugins: Arc<Plugins>,
    environments: Arc<Environments>,
    supervisor: Arc<Supervisor>,
    /// By what the connector's answer depends on.
    source_types: Mutex<HashMap<String, Vec<SourceType>>>,
    /// Of the surface; none before it is there.
    step_reader: OnceLock<Arc<dyn StepReader>>,
    data: PathBuf,
}

impl Pipeline {
    /// Opens the data folder, registers bundled plugins, activates all environments. Starts no work yet.
    ///
    /// # Errors
    /// In words what is wrong with the folder, a plugin or an environment.
    pub async fn open(config: PipelineConfig) -> Result<Arc<Self>> {
        std::fs::create_dir_all(&config.data).map_err(|error| {
            Error::internal(format!("the data folder {} cannot be made: {error}", config.data.display()))
        })?;
        let store = Store::open_with(&config.data, config.store).await?;
        let runtime = Runtime::new(RuntimeConfig { cache: Some(config.data.join("compiled")) })
            .map_err(|error| Error::internal(error.to_string()))?;
        let plugins = Arc::new(Plugins::new(store.clone(), runtime));
        if let Some(folder) = &config.bundled_plugins {
            plugins.add_bundled(folder).await?;
        }
        let supervisor = Arc::new(Supervisor::open(&config.data.join("processes"), config.keeper)?);
        let environments = Arc::new(Environments::new(
            store.clone(),
            Arc::clone(&plugins),
            Arc::clone(&supervisor),
            config.shared.unwrap_or_else(|| config.data.clone()),
        ));
        environments.open(config.first_environment.as_deref()).await?;
        let working = TasksConfig { retention: config.retention, ..TasksConfig::default() };
        // From here on other hosts know that this one is alive; the worker says so again and again.
        store.beat(working.lease).await?;
        let tasks = Tasks::new(store.clone(), working);
        tasks.limit_by(Arc::clone(&environments) as Arc<dyn Allowances>);
        let pipeline = Arc::new(Self {
            store,
            tasks,
            plugins,
            environments,
            supervisor,
            source_types: Mutex::default(),
            step_reader: OnceLock::new(),
            data: config.data,
        });
        ingestion::register(&pipeline);
        transforms::register(&pipeline);
        features::register(&pipeline);
        models::register(&pipeline);
        lakehouse::register(&pipeline);
        pipelines::register(&pipeline);
        Ok(pipeline)
    }

    /// Works on tasks until `shutdown`, then ends the services. What was running goes on at the next start.
    pub async fn run(self: &Arc<Self>, shutdown: CancellationToken) {
        for active in self.environments.list().await {
            active.lender.start_services();
        }
        tokio::select! {
            () = self.tasks.run(shutdown) => {}
            () = self.forget_answers() => {}
            () = self.compile_bound_plugins() => {}
            () = self.keep_tables() => {}
            () = self.environments.follow() => {}
            () = self.sweep() => {}
        }
        self.supervisor.shut_down().await;
    }

    /// The first request of each role finds its plugin compiled, instead of waiting seconds for it. Never ends by itself.
    async fn compile_bound_plugins(&self) {
        for active in self.environments.list().await {
            for role in Role::ALL {
                for binding in active.document.bindings(role) {
                    if let Err(error) = self.plugins.bound(binding).await {
                        tracing::warn!(environment = active.name, %role, %error, "a bound plugin cannot be used");
                    }
                }
            }
        }
        std::future::pending().await
    }

    /// Answers to idempotent requests are kept for a day. Never ends by itself.
    async fn forget_answers(&self) {
        let mut hours = tokio::time::interval(std::time::Duration::from_secs(3600));
        loop {
            hours.tick().await;
            let day = chrono::Utc::now() - chrono::TimeDelta::days(1);
            if let Err(error) = self.store.forget_answers(day).await {
                tracing::warn!(%error, "old answers could not be forgotten");
            }
        }
    }

    /// How the steps of pipelines are read, from now on.
    pub fn read_steps_by(&self, reader: Arc<dyn StepReader>) {
        // The first one stays: there is one surface.
        let _ = self.step_reader.set(reader);
    }

    /// The environments.
    pub fn environments(&self) -> &Environments {
        &self.environments
    }

    /// The registered plugins.
    pub fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Tasks, with their logs and events.
    pub fn tasks(&self) -> &Arc<Tasks> {
        &self.tasks
    }

    /// Secrets and idempotency keys are kept here.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The host's data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
