//! Views and services in the registry.

use asgard_features::registration::{check, no_table};
use asgard_sdk::feature_source::{Dtype, FeatureService, FeatureView};
use asgard_sdk::{Error, Result};
use serde_json::{Map, Value, json};

use crate::known::Known;
use crate::run::Feast;
use crate::snapshot::{Current, is_number, object, time_column};

/// `ValueType` of Feast.
const STRING: u8 = 2;
const INT64: u8 = 4;

/// `DataSource.SourceType` of Feast.
const BATCH_FILE: u8 = 1;

/// Checks a view against its table, and makes it known to Feast with its entities and its source.
///
/// # Errors
/// `invalid-input` with the field of the request; `conflict` for an entity of another type; those of the registry.
pub fn register_view(feast: Feast<'_>, view: &FeatureView) -> Result<()> {
    let table = feast.host.describe(&view.source).map_err(no_table)?;
    check(view, &table.columns)?;
    refuse_columns_of_two_kinds(view)?;
    let types = Current::of(view, &table)?.types;
    for (index, entity) in view.entities.iter().enumerate() {
        let number = types.get(entity).is_some_and(|data_type| is_number(data_type));
        register_entity(feast, index, entity, number)?;
    }
    let source = source_name(&view.name);
    feast.client.register(
        "data_sources",
        json!({
            "name": source, "type": BATCH_FILE, "timestamp_field": time_column(view),
            "description": format!("The current snapshot of {}.{}", view.source.namespace, view.source.name),
            "file_options": {"uri": uri(feast, view)?, "s3_endpoint_override": feast.configuration.s3_endpoint},
        }),
    )?;
    let features: Vec<Value> = view
        .features
        .iter()
        .map(|feature| {
            json!({"name": feature.name, "value_type": value_type(feature.dtype), "description": feature.description})
        })
        .collect();
    feast.client.register(
        "feature_views",
        json!({
            "name": view.name, "entities": view.entities, "features": features, "batch_source": source,
            "ttl_seconds": asgard_features::sql::time_to_live(view).unwrap_or(0), "online": view.online,
            "description": view.description, "tags": tags(&view.tags),
        }),
    )?;
    Known { types, ..Known::default() }.keep(feast.host, &view.name)
}

/// Removes a view and its source. Entities stay: other views, and other programs, may have them too.
///
/// # Errors
/// Those of the registry and of the host.
pub fn remove_view(feast: Feast<'_>, view: &FeatureView) -> Result<()> {
    feast.client.unregister("feature_views", &view.name)?;
    feast.client.unregister("data_sources", &source_name(&view.name))?;
    feast.host.delete_object(&object(view))?;
    Known::forget(feast.host, &view.name)
}

/// Makes a service known.
///
/// # Errors
/// Those of the registry.
pub fn register_service(feast: Feast<'_>, service: &FeatureService) -> Result<()> {
    let views: Vec<Value> = service.views.iter().map(|view| json!({"feature_view_name": view})).collect();
    feast.client.register(
        "feature_services",
        json!({
            "name": service.name, "features": views, "description": service.description, "tags": tags(&service.tags),
        }),
    )
}

/// Removes a service.
///
/// # Errors
/// Those of the registry.
pub fn remove_service(feast: Feast<'_>, name: &str) -> Result<()> {
    feast.client.unregister("feature_services", name)
}

/// An entity is one for all views of the project, so it has one type.
fn register_entity(feast: Feast<'_>, index: usize, entity: &str, number: bool) -> Result<()> {
    let (value_type, name) = if number { (INT64, "INT64") } else { (STRING, "STRING") };
    if let Some(known) = feast.client.registered("entities", entity)? {
        let known = known.pointer("/spec/valueType").and_then(Value::as_str).unwrap_or("UNKNOWN");
        if known != name {
            return Err(Error::invalid(
                format!("entities[{index}]"),
                format!(
                    "the project `{}` has an entity `{entity}` of type {known}, and the column is {name}: give it another name or \
                     another type in gold, or remove that entity from Feast",
                    feast.client.project()
                ),
            ));
        }
    }
    feast.client.register("entities", json!({"name": entity, "join_key": entity, "value_type": value_type}))
}

/// Feast has each column of a view once.
fn refuse_columns_of_two_kinds(view: &FeatureView) -> Result<()> {
    for (index, feature) in view.features.iter().enumerate() {
        let other = if view.entities.contains(&feature.name) {
            "an entity"
        } else if time_column(view) == feature.name {
            "the event time"
        } else {
            continue;
        };
        return Err(Error::invalid(
            format!("features[{index}].name"),
            format!(
                "column `{}` is {other} of the view already, and Feast has it once: leave the feature out, or select the column \
                 twice in gold under another name",
                feature.name
            ),
        ));
    }
    Ok(())
}

/// The name of a view's source.
pub fn source_name(view: &str) -> String {
    format!("{view}_snapshot")
}

/// Where Feast finds a view's file.
fn uri(feast: Feast<'_>, view: &FeatureView) -> Result<String> {
    let location = feast.host.location(&object(view))?;
    // Not all of Feast's engines know `file://`.
    Ok(location.strip_prefix("file://").map_or_else(|| location.replacen("s3a://", "s3://", 1), str::to_owned))
}

fn tags(tags: &[(String, String)]) -> Map<String, Value> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect()
}

/// `ValueType` of Feast.
fn value_type(dtype: Dtype) -> u8 {
    match dtype {
        Dtype::Bytes => 1,
        Dtype::String => STRING,
        Dtype::Int32 => 3,
        Dtype::Int64 => INT64,
        Dtype::Float64 => 5,
        Dtype::Float32 => 6,
        Dtype::Bool => 7,
        Dtype::UnixTimestamp => 8,
        Dtype::ArrayString => 12,
        Dtype::ArrayInt32 => 13,
        Dtype::ArrayInt64 => 14,
        Dtype::ArrayFloat64 => 15,
        Dtype::ArrayFloat32 => 16,
    }
}
