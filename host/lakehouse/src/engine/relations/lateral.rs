//! Relations that see the ones before them: `FROM t CROSS JOIN UNNEST(t.list)`, `LATERAL VIEW`, `LATERAL (SELECT t.x * 10)`.
//!
//! The engine only knows such a subquery where it filters a table by the row's columns, and makes a join of it. One that makes
//! rows of the row alone needs no join: its steps are done on the relation before it, whose columns they carry along.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, Filter, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Subquery};
use datafusion::scalar::ScalarValue;

use super::rows::filled_list;

/// A plan whose lateral joins are steps, where they can be.
///
/// # Errors
/// For a `LEFT JOIN` of such a relation ON anything but TRUE.
pub(in crate::engine) fn flattened(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut made = 0;
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) => step(join, &mut made),
        other => Ok(Transformed::no(other)),
    })
    .map(|done| done.data)
}

fn step(join: Join, made: &mut usize) -> Result<Transformed<LogicalPlan>> {
    let kept = matches!(join.join_type, JoinType::Left);
    let condition = join.filter.as_ref().filter(|filter| !is_true(filter));
    let steps = match subquery(&join.right) {
        Some(subquery)
            if join.on.is_empty()
                && matches!(join.join_type, JoinType::Inner | JoinType::Left)
                && of_one_row(&subquery.subquery, kept) =>
        {
            Arc::clone(&subquery.subquery)
        }
        _ => return Ok(Transformed::no(LogicalPlan::Join(join))),
    };
    if kept && condition.is_some() {
        return datafusion::common::plan_err!("LEFT JOIN of a lateral relation takes ON TRUE alone");
    }
    let mut carry = Carry { left: join.left.as_ref().clone(), kept, made };
    let (plan, columns) = carry.along(&steps)?;
    let left = join.left.schema().columns().into_iter().map(Expr::Column);
    let right = join.right.schema().iter().zip(columns).map(|((relation, field), column)| {
        Expr::Column(column).alias_qualified(relation.cloned(), field.name().clone())
    });
    let plan = LogicalPlanBuilder::from(plan).project(left.chain(right).collect::<Vec<_>>())?.build()?;
    Ok(Transformed::yes(match condition {
        Some(condition) => LogicalPlan::Filter(Filter::try_new(condition.clone(), Arc::new(plan))?),
        None => plan,
    }))
}

fn is_true(condition: &Expr) -> bool {
    matches!(condition, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

/// The subquery of a lateral relation, below the names it is given.
fn subquery(plan: &LogicalPlan) -> Option<&Subquery> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => subquery(&alias.input),
        LogicalPlan::Subquery(subquery) => Some(subquery),
        _ => None,
    }
}

/// Whether a subquery makes its rows of one row. Where the row is kept without any (LEFT JOIN), what stands above the lists must be
/// null for it: columns, and fields of them.
fn of_one_row(plan: &LogicalPlan, kept: bool) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::SubqueryAlias(alias) => of_one_row(&alias.input, kept),
        LogicalPlan::Filter(filter) => !kept && of_one_row(&filter.input, kept),
        LogicalPlan::Unnest(unnest) => unnest.struct_type_columns.is_empty() && of_one_row(&unnest.input, kept),
        LogicalPlan::Projection(projection) => {
            of_one_row(&projection.input, kept)
                && (!kept || !has_lists(&projection.input) || projection.expr.iter().all(is_null_of_null))
        }
        _ => false,
    }
}

fn has_lists(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Unnest(_)) || plan.inputs().into_iter().any(has_lists)
}

fn is_null_of_null(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Alias(alias) => is_null_of_null(&alias.expr),
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            func.name() == "get_field" && args.first().is_some_and(is_null_of_null)
        }
        _ => false,
    }
}

/// Does a subquery's steps on the relation before it.
struct Carry<'a> {
    left: LogicalPlan,
    kept: bool,
    /// How many columns were named: each name is new.
    made: &'a mut usize,
}

impl Carry<'_> {
    /// The steps done, and the columns of the result that the subquery has.
    fn along(&mut self, plan: &LogicalPlan) -> Result<(LogicalPlan, Vec<Column>)> {
        match plan {
            LogicalPlan::EmptyRelation(_) => Ok((self.left.clone(), Vec::new())),
            LogicalPlan::SubqueryAlias(alias) => self.along(&alias.input),
            LogicalPlan::Filter(filter) => {
                let (plan, columns) = self.along(&filter.input)?;
                let condition = self.moved(filter.predicate.clone(), filter.input.schema(), &columns)?;
                Ok((LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?), columns))
            }
            LogicalPlan::Projection(projection) => {
                let (plan, columns) = self.along(&projection.input)?;
                let exprs = projection
                    .expr
                    .iter()
                    .map(|expr| self.moved(expr.clone().unalias(), projection.input.schema(), &columns));
                let exprs = exprs.collect::<Result<Vec<_>>>()?;
                self.projected(plan, exprs)
            }
            LogicalPlan::Unnest(unnest) => {
                let (mut plan, mut columns) = self.along(&unnest.input)?;
                if self.kept
                    && let Some((first, rest)) = columns.split_first()
                {
                    let first = filled_list(Expr::Column(first.clone()));
                    let rest = rest.iter().cloned().map(Expr::Column);
                    (plan, columns) = self.projected(plan, [first].into_iter().chain(rest).collect())?;
                }
                let lists: Result<Vec<_>> = unnest
                    .exec_columns
                    .iter()
                    .map(|column| Ok(columns[unnest.input.schema().index_of_column(column)?].clone()))
                    .collect();
                let plan = LogicalPlanBuilder::from(plan)
                    .unnest_columns_with_options(lists?, unnest.options.clone())?
                    .build()?;
                Ok((plan, columns))
            }
            other => datafusion::common::internal_err!("{} is no step of one row", other.display()),
        }
    }

    /// The columns of the relation before, and these.
    fn projected(&mut self, plan: LogicalPlan, exprs: Vec<Expr>) -> Result<(LogicalPlan, Vec<Column>)> {
        let left = self.left.schema().columns().into_iter().map(Expr::Column);
        let names: Vec<String> = exprs
            .iter()
            .map(|_| {
                *self.made += 1;
                format!("$lateral{}", self.made)
            })
            .collect();
        let named = exprs.into_iter().zip(&names).map(|(expr, name)| expr.alias(name));
        let plan = LogicalPlanBuilder::from(plan).project(left.chain(named).collect::<Vec<_>>())?.build()?;
        Ok((plan, names.into_iter().map(Column::new_unqualified).collect()))
    }

    /// An expression of the subquery, over the relation that carries its columns.
    fn moved(&self, expr: Expr, schema: &DFSchema, columns: &[Column]) -> Result<Expr> {
        expr.transform_up(|expr| {
            Ok(match expr {
                Expr::Column(column) => {
                    Transformed::yes(Expr::Column(columns[schema.index_of_column(&column)?].clone()))
                }
                Expr::OuterReferenceColumn(_, column) if self.left.schema().has_column(&column) => {
                    Transformed::yes(Expr::Column(column))
                }
                other => Transformed::no(other),
            })
        })
        .map(|done| done.data)
    }
}
