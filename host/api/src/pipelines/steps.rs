//! What a step is given, read as the route of its kind reads its body.

use asgard_contract::{Error, Result};
use asgard_pipeline::pipelines::{StepKind, StepReader, StepWork};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use crate::extract::from_value;
use crate::features::views::CreateView;
use crate::models::deployments::Deploy;
use crate::problem::Problem;
use crate::transforms::gold::CreateTransformation;
use crate::transforms::silver::StartRun;

/// Reads steps.
pub(crate) struct Steps;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Sync {
    ingestion: String,
}

impl StepReader for Steps {
    fn read(&self, kind: StepKind, with: &Value) -> Result<StepWork> {
        Ok(match kind {
            StepKind::Ingestion => StepWork::Ingestion(body::<Sync>(with)?.ingestion),
            StepKind::Silver => StepWork::Silver(Box::new(body::<StartRun>(with)?.checked().map_err(told)?)),
            StepKind::Gold => StepWork::Gold(Box::new(body::<CreateTransformation>(with)?.checked().map_err(told)?)),
            StepKind::Features => StepWork::Features(Box::new(body::<CreateView>(with)?.checked().map_err(told)?)),
            StepKind::Deployment => StepWork::Deployment(Box::new(body::<Deploy>(with)?.checked().map_err(told)?)),
        })
    }
}

fn body<T: DeserializeOwned + ToSchema>(with: &Value) -> Result<T> {
    from_value(with).map_err(told)
}

/// These routes check their bodies without asking anybody, so that a problem is one of the input.
fn told(problem: Problem) -> Error {
    match problem.errors.into_iter().next() {
        Some(error) => Error::invalid(error.field, error.message),
        None => Error::InvalidInput { field: None, message: problem.detail },
    }
}
