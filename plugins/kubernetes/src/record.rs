//! Which deployment a model's Deployment belongs to: an annotation of it.

use asgard_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where it is written.
pub const ANNOTATION: &str = "asgard.dev/serving";

/// What is served for a deployment; the manifests follow from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployed {
    pub deployment: String,
    pub model: String,
    pub version: String,
    pub image: String,
    pub replicas: u32,
}

/// What goes on if the current version does not come up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    pub deployed: Deployed,
    /// The pods' template as it was, whatever the binding says now: its containers are not even started anew.
    pub template: Value,
}

/// Whose the Deployment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub environment: String,
    pub current: Deployed,
    /// What was served before, until the current one answers: it gets its place back when that does not happen.
    pub previous: Option<Previous>,
    /// Whether there is an Ingress.
    pub ingress: bool,
}

impl Record {
    /// What is written on a Deployment.
    ///
    /// # Errors
    /// `conflict` for one that is not this plugin's.
    pub fn of(resource: &Value) -> Result<Self> {
        let name = resource.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let text =
            resource.pointer("/metadata/annotations").and_then(|all| all.get(ANNOTATION)).and_then(Value::as_str);
        let Some(text) = text else {
            return Err(Error::Conflict(format!(
                "there is a Deployment `{name}` that no model was deployed to: delete it, or choose another name for the model"
            )));
        };
        serde_json::from_str(text).map_err(|error| {
            Error::internal(format!("annotation `{ANNOTATION}` of Deployment `{name}` cannot be read: {error}"))
        })
    }

    /// The annotation's value.
    ///
    /// # Errors
    /// `internal`.
    pub fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }
}
