//! Making tables: at once, staged for a first commit, or from files that there are already.

use std::collections::HashMap;

use asgard_contract::{Error, TableName};
use iceberg::spec::{
    FormatVersion, Schema, SortOrder, TableMetadata, TableMetadataBuilder, UnboundPartitionField, UnboundPartitionSpec,
};
use iceberg::{MetadataLocation, TableUpdate};
use serde_json::json;
use uuid::Uuid;

use super::rules::{self, Places, plain, within};
use super::wire::{CreateTable, LoadedTable, Register};
use super::{RestError, RestResult, ServedCatalog};
use crate::catalog::Kind;
use crate::error;
use crate::tables::{Current, TableState, Uncommitted, created_properties, next_location, synced};

/// Ids of partition fields begin above this one, as the specification says.
const LAST_PARTITION_ID: i32 = 999;

impl ServedCatalog {
    /// Makes a table, or only prepares its metadata.
    ///
    /// # Errors
    /// [`RestError::AlreadyExists`], [`RestError::NoSuchNamespace`], and what [`rules`] refuse.
    pub async fn create_table(&self, namespace: &[String], request: CreateTable) -> RestResult<LoadedTable> {
        let table = self.new_name(namespace, &request.name, None).await?;
        if self.catalog.get(&table).await?.is_some() {
            return Err(taken(&table));
        }
        let location = match &request.location {
            Some(location) => self.free_location(&table, location).await?,
            None => self.new_location(&table).await?,
        };
        let properties = request.properties.unwrap_or_default();
        let version = match properties.get("format-version").map(String::as_str) {
            None | Some("2") => FormatVersion::V2,
            Some("1") => FormatVersion::V1,
            Some(other) => {
                return Err(RestError::unsupported(format!(
                    "property `format-version` is `{other}`: tables of format 1 and 2 are read here"
                )));
            }
        };
        let mut kept = created_properties();
        kept.extend(properties.into_iter().filter(|(key, _)| key != "format-version"));
        let metadata = TableMetadataBuilder::new(
            request.schema,
            request.partition_spec.unwrap_or_else(|| UnboundPartitionSpec::builder().build()),
            request.write_order.unwrap_or_else(SortOrder::unsorted_order),
            location,
            version,
            kept,
        )?
        .build()?
        .metadata;
        rules::check(self.inner(), &metadata, None).await?;
        if request.stage_create == Some(true) {
            let config = self.file_settings(metadata.location());
            return Ok(LoadedTable { metadata_location: None, metadata: metadata.into(), config });
        }
        let file = MetadataLocation::new_with_metadata(metadata.location(), &metadata);
        let written = Uncommitted::default();
        written.add(&self.inner().io, file.to_string());
        metadata.write_to(&self.inner().io, &file).await.map_err(error::iceberg("writing a table's metadata"))?;
        written.hold();
        let file = file.to_string();
        if !self.catalog.swap(&table, None, Kind::Table, &file).await? {
            written.release();
            return Err(taken(&table));
        }
        let config = self.file_settings(metadata.location());
        Ok(LoadedTable { metadata_location: Some(file), metadata: metadata.into(), config })
    }

    /// Lists a table by its metadata file, or by a copy of it without the host's notes: a checkpoint of then may be behind what
    /// the source still tells.
    ///
    /// # Errors
    /// [`RestError::AlreadyExists`] unless it may be overwritten, and where another table has its files there already; and what
    /// [`rules`] and [`synced`] refuse.
    pub async fn register_table(&self, namespace: &[String], request: Register) -> RestResult<LoadedTable> {
        let table = self.new_name(namespace, &request.name, None).await?;
        let file = request.metadata_location;
        Places::of(self.inner(), None).check("metadata-location", &file)?;
        let unreadable = |error: Error| RestError::bad(format!("metadata-location: {error}"));
        let state = self.inner().read_table(&file).await.map_err(unreadable)?;
        let entries = self.catalog.entries().await?;
        if let Some(other) = entries.iter().find(|entry| entry.metadata_location == file && entry.name != table) {
            return Err(RestError::AlreadyExists(format!("a table of this metadata file, `{}`,", other.name)));
        }
        // Nor by an older or copied one: what one of the two tables had no use for any more, it would take from the other.
        for folder in [state.metadata.location(), folder_of(&file)] {
            if let Some(other) = self.taken_location(folder, &table).await? {
                return Err(RestError::AlreadyExists(format!("a table that has its files in `{folder}`, `{other}`,")));
            }
        }
        let before = self.catalog.get(&table).await?;
        if before.is_some() && !request.overwrite {
            return Err(taken(&table));
        }
        let expected = before.as_ref().map(|entry| entry.metadata_location.as_str());
        let config = self.file_settings(state.metadata.location());
        if expected == Some(&file) {
            return Ok(LoadedTable { metadata_location: Some(file), metadata: state.metadata, config });
        }
        if let Some(Current::Table(now)) = self.inner().current(&table).await? {
            synced::check_name(&table, &now.metadata)?;
        }
        let written = Uncommitted::default();
        let state = self.without_notes(state, &written).await?;
        rules::check(self.inner(), &state.metadata, None).await?;
        written.hold();
        if !self.catalog.swap(&table, expected, Kind::Table, &state.location).await? {
            written.release();
            return Err(RestError::CommitFailed(format!("`{table}` was changed meanwhile")));
        }
        Ok(LoadedTable { metadata_location: Some(state.location), metadata: state.metadata, config })
    }

    /// A table as it is without the host's notes about it.
    async fn without_notes(&self, state: TableState, written: &Uncommitted) -> RestResult<TableState> {
        let notes = state.metadata.properties().keys().filter(|name| synced::is_hosts_own(name));
        let notes: Vec<String> = notes.cloned().collect();
        if notes.is_empty() {
            return Ok(state);
        }
        let builder =
            TableMetadataBuilder::new_from_metadata(state.metadata.as_ref().clone(), Some(state.location.clone()));
        let metadata = builder.remove_properties(&notes)?.build()?.metadata;
        let file = next_location(Some(&Current::Table(state)), &metadata)?;
        written.add(&self.inner().io, file.to_string());
        metadata.write_to(&self.inner().io, &file).await.map_err(error::iceberg("writing a table's metadata"))?;
        Ok(TableState { location: file.to_string(), metadata: metadata.into() })
    }

    /// Where a new table's files go. Not where another table's are: one that was renamed keeps its folder.
    pub(super) async fn new_location(&self, table: &TableName) -> RestResult<String> {
        let location = self.inner().location_of(table);
        if self.taken_location(&location, table).await?.is_none() {
            return Ok(location);
        }
        Ok(format!("{location}-{}", Uuid::now_v7().simple()))
    }

    /// A location of the client's choice.
    pub(super) async fn free_location(&self, table: &TableName, location: &str) -> RestResult<String> {
        Places::of(self.inner(), None).check("location", location)?;
        if plain(location) == plain(self.inner().warehouse()) {
            return Err(RestError::bad(format!("location: `{location}` is the folder of all tables: name one in it")));
        }
        match self.taken_location(location, table).await? {
            None => Ok(location.trim_end_matches('/').to_owned()),
            Some(other) => Err(RestError::bad(format!("location: `{location}` is where `{other}` has its files"))),
        }
    }

    async fn taken_location(&self, location: &str, table: &TableName) -> RestResult<Option<TableName>> {
        let location = plain(location);
        let entries = self.catalog.entries().await?;
        let other = entries.into_iter().filter(|entry| entry.name != *table).find(|entry| {
            let folder = folder_of(plain(&entry.metadata_location));
            within(location, folder) || within(folder, location)
        });
        Ok(other.map(|entry| entry.name))
    }
}

/// The folder of the table that a metadata file is of.
fn folder_of(metadata_file: &str) -> &str {
    metadata_file.rsplit_once("/metadata/").map_or(metadata_file, |(folder, _)| folder)
}

fn taken(table: &TableName) -> RestError {
    RestError::AlreadyExists(format!("`{table}`"))
}

/// The metadata that the updates of a first commit are applied to.
///
/// The client has written files by the ids that its staged table has, so nothing may be numbered anew: schema and partition
/// specification are taken from the updates as they are.
pub(super) fn first_metadata(updates: &[TableUpdate], location: &str) -> RestResult<TableMetadata> {
    let missing = |what: &str| RestError::bad(format!("updates: a commit that makes a table needs `{what}`"));
    let schema = updates.iter().find_map(|update| match update {
        TableUpdate::AddSchema { schema } => Some(schema.clone()),
        _ => None,
    });
    let schema: Schema = schema.ok_or_else(|| missing("add-schema"))?.into_builder().with_schema_id(0).build()?;
    let spec = updates.iter().find_map(|update| match update {
        TableUpdate::AddSpec { spec } => Some(numbered(spec)),
        _ => None,
    });
    let spec = spec.unwrap_or_default();
    let uuid = updates.iter().find_map(|update| match update {
        TableUpdate::AssignUuid { uuid } => Some(*uuid),
        _ => None,
    });
    let version = updates.iter().find_map(|update| match update {
        TableUpdate::UpgradeFormatVersion { format_version } => Some(*format_version),
        _ => None,
    });
    let metadata = json!({
        "format-version": version.unwrap_or(FormatVersion::V2) as u8,
        "table-uuid": uuid.unwrap_or_else(Uuid::now_v7),
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": chrono::Utc::now().timestamp_millis(),
        "last-column-id": schema.highest_field_id(),
        "schema": schema,
        "schemas": [schema],
        "current-schema-id": 0,
        "partition-spec": spec,
        "partition-specs": [{"spec-id": 0, "fields": spec}],
        "default-spec-id": 0,
        "last-partition-id": spec.iter().filter_map(|field| field.field_id).max().unwrap_or(LAST_PARTITION_ID),
        "properties": HashMap::<String, String>::new(),
        "sort-orders": [SortOrder::unsorted_order()],
        "default-sort-order-id": 0,
    });
    serde_json::from_value(metadata).map_err(|error| RestError::bad(format!("updates: {error}")))
}

/// The fields of a specification, each with an id.
fn numbered(spec: &UnboundPartitionSpec) -> Vec<UnboundPartitionField> {
    let mut last = spec.fields().iter().filter_map(|field| field.field_id).max().unwrap_or(LAST_PARTITION_ID);
    let mut fields = spec.fields().to_vec();
    for field in &mut fields {
        field.field_id.get_or_insert_with(|| {
            last += 1;
            last
        });
    }
    fields
}
