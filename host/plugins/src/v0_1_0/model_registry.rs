//! Interface `model-registry`.

use asgard_contract::Result;
use asgard_contract::deployer::{Model, ModelVersion, Registration, RegistryInformation};

use crate::v0_1_0::bindings::model_registry::ModelRegistryPluginPre;
use crate::v0_1_0::bindings::model_registry::exports::asgard::deployer::model_registry as wit;
use crate::v0_1_0::types::list;
use crate::v0_1_0::{handle, step};

handle!(
    /// Named, versioned models.
    ModelRegistry,
    ModelRegistry,
    model_registry,
    ModelRegistryPluginPre<crate::host::Host>
);

impl ModelRegistry {
    /// Makes the next version of the model, once per run.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn register(&self, registration: &Registration) -> Result<ModelVersion> {
        let Registration { model_name, run_id, model_uri, tags, description } = registration.clone();
        let registration = wit::Registration { model_name, run_id, model_uri, tags, description };
        Ok(step!(self, asgard_deployer_model_registry.call_register(&registration))?.into())
    }

    /// All models, newest first.
    ///
    /// # Errors
    /// `unavailable` when the tracker does not answer.
    pub async fn list_models(&self) -> Result<Vec<Model>> {
        Ok(list(step!(self, asgard_deployer_model_registry.call_list_models())?))
    }

    /// One model.
    ///
    /// # Errors
    /// `not-found`; `unavailable`.
    pub async fn get_model(&self, name: &str) -> Result<Model> {
        let name = name.to_owned();
        Ok(step!(self, asgard_deployer_model_registry.call_get_model(&name))?.into())
    }

    /// Copies the files of a version below `prefix` in the environment's storage: path -> object key.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn fetch(&self, name: &str, version: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let (name, version, prefix) = (name.to_owned(), version.to_owned(), prefix.to_owned());
        step!(self, asgard_deployer_model_registry.call_fetch(&name, &version, &prefix))
    }

    /// What the registry is and holds.
    ///
    /// # Errors
    /// `unavailable` when the tracker does not answer.
    pub async fn information(&self) -> Result<RegistryInformation> {
        let information = step!(self, asgard_deployer_model_registry.call_information())?;
        Ok(RegistryInformation {
            tracking_uri: information.tracking_uri,
            active_experiments: information.active_experiments,
            registered_models: information.registered_models,
        })
    }
}

impl From<wit::Model> for Model {
    fn from(model: wit::Model) -> Self {
        Self {
            name: model.name,
            description: model.description,
            tags: model.tags,
            latest_versions: list(model.latest_versions),
            created_ms: model.created_ms,
            updated_ms: model.updated_ms,
        }
    }
}

impl From<wit::Version> for ModelVersion {
    fn from(version: wit::Version) -> Self {
        Self {
            name: version.name,
            version: version.version,
            stage: version.stage,
            run_id: version.run_id,
            description: version.description,
            tags: version.tags,
            created_ms: version.created_ms,
            updated_ms: version.updated_ms,
        }
    }
}
