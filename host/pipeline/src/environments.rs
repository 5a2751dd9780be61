//! Environments: the documents in the store, and what is made of them in this process.
//!
//! An environment's document changes as a whole and atomically: a request or a step takes one [`Active`] and keeps it to
//! its end, so it never sees half of a change.

mod allowances;
mod following;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use asgard_capabilities::Lender;
use asgard_capabilities::lender::Backing;
use asgard_capabilities::processes::Supervisor;
use asgard_contract::environment::Environment;
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Result};
use asgard_lakehouse::{Lakehouse, LakehouseConfig};
use asgard_store::{EnvironmentRevision, Store};
use tokio::sync::{Mutex, RwLock};

use crate::adapters::{StoredKeyValues, StoredSecrets};
use crate::plugins::Plugins;
use crate::{catalog, names, storage};

/// The environment that an empty data folder becomes.
pub const LOCAL: &str = include_str!("../../../deploy/environments/local.toml");

/// One revision of one environment, ready to work with.
pub struct Active {
    pub name: String,
    pub revision: i64,
    pub document: Arc<Environment>,
    pub lender: Lender,
    pub lakehouse: Arc<Lakehouse>,
    /// The environment's own folder: objects, tables, processes.
    pub folder: PathBuf,
}

/// All environments of this host.
pub struct Environments {
    store: Store,
    plugins: Arc<Plugins>,
    supervisor: Arc<Supervisor>,
    folder: PathBuf,
    active: RwLock<HashMap<String, Arc<Active>>>,
    /// A lakehouse outlives revisions: its catalog connections and caches are shared by old and new ones.
    lakehouses: Mutex<HashMap<String, Arc<Lakehouse>>>,
}

impl Environments {
    pub(crate) fn new(store: Store, plugins: Arc<Plugins>, supervisor: Arc<Supervisor>, folder: PathBuf) -> Self {
        Self { store, plugins, supervisor, folder, active: RwLock::default(), lakehouses: Mutex::default() }
    }

    /// Activates what the store has; an empty store gets the environment of the file `first`, or [`LOCAL`].
    pub(crate) async fn open(&self, first: Option<&str>) -> Result<()> {
        let mut names = self.store.environments().await?;
        if names.is_empty() {
            let document = parse(first.unwrap_or(LOCAL))?;
            // The built-in one is known to fit, and checking compiles every plugin: a first start would take seconds.
            if first.is_some() {
                self.check(&document).await?;
            }
            self.store.put_environment(&document, "asgard", "made at the first start").await?;
            names.push(document.name);
        }
        for name in names {
            if let Some(revision) = self.store.environment(&name).await? {
                self.activate(revision).await?;
            }
        }
        Ok(())
    }

    /// The environment as it is now.
    ///
    /// # Errors
    /// `not-found`, naming those that there are.
    pub async fn get(&self, name: &str) -> Result<Arc<Active>> {
        let active = self.active.read().await;
        active.get(name).cloned().ok_or_else(|| {
            let mut names: Vec<&str> = active.keys().map(String::as_str).collect();
            names.sort_unstable();
            Error::not_found(format!("there is no environment `{name}`: there are {}", names.join(", ")))
        })
    }

    /// All of them, by name.
    pub async fn list(&self) -> Vec<Arc<Active>> {
        let mut all: Vec<_> = self.active.read().await.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Makes a document true: checked whole, stored as a new revision, then swapped in at once.
    ///
    /// # Errors
    /// `invalid-input` with the field of the document that is wrong; nothing has changed then.
    pub async fn apply(&self, document: Environment, author: &str, note: &str) -> Result<Arc<Active>> {
        self.check(&document).await?;
        let unchanged = match self.store.environment(&document.name).await? {
            Some(current) if current.document == document => Some(current),
            _ => None,
        };
        let revision = match unchanged {
            Some(current) => current,
            None => self.store.put_environment(&document, author, note).await?,
        };
        self.activate(revision).await
    }

    /// Every revision of an environment, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn revisions(&self, name: &str) -> Result<Vec<EnvironmentRevision>> {
        self.get(name).await?;
        Ok(self.store.environment_revisions(name).await?)
    }

    async fn check(&self, document: &Environment) -> Result<()> {
        names::label("name", &document.name)?;
        catalog::of_environment(&self.store, document).await?;
        if let Some(storage) = storage::of_environment(&self.store, document).await? {
            storage.check().await.map_err(storage::in_document)?;
        }
        for role in Role::ALL {
            for (index, binding) in document.bindings(role).into_iter().enumerate() {
                let field = if role == Role::Ingestion { format!("ingestion[{index}]") } else { role.to_string() };
                let plugin = self.plugins.bound(binding).await.map_err(|error| match error {
                    Error::NotFound { message } => Error::invalid(format!("{field}.plugin"), message),
                    other => other,
                })?;
                for interface in role.interfaces() {
                    if !plugin.interfaces().contains(interface) {
                        return Err(Error::invalid(
                            format!("{field}.plugin"),
                            format!(
                                "plugin `{}` does not export what role `{role}` needs: {interface:?}",
                                binding.plugin
                            ),
                        ));
                    }
                }
                plugin.validate_configuration(&binding.configuration).map_err(|error| error.in_field(&field))?;
            }
        }
        Ok(())
    }

    async fn activate(&self, revision: EnvironmentRevision) -> Result<Arc<Active>> {
        let document = Arc::new(revision.document);
        let folder = self.folder.join("environments").join(&document.name);
        let lakehouse = self.lakehouse(&document, &folder).await?;
        let backing = Backing {
            folder: folder.clone(),
            secrets: Arc::new(StoredSecrets(self.store.clone())),
            key_values: Arc::new(StoredKeyValues(self.store.clone())),
            engine: Arc::clone(&lakehouse) as Arc<dyn asgard_capabilities::lakehouse::Engine>,
            supervisor: Arc::clone(&self.supervisor),
        };
        let lender = Lender::new(Arc::clone(&document), backing)?;
        let active = Arc::new(Active {
            name: document.name.clone(),
            revision: revision.revision,
            document,
            lender,
            lakehouse,
            folder,
        });
        self.active.write().await.insert(active.name.clone(), Arc::clone(&active));
        Ok(active)
    }

    async fn lakehouse(&self, document: &Environment, folder: &std::path::Path) -> Result<Arc<Lakehouse>> {
        let mut lakehouses = self.lakehouses.lock().await;
        let key = format!("{} {:?} {:?}", document.name, document.lakehouse, document.limits);
        let storage = storage::of_environment(&self.store, document).await?;
        if let Some(open) = lakehouses.get(&key) {
            // The secret of the bucket may have changed.
            storage.iter().try_for_each(|storage| open.add_storage(storage))?;
            return Ok(Arc::clone(open));
        }
        let catalog = catalog::of_environment(&self.store, document).await?;
        let limits = document.limits.clone();
        let config = LakehouseConfig { folder: folder.join("lakehouse"), catalog, storage, limits };
        let open = Lakehouse::open(config).await?;
        storage::add_sinks(&self.store, &document.name, folder, &open).await?;
        lakehouses.insert(key, Arc::clone(&open));
        Ok(open)
    }
}

/// Reads an environment file.
///
/// # Errors
/// `invalid-input` with the line that is wrong.
pub fn parse(text: &str) -> Result<Environment> {
    toml::from_str(text).map_err(|error| Error::invalid("environment", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_environment_is_a_readable_file() {
        let local = parse(LOCAL).unwrap();
        assert_eq!(local.name, "local");
        assert_eq!(local.bindings(Role::Ingestion).len(), 2);
        assert!(local.build.is_none());
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_line() {
        let error = parse("name = \"x\"\nsilvr = {}\n").unwrap_err().to_string();
        assert!(error.contains("silvr") && error.contains("line 2"), "{error}");
    }
}
