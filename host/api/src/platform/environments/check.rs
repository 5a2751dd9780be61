//! `/environments/{name}/check`: whether an environment can do its work.

use asgard_pipeline::environments::{Finding, Verdict};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::extract::Id;
use crate::problem::Result;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VerdictAnswer {
    Passed,
    Skipped,
    Warned,
    Failed,
}

impl From<Verdict> for VerdictAnswer {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Skipped => Self::Skipped,
            Verdict::Warned => Self::Warned,
            Verdict::Failed => Self::Failed,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingAnswer {
    /// A field of the document: `silver`, `lakehouse.storage`, `ingestion[0]`.
    field: String,
    verdict: VerdictAnswer,
    /// What was reached, or what is wrong and what to do.
    message: String,
}

impl From<Finding> for FindingAnswer {
    fn from(finding: Finding) -> Self {
        Self { field: finding.field, verdict: finding.verdict.into(), message: finding.message }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckAnswer {
    environment: String,
    revision: i64,
    /// Whether nothing failed.
    passed: bool,
    findings: Vec<FindingAnswer>,
}

/// Reach everything that the environment's work needs, with its real credentials: secrets, catalog, storage, services, the backend
/// of every binding, every source. What is wrong stands in the answer.
#[utoipa::path(post, path = "/environments/{name}/check", tag = "Platform", params(("name" = String, Path,)),
    responses((status = 200, body = CheckAnswer)))]
pub(crate) async fn check(State(app): State<App>, Id(name): Id) -> Result<Json<CheckAnswer>> {
    let report = app.pipeline.check_environment(&name).await?;
    Ok(Json(CheckAnswer {
        passed: report.passed(),
        environment: report.environment,
        revision: report.revision,
        findings: report.findings.into_iter().map(Into::into).collect(),
    }))
}
