//! Models: from a training script to a served model, and the registry between them.

mod deployment;
mod deployments;
mod registry;

use std::sync::Arc;

pub use deployment::Phase;
pub use deployments::{Deployment, FeatureChoice, NewDeployment, ServeAgain};
pub use registry::ModelStatus;

pub(crate) use deployment::KIND;
pub(crate) use deployments::tasks_of;

use crate::Pipeline;

pub(crate) fn register(pipeline: &Arc<Pipeline>) {
    pipeline.tasks.register(deployment::KIND, Arc::new(deployment::DeploymentHandler::new(pipeline)));
}
