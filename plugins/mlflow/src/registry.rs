//! The model registry.

use asgard_sdk::model_registry::{BackendInformation, Model, Registration, Version};
use asgard_sdk::{Error, Result};
use serde_json::json;

use crate::client::{Client, quoted};
use crate::wire::{
    DownloadUri, ModelVersion, ModelVersionAnswer, ModelVersions, RegisteredModel, RegisteredModelAnswer,
    RegisteredModels, Tag,
};
use crate::{artifacts, experiments};

/// How many a page holds.
const PAGE: &str = "100";

/// Named, versioned models of one server.
pub struct Registry<'a> {
    client: Client<'a>,
}

impl<'a> Registry<'a> {
    /// The server's registry.
    pub fn new(client: Client<'a>) -> Self {
        Self { client }
    }

    /// Makes the next version, or finds the one that was made of the same run: by the deployment before a crash, or by the
    /// script itself with `registered_model_name`.
    ///
    /// # Errors
    /// Those of the server.
    pub fn register(&self, registration: &Registration) -> Result<Version> {
        let name = &registration.model_name;
        if let Some(version) = self.version_of_run(name, &registration.run_id)? {
            return Ok(version.into());
        }
        match self.client.post::<RegisteredModelAnswer>("registered-models/create", &json!({ "name": name })) {
            Ok(_) | Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        let tags: Vec<_> = registration.tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let mut body =
            json!({ "name": name, "source": registration.model_uri, "run_id": registration.run_id, "tags": tags });
        if let Some(id) = registration.model_uri.strip_prefix("models:/") {
            body["model_id"] = json!(id);
        }
        if let Some(description) = &registration.description {
            body["description"] = json!(description);
        }
        let answer: ModelVersionAnswer = self.client.post("model-versions/create", &body)?;
        Ok(answer.model_version.into())
    }

    fn version_of_run(&self, name: &str, run: &str) -> Result<Option<ModelVersion>> {
        let filter = format!("name = {} and run_id = {}", quoted(name)?, quoted(run)?);
        let query = [("filter", filter.as_str()), ("max_results", "1")];
        let found: ModelVersions = self.client.get("model-versions/search", &query)?;
        Ok(found.model_versions.into_iter().next())
    }

    /// All models, the newest first.
    ///
    /// # Errors
    /// Those of the server.
    pub fn list_models(&self) -> Result<Vec<Model>> {
        let mut models: Vec<Model> = self.registered()?.into_iter().map(Model::from).collect();
        models.sort_by(|a, b| b.created_ms.cmp(&a.created_ms).then_with(|| a.name.cmp(&b.name)));
        Ok(models)
    }

    fn registered(&self) -> Result<Vec<RegisteredModel>> {
        let mut models = Vec::new();
        let mut token = String::new();
        loop {
            let query = [("max_results", PAGE), ("page_token", token.as_str())];
            let page: RegisteredModels = self.client.get("registered-models/search", &query)?;
            models.extend(page.registered_models);
            match page.next_page_token.filter(|next| !next.is_empty()) {
                Some(next) => token = next,
                None => return Ok(models),
            }
        }
    }

    /// One model.
    ///
    /// # Errors
    /// `not-found`; those of the server.
    pub fn get_model(&self, name: &str) -> Result<Model> {
        match self.client.get::<RegisteredModelAnswer>("registered-models/get", &[("name", name)]) {
            Ok(answer) => Ok(answer.registered_model.into()),
            Err(Error::NotFound(_)) => Err(Error::NotFound(format!("there is no registered model `{name}`"))),
            Err(error) => Err(error),
        }
    }

    /// Copies a version's files to objects; path -> key.
    ///
    /// # Errors
    /// `not-found`; those of copying.
    pub fn fetch(&self, name: &str, version: &str, prefix: &str) -> Result<Vec<(String, String)>> {
        let query = [("name", name), ("version", version)];
        let location: DownloadUri = self.client.get("model-versions/get-download-uri", &query)?;
        let copied = artifacts::copy(&self.client, &location.artifact_uri, prefix)?;
        if copied.is_empty() {
            return Err(Error::NotFound(format!(
                "version {version} of model `{name}` has no files at {}",
                location.artifact_uri
            )));
        }
        Ok(copied)
    }

    /// What the server holds.
    ///
    /// # Errors
    /// `unavailable` when it does not answer.
    pub fn information(&self) -> Result<BackendInformation> {
        Ok(BackendInformation {
            tracking_uri: self.client.tracking_uri().to_owned(),
            active_experiments: experiments::active(&self.client)?.len() as u64,
            registered_models: self.registered()?.len() as u64,
        })
    }
}

impl From<ModelVersion> for Version {
    fn from(version: ModelVersion) -> Self {
        Self {
            name: version.name,
            version: version.version,
            stage: version.current_stage.filter(|stage| !stage.is_empty()).unwrap_or_else(|| "None".to_owned()),
            run_id: version.run_id.filter(|id| !id.is_empty()),
            description: version.description.filter(|text| !text.is_empty()),
            tags: pairs(version.tags),
            created_ms: version.creation_timestamp,
            updated_ms: version.last_updated_timestamp,
        }
    }
}

impl From<RegisteredModel> for Model {
    fn from(model: RegisteredModel) -> Self {
        Self {
            name: model.name,
            description: model.description.filter(|text| !text.is_empty()),
            tags: pairs(model.tags),
            latest_versions: model.latest_versions.into_iter().map(Version::from).collect(),
            created_ms: model.creation_timestamp,
            updated_ms: model.last_updated_timestamp,
        }
    }
}

fn pairs(tags: Vec<Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}
