//! A stream of a catalog, as the protocol (`json_schema`) or the server (`jsonSchema`) writes it.

use asgard_sdk::Column;
use asgard_sdk::connector::{StreamDescriptor, SyncMode};
use serde::Deserialize;
use serde_json::Value;

use crate::schema;
use crate::shape::Shape;

/// Characters kept of a description.
const DESCRIPTION: usize = 500;

/// A stream.
#[derive(Debug, Clone, Deserialize)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// The source's own grouping.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Of its records.
    #[serde(default, alias = "jsonSchema")]
    pub json_schema: Value,
    /// `full_refresh`, `incremental`.
    #[serde(default, alias = "supportedSyncModes")]
    pub supported_sync_modes: Vec<String>,
    /// The connector knows by itself what is new.
    #[serde(default, alias = "sourceDefinedCursor")]
    pub source_defined_cursor: Option<bool>,
    /// A path.
    #[serde(default, alias = "defaultCursorField")]
    pub default_cursor_field: Option<Vec<String>>,
    /// Paths.
    #[serde(default, alias = "sourceDefinedPrimaryKey")]
    pub source_defined_primary_key: Option<Vec<Vec<String>>>,
}

impl Stream {
    /// Its namespace, if it has one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty())
    }

    /// Whether the source can tell all of it.
    pub fn has_full_refresh(&self) -> bool {
        // The protocol's default.
        self.supported_sync_modes.is_empty() || self.supports("full_refresh")
    }

    fn supports(&self, mode: &str) -> bool {
        self.supported_sync_modes.iter().any(|supported| supported == mode)
    }

    /// Its columns with their types, in the order of the schema.
    pub fn columns(&self) -> Vec<(Column, Shape)> {
        let properties = self.json_schema.get("properties").and_then(Value::as_object);
        let column = |(name, property): (&String, &Value)| {
            let shape = schema::shape(&self.json_schema, property);
            let description = property.get("description").and_then(Value::as_str);
            let doc = description.map(|text| text.chars().take(DESCRIPTION).collect());
            (Column { doc, ..Column::new(name, shape.to_string()) }, shape)
        };
        properties.into_iter().flatten().map(column).collect()
    }

    /// As the host offers it.
    pub fn descriptor(&self) -> StreamDescriptor {
        let columns = self.columns();
        let has = |name: &String| columns.iter().any(|(column, _)| column.name == *name);
        // A key of nested fields, or of fields that the schema does not have, is none that a table has.
        let key = self.source_defined_primary_key.as_deref().unwrap_or_default();
        let is_whole = key.iter().all(|path| matches!(path.as_slice(), [name] if has(name)));
        let primary_key = if is_whole { key.iter().flatten().cloned().collect() } else { Vec::new() };
        let incremental = self.supports("incremental");
        // A source that only tells changes tells everything to whoever brings no state.
        let mut sync_modes = vec![SyncMode::FullRefreshOverwrite, SyncMode::FullRefreshAppend];
        if incremental {
            sync_modes.extend([SyncMode::IncrementalAppend, SyncMode::IncrementalMerge]);
        }
        let mut cursor_columns: Vec<String> = Vec::new();
        if incremental && self.source_defined_cursor != Some(true) {
            let default = self.default_cursor_field.as_deref().unwrap_or_default();
            cursor_columns.extend(default.first().filter(|name| default.len() == 1 && has(name)).cloned());
            let ordered = columns.iter().filter(|(_, shape)| shape.is_ordered()).map(|(column, _)| &column.name);
            let others: Vec<String> = ordered.filter(|name| !cursor_columns.contains(name)).cloned().collect();
            cursor_columns.extend(others);
        }
        StreamDescriptor {
            namespace: self.namespace().map(str::to_owned),
            name: self.name.clone(),
            unsupported: columns.is_empty().then(|| {
                format!("the schema of stream `{}` names no properties, so there are no columns to write", self.name)
            }),
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            primary_key,
            sync_modes,
            cursor_columns,
            estimated_rows: None,
        }
    }
}
