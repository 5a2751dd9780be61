//! Transforms: silver runs (Spark SQL) and gold transformations (dbt models). Both are requests to a `transform` plugin,
//! carried out by one kind of task.

mod audit;
mod checks;
mod generic_tests;
mod gold;
mod run;
mod silver;

use std::sync::Arc;

pub use audit::Plan;
pub use checks::{Check, Checked, Severity, Verdict};
pub use generic_tests::{Assertion, Gaps, GenericTest};
pub use gold::{GoldTable, NewTransformation, Transformation};
pub use silver::{NewSilverRun, SilverRun, SilverTable};

pub(crate) use run::{GOLD, SILVER};

use crate::Pipeline;

pub(crate) fn register(pipeline: &Arc<Pipeline>) {
    pipeline.tasks.register(run::SILVER, Arc::new(run::TransformHandler::new(pipeline)));
    pipeline.tasks.register(run::GOLD, Arc::new(run::TransformHandler::new(pipeline)));
}
