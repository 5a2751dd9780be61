//! The values that identify a row, as clients write them.

use asgard_sdk::feature_source::FeatureView;
use asgard_sdk::json::{Map, Value};
use asgard_sdk::{Error, Result};

/// A value as it stands in a key: numbers and texts that look the same are the same. None for null, lists and objects.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            // Some clients write whole numbers as 7.0.
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 9e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The values of a view's entities in each row, in the view's order.
///
/// # Errors
/// `invalid-input` naming row and entity.
pub fn of_rows(view: &FeatureView, rows: &[Map<String, Value>]) -> Result<Vec<Vec<String>>> {
    let of_row = |(index, row): (usize, &Map<String, Value>)| {
        view.entities
            .iter()
            .map(|entity| {
                let field = || format!("entities[{index}].{entity}");
                let value = row.get(entity).ok_or_else(|| Error::invalid(field(), "the entity's value is missing"))?;
                text(value).ok_or_else(|| {
                    Error::invalid(field(), format!("{value} identifies nothing: expected a text or a number"))
                })
            })
            .collect()
    };
    rows.iter().enumerate().map(of_row).collect()
}

/// The entities of the views, as a row of a request has them.
pub fn entities_of<'a>(
    row: &Map<String, Value>,
    views: impl IntoIterator<Item = &'a FeatureView>,
) -> Map<String, Value> {
    let names = views.into_iter().flat_map(|view| &view.entities);
    names.filter_map(|name| Some((name.clone(), row.get(name)?.clone()))).collect()
}
