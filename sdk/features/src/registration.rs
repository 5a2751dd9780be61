//! Whether a view can be: its table exists, and every column that it names, with a type that fits.

use asgard_sdk::feature_source::FeatureView;
use asgard_sdk::{Column, Error, Result};

use crate::columns::{dtype_name, find, fits, fitting, is_key, is_time};

/// What an answer without the view's table means to whoever registers the view.
pub fn no_table(error: Error) -> Error {
    match error {
        Error::NotFound(message) => Error::invalid("source.table_name", message),
        other => other,
    }
}

/// Checks a view against the columns of its table.
///
/// # Errors
/// `invalid-input` with the field of the request.
pub fn check(view: &FeatureView, columns: &[Column]) -> Result<()> {
    let table = format!("{}.{}", view.source.namespace, view.source.name);
    let named = |field: String, name: &str| {
        find(columns, name).ok_or_else(|| {
            let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            Error::invalid(field, format!("table `{table}` has no column `{name}`: it has {}", known.join(", ")))
        })
    };
    for (index, entity) in view.entities.iter().enumerate() {
        let field = format!("entities[{index}]");
        let column = named(field.clone(), entity)?;
        if !is_key(&column.data_type) {
            return Err(Error::invalid(
                field,
                format!(
                    "column `{entity}` of `{table}` is {}: an entity needs a column that can be compared exactly",
                    column.data_type
                ),
            ));
        }
    }
    let times = [
        ("source.timestamp_field", &view.timestamp_field),
        ("source.created_timestamp_column", &view.created_timestamp_column),
    ];
    for (field, name) in times {
        let Some(name) = name else { continue };
        let column = named(field.to_owned(), name)?;
        if !is_time(&column.data_type) {
            return Err(Error::invalid(
                field,
                format!("column `{name}` of `{table}` is {}: expected a timestamp or a date", column.data_type),
            ));
        }
    }
    for (index, feature) in view.features.iter().enumerate() {
        let column = named(format!("features[{index}].name"), &feature.name)?;
        if !fits(feature.dtype, &column.data_type) {
            let fitting = fitting(&column.data_type);
            let way_out = if fitting.is_empty() {
                "no dtype has such values: make a column of another type in gold".to_owned()
            } else {
                format!("expected {}", fitting.join(", "))
            };
            return Err(Error::invalid(
                format!("features[{index}].dtype"),
                format!(
                    "column `{}` of `{table}` is {}, which is not {}: {way_out}",
                    feature.name,
                    column.data_type,
                    dtype_name(feature.dtype)
                ),
            ));
        }
    }
    Ok(())
}
