//! Joins that give way.
//!
//! A join can make a thousand batches of one: what reads them never waits, and a statement that never waits cannot be ended at
//! its time or when it is cancelled. The engine makes its scans give way after some batches; here its joins do the same.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};

/// Puts a counter around every join that can multiply rows.
#[derive(Debug)]
pub(super) struct YieldingJoins;

impl PhysicalOptimizerRule for YieldingJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let any = node.as_any();
            let multiplies = any.is::<CrossJoinExec>() || any.is::<NestedLoopJoinExec>() || any.is::<HashJoinExec>();
            Ok(if multiplies { Transformed::yes(Arc::new(CooperativeExec::new(node))) } else { Transformed::no(node) })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "yielding_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
