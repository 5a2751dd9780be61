//! Sinks: where an ingestion's tables are kept. The target is tested by writing, reading back and deleting an object.

use std::path::{Component, Path};
use std::sync::Arc;

use asgard_contract::connector::Sink as ContractSink;
use asgard_contract::{Error, Result};
use asgard_lakehouse::storage::Storage;
use asgard_plugins::schema;
use asgard_store::ResourceKind;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::sources::merge;
use crate::concealment::{conceal, masked};
use crate::environments::Active;
use crate::{Page, Paged, Pipeline, names, new_id, storage};

/// A sink to be made.
#[derive(Debug, Clone)]
pub struct NewSink {
    pub name: String,
    pub sink_type: String,
    pub config: Value,
    pub workspace: Option<String>,
}

/// What may change of a sink.
#[derive(Debug, Clone, Default)]
pub struct SinkPatch {
    pub name: Option<String>,
    pub config: Option<Value>,
}

/// A sink as answers show it.
#[derive(Debug, Clone)]
pub struct Sink {
    pub id: String,
    pub name: String,
    pub sink_type: String,
    pub config: Value,
    pub workspace: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) sink_type: String,
    pub(crate) configuration: Value,
    pub(super) workspace: String,
}

impl Record {
    pub(super) fn contract(&self, id: &str, name: &str) -> ContractSink {
        ContractSink {
            id: id.to_owned(),
            name: name.to_owned(),
            sink_type: self.sink_type.clone(),
            configuration: self.configuration.clone(),
            handle: None,
        }
    }
}

fn shown(resource: asgard_store::Resource<Record>) -> Sink {
    Sink {
        id: resource.id,
        name: resource.name,
        sink_type: resource.body.sink_type,
        config: masked(&resource.body.configuration),
        workspace: resource.body.workspace,
        created_at: resource.created_at,
        updated_at: resource.updated_at,
    }
}

/// The configuration of each type of sink.
fn schema_of(sink_type: &str) -> Result<Value> {
    match sink_type {
        "s3" => Ok(json!({
            "type": "object",
            "required": ["s3_bucket_name", "s3_bucket_region", "access_key_id", "secret_access_key", "s3_bucket_path"],
            "additionalProperties": false,
            "properties": {
                "s3_bucket_name": {"type": "string", "minLength": 3, "maxLength": 63},
                "s3_bucket_region": {"type": "string", "minLength": 1},
                "access_key_id": {"type": "string", "minLength": 1, "writeOnly": true},
                "secret_access_key": {"type": "string", "minLength": 1, "writeOnly": true},
                "s3_bucket_path": {"type": "string"},
                "s3_endpoint": {"type": "string", "format": "uri"},
                "format": {
                    "type": "object",
                    "default": {"format_type": "Parquet", "flattening": "No flattening"},
                    "properties": {
                        "format_type": {"const": "Parquet", "default": "Parquet"},
                        "flattening": {"const": "No flattening", "default": "No flattening"},
                    },
                },
            },
        })),
        "local" => Ok(json!({
            "type": "object",
            "required": ["path"],
            "additionalProperties": false,
            "properties": {
                "path": {"type": "string", "minLength": 1, "description": "A folder below the environment's own, such as `factory`, or below its `lakehouse.storage`"},
            },
        })),
        other => Err(Error::invalid("type", format!("`{other}` is no type of sink: expected `s3` or `local`"))),
    }
}

impl Pipeline {
    /// Tests the target and stores the sink.
    ///
    /// # Errors
    /// `invalid-input` with the field, `unauthenticated` or `unavailable` from the target, `conflict` for a name in use.
    pub async fn create_sink(&self, active: &Arc<Active>, new: NewSink) -> Result<Sink> {
        names::title("name", &new.name)?;
        let schema = schema_of(&new.sink_type)?;
        let configuration = schema::validate(&schema, &new.config, "config")?;
        self.refuse_taken_name(active, ResourceKind::Sink, "sink", &new.name).await?;
        self.try_sink(active, &new.sink_type, &configuration).await?;

        let id = new_id();
        let concealed = conceal(&schema, configuration, None, &format!("sink-{id}"));
        self.put_secrets(active, &concealed.secrets).await?;
        let record = Record {
            sink_type: new.sink_type,
            configuration: concealed.configuration,
            workspace: new.workspace.unwrap_or_else(|| active.name.clone()),
        };
        self.store.put_new(&active.name, ResourceKind::Sink, &id, &new.name, &record).await?;
        self.sink(active, &id).await
    }

    /// All sinks, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sinks(&self, active: &Active, page: Page) -> Result<Paged<Sink>> {
        let (found, total) = self.store.list(&active.name, ResourceKind::Sink, page.limit, page.offset).await?;
        Ok(Paged { items: found.into_iter().map(shown).collect(), total })
    }

    /// One sink.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn sink(&self, active: &Active, id: &str) -> Result<Sink> {
        Ok(shown(self.sink_record(active, id).await?))
    }

    /// Changes name or configuration, after the new target has been tested.
    ///
    /// # Errors
    /// As [`Pipeline::create_sink`]; `conflict` when the target of a sink in use would move.
    pub async fn update_sink(&self, active: &Arc<Active>, id: &str, patch: SinkPatch) -> Result<Sink> {
        let resource = self.sink_record(active, id).await?;
        let name = patch.name.unwrap_or_else(|| resource.name.clone());
        names::title("name", &name)?;
        if name != resource.name {
            self.refuse_taken_name(active, ResourceKind::Sink, "sink", &name).await?;
        }
        let mut record = resource.body.clone();
        if let Some(changes) = patch.config {
            let schema = schema_of(&record.sink_type)?;
            let configuration = schema::validate(&schema, &merge(masked(&record.configuration), changes), "config")?;
            let owner = format!("sink-{id}.{}", &new_id()[..8]);
            let concealed = conceal(&schema, configuration, Some(&record.configuration), &owner);
            self.put_secrets(active, &concealed.secrets).await?;
            let revealed = storage::revealed(&active.secrets, &concealed.configuration).await?;
            self.try_sink(active, &record.sink_type, &revealed).await?;
            record.configuration = concealed.configuration;
        }
        self.store.update(&active.name, ResourceKind::Sink, id, &name, resource.revision, &record).await?;
        self.sink(active, id).await
    }

    /// Removes a sink. Its tables and files stay.
    ///
    /// # Errors
    /// `conflict` while an ingestion uses it.
    pub async fn delete_sink(&self, active: &Arc<Active>, id: &str) -> Result<()> {
        let resource = self.sink_record(active, id).await?;
        self.refuse_used(active, "sink", id, |ingestion| &ingestion.sink_id).await?;
        self.store.delete(&active.name, ResourceKind::Sink, id).await?;
        self.remove_secrets(active, &resource.body.configuration, &format!("sink-{id}")).await
    }

    pub(super) async fn sink_record(&self, active: &Active, id: &str) -> Result<asgard_store::Resource<Record>> {
        let found = self.store.get(&active.name, ResourceKind::Sink, id).await?;
        found.ok_or_else(|| Error::not_found(format!("there is no sink `{id}`: GET /sink lists those there are")))
    }

    /// Reaches a stored sink with its own credentials, and answers where it is.
    ///
    /// # Errors
    /// `not-found`; those of the target, with the field of the configuration.
    pub(crate) async fn check_sink(&self, active: &Active, id: &str) -> Result<String> {
        let record = self.sink_record(active, id).await?.body;
        let storage = self.sink_storage(active, &record).await?;
        storage.check().await.map_err(storage::in_sink)?;
        Ok(storage.url())
    }

    /// The sink's storage, with its secrets in place.
    pub(super) async fn sink_storage(&self, active: &Active, record: &Record) -> Result<Storage> {
        storage::of_sink(
            &active.folder,
            &record.sink_type,
            &storage::revealed(&active.secrets, &record.configuration).await?,
        )
    }

    /// Tests a target, and lets tables be there.
    async fn try_sink(&self, active: &Active, sink_type: &str, configuration: &Value) -> Result<()> {
        let tried = async {
            if sink_type == "local" {
                let path = configuration.get("path").and_then(Value::as_str).unwrap_or_default();
                check_folder(path, active.document.lakehouse.storage.as_deref())?;
            }
            let storage = storage::of_sink(&active.folder, sink_type, configuration)?;
            storage.check().await.map_err(storage::in_sink)?;
            active.lakehouse.add_storage(&storage)
        };
        tried.await.map_err(|error| error.in_field("config"))
    }
}

/// Whoever may make a sink works in the environment's folder, or in the one that its document names, and writes nowhere else as the
/// host's user.
fn check_folder(path: &str, storage: Option<&str>) -> Result<()> {
    let storage = storage.and_then(|storage| storage.strip_prefix("file://"));
    let below = storage.and_then(|folder| Path::new(path).strip_prefix(folder).ok()).unwrap_or(Path::new(path));
    let is_below = below.components().all(|part| matches!(part, Component::Normal(_)));
    let is_plain = !path.starts_with('~') && !path.contains('\\') && !path.chars().any(char::is_control);
    if is_below && is_plain && below.components().next().is_some() {
        return Ok(());
    }
    Err(Error::invalid(
        "path",
        format!(
            "`{}` is no folder below the environment's own: expected one such as `factory`, or one below \
             `lakehouse.storage` of the environment",
            path.escape_debug()
        ),
    ))
}
