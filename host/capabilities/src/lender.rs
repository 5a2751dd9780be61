//! Puts together what one call may reach.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use asgard_contract::Result;
use asgard_contract::environment::{Environment, Grants};
use asgard_contract::manifest::Capability;

use crate::{Lent, key_value, lakehouse, processes, secrets};

/// Who calls; in every span and key.
#[derive(Debug, Clone)]
pub struct Caller {
    pub environment: String,
    pub plugin: String,
    pub version: String,
    /// The task's id, or the request's.
    pub task: String,
}

/// What a lender needs of the host.
#[derive(Clone)]
pub struct Backing {
    /// The environment's own folder in the host's data folder.
    pub folder: PathBuf,
    pub secrets: Arc<dyn secrets::Secrets>,
    pub key_values: Arc<dyn key_value::KeyValues>,
    pub engine: Arc<dyn lakehouse::Engine>,
    /// Owns all processes and services of the host.
    pub supervisor: Arc<processes::Supervisor>,
}

/// Lends for one revision of one environment.
#[derive(Clone)]
pub struct Lender {
    environment: Arc<Environment>,
    backing: Backing,
}

impl Lender {
    /// Parses the policies of all bindings.
    ///
    /// # Errors
    /// `invalid-input` with the field of the environment that is wrong.
    pub fn new(environment: Arc<Environment>, backing: Backing) -> Result<Self> {
        Ok(Self { environment, backing })
    }

    /// What `caller` may reach: what it `asks` for and `grants` allow.
    ///
    /// # Errors
    /// `invalid-input` with the grant that cannot be read.
    pub fn lend(&self, caller: Caller, asks: &BTreeSet<Capability>, grants: &Grants) -> Result<Lent> {
        let _ = (caller, asks, grants, &self.environment, &self.backing);
        Ok(Lent::default())
    }

    /// Replaces `${services.NAME.url}` and `${services.NAME.address}` in a configuration.
    ///
    /// # Errors
    /// `invalid-input` when there is no such service; `unavailable` while it starts.
    pub async fn resolve(&self, configuration: &serde_json::Value) -> Result<serde_json::Value> {
        Ok(configuration.clone())
    }

    /// Starts the services of the environment, without waiting for them.
    pub fn start_services(&self) {}

    /// Where an object of the environment is: `file:///…`.
    ///
    /// # Errors
    /// `invalid-input` for a key that is no relative path.
    pub fn object_location(&self, key: &str) -> Result<String> {
        crate::paths::check_relative("key", key)?;
        Ok(format!("file://{}/{key}", self.backing.folder.join("objects").display()))
    }

    /// Deletes an object; not being there is no error.
    ///
    /// # Errors
    /// `internal` when the file cannot be removed.
    pub async fn delete_object(&self, key: &str) -> Result<()> {
        crate::paths::check_relative("key", key)
    }
}
