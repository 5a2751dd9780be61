//! In the host's place: what a plugin is lent, on a temporary disk and in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use asgard_capabilities::SystemResolver;
use asgard_capabilities::key_value::KeyValues;
use asgard_capabilities::kubernetes::Connection;
use asgard_capabilities::lakehouse::Engine;
use asgard_capabilities::lender::{Backing, Caller, Lender};
use asgard_capabilities::processes::Supervisor;
use asgard_capabilities::secrets::Secrets;
use asgard_contract::environment::{Environment, Grants, LakehouseGrant, SecretSource};
use asgard_contract::log::Discard;
use asgard_contract::manifest::{Capability, Manifest};
use asgard_contract::{Error, Result};
use asgard_lakehouse::{CatalogConfig, Lakehouse, LakehouseConfig, NAMESPACES};
use asgard_plugins::{Call, Plugin};
use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::report::{Found, skip};
use crate::{Setup, Subject};

/// The environment that the plugin sees.
const ENVIRONMENT: &str = "conformance";

/// What a plugin without its configuration cannot be asked is skipped.
pub(crate) async fn configured(bench: &Bench, asking: impl Future<Output = Found>) -> Found {
    match bench.plugin.validate_configuration(&bench.setup.configuration) {
        Ok(_) => asking.await,
        Err(error) => skip(format!("it needs a configuration ({error}): give one with `--config`")),
    }
}

/// A plugin with what it is lent.
pub(crate) struct Bench {
    pub(crate) plugin: Plugin,
    pub(crate) setup: Setup,
    pub(crate) lakehouse: Arc<Lakehouse>,
    lender: Lender,
    grants: Grants,
    supervisor: Arc<Supervisor>,
    folder: TempDir,
}

impl Bench {
    /// # Errors
    /// `invalid-input` with the field of the setup that is wrong.
    pub(crate) async fn open(plugin: Plugin, subject: &Subject) -> Result<Self> {
        let setup = subject.setup.clone();
        let folder = tempfile::tempdir().map_err(|error| Error::internal(format!("no temporary folder: {error}")))?;
        let document: Environment = serde_json::from_value(json!({ "name": ENVIRONMENT }))
            .map_err(|error| Error::internal(error.to_string()))?;
        let document = Arc::new(Environment {
            limits: setup.limits.clone(),
            programs: setup.programs.clone(),
            services: setup.services.clone(),
            ..document
        });
        let lakehouse = Lakehouse::open(LakehouseConfig {
            folder: folder.path().join("lakehouse"),
            catalog: CatalogConfig::Sqlite,
            storage: None,
            limits: setup.limits.clone(),
        })
        .await?;
        let supervisor = Arc::new(Supervisor::open(&folder.path().join("processes"), subject.keeper.clone())?);
        let backing = Backing {
            folder: folder.path().join("environment"),
            secrets: Arc::new(Declared(setup.secrets.clone())),
            key_values: Arc::new(InMemory::default()),
            engine: Arc::clone(&lakehouse) as Arc<dyn Engine>,
            names: Arc::new(SystemResolver),
            supervisor: Arc::clone(&supervisor),
            bucket: None,
            cluster: setup.kubernetes.clone().map(|cluster| {
                let secrets = Arc::new(Declared(setup.secrets.clone()));
                Arc::new(Connection::new(cluster, ENVIRONMENT, secrets))
            }),
            owner: ENVIRONMENT.into(),
            branch: None,
        };
        let lender = Lender::new(document, backing)?;
        lender.start_services();
        let grants = grants(plugin.manifest(), &setup.grants);
        Ok(Self { plugin, setup, lakehouse, lender, grants, supervisor, folder })
    }

    /// What a call on behalf of `task` needs.
    ///
    /// # Errors
    /// `invalid-input` for a configuration or a grant that does not fit; `unavailable` for a service that does not start.
    pub(crate) async fn call(&self, task: &str) -> Result<Call> {
        let manifest = self.plugin.manifest();
        let caller = Caller {
            environment: ENVIRONMENT.to_owned(),
            plugin: manifest.name.clone(),
            version: manifest.version.to_string(),
            task: task.to_owned(),
        };
        let configuration = self.plugin.validate_configuration(&self.setup.configuration)?;
        Ok(Call {
            configuration: self.lender.resolve(&configuration).await?,
            environment: ENVIRONMENT.to_owned(),
            task_id: task.to_owned(),
            resets: 0,
            lent: self.lender.lend(caller, &manifest.capabilities, &self.grants)?,
            limits: self.setup.limits.clone(),
            log: Arc::new(Discard),
        })
    }

    /// Whether the plugin may use the bench's own lakehouse, so that its tables are seen by both.
    pub(crate) fn shares_lakehouse(&self) -> bool {
        self.plugin.manifest().capabilities.contains(&Capability::Lakehouse)
    }

    /// A place for tables.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Ends what the plugin started.
    pub(crate) async fn close(self) {
        self.supervisor.shut_down().await;
    }
}

fn grants(manifest: &Manifest, given: &Grants) -> Grants {
    let mut grants = given.clone();
    let asks = |capability| manifest.capabilities.contains(&capability);
    grants.objects |= asks(Capability::Objects);
    grants.key_value |= asks(Capability::KeyValue);
    if asks(Capability::Lakehouse) && grants.lakehouse == LakehouseGrant::default() {
        let all: Vec<String> = NAMESPACES.iter().map(|name| (*name).to_owned()).collect();
        grants.lakehouse = LakehouseGrant { read: all.clone(), write: all };
    }
    grants
}

/// Secrets of the setup.
struct Declared(BTreeMap<String, SecretSource>);

#[async_trait]
impl Secrets for Declared {
    async fn get(&self, _: &str, name: &str) -> Result<String> {
        let own = SecretSource::Env { name: name.to_owned() };
        match self.0.get(name).unwrap_or(&own) {
            SecretSource::Env { name: variable } => std::env::var(variable).map_err(|_| {
                Error::not_found(format!(
                    "secret `{name}`: set the variable `{variable}`, or declare `[secrets.{name}]`"
                ))
            }),
            SecretSource::File { path } => match tokio::fs::read_to_string(path).await {
                Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => Err(Error::not_found(format!("secret `{name}`: {path} cannot be read: {error}"))),
            },
            SecretSource::Kubernetes { .. } => Err(Error::unsupported(format!(
                "secret `{name}`: the suite reads no Kubernetes secrets: declare a variable or a file"
            ))),
        }
    }
}

type Buckets = HashMap<(String, String), HashMap<String, Vec<u8>>>;

/// Key-values while the bench stands.
#[derive(Default)]
struct InMemory(Mutex<Buckets>);

impl InMemory {
    fn with<T>(&self, scope: &str, bucket: &str, work: impl FnOnce(&mut HashMap<String, Vec<u8>>) -> T) -> T {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(buckets.entry((scope.to_owned(), bucket.to_owned())).or_default())
    }
}

#[async_trait]
impl KeyValues for InMemory {
    async fn get_many(&self, scope: &str, bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        Ok(self.with(scope, bucket, |values| keys.iter().map(|key| values.get(key).cloned()).collect()))
    }
    async fn set_many(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.with(scope, bucket, |values| values.extend(entries));
        Ok(())
    }
    async fn replace(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.with(scope, bucket, |values| *values = entries.into_iter().collect());
        Ok(())
    }
    async fn delete_bucket(&self, scope: &str, bucket: &str) -> Result<()> {
        self.with(scope, bucket, HashMap::clear);
        Ok(())
    }
}

/// A JSON object for a stream's, a source's or a sink's configuration that has nothing to say.
pub(crate) fn nothing() -> Value {
    json!({})
}
