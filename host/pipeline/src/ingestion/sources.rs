//! Sources: tested before they are stored, their secrets kept apart.

use std::sync::Arc;

use asgard_contract::connector::{ResourceDefinition, Source as ContractSource, StreamDescriptor};
use asgard_contract::log::Discard;
use asgard_contract::{Error, Result};
use asgard_plugins::schema;
use asgard_store::ResourceKind;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::concealment::{conceal, masked, owned_secrets, place_of_secret};
use crate::environments::Active;
use crate::{Page, Paged, Pipeline, names, new_id};

/// A source to be made.
#[derive(Debug, Clone)]
pub struct NewSource {
    pub name: String,
    pub source_type: String,
    pub config: Value,
    pub workspace: Option<String>,
}

/// What may change of a source.
#[derive(Debug, Clone, Default)]
pub struct SourcePatch {
    pub name: Option<String>,
    /// Merged over the present configuration; a masked secret keeps its value.
    pub config: Option<Value>,
}

/// A source as answers show it: secrets are masked.
#[derive(Debug, Clone)]
pub struct Source {
    pub id: String,
    pub name: String,
    pub source_type: String,
    pub config: Value,
    pub workspace: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) source_type: String,
    pub(super) configuration: Value,
    pub(super) workspace: String,
    pub(super) handle: Vec<u8>,
}

impl Record {
    pub(super) fn contract(&self, id: &str, name: &str) -> ContractSource {
        ContractSource {
            id: id.to_owned(),
            name: name.to_owned(),
            source_type: self.source_type.clone(),
            configuration: self.configuration.clone(),
            handle: (!self.handle.is_empty()).then(|| self.handle.clone()),
        }
    }
}

fn shown(resource: asgard_store::Resource<Record>) -> Source {
    Source {
        id: resource.id,
        name: resource.name,
        source_type: resource.body.source_type,
        config: masked(&resource.body.configuration),
        workspace: resource.body.workspace,
        created_at: resource.created_at,
        updated_at: resource.updated_at,
    }
}

impl Pipeline {
    /// Validates, connects, and only then stores a source.
    ///
    /// # Errors
    /// `invalid-input` with the field (`config.host`), `unauthenticated`, `unavailable`, `conflict` for a name in use.
    pub async fn create_source(&self, active: &Arc<Active>, new: NewSource) -> Result<Source> {
        names::title("name", &new.name)?;
        let (bound, source_type) = self.connector(active, &new.source_type).await?;
        let configuration = schema::validate(&source_type.schema, &new.config, "config")?;
        self.refuse_taken_name(active, ResourceKind::Source, "source", &new.name).await?;

        let id = new_id();
        let owner = format!("source-{id}");
        let concealed = conceal(&source_type.schema, configuration, None, &owner);
        self.put_secrets(active, &concealed.secrets).await?;
        let mut record = Record {
            source_type: new.source_type,
            configuration: concealed.configuration,
            workspace: new.workspace.unwrap_or_else(|| active.name.clone()),
            handle: Vec::new(),
        };
        let made = async {
            let source = record.contract(&id, &new.name);
            bound.plugin.connector(bound.call(&id, Arc::new(Discard)).await?).check(&source).await?;
            let connector = bound.plugin.connector(bound.call(&id, Arc::new(Discard)).await?);
            record.handle = connector.provision(&ResourceDefinition::Source(source)).await?;
            self.store.put_new(&active.name, ResourceKind::Source, &id, &new.name, &record).await?;
            Ok(())
        }
        .await;
        if let Err(error) = made {
            self.remove_secrets(active, &record.configuration, &owner).await?;
            return Err(of_secret(error, &source_type.schema, &record.configuration));
        }
        self.source(active, &id).await
    }

    /// All sources, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sources(&self, active: &Active, page: Page) -> Result<Paged<Source>> {
        let (found, total) = self.store.list(&active.name, ResourceKind::Source, page.limit, page.offset).await?;
        Ok(Paged { items: found.into_iter().map(shown).collect(), total })
    }

    /// One source.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn source(&self, active: &Active, id: &str) -> Result<Source> {
        Ok(shown(self.source_record(active, id).await?))
    }

    /// Changes name or configuration, after the new configuration has been tested.
    ///
    /// # Errors
    /// As [`Pipeline::create_source`].
    pub async fn update_source(&self, active: &Arc<Active>, id: &str, patch: SourcePatch) -> Result<Source> {
        let resource = self.source_record(active, id).await?;
        let name = patch.name.unwrap_or_else(|| resource.name.clone());
        names::title("name", &name)?;
        if name != resource.name {
            self.refuse_taken_name(active, ResourceKind::Source, "source", &name).await?;
        }
        let mut record = resource.body.clone();
        if let Some(changes) = patch.config {
            let (bound, source_type) = self.connector(active, &record.source_type).await?;
            let merged = merge(masked(&record.configuration), changes);
            let configuration = schema::validate(&source_type.schema, &merged, "config")?;
            // New secrets go under a name of their own, so that a failing check leaves the source as it was.
            let owner = format!("source-{id}.{}", &new_id()[..8]);
            let concealed = conceal(&source_type.schema, configuration, Some(&resource.body.configuration), &owner);
            self.put_secrets(active, &concealed.secrets).await?;
            record.configuration = concealed.configuration;
            let source = record.contract(id, &name);
            let checked = async {
                bound.plugin.connector(bound.call(id, Arc::new(Discard)).await?).check(&source).await?;
                let connector = bound.plugin.connector(bound.call(id, Arc::new(Discard)).await?);
                connector.provision(&ResourceDefinition::Source(source)).await
            }
            .await;
            match checked {
                Ok(handle) => record.handle = handle,
                Err(error) => {
                    self.remove_secrets(active, &record.configuration, &owner).await?;
                    return Err(of_secret(error, &source_type.schema, &record.configuration));
                }
            }
        }
        self.store.update(&active.name, ResourceKind::Source, id, &name, resource.revision, &record).await?;
        self.source(active, id).await
    }

    /// Removes a source and what its backend keeps for it.
    ///
    /// # Errors
    /// `conflict` while an ingestion uses it.
    pub async fn delete_source(&self, active: &Arc<Active>, id: &str) -> Result<()> {
        let resource = self.source_record(active, id).await?;
        self.refuse_used(active, "source", id, |ingestion| &ingestion.source_id).await?;
        let source = resource.body.contract(id, &resource.name);
        if let Ok((bound, _)) = self.connector(active, &resource.body.source_type).await {
            let connector = bound.plugin.connector(bound.call(id, Arc::new(Discard)).await?);
            connector.retire(&ResourceDefinition::Source(source)).await?;
        }
        self.store.delete(&active.name, ResourceKind::Source, id).await?;
        self.remove_secrets(active, &resource.body.configuration, &format!("source-{id}")).await
    }

    /// What the source has to offer, asked now.
    ///
    /// # Errors
    /// Those of the connector.
    pub async fn discover(&self, active: &Arc<Active>, id: &str) -> Result<Vec<StreamDescriptor>> {
        let resource = self.source_record(active, id).await?;
        let (bound, _) = self.connector(active, &resource.body.source_type).await?;
        let connector = bound.plugin.connector(bound.call(id, Arc::new(Discard)).await?);
        connector.discover(&resource.body.contract(id, &resource.name)).await
    }

    /// Reaches the source now.
    ///
    /// # Errors
    /// Those of the connector.
    pub async fn check_source(&self, active: &Arc<Active>, id: &str) -> Result<()> {
        let resource = self.source_record(active, id).await?;
        let (bound, _) = self.connector(active, &resource.body.source_type).await?;
        let connector = bound.plugin.connector(bound.call(id, Arc::new(Discard)).await?);
        connector.check(&resource.body.contract(id, &resource.name)).await
    }

    pub(super) async fn source_record(&self, active: &Active, id: &str) -> Result<asgard_store::Resource<Record>> {
        let found = self.store.get(&active.name, ResourceKind::Source, id).await?;
        found.ok_or_else(|| {
            Error::not_found(format!("there is no source `{id}`: GET /datasource lists those there are"))
        })
    }

    pub(super) async fn put_secrets(&self, active: &Active, secrets: &[(String, String)]) -> Result<()> {
        for (name, value) in secrets {
            self.store.set_secret(&active.name, name, value).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_secrets(&self, active: &Active, configuration: &Value, owner: &str) -> Result<()> {
        for name in owned_secrets(configuration, owner) {
            self.store.delete_secret(&active.name, &name).await?;
        }
        Ok(())
    }

    pub(crate) async fn refuse_taken_name(
        &self,
        active: &Active,
        kind: ResourceKind,
        what: &str,
        name: &str,
    ) -> Result<()> {
        let taken = self.store.get_by_name::<Value>(&active.name, kind, name).await?;
        match taken {
            Some(other) => {
                Err(Error::conflict(format!("there is a {what} called `{name}` already, with id {}", other.id)))
            }
            None => Ok(()),
        }
    }
}

/// Credentials that a request gives and the source does not take are wrong input.
fn of_secret(error: Error, schema: &Value, configuration: &Value) -> Error {
    match error {
        Error::Unauthenticated { message } => Error::invalid(place_of_secret(schema, configuration, "config"), message),
        other => other,
    }
}

/// JSON merge patch (RFC 7386).
pub(super) fn merge(base: Value, patch: Value) -> Value {
    match (base, patch) {
        (Value::Object(mut base), Value::Object(patch)) => {
            for (key, change) in patch {
                if change.is_null() {
                    base.remove(&key);
                } else {
                    let before = base.remove(&key).unwrap_or(Value::Null);
                    base.insert(key, merge(before, change));
                }
            }
            Value::Object(base)
        }
        (_, patch) => patch,
    }
}
