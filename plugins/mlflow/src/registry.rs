//! The model registry.

use asgard_sdk::model_registry::{BackendInformation, Model, Registration, Version};
use asgard_sdk::{Error, Result};
use serde_json::{Value, json};

use crate::client::{Client, quoted};
use crate::configuration::Configuration;
use crate::host::Host;
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
    /// Points at the version that was registered last.
    alias: Option<String>,
}

impl<'a> Registry<'a> {
    /// The registry of the configured server.
    ///
    /// # Errors
    /// `invalid-input` when the tracking URI is none, or the alias.
    pub fn new(host: &'a dyn Host, configuration: &Configuration) -> Result<Self> {
        let alias = configuration.model_alias()?.map(str::to_owned);
        Ok(Self { client: Client::new(host, configuration)?, alias })
    }

    /// Makes the next version, or finds the one that was made of the same run: by the deployment before a crash, or by the
    /// script itself with `registered_model_name`. Then the alias points at it.
    ///
    /// # Errors
    /// Those of the server.
    pub fn register(&self, registration: &Registration) -> Result<Version> {
        let version = match self.version_of_run(&registration.model_name, &registration.run_id)? {
            Some(found) => self.tagged(found, &registration.tags)?,
            None => self.create(registration)?,
        };
        self.point_alias(&version)?;
        Ok(version.into())
    }

    fn create(&self, registration: &Registration) -> Result<ModelVersion> {
        let name = &registration.model_name;
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
        Ok(answer.model_version)
    }

    /// The version with those tags: one that the script registered knows nothing of where it came from.
    fn tagged(&self, mut version: ModelVersion, tags: &[(String, String)]) -> Result<ModelVersion> {
        for (key, value) in tags {
            if version.tags.iter().any(|tag| tag.key == *key && tag.value == *value) {
                continue;
            }
            let body = json!({ "name": version.name, "version": version.version, "key": key, "value": value });
            self.client.post::<Value>("model-versions/set-tag", &body)?;
            version.tags.retain(|tag| tag.key != *key);
            version.tags.push(Tag { key: key.clone(), value: value.clone() });
        }
        Ok(version)
    }

    /// Points the alias at the version, unless it points at a newer one: another deployment may have registered that before a step of
    /// this one is repeated.
    fn point_alias(&self, version: &ModelVersion) -> Result<()> {
        let Some(alias) = &self.alias else { return Ok(()) };
        let name = version.name.as_str();
        let model: RegisteredModelAnswer = self.client.get("registered-models/get", &[("name", name)])?;
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        let points_at = model.registered_model.aliases.iter().find(|each| each.alias == *alias);
        if points_at.is_some_and(|there| number(&there.version) >= number(&version.version)) {
            return Ok(());
        }
        let body = json!({ "name": name, "alias": alias, "version": version.version });
        self.client.post::<Value>("registered-models/alias", &body)?;
        Ok(())
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
