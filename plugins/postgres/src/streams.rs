//! What streams are called.

use asgard_sdk::connector::StreamSelection;

/// `schema.table`.
pub(crate) fn full_name(selection: &StreamSelection) -> String {
    format!("{}.{}", schema_of(selection), selection.name)
}

/// Streams of this connector always have one.
pub(crate) fn schema_of(selection: &StreamSelection) -> &str {
    selection.namespace.as_deref().unwrap_or("public")
}
