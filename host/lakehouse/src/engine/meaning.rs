//! Gives a plan's expressions the meaning that the statement's dialect has for them.
//!
//! The planner resolves names and knows one meaning for `/`, `CAST` or `=`; Spark's and Trino's differ by type, and types are
//! known only in the plan. Operators get theirs while the plan is made ([`Operators`]); casts, calls and the rest when it was
//! just made, before any rule of the engine has touched it: every cast in it is one that the statement wrote. Names of
//! columns stay as they were.
//!
//! Whole numbers are 64 bits wide to the planner; here those that fit become 32 bits wide, as in both dialects.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{
    AggregateFunction, Case, Cast, Exists, InSubquery, ScalarFunction, SetComparison, TryCast,
};
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, RecursiveQuery, Subquery,
    Union, Values,
};
use sqlparser::ast::BinaryOperator;

use super::dialect::Functions;
use super::functions::Kind::Any;
use super::functions::{Function, intervals, tried, type_word};
use super::numbers::decimal::{self, Rules};
use super::{cast, multisets, numbers, precision};

/// A dialect's meanings. Each answers with the expression to put in the place of what the statement wrote.
pub(super) trait Meaning: Debug + Send + Sync {
    /// `+`, `-`, `*`, `/`, `%` on these types.
    fn arithmetic(&self, left: Typed, operator: Operator, right: Typed) -> Result<Expr>;
    /// Operands of a comparison (also BETWEEN and IN), where their types differ.
    fn compared(&self, left: Typed, right: Typed) -> Result<(Expr, Expr)>;
    /// Brings what stands side by side, results of a CASE or arguments of `coalesce`, to one kind.
    fn together(&self, values: Vec<Typed>) -> Result<Vec<Expr>>;
    /// Refuses types that `||` does not take.
    fn concatenated(&self, _left: &DataType, _right: &DataType) -> Result<()> {
        Ok(())
    }
    /// `CAST` and, lenient, `TRY_CAST`.
    fn cast(&self, value: Typed, to: &DataType, lenient: bool) -> Result<Expr>;
    /// A call whose meaning depends on the types of its arguments, or on more than their values.
    fn call(&self, call: ScalarFunction, schema: &DFSchema) -> Result<Expr>;
    /// Likewise, an aggregate.
    fn aggregate(&self, call: AggregateFunction, schema: &DFSchema) -> Result<Expr>;
}

/// An expression and its type.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) data_type: DataType,
}

impl Typed {
    pub(super) fn of(expr: Expr, schema: &DFSchema) -> Result<Self> {
        let data_type = expr.get_type(schema)?;
        Ok(Self { expr, data_type })
    }

    pub(super) fn cast_to(self, data_type: &DataType) -> Expr {
        if self.data_type == *data_type {
            return self.expr;
        }
        Expr::Cast(Cast::new(Box::new(self.expr), data_type.clone()))
    }
}

/// Applies a dialect's meanings to a whole plan.
pub(super) fn apply(meaning: &dyn Meaning, plan: LogicalPlan) -> Result<LogicalPlan> {
    within(meaning, plan, &DFSchema::empty())
}

fn within(meaning: &dyn Meaning, plan: LogicalPlan, outer: &DFSchema) -> Result<LogicalPlan> {
    plan.transform_up(|node| node_meaning(meaning, node, outer).map(Transformed::yes)).map(|done| done.data)
}

fn node_meaning(meaning: &dyn Meaning, plan: LogicalPlan, outer: &DFSchema) -> Result<LogicalPlan> {
    match plan {
        // LIMIT and OFFSET are whole numbers to the planner already.
        LogicalPlan::Limit(_) => return Ok(plan),
        LogicalPlan::RecursiveQuery(recursive) => return recursion(recursive),
        LogicalPlan::Union(union) => {
            let inputs = precision::inputs(union.inputs)?;
            return Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?));
        }
        _ => {}
    }
    let plan = match plan {
        LogicalPlan::Values(values) => LogicalPlan::Values(as_written(values)),
        plan => plan,
    };
    let mut schema = merge_schema(&plan.inputs());
    schema.merge(outer);
    let names = NamePreserver::new(&plan);
    let plan = plan
        .map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expression(meaning, expr, &schema, outer)?;
            Ok(Transformed::yes(name.restore(changed)))
        })?
        .data;
    match plan {
        LogicalPlan::Values(values) => LogicalPlanBuilder::values(precision::rows(values.values)?)?.build(),
        LogicalPlan::Join(join) => multisets::counted(precision::join(join)?),
        plan => plan.recompute_schema(),
    }
}

/// A row of VALUES that is no plain literal is marked by this function, so that the planner's casts of rows to one type are told
/// from the statement's own.
pub(super) const WRITTEN: &str = "$written";

/// The functions that mark what a statement wrote, for this pass to take away.
pub(super) fn register(all: &mut Functions) {
    all.scalar(&[WRITTEN], &Function::replaced(WRITTEN, &[Any]).build());
}

/// Rows of VALUES without the casts that the planner gave them before their types were known.
fn as_written(values: Values) -> Values {
    let written = |expr: Expr| {
        // A cast that the statement wrote is marked, and one that stands for a literal is of text: this one is the planner's.
        let is_planners = |expr: &Expr| match expr {
            Expr::Literal(value, _) => value.is_null() || value.data_type().is_numeric(),
            Expr::ScalarFunction(call) => call.func.name() == WRITTEN,
            _ => false,
        };
        let expr = match expr {
            Expr::Cast(cast) if is_planners(&cast.expr) => *cast.expr,
            other => other,
        };
        match expr {
            Expr::ScalarFunction(mut call) if call.func.name() == WRITTEN => call.args.swap_remove(0),
            // The planner gave it the type of the values beside it.
            Expr::Literal(value, metadata) if value.is_null() => Expr::Literal(ScalarValue::Null, metadata),
            other => other,
        }
    };
    let rows = values.values.into_iter().map(|row| row.into_iter().map(written).collect());
    Values { values: rows.collect(), ..values }
}

/// A recursive query's working table was given its types before this pass: both parts keep them.
fn recursion(recursive: RecursiveQuery) -> Result<LogicalPlan> {
    let mut table = None;
    recursive.recursive_term.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && scan.table_name.table() == recursive.name
        {
            table = Some(Arc::clone(&scan.projected_schema));
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })?;
    let Some(schema) = table else { return Ok(LogicalPlan::RecursiveQuery(recursive)) };
    let part = |plan: Arc<LogicalPlan>| -> Result<Arc<LogicalPlan>> {
        Ok(Arc::new(coerce_plan_expr_for_schema(Arc::unwrap_or_clone(plan), &schema)?))
    };
    Ok(LogicalPlan::RecursiveQuery(RecursiveQuery {
        static_term: part(recursive.static_term)?,
        recursive_term: part(recursive.recursive_term)?,
        ..recursive
    }))
}

pub(super) fn expression(meaning: &dyn Meaning, expr: Expr, schema: &DFSchema, outer: &DFSchema) -> Result<Expr> {
    expr.transform_up(|expr| {
        Ok(Transformed::yes(match expr {
            Expr::Literal(..) => narrow(expr),
            // Its field was copied before the outer query's expressions had their meaning.
            Expr::OuterReferenceColumn(field, column) => match outer.field_from_column(&column) {
                Ok(newer) => Expr::OuterReferenceColumn(Arc::clone(newer), column),
                Err(_) => Expr::OuterReferenceColumn(field, column),
            },
            Expr::BinaryExpr(binary) => distinct(meaning, precision::compared(binary, schema)?, schema)?,
            Expr::Between(Between { expr, negated, low, high }) => {
                let (value, low) = compared(meaning, *expr.clone(), *low, schema)?;
                let (other, high) = compared(meaning, *expr, *high, schema)?;
                if value == other {
                    Expr::Between(Between::new(Box::new(value), negated, Box::new(low), Box::new(high)))
                } else {
                    let inside = value.gt_eq(low).and(other.lt_eq(high));
                    if negated { Expr::Not(Box::new(inside)) } else { inside }
                }
            }
            Expr::InList(list) => in_list(meaning, list, schema)?,
            Expr::Cast(Cast { expr, data_type }) => meaning.cast(Typed::of(*expr, schema)?, &data_type, false)?,
            Expr::TryCast(TryCast { expr, data_type }) => meaning.cast(Typed::of(*expr, schema)?, &data_type, true)?,
            Expr::Case(case) => {
                let case = with_results(case, |results| together(meaning, results, schema))?;
                conditions(precision::branches(case, schema)?, schema)?
            }
            Expr::ScalarFunction(mut call) => {
                if call.func.name() == "coalesce" {
                    call.args = together(meaning, call.args, schema)?;
                }
                meaning.call(precision::arguments(call, schema)?, schema)?
            }
            Expr::AggregateFunction(call) => meaning.aggregate(counting_rows(call), schema)?,
            Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(inner(meaning, subquery, schema)?),
            Expr::Exists(Exists { subquery, negated }) => {
                Expr::Exists(Exists { subquery: inner(meaning, subquery, schema)?, negated })
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let subquery = inner(meaning, subquery, schema)?;
                Expr::InSubquery(precision::in_subquery(InSubquery { expr, subquery, negated }, schema)?)
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                let subquery = inner(meaning, subquery, schema)?;
                let comparison = SetComparison { expr, subquery, op, quantifier };
                Expr::SetComparison(precision::set_comparison(comparison, schema)?)
            }
            other => other,
        }))
    })
    .map(|done| done.data)
}

fn inner(meaning: &dyn Meaning, subquery: Subquery, schema: &DFSchema) -> Result<Subquery> {
    let outer_ref_columns = subquery
        .outer_ref_columns
        .into_iter()
        .map(|column| match column {
            Expr::OuterReferenceColumn(field, column) => match schema.field_from_column(&column) {
                Ok(newer) => Expr::OuterReferenceColumn(Arc::clone(newer), column),
                Err(_) => Expr::OuterReferenceColumn(field, column),
            },
            other => other,
        })
        .collect();
    let plan = within(meaning, Arc::unwrap_or_clone(subquery.subquery), schema)?;
    Ok(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans })
}

fn together(meaning: &dyn Meaning, values: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let typed = values.into_iter().map(|value| Typed::of(value, schema)).collect::<Result<Vec<_>>>()?;
    let first = typed.iter().map(|value| &value.data_type).find(|data_type| !data_type.is_null()).cloned();
    if typed.iter().all(|value| value.data_type.is_null() || Some(&value.data_type) == first.as_ref()) {
        return Ok(typed.into_iter().map(|value| value.expr).collect());
    }
    meaning.together(typed)
}

/// A CASE with other results, as many as it had: what each WHEN gives and, last, what ELSE gives.
pub(super) fn with_results(case: Case, change: impl FnOnce(Vec<Expr>) -> Result<Vec<Expr>>) -> Result<Case> {
    let (whens, mut results): (Vec<_>, Vec<_>) =
        case.when_then_expr.into_iter().map(|(when, then)| (when, *then)).unzip();
    let has_else = case.else_expr.is_some();
    results.extend(case.else_expr.map(|otherwise| *otherwise));
    let mut results = change(results)?;
    let else_expr = if has_else { results.pop().map(Box::new) } else { None };
    let when_then_expr = whens.into_iter().zip(results.into_iter().map(Box::new)).collect();
    Ok(Case { expr: case.expr, when_then_expr, else_expr })
}

/// `CASE WHEN 1 THEN …`: the engine takes any number for a condition, the dialects take none.
fn conditions(case: Case, schema: &DFSchema) -> Result<Expr> {
    if case.expr.is_none() {
        for (condition, _) in &case.when_then_expr {
            let data_type = condition.get_type(schema)?;
            if !matches!(data_type, DataType::Boolean | DataType::Null) {
                return plan_err!("a condition is true or false, not {}", type_word(&data_type));
            }
        }
    }
    Ok(Expr::Case(case))
}

/// `IS DISTINCT FROM` and `||` do not come by [`Operators`].
fn distinct(meaning: &dyn Meaning, binary: BinaryExpr, schema: &DFSchema) -> Result<Expr> {
    let BinaryExpr { left, op, right } = binary;
    match op {
        Operator::StringConcat => {
            let (left, right) = (Typed::of(*left, schema)?, Typed::of(*right, schema)?);
            meaning.concatenated(&left.data_type, &right.data_type)?;
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left.expr), op, Box::new(right.expr))))
        }
        Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => {
            let interval = matches!(left.get_type(schema)?, DataType::Interval(_));
            if interval {
                return plan_err!("IS DISTINCT FROM is not for intervals: use = and IS NULL");
            }
            let (left, right) = compared(meaning, *left, *right, schema)?;
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
        }
        _ => Ok(Expr::BinaryExpr(BinaryExpr { left, op, right })),
    }
}

/// Gives operators their meaning where the planner comes to them: it asks for their types at once, and would refuse what a
/// dialect converts.
#[derive(Debug)]
pub(super) struct Operators(pub(super) &'static dyn Meaning);

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let Some(operator) = operator(&raw.op) else { return Ok(PlannerResult::Original(raw)) };
        let typed = |expr: &Expr| Typed::of(narrow(expr.clone()), schema);
        // A column that is not there is told by the planner, with its place.
        let (Ok(left), Ok(right)) = (typed(&raw.left), typed(&raw.right)) else {
            return Ok(PlannerResult::Original(raw));
        };
        if !is_comparison(operator) {
            return self.0.arithmetic(left, operator, right).map(PlannerResult::Planned);
        }
        let (left, right) = comparable(self.0, left, right)?;
        Ok(PlannerResult::Planned(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))))
    }
}

fn operator(sql: &BinaryOperator) -> Option<Operator> {
    Some(match sql {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::MyIntegerDivide => Operator::IntegerDivide,
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    })
}

pub(super) fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// A whole number of the planner's 64 bits, in 32 if it fits.
fn narrow(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(number)), metadata) => match i32::try_from(number) {
            Ok(number) => Expr::Literal(ScalarValue::Int32(Some(number)), metadata),
            Err(_) => Expr::Literal(ScalarValue::Int64(Some(number)), metadata),
        },
        other => other,
    }
}

fn compared(meaning: &dyn Meaning, left: Expr, right: Expr, schema: &DFSchema) -> Result<(Expr, Expr)> {
    let (left, right) = comparable(meaning, Typed::of(left, schema)?, Typed::of(right, schema)?)?;
    precision::pair(left, right, schema)
}

fn comparable(meaning: &dyn Meaning, left: Typed, right: Typed) -> Result<(Expr, Expr)> {
    match (&left.data_type, &right.data_type) {
        (DataType::Interval(_), DataType::Interval(_)) => Ok(intervals::comparable(left.expr, right.expr)),
        (one, other) => {
            let (is_float, other_is_float) = (one.is_floating(), other.is_floating());
            let (left, right) = if one == other { (left.expr, right.expr) } else { meaning.compared(left, right)? };
            if is_no_zero(&left) || is_no_zero(&right) {
                return Ok((left, right));
            }
            let zero = |expr, is_float| if is_float { plus_zero(expr) } else { expr };
            Ok((zero(left, is_float), zero(right, other_is_float)))
        }
    }
}

/// 0.0 and -0.0 are one number to both dialects; the engine orders floats by their bits. The sum of -0.0 and 0.0 is 0.0.
fn plus_zero(float: Expr) -> Expr {
    let zero = Expr::Literal(ScalarValue::Float32(Some(0.0)), None);
    Expr::BinaryExpr(BinaryExpr::new(Box::new(float), Operator::Plus, Box::new(zero)))
}

/// Whether a number is written out and not zero: beside it nothing is added, so that files are still skipped by it.
fn is_no_zero(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => {
            !matches!(value.cast_to(&DataType::Float64), Ok(ScalarValue::Float64(Some(number))) if number == 0.0)
        }
        Expr::Cast(cast) => is_no_zero(&cast.expr),
        _ => false,
    }
}

/// Every element is compared with the value; where that changes the value, the list becomes a chain of comparisons.
fn in_list(meaning: &dyn Meaning, list: datafusion::logical_expr::expr::InList, schema: &DFSchema) -> Result<Expr> {
    let mut pairs = Vec::with_capacity(list.list.len());
    for element in list.list {
        pairs.push(compared(meaning, (*list.expr).clone(), element, schema)?);
    }
    if pairs.iter().all(|(value, _)| *value == *list.expr) {
        let elements = pairs.into_iter().map(|(_, element)| element).collect();
        return Ok(list.expr.in_list(elements, list.negated));
    }
    let any = pairs.into_iter().map(|(value, element)| value.eq(element)).reduce(Expr::or);
    Ok(match any {
        Some(any) if list.negated => Expr::Not(Box::new(any)),
        Some(any) => any,
        None => Expr::Literal(ScalarValue::Boolean(Some(list.negated)), None),
    })
}

/// `count(*)` is a count of the planner's own 64-bit one, which the optimizer looks for.
fn counting_rows(mut call: AggregateFunction) -> AggregateFunction {
    if call.func.name() == "count"
        && let [Expr::Literal(value @ ScalarValue::Int32(Some(1)), _)] = call.params.args.as_mut_slice()
    {
        *value = ScalarValue::Int64(Some(1));
    }
    call
}

/// An expression with nulls in the place of errors of its own: `TRY(…)`. Where a null inside would not become the whole's
/// value, it is refused: a function such as `coalesce` would hide the error instead of passing it on.
pub(super) fn tried(expr: Expr) -> Result<Expr> {
    expr.transform_up(|expr| {
        Ok(Transformed::yes(match expr {
            Expr::ScalarFunction(call) => match numbers::lenient(&call)
                .or_else(|| cast::lenient(&call))
                .or_else(|| (!hides_null(call.func.name())).then(|| tried::lenient(&call)).flatten())
            {
                Some(lenient) => lenient,
                None if hides_null(call.func.name()) => {
                    return plan_err!("TRY around `{}` is not supported: put TRY inside of it", call.func.name());
                }
                None => Expr::ScalarFunction(call),
            },
            Expr::Cast(Cast { expr, data_type }) => Expr::TryCast(TryCast::new(expr, data_type)),
            Expr::Case(_) => return plan_err!("TRY around CASE is not supported: put TRY inside of it"),
            other => other,
        }))
    })
    .map(|done| done.data)
}

/// Whether a function has a value where an argument is null.
fn hides_null(name: &str) -> bool {
    matches!(name, "coalesce" | "nvl" | "nvl2" | "concat_ws" | "format" | "$greatest" | "$least" | "greatest" | "least")
}

/// `round(decimal, digits)` and its like: a decimal, whose scale the digits say. None: it is no decimal.
pub(super) fn rounded_decimal(call: &ScalarFunction, schema: &DFSchema, rules: Rules) -> Result<Option<Expr>> {
    let Some(value) = call.args.first() else { return Ok(None) };
    let value = Typed::of(value.clone(), schema)?;
    let Some((precision, scale)) = decimal::parts(&value.data_type) else { return Ok(None) };
    let name = call.func.name();
    let digits = match call.args.get(1).map(written) {
        None => 0,
        Some(Some(digits)) => digits,
        Some(None) => {
            return plan_err!("`{name}` of a decimal takes its digits as a number from -38 to 38, written out");
        }
    };
    let kept = digits.clamp(0, scale);
    let whole = i16::from(precision) - i16::from(scale);
    let sized = |precision: i16, scale: i8| DataType::Decimal128(u8::try_from(precision.min(38)).unwrap_or(38), scale);
    // The engine's cast rounds half up.
    let exact = if name == "round" && digits >= 0 {
        value.expr
    } else {
        let arguments = vec![value.expr, Expr::Literal(i64::from(digits).into(), None)];
        Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&call.func), arguments))
    };
    let digits_before = (whole + 1).max(1 - i16::from(digits));
    let rounded = Expr::Cast(Cast::new(Box::new(exact), sized(digits_before + i16::from(kept), kept)));
    Ok(Some(match (rules, call.args.len()) {
        (Rules::Trino, 2) => Expr::Cast(Cast::new(Box::new(rounded), sized(i16::from(precision) + 1, scale))),
        (Rules::Trino, _) if scale == 0 => Expr::Cast(Cast::new(Box::new(rounded), sized(whole, 0))),
        _ => rounded,
    }))
}

/// A number of digits that the statement writes out.
fn written(digits: &Expr) -> Option<i8> {
    match digits {
        Expr::Literal(ScalarValue::Int32(Some(digits)), _) => {
            i8::try_from(*digits).ok().filter(|digits| (-38..=38).contains(digits))
        }
        Expr::Negative(digits) => written(digits).map(|digits| -digits),
        _ => None,
    }
}
