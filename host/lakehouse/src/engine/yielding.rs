//! Operators that make many rows of few give way to their thread now and then.
//!
//! A task is ended, and its time checked, where it yields. Scans yield; a join can go on for hours over two batches that it
//! was given at the start, and never come back to its scan. So every operator of that kind is followed by one that yields
//! after some batches.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::unnest::UnnestExec;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Yielding;

impl PhysicalOptimizerRule for Yielding {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|operator| {
            if multiplies(operator.as_ref()) {
                return Ok(Transformed::yes(Arc::new(CooperativeExec::new(operator)) as Arc<dyn ExecutionPlan>));
            }
            Ok(Transformed::no(operator))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "yielding"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn multiplies(operator: &dyn ExecutionPlan) -> bool {
    let operator = operator.as_any();
    operator.is::<CrossJoinExec>()
        || operator.is::<NestedLoopJoinExec>()
        || operator.is::<HashJoinExec>()
        || operator.is::<SortMergeJoinExec>()
        || operator.is::<UnnestExec>()
        || operator.is::<RecursiveQueryExec>()
}
