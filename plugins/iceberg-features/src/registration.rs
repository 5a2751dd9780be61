//! Whether a view can be.

use asgard_features::registration::{check, no_table};
use asgard_sdk::feature_source::FeatureView;
use asgard_sdk::{Result, lakehouse};

/// Checks a view against its table.
///
/// # Errors
/// `invalid-input` with the field of the request.
pub fn register(view: &FeatureView) -> Result<()> {
    check(view, &lakehouse::describe(&view.source).map_err(no_table)?.columns)
}
