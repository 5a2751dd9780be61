//! What is wrong with a value, in words: the field, and what was expected there.

use asgard_contract::Error;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use serde_json::Value;

/// `field` is the place of the whole value.
pub(super) fn explain(wrong: &ValidationError<'_>, schema: &Value, field: &str) -> Error {
    let wrong = nearest(wrong);
    let place = place(field, wrong.instance_path());
    let name = place.rsplit('.').next().unwrap_or(&place);
    match wrong.kind() {
        ValidationErrorKind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            Error::invalid(format!("{place}.{property}"), format!("`{property}` is missing"))
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let first = unexpected.first().map_or("", String::as_str);
            let known = known_properties(wrong, schema);
            let expected = if known.is_empty() { String::new() } else { format!(": expected one of {known}") };
            Error::invalid(format!("{place}.{first}"), format!("there is no `{}`{expected}", first.escape_debug()))
        }
        kind => {
            let message = match expected(kind) {
                Some(expected) => format!("`{name}` must {expected}{}", found(kind, wrong.instance())),
                None => format!("`{name}`: {}", wrong.masked()),
            };
            Error::invalid(place, message)
        }
    }
}

/// Of several forms that a value may have, it was meant to be the one that it fails latest.
fn nearest<'a>(wrong: &'a ValidationError<'_>) -> &'a ValidationError<'a> {
    let context = match wrong.kind() {
        ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => context,
        _ => return wrong,
    };
    // A branch whose constant is another was not meant.
    let constant = |error: &&ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Constant { .. });
    let branch =
        context.iter().filter(|errors| !errors.iter().any(|error| constant(&error))).min_by_key(|errors| errors.len());
    branch.and_then(|errors| errors.first()).map_or(wrong, nearest)
}

fn expected(kind: &ValidationErrorKind) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Type { kind } => format!("be {}", types(kind)),
        ValidationErrorKind::Enum { options } => {
            let options: Vec<String> = options.as_array().into_iter().flatten().map(quoted).collect();
            format!("be one of {}", options.join(", "))
        }
        ValidationErrorKind::Constant { expected_value } => format!("be {}", quoted(expected_value)),
        ValidationErrorKind::Minimum { limit } => format!("be at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("be at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("be more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("be less than {limit}"),
        ValidationErrorKind::MinLength { limit: 1 } | ValidationErrorKind::MinItems { limit: 1 } => {
            "not be empty".to_owned()
        }
        ValidationErrorKind::MinLength { limit } => format!("have at least {limit} characters"),
        ValidationErrorKind::MaxLength { limit } => format!("have at most {limit} characters"),
        ValidationErrorKind::MinItems { limit } => format!("have at least {limit} elements"),
        ValidationErrorKind::MaxItems { limit } => format!("have at most {limit} elements"),
        ValidationErrorKind::UniqueItems => "not have the same element twice".to_owned(),
        ValidationErrorKind::Pattern { pattern } => format!("match the pattern `{pattern}`"),
        ValidationErrorKind::Format { format } => format!("have the format `{format}`"),
        _ => return None,
    })
}

/// What is there instead: its type only, for its value may be a secret.
fn found(kind: &ValidationErrorKind, value: &Value) -> String {
    let ValidationErrorKind::Type { .. } = kind else { return String::new() };
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    format!(", and is {name}")
}

fn types(kind: &TypeKind) -> String {
    let name = |name: &str| match name {
        "boolean" => "true or false".to_owned(),
        "integer" | "array" | "object" => format!("an {name}"),
        "null" => "null".to_owned(),
        other => format!("a {other}"),
    };
    match kind {
        TypeKind::Single(one) => name(&one.to_string()),
        TypeKind::Multiple(several) => {
            let names: Vec<String> = several.iter().map(|each| name(&each.to_string())).collect();
            names.join(" or ")
        }
    }
}

fn quoted(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("`{value}`"), |text| format!("`{text}`"))
}

/// `config.tables[2].name`.
fn place(field: &str, path: &Location) -> String {
    path.iter().fold(field.to_owned(), |place, segment| match segment {
        LocationSegment::Property(name) => format!("{place}.{name}"),
        LocationSegment::Index(index) => format!("{place}[{index}]"),
    })
}

/// The properties beside the keyword that found an unknown one.
fn known_properties(wrong: &ValidationError<'_>, schema: &Value) -> String {
    let keyword = wrong.schema_path().as_str();
    let object = keyword.rsplit_once('/').map_or("", |(object, _)| object);
    let properties = schema.pointer(&format!("{object}/properties")).and_then(Value::as_object);
    let mut names: Vec<String> = properties.into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
    names.sort();
    names.join(", ")
}
