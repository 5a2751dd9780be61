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
    /// The deployment whose label the pods carry, where that is another one: the same version, served again, only changes how many
    /// pods there are, and none is started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods_of: Option<String>,
}

impl Deployed {
    /// The deployment whose label the pods carry.
    #[must_use]
    pub fn pods_of(&self) -> &str {
        self.pods_of.as_deref().unwrap_or(&self.deployment)
    }

    /// Lets a version that is served already keep its pods.
    pub fn keep_pods_of(&mut self, served: &Self) {
        if self.version == served.version && self.image == served.image {
            self.pods_of = Some(served.pods_of().to_owned()).filter(|of| *of != self.deployment);
        }
    }
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
    /// How many containers there are while a canary has a share of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<u32>,
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
