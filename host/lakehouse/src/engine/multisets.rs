//! `EXCEPT ALL` and `INTERSECT ALL`.
//!
//! The planner makes a join of each, which drops or keeps every row of the left side that has an equal on the right, however many there
//! are of them. Here rows are numbered among their equals first: the third of three is equal to a third alone.

use std::sync::Arc;

use datafusion::common::{Column, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, Join, JoinType, LogicalPlan, LogicalPlanBuilder};

const LEFT: &str = "$left";
const RIGHT: &str = "$right";

/// A join, with its rows numbered if it stands for one of the two.
pub(super) fn counted(join: Join) -> Result<LogicalPlan> {
    if !stands_for_multisets(&join) {
        return LogicalPlan::Join(join).recompute_schema();
    }
    let columns = join.left.schema().columns().into_iter().map(Expr::Column);
    let (left, right) = (numbered(&join.left, LEFT)?, numbered(&join.right, RIGHT)?);
    let mut on = join.on.clone();
    on.push((Expr::Column(Column::from_name(LEFT)), Expr::Column(Column::from_name(RIGHT))));
    let joined = LogicalPlan::Join(Join { left: Arc::new(left), right: Arc::new(right), on, ..join });
    LogicalPlanBuilder::from(joined.recompute_schema()?).project(columns)?.build()
}

/// Only operations on sets take nulls for equal; those without ALL have no equal rows on the left.
fn stands_for_multisets(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && !matches!(*join.left, LogicalPlan::Distinct(_))
}

fn numbered(plan: &Arc<LogicalPlan>, name: &str) -> Result<LogicalPlan> {
    let equals = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let number = row_number().partition_by(equals).build()?.alias(name);
    LogicalPlanBuilder::from(Arc::clone(plan)).window([number])?.build()
}
