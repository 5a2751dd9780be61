//! Environments: the documents in the store, and what is made of them in this process.
//!
//! An environment's document changes as a whole and atomically: a request or a step takes one [`Active`] and keeps it to
//! its end, so it never sees half of a change. A document is made ready first (policies parsed, lakehouse open) and stored
//! after that, so no revision is stored that no host could use.
//!
//! An environment that cannot be made ready at the start (a secret that is gone, a catalog that is away) keeps no other from
//! working: it answers with the reason, and is tried again until it can.

mod allowances;
mod changes;
mod check;
pub mod documents;
mod removal;
mod sweep;
mod validation;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use asgard_capabilities::lender::Backing;
use asgard_capabilities::processes::Supervisor;
use asgard_capabilities::{Lender, SystemResolver};
use asgard_contract::environment::{self, Catalog, Environment, Limits};
use asgard_contract::{Error, Result};
use asgard_lakehouse::storage::Storage;
use asgard_lakehouse::{CatalogConfig, Lakehouse, LakehouseConfig};
use asgard_store::{EnvironmentRevision, Store, StoreError};
use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, RwLock};

use crate::adapters::StoredKeyValues;
use crate::plugins::Plugins;
use crate::secrets::EnvironmentSecrets;
use crate::{catalog, storage};

pub use changes::{Applied, Intent, Plan, Revised};
pub use check::{Finding, Report, Verdict};

/// The environment that an empty data folder becomes.
pub const LOCAL: &str = include_str!("../../../../deploy/environments/local.toml");

/// How often the store is asked whether another host, or a command beside this one, changed an environment. A person who changed
/// something on one host does not notice the time on another; it is a question of one small table.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One revision of one environment, ready to work with.
pub struct Active {
    pub name: String,
    pub revision: i64,
    pub document: Arc<Environment>,
    pub lender: Lender,
    pub lakehouse: Arc<Lakehouse>,
    pub(crate) secrets: EnvironmentSecrets,
    /// The environment's own folder: objects, tables, processes.
    pub folder: PathBuf,
}

/// What this host knows of an environment.
struct Known {
    revision: i64,
    /// When the revision was made.
    created_at: DateTime<Utc>,
    /// Or why it cannot be used.
    state: Result<Arc<Active>>,
}

/// Which tables a lakehouse has.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    environment: String,
    /// Of its catalog; none = those that the environment's document names.
    branch: Option<String>,
}

/// A lakehouse, and what it was opened with.
struct Opened {
    section: environment::Lakehouse,
    limits: Limits,
    /// The catalog's secret may have changed, which the document does not show.
    catalog: CatalogConfig,
    lakehouse: Arc<Lakehouse>,
}

/// All environments of this host.
pub struct Environments {
    store: Store,
    plugins: Arc<Plugins>,
    supervisor: Arc<Supervisor>,
    folder: PathBuf,
    known: RwLock<HashMap<String, Known>>,
    /// A lakehouse outlives revisions that change nothing about it: its catalog connections and caches are shared by old and new
    /// ones. Here is the newest of each place; an older one goes with the last that works with it.
    lakehouses: Mutex<HashMap<Place, Opened>>,
    /// Held while a revision is stored and taken into use, so that both happen in one order.
    changing: Mutex<()>,
}

impl Environments {
    pub(crate) fn new(store: Store, plugins: Arc<Plugins>, supervisor: Arc<Supervisor>, folder: PathBuf) -> Self {
        Self {
            store,
            plugins,
            supervisor,
            folder,
            known: RwLock::default(),
            lakehouses: Mutex::default(),
            changing: Mutex::default(),
        }
    }

    /// Takes into use what the store has; an empty store gets the environment of the file `first`, or [`LOCAL`].
    pub(crate) async fn open(&self, first: Option<&str>) -> Result<()> {
        let mut names = self.store.environments().await?;
        if names.is_empty() {
            let document = documents::parse(first.unwrap_or(LOCAL), documents::Format::Toml)?;
            // The built-in one is known to fit, and checking compiles every plugin: a first start would take seconds.
            if first.is_some() {
                self.validate(&document).await?;
            }
            self.ready(0, &document).await?;
            match self.store.put_environment(&document, 0, "asgard", "made at the first start").await {
                // Another host may have been first.
                Ok(_) | Err(StoreError::Conflict(_)) => names = self.store.environments().await?,
                Err(error) => return Err(error.into()),
            }
        }
        for name in names {
            if let Some(revision) = self.store.environment(&name).await? {
                self.take_up(revision).await;
            }
        }
        Ok(())
    }

    /// Follows what other hosts and commands on the same store change, and tries again what could not be used. Never ends by
    /// itself.
    pub(crate) async fn follow(&self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "whether environments changed could not be seen");
            }
        }
    }

    async fn look(&self) -> Result<()> {
        let stored = self.store.current_revisions().await?;
        let known: Vec<String> = self.known.read().await.keys().cloned().collect();
        for gone in known.iter().filter(|name| stored.iter().all(|stored| stored.environment != **name)) {
            let _changing = self.changing.lock().await;
            // It may have been made since.
            if self.store.environment(gone).await?.is_none() {
                self.take_down(gone).await?;
            }
        }
        for stored in stored {
            let name = &stored.environment;
            let is_current = self.known.read().await.get(name).is_some_and(|known| {
                (known.revision, known.created_at) == (stored.revision, stored.created_at) && known.state.is_ok()
            });
            if is_current {
                continue;
            }
            let _changing = self.changing.lock().await;
            if let Some(stored) = self.store.environment(name).await?
                && let Some(active) = self.take_up(stored).await
            {
                active.lender.start_services();
            }
        }
        Ok(())
    }

    /// The environment as it is now.
    ///
    /// # Errors
    /// `not-found`, naming those that there are; `unavailable` with the reason for one that cannot be used now.
    pub async fn get(&self, name: &str) -> Result<Arc<Active>> {
        let known = self.known.read().await;
        match known.get(name) {
            Some(Known { state: Ok(active), .. }) => Ok(Arc::clone(active)),
            Some(Known { state: Err(error), .. }) => {
                Err(Error::unavailable(format!("environment `{name}` cannot be used now: {error}")))
            }
            None => {
                let mut names: Vec<&str> = known.keys().map(String::as_str).collect();
                names.sort_unstable();
                Err(Error::not_found(format!("there is no environment `{name}`: there are {}", names.join(", "))))
            }
        }
    }

    /// All that can be used, by name.
    pub async fn list(&self) -> Vec<Arc<Active>> {
        let known = self.known.read().await;
        let mut all: Vec<_> = known.values().filter_map(|known| known.state.as_ref().ok().cloned()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Every revision of an environment, newest first.
    ///
    /// # Errors
    /// `not-found`, and those of the store.
    pub async fn revisions(&self, name: &str) -> Result<Vec<EnvironmentRevision>> {
        let revisions = self.store.environment_revisions(name).await?;
        if revisions.is_empty() {
            self.get(name).await?;
        }
        Ok(revisions)
    }

    /// One revision of an environment; none: the one that is true.
    ///
    /// # Errors
    /// `not-found`, naming the newest revision, and those of the store.
    pub async fn revision(&self, name: &str, revision: Option<i64>) -> Result<EnvironmentRevision> {
        let current = self.store.environment(name).await?;
        let Some(current) = current else {
            self.get(name).await?;
            return Err(Error::not_found(format!("there is no environment `{name}`")));
        };
        let Some(wanted) = revision.filter(|wanted| *wanted != current.revision) else { return Ok(current) };
        let found = self.store.environment_revisions(name).await?.into_iter().find(|each| each.revision == wanted);
        found.ok_or_else(|| {
            let newest = current.revision;
            Error::not_found(format!("environment `{name}` has no revision {wanted}: there are 1 to {newest}"))
        })
    }

    /// Makes of a document what work needs. Nothing uses it yet.
    ///
    /// # Errors
    /// `invalid-input` with the field of the document that is wrong, and those of catalog and storage.
    async fn ready(&self, revision: i64, document: &Environment) -> Result<Arc<Active>> {
        self.ready_at(revision, document, None).await
    }

    /// As [`Environments::ready`], on a branch of the catalog where one is named.
    async fn ready_at(&self, revision: i64, document: &Environment, branch: Option<&str>) -> Result<Arc<Active>> {
        let document = Arc::new(document.clone());
        let folder = self.folder_of(&document.name);
        let secrets = self.secrets(&document);
        let storage = storage::of_environment(&secrets, &document).await?;
        let bucket = storage.as_ref().and_then(Storage::objects);
        let lakehouse = self.lakehouse(&document, branch, &secrets, &folder, storage).await?;
        let backing = Backing {
            folder: folder.clone(),
            secrets: Arc::new(secrets.clone()),
            key_values: Arc::new(StoredKeyValues(self.store.clone())),
            engine: Arc::clone(&lakehouse) as Arc<dyn asgard_capabilities::lakehouse::Engine>,
            names: Arc::new(SystemResolver),
            supervisor: Arc::clone(&self.supervisor),
            bucket,
            cluster: secrets.cluster(),
            owner: self.store.installation().await?.into(),
            branch: branch.map(str::to_owned),
        };
        let lender = Lender::new(Arc::clone(&document), backing)?;
        Ok(Arc::new(Active { name: document.name.clone(), revision, document, lender, lakehouse, secrets, folder }))
    }

    /// An environment as it is on a branch of its catalog, which is at this address.
    ///
    /// # Errors
    /// Those of catalog and storage.
    pub(crate) async fn on_branch(&self, active: &Active, branch: &str, address: &str) -> Result<Arc<Active>> {
        let mut document = Environment::clone(&active.document);
        if let Catalog::Rest { uri, .. } = &mut document.lakehouse.catalog {
            address.clone_into(uri);
        }
        self.ready_at(active.revision, &document, Some(branch)).await
    }

    /// Forgets a branch, which will not be asked for again.
    pub(crate) async fn leave_branch(&self, environment: &str, branch: &str) {
        let place = Place { environment: environment.to_owned(), branch: Some(branch.to_owned()) };
        self.lakehouses.lock().await.remove(&place);
    }

    fn folder_of(&self, name: &str) -> PathBuf {
        self.folder.join("environments").join(name)
    }

    /// Takes a stored revision into use, or remembers why it cannot be.
    async fn take_up(&self, stored: EnvironmentRevision) -> Option<Arc<Active>> {
        let (name, revision, created_at) = (stored.document.name.clone(), stored.revision, stored.created_at);
        let state = self.ready(revision, &stored.document).await;
        let (usable, why) = (state.as_ref().ok().cloned(), state.as_ref().err().cloned());
        let before = self.known.write().await.insert(name.clone(), Known { revision, created_at, state });
        if let Some(error) = why
            // It is tried every few seconds: the same reason is told once.
            && before.and_then(|known| known.state.err()).as_ref() != Some(&error)
        {
            tracing::warn!(environment = name, revision, %error, "an environment cannot be used now");
        }
        usable
    }

    fn secrets(&self, document: &Environment) -> EnvironmentSecrets {
        EnvironmentSecrets::new(&self.store, document, &self.folder)
    }

    async fn lakehouse(
        &self,
        document: &Environment,
        branch: Option<&str>,
        secrets: &EnvironmentSecrets,
        folder: &std::path::Path,
        storage: Option<Storage>,
    ) -> Result<Arc<Lakehouse>> {
        let mut lakehouses = self.lakehouses.lock().await;
        let place = Place { environment: document.name.clone(), branch: branch.map(str::to_owned) };
        let catalog = catalog::of_environment(secrets, document).await?;
        let same = |open: &&Opened| {
            open.section == document.lakehouse && open.limits == document.limits && open.catalog == catalog
        };
        if let Some(Opened { lakehouse, .. }) = lakehouses.get(&place).filter(same) {
            // The bucket's secret may have changed too.
            storage.iter().try_for_each(|storage| lakehouse.add_storage(storage))?;
            return Ok(Arc::clone(lakehouse));
        }
        let (section, limits) = (document.lakehouse.clone(), document.limits.clone());
        let config = LakehouseConfig {
            folder: folder.join("lakehouse"),
            catalog: catalog.clone(),
            storage,
            limits: limits.clone(),
        };
        let lakehouse = Lakehouse::open(config).await?;
        storage::add_sinks(&self.store, &document.name, secrets, folder, &lakehouse).await?;
        let opened = Opened { section, limits, catalog, lakehouse: Arc::clone(&lakehouse) };
        lakehouses.insert(place, opened);
        Ok(lakehouse)
    }
}

#[cfg(test)]
mod tests;
