//! A plugin that was taken: compiled, linked, ready to be called.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use asgard_contract::manifest::{Interface, Manifest};
use asgard_contract::{Error, Result};
use serde_json::Value;

use crate::call::Call;
use crate::runtime::Shared;
use crate::schema::Schema;
use crate::v0_1_0::{
    self, canary, connector, explain, feature_push, feature_source, image_build, model_registry, readiness, serving,
    training, transform,
};

/// One version of a plugin. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

pub(crate) struct Loaded {
    pub(crate) manifest: Manifest,
    pub(crate) digest: String,
    pub(crate) interfaces: BTreeSet<Interface>,
    pub(crate) configuration: Schema,
    pub(crate) exports: v0_1_0::Exports,
    pub(crate) runtime: Arc<Shared>,
}

impl Plugin {
    pub(crate) fn new(loaded: Loaded) -> Self {
        Self(Arc::new(loaded))
    }

    /// What it says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// `sha256:…` of the component's bytes.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// What it exports, read off the component.
    pub fn interfaces(&self) -> &BTreeSet<Interface> {
        &self.0.interfaces
    }

    /// Checks a binding's configuration by the manifest's schema and fills in the defaults.
    ///
    /// # Errors
    /// `invalid-input` naming the field below `configuration`.
    pub fn validate_configuration(&self, configuration: &Value) -> Result<Value> {
        self.0.configuration.validate(configuration, "configuration")
    }

    /// Its interface `connector`. A plugin without it answers every call with `unsupported`, as for the other
    /// interfaces.
    pub fn connector(&self, call: Call) -> connector::Connector {
        connector::Connector::new(self, call)
    }

    /// Its interface `transform`.
    pub fn transform(&self, call: Call) -> transform::Transform {
        transform::Transform::new(self, call)
    }

    /// Its interface `explain`.
    pub fn explain(&self, call: Call) -> explain::Explain {
        explain::Explain::new(self, call)
    }

    /// Its interface `feature-source`.
    pub fn feature_source(&self, call: Call) -> feature_source::FeatureSource {
        feature_source::FeatureSource::new(self, call)
    }

    /// Its interface `feature-push`.
    pub fn feature_push(&self, call: Call) -> feature_push::FeaturePush {
        feature_push::FeaturePush::new(self, call)
    }

    /// Its interface `training`.
    pub fn training(&self, call: Call) -> training::Training {
        training::Training::new(self, call)
    }

    /// Its interface `model-registry`.
    pub fn model_registry(&self, call: Call) -> model_registry::ModelRegistry {
        model_registry::ModelRegistry::new(self, call)
    }

    /// Its interface `image-build`.
    pub fn image_build(&self, call: Call) -> image_build::ImageBuild {
        image_build::ImageBuild::new(self, call)
    }

    /// Its interface `serving`.
    pub fn serving(&self, call: Call) -> serving::Serving {
        serving::Serving::new(self, call)
    }

    /// Its interface `canary`.
    pub fn canary(&self, call: Call) -> canary::Canary {
        canary::Canary::new(self, call)
    }

    /// Its interface `readiness`.
    pub fn readiness(&self, call: Call) -> readiness::Readiness {
        readiness::Readiness::new(self, call)
    }

    pub(crate) fn exports(&self) -> &v0_1_0::Exports {
        &self.0.exports
    }

    pub(crate) fn runtime(&self) -> &Shared {
        &self.0.runtime
    }

    /// In place of an interface that it does not export.
    pub(crate) fn lacks(&self, interface: Interface) -> Error {
        Error::unsupported(format!("plugin `{}` does not export the interface `{interface}`", self.0.manifest.name))
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} {}", self.0.manifest.name, self.0.manifest.version, self.0.digest)
    }
}
