//! Moments of different precision meet in the finer one, as in both dialects; a date beside them is one of them.
//!
//! The engine takes the coarser (`VALUES`, CASE, UNION, comparisons, joins, arguments), which cuts fractions off, and for a date
//! beside a moment nanoseconds, which end in 2262. So no two of them meet there: here they get one precision before.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, ExprSchema, Result};
use datafusion::logical_expr::expr::{Case, InSubquery, ScalarFunction, SetComparison};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Subquery};

use super::meaning::{Typed, is_comparison, with_results};

/// The moment in which both meet, or their elements; none: they are no moments, or alike.
fn meeting(left: &DataType, right: &DataType) -> Option<DataType> {
    match (element(left), element(right)) {
        (DataType::Timestamp(one, zone), DataType::Timestamp(other, other_zone)) if one != other => {
            let zone = if zone.is_some() { zone } else { other_zone };
            Some(DataType::Timestamp(finer(*one, *other), zone.clone()))
        }
        (moment @ DataType::Timestamp(..), DataType::Date32) | (DataType::Date32, moment @ DataType::Timestamp(..)) => {
            Some(moment.clone())
        }
        _ => None,
    }
}

fn element(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::List(item) => element(item.data_type()),
        other => other,
    }
}

fn finer(one: TimeUnit, other: TimeUnit) -> TimeUnit {
    let digits = |unit| match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    if digits(one) < digits(other) { other } else { one }
}

/// A value's own type with the precision of another; its zone stays.
fn brought(own: &DataType, to: &DataType) -> DataType {
    match (own, to) {
        (DataType::Timestamp(_, zone), DataType::Timestamp(unit, _)) => DataType::Timestamp(*unit, zone.clone()),
        (DataType::List(item), to) => {
            DataType::List(Arc::new(item.as_ref().clone().with_data_type(brought(item.data_type(), to))))
        }
        // A date begins in UTC, which all sessions are in.
        (DataType::Date32, DataType::Timestamp(unit, zone)) => {
            DataType::Timestamp(*unit, zone.as_ref().map(|_| "UTC".into()))
        }
        _ => own.clone(),
    }
}

/// The finest of several; none: there is no need.
fn finest(types: &[DataType]) -> Option<DataType> {
    let first = types.iter().find(|data_type| !data_type.is_null())?;
    let (finest, differ) =
        types.iter().fold((first.clone(), false), |(finest, differ), data_type| match meeting(&finest, data_type) {
            Some(met) => (met, true),
            None => (finest, differ),
        });
    differ.then_some(finest)
}

fn together(exprs: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let typed = exprs.into_iter().map(|expr| Typed::of(expr, schema)).collect::<Result<Vec<_>>>()?;
    let types: Vec<_> = typed.iter().map(|value| value.data_type.clone()).collect();
    let finest = finest(&types);
    Ok(typed.into_iter().map(|value| at(value, finest.as_ref())).collect())
}

fn at(value: Typed, finest: Option<&DataType>) -> Expr {
    match finest {
        Some(finest) => {
            let to = brought(&value.data_type, finest);
            value.cast_to(&to)
        }
        None => value.expr,
    }
}

/// Functions that put their arguments side by side and compare them with nothing.
fn keeps_each(name: &str) -> bool {
    matches!(name, "row" | "struct" | "named_struct" | "format" | "json_array" | "json_object")
}

/// Both sides of a comparison by the operators that the planner comes to.
pub(super) fn compared(binary: BinaryExpr, schema: &DFSchema) -> Result<BinaryExpr> {
    let BinaryExpr { left, op, right } = binary;
    if !is_comparison(op) {
        return Ok(BinaryExpr { left, op, right });
    }
    let (left, right) = pair(*left, *right, schema)?;
    Ok(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// Two values that are compared.
pub(super) fn pair(left: Expr, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let (left, right) = (Typed::of(left, schema)?, Typed::of(right, schema)?);
    let met = meeting(&left.data_type, &right.data_type);
    Ok((at(left, met.as_ref()), at(right, met.as_ref())))
}

/// The results of a CASE, and what its operand is compared with.
pub(super) fn branches(case: Case, schema: &DFSchema) -> Result<Case> {
    let mut case = with_results(case, |results| together(results, schema))?;
    let Some(operand) = case.expr.take() else { return Ok(case) };
    let (whens, thens): (Vec<_>, Vec<_>) = case.when_then_expr.into_iter().unzip();
    let compared = [operand].into_iter().chain(whens).map(|expr| *expr).collect();
    let mut compared = together(compared, schema)?.into_iter().map(Box::new);
    case.expr = compared.next();
    case.when_then_expr = compared.zip(thens).collect();
    Ok(case)
}

/// The arguments of a call.
pub(super) fn arguments(mut call: ScalarFunction, schema: &DFSchema) -> Result<ScalarFunction> {
    if call.args.len() > 1 && !keeps_each(call.func.name()) {
        call.args = together(call.args, schema)?;
    }
    Ok(call)
}

/// A value beside the rows of a subquery.
pub(super) fn in_subquery(of: InSubquery, schema: &DFSchema) -> Result<InSubquery> {
    let (expr, subquery) = beside(*of.expr, of.subquery, schema)?;
    Ok(InSubquery { expr: Box::new(expr), subquery, negated: of.negated })
}

/// Likewise, `= ANY` and its like.
pub(super) fn set_comparison(of: SetComparison, schema: &DFSchema) -> Result<SetComparison> {
    let (expr, subquery) = beside(*of.expr, of.subquery, schema)?;
    Ok(SetComparison { expr: Box::new(expr), subquery, op: of.op, quantifier: of.quantifier })
}

fn beside(expr: Expr, subquery: Subquery, schema: &DFSchema) -> Result<(Expr, Subquery)> {
    let value = Typed::of(expr, schema)?;
    let [field] = subquery.subquery.schema().fields().as_ref() else { return Ok((value.expr, subquery)) };
    let Some(met) = meeting(&value.data_type, field.data_type()) else { return Ok((value.expr, subquery)) };
    let plan = projected(Arc::unwrap_or_clone(subquery.subquery), std::slice::from_ref(&met))?;
    Ok((at(value, Some(&met)), Subquery { subquery: Arc::new(plan), ..subquery }))
}

/// Inputs of a UNION, column by column.
pub(super) fn inputs(inputs: Vec<Arc<LogicalPlan>>) -> Result<Vec<Arc<LogicalPlan>>> {
    let width = inputs.first().map_or(0, |input| input.schema().fields().len());
    if inputs.iter().any(|input| input.schema().fields().len() != width) {
        return Ok(inputs);
    }
    let columns: Vec<Option<DataType>> = (0..width)
        .map(|index| {
            let types: Vec<_> = inputs.iter().map(|input| input.schema().field(index).data_type().clone()).collect();
            finest(&types)
        })
        .collect();
    if columns.iter().all(Option::is_none) {
        return Ok(inputs);
    }
    let each = |input: Arc<LogicalPlan>| {
        let own = input.schema().fields().iter().map(|field| field.data_type());
        let to: Vec<_> = own.zip(&columns).map(|(own, to)| to.clone().unwrap_or_else(|| own.clone())).collect();
        projected(Arc::unwrap_or_clone(input), &to).map(Arc::new)
    };
    inputs.into_iter().map(each).collect()
}

/// A plan with its moments at the precision of these types.
fn projected(plan: LogicalPlan, types: &[DataType]) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let columns = schema.columns().into_iter().zip(types).map(|(column, to)| {
        let (name, relation) = (column.name.clone(), column.relation.clone());
        let own = schema.data_type(&column)?.clone();
        let to = brought(&own, to);
        Ok(match (Typed { expr: Expr::Column(column), data_type: own }).cast_to(&to) {
            same @ Expr::Column(_) => same,
            other => other.alias_qualified(relation, name),
        })
    });
    LogicalPlanBuilder::from(plan).project(columns.collect::<Result<Vec<_>>>()?)?.build()
}

/// What a join's sides are equal by.
pub(super) fn join(join: Join) -> Result<Join> {
    let on = join.on.into_iter().map(|(left, right)| {
        let left = Typed::of(left, join.left.schema())?;
        let right = Typed::of(right, join.right.schema())?;
        let met = meeting(&left.data_type, &right.data_type);
        Ok((at(left, met.as_ref()), at(right, met.as_ref())))
    });
    Ok(Join { on: on.collect::<Result<_>>()?, ..join })
}

/// Rows of VALUES, column by column.
pub(super) fn rows(rows: Vec<Vec<Expr>>) -> Result<Vec<Vec<Expr>>> {
    let schema = DFSchema::empty();
    let width = rows.first().map_or(0, Vec::len);
    let mut columns: Vec<Option<DataType>> = Vec::with_capacity(width);
    for index in 0..width {
        let types = rows.iter().filter_map(|row| row.get(index)).map(|expr| expr.get_type(&schema));
        columns.push(finest(&types.collect::<Result<Vec<_>>>()?));
    }
    let each = |row: Vec<Expr>| {
        row.into_iter().zip(&columns).map(|(expr, to)| Ok(at(Typed::of(expr, &schema)?, to.as_ref()))).collect()
    };
    rows.into_iter().map(each).collect()
}
