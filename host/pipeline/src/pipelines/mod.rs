//! Pipelines: the steps from raw tables to a deployed model as one declared graph, run by hand, by a schedule, or for each date of
//! a range.
//!
//! A run is a task; each of its steps is a task of its own kind, the same that the step's own route would make, and shows in the same
//! places. A step's task is made once whatever happens: it names the run and the step as its parent, and a second task of that parent
//! is the first one. Runs of one pipeline go one after the other, in the order in which they were asked for.

mod definition;
mod graph;
mod run;
mod runs;
mod text;

use std::sync::Arc;

pub use definition::{Definition, NewPipeline, PipelineResource, StepDefinition, StepKind};
pub(crate) use run::Begun;
pub use run::{RunState, StepState, StepStatus};
pub use runs::{NewRun, Run};

use asgard_contract::Result;
use serde_json::Value;

use crate::Pipeline;
use crate::features::NewView;
use crate::models::NewDeployment;
use crate::transforms::{NewSilverRun, NewTransformation};

/// What a step does, read from its definition.
#[derive(Debug, Clone)]
pub enum StepWork {
    /// A sync of an ingestion, by its id or its name.
    Ingestion(String),
    Silver(Box<NewSilverRun>),
    Gold(Box<NewTransformation>),
    /// Registers the view where it is not, and fills its online store anew.
    Features(Box<NewView>),
    /// Training, registration, build and serving.
    Deployment(Box<NewDeployment>),
}

/// Reads what a step is given, which is what the route of its kind is given: the requests are the API's, not the domain's.
pub trait StepReader: Send + Sync {
    /// # Errors
    /// `invalid-input` with the field of the request.
    fn read(&self, kind: StepKind, with: &Value) -> Result<StepWork>;
}

pub(crate) fn register(pipeline: &Arc<Pipeline>) {
    pipeline.tasks.register(run::KIND, Arc::new(run::RunHandler::new(pipeline)));
}
