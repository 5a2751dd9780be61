//! Which deployment a model's service belongs to.

use asgard_sdk::serving::Request;
use asgard_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// What is served for a deployment; the service's specification follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    pub deployment: String,
    pub model: String,
    pub version: String,
    /// Path -> object key.
    pub files: Vec<(String, String)>,
    pub requirements: Vec<String>,
    pub replicas: u32,
}

impl From<Request> for Deployed {
    fn from(request: Request) -> Self {
        Self {
            deployment: request.deployment_id,
            model: request.model_name,
            version: request.model_version,
            files: request.model_files,
            requirements: request.requirements,
            replicas: request.replicas,
        }
    }
}

/// Kept as an object, one per service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub current: Deployed,
    /// What was served before, until the current one answers: it gets its place back when that does not happen.
    pub previous: Option<Deployed>,
}

impl Record {
    /// The record of a service, if it has one.
    ///
    /// # Errors
    /// Those of the storage; `internal` when it cannot be read.
    pub fn read(host: &dyn Host, service: &str) -> Result<Option<Self>> {
        let data = match host.get_object(&key(service)) {
            Ok(data) => data,
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let read = serde_json::from_slice(&data);
        read.map(Some).map_err(|error| Error::internal(format!("object `{}` cannot be read: {error}", key(service))))
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn write(&self, host: &dyn Host, service: &str) -> Result<()> {
        host.put_object(&key(service), &serde_json::to_vec(self).map_err(Error::internal)?)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn delete(host: &dyn Host, service: &str) -> Result<()> {
        host.delete_object(&key(service))
    }
}

fn key(service: &str) -> String {
    format!("serving/{service}.json")
}
