//! Role `ingestion`: sources, sinks, ingestions and their jobs.

pub(crate) mod ingestions;
pub(crate) mod jobs;
pub(crate) mod schedule;
pub(crate) mod sinks;
pub(crate) mod sources;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Any JSON object, as a plugin's schema describes it.
pub(crate) type Config = serde_json::Map<String, Value>;

/// What a test of a connection answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Checked {
    /// `succeeded`; everything else is a problem.
    status: &'static str,
}

impl Checked {
    pub(crate) const SUCCEEDED: Self = Self { status: "succeeded" };
}
