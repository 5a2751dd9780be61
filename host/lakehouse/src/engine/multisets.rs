//! `EXCEPT` and `INTERSECT`, with and without `ALL`.
//!
//! The planner makes a join of each. Its columns have the left side's types, where they are to have those that hold both sides' values.
//! With ALL it is a join which drops or keeps every row of the left side that has an equal on the right, however many there
//! are of them. Here rows are numbered among their equals first: the third of three is equal to a third alone.

use std::sync::Arc;

use datafusion::common::{Column, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{Cast, Expr, ExprFunctionExt, Join, JoinType, LogicalPlan, LogicalPlanBuilder};

const LEFT: &str = "$left";
const RIGHT: &str = "$right";

/// A join, with both sides of one type if it stands for EXCEPT or INTERSECT, and with its rows numbered if for one with ALL.
pub(super) fn counted(join: Join) -> Result<LogicalPlan> {
    if !stands_for_sets(&join) {
        return LogicalPlan::Join(join).recompute_schema();
    }
    // Those without ALL have no equal rows on the left.
    let is_distinct = matches!(*join.left, LogicalPlan::Distinct(_));
    let join = of_one_type(join)?;
    if is_distinct {
        return LogicalPlan::Join(join).recompute_schema();
    }
    let columns = join.left.schema().columns().into_iter().map(Expr::Column);
    let (left, right) = (numbered(&join.left, LEFT)?, numbered(&join.right, RIGHT)?);
    let mut on = join.on.clone();
    on.push((Expr::Column(Column::from_name(LEFT)), Expr::Column(Column::from_name(RIGHT))));
    let joined = LogicalPlan::Join(Join { left: Arc::new(left), right: Arc::new(right), on, ..join });
    LogicalPlanBuilder::from(joined.recompute_schema()?).project(columns)?.build()
}

/// Only operations on sets take nulls for equal.
fn stands_for_sets(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
}

/// The left side's columns, which are the result's, as the types that hold both sides' values, as UNION has them.
fn of_one_type(join: Join) -> Result<Join> {
    let (left, right) = (join.left.schema(), join.right.schema());
    let columns = left.columns().into_iter().zip(left.fields().iter().zip(right.fields()));
    let mut differs = false;
    let columns: Vec<Expr> = columns
        .map(|(column, (left, right))| {
            let types = [left.data_type().clone(), right.data_type().clone()];
            match type_union_resolution(&types).filter(|met| *met != types[0]) {
                Some(met) => {
                    differs = true;
                    let (relation, name) = (column.relation.clone(), column.name.clone());
                    Expr::Cast(Cast::new(Box::new(Expr::Column(column)), met)).alias_qualified(relation, name)
                }
                None => Expr::Column(column),
            }
        })
        .collect();
    if !differs {
        return Ok(join);
    }
    let left = LogicalPlanBuilder::from(Arc::clone(&join.left)).project(columns)?.build()?;
    Ok(Join { left: Arc::new(left), ..join })
}

fn numbered(plan: &Arc<LogicalPlan>, name: &str) -> Result<LogicalPlan> {
    let equals = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let number = row_number().partition_by(equals).build()?.alias(name);
    LogicalPlanBuilder::from(Arc::clone(plan)).window([number])?.build()
}
