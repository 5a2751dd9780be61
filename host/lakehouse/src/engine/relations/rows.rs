//! Lists and maps as rows: Trino's `UNNEST(list, …) [WITH ORDINALITY]`, Spark's generators.
//!
//! Both are a relation of lists that become columns together, the shorter ones filled up with nulls. Entries of a map are two
//! columns; whether the fields of rows are columns each dialect says.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, ListArray, UInt32Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, Result, UnnestOptions, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use sqlparser::ast::{Expr as Sql, FunctionArg, FunctionArgExpr, ObjectName, Value, ValueWithSpan};
use sqlparser::tokenizer::Span;

use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, List};
use crate::engine::functions::Returns::By;
use crate::engine::functions::{Function, lists, maps, type_word};
use crate::engine::rewrite::{call, last_part, null};

/// Whether a table function of Spark makes rows of lists.
pub(in crate::engine) fn is_generator(name: &str) -> bool {
    matches!(name.strip_suffix("_outer").unwrap_or(name), "explode" | "posexplode" | "inline" | "stack")
}

/// A list that becomes columns.
struct Listed {
    list: Expr,
    /// The column's name where it is one.
    name: String,
    structs: Structs,
}

/// What becomes of elements that are structs.
#[derive(Clone, Copy)]
enum Structs {
    /// One column.
    Whole,
    /// A column for each field.
    Spread,
    /// Likewise, and nothing else is taken.
    Alone,
}

/// The column that counts the elements.
struct Position {
    name: &'static str,
    /// Spark counts from 0 in 32 bits and puts it first, Trino from 1 in 64 bits and last.
    spark: bool,
}

/// `UNNEST(list, …) [WITH ORDINALITY]`.
pub(super) fn unnested(
    lists: Vec<Sql>,
    with_ordinality: bool,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let listed = lists.into_iter().enumerate().map(|(index, list)| {
        let list = context.sql_to_expr(list, &DFSchema::empty())?;
        Ok(Listed { list, name: format!("_col{index}"), structs: Structs::Spread })
    });
    let listed = listed.collect::<Result<Vec<_>>>()?;
    let position = with_ordinality.then_some(Position { name: "ordinality", spark: false });
    planned(listed, position, false)
}

/// `explode(list)` and its like.
pub(super) fn generated(
    name: &ObjectName,
    arguments: Vec<FunctionArg>,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let name = last_part(name);
    let (base, outer) = match name.strip_suffix("_outer") {
        Some(base) => (base, true),
        None => (name.as_str(), false),
    };
    let given = given(&arguments);
    let mut plan = |list: Sql| context.sql_to_expr(list, &DFSchema::empty());
    if base == "stack" {
        let lists = match stacked(&given) {
            Ok(lists) => lists,
            Err(message) => return plan_err!("{message}"),
        };
        let listed = lists
            .into_iter()
            .map(|(list, name)| Ok(Listed { list: plan(list)?, name, structs: Structs::Whole }))
            .collect::<Result<_>>()?;
        return planned(listed, None, outer);
    }
    let Ok([list]) = <[Sql; 1]>::try_from(given) else { return plan_err!("`{name}` takes one list or map") };
    let structs = if base == "inline" { Structs::Alone } else { Structs::Whole };
    let listed = Listed { list: plan(list)?, name: "col".to_owned(), structs };
    planned(vec![listed], (base == "posexplode").then_some(Position { name: "pos", spark: true }), outer)
}

/// Positional and named arguments alike: generators have one that matters.
pub(in crate::engine) fn given(arguments: &[FunctionArg]) -> Vec<Sql> {
    let given = arguments.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
        | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => Some(expr.clone()),
        _ => None,
    });
    given.collect()
}

/// `stack(rows, value, …)`: a list for each column, and its name; the last row is filled up with nulls. An error is words for the user.
pub(in crate::engine) fn stacked(arguments: &[Sql]) -> Result<Vec<(Sql, String)>, &'static str> {
    let (rows, values) = match arguments {
        [Sql::Value(ValueWithSpan { value: Value::Number(rows, _), .. }), values @ ..] if !values.is_empty() => {
            (rows.parse::<usize>().unwrap_or(0), values)
        }
        _ => return Err("`stack` takes a number of rows, written out, and values"),
    };
    if rows == 0 {
        return Err("`stack` makes one row at least");
    }
    let width = values.len().div_ceil(rows);
    let columns = (0..width).map(|column| {
        let list = (0..rows).map(|row| values.get(row * width + column).cloned().unwrap_or_else(null)).collect();
        (call("array", Span::empty(), list), format!("col{column}"))
    });
    Ok(columns.collect())
}

fn planned(listed: Vec<Listed>, position: Option<Position>, outer: bool) -> Result<LogicalPlan> {
    let mut lists = Vec::with_capacity(listed.len());
    let mut columns = Vec::with_capacity(listed.len());
    for Listed { list, name, structs } in listed {
        let data_type = list.get_type(&DFSchema::empty())?;
        let is_map = matches!(data_type, DataType::Map(..));
        lists.push(match data_type {
            DataType::List(_) | DataType::Null => list,
            DataType::Map(..) => calling(entries(), vec![list]),
            other => return plan_err!("expected a list or a map, not {}", type_word(&other)),
        });
        columns.push((name, if is_map { Structs::Spread } else { structs }));
    }
    let counted =
        position.as_ref().map(|position| calling(if position.spark { positions() } else { ordinals() }, lists.clone()));
    if outer && let Some(first) = lists.first_mut() {
        *first = filled_list(std::mem::take(first));
    }
    lists.extend(counted);
    let names: Vec<String> = (0..lists.len()).map(|index| format!("$list{index}")).collect();
    let listing = lists.into_iter().zip(&names).map(|(list, name)| list.alias(name));
    let rows = LogicalPlanBuilder::empty(true)
        .project(listing.collect::<Vec<_>>())?
        .unnest_columns_with_options(
            names.iter().map(Column::new_unqualified).collect(),
            UnnestOptions::new().with_preserve_nulls(false),
        )?
        .build()?;
    let mut made = Vec::new();
    for (index, (name, structs)) in columns.into_iter().enumerate() {
        let column = Expr::Column(Column::new_unqualified(&names[index]));
        match (rows.schema().field(index).data_type(), structs) {
            (DataType::Struct(fields), Structs::Spread | Structs::Alone) => {
                made.extend(fields.iter().map(|field| {
                    datafusion::functions::core::expr_fn::get_field(column.clone(), field.name().as_str())
                        .alias(field.name())
                }));
            }
            (other, Structs::Alone) => {
                return plan_err!("`inline` takes a list of structs, not of {}", type_word(other));
            }
            _ => made.push(column.alias(name)),
        }
    }
    if let (Some(position), Some(name)) = (position, names.last()) {
        let counted = Expr::Column(Column::new_unqualified(name)).alias(position.name);
        made.insert(if position.spark { 0 } else { made.len() }, counted);
    }
    LogicalPlanBuilder::from(rows).project(made)?.build()
}

fn calling(function: Arc<ScalarUDF>, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments))
}

/// A list of no elements, or none, as one of a null: its row stays.
pub(super) fn filled_list(list: Expr) -> Expr {
    calling(filling(), vec![list])
}

fn filling() -> Arc<ScalarUDF> {
    Function::new("$filled", &[List], By(lists::same), filled).build()
}

fn positions() -> Arc<ScalarUDF> {
    let counted = |types: &[DataType]| counted(types, DataType::Int32);
    Function::new("$positions", &[Any], By(counted), counts).rest(Any).build()
}

fn ordinals() -> Arc<ScalarUDF> {
    let counted = |types: &[DataType]| counted(types, DataType::Int64);
    Function::new("$ordinals", &[Any], By(counted), counts).rest(Any).build()
}

fn entries() -> Arc<ScalarUDF> {
    Function::new("map_entries", &[Any], By(maps::entries_type), maps::entries).build()
}

/// The functions that the columns are made with.
pub(in crate::engine) fn register(all: &mut Functions) {
    all.scalar(&["$filled"], &filling());
    all.scalar(&["$positions"], &positions());
}

fn counted(types: &[DataType], of: DataType) -> Result<DataType> {
    match types.iter().find(|data_type| !matches!(data_type, DataType::List(_) | DataType::Map(..) | DataType::Null)) {
        None => Ok(DataType::new_list(of, true)),
        Some(other) => plan_err!("expected a list or a map, not {}", type_word(other)),
    }
}

/// 0, 1, 2 … for the elements of the longest of each row's lists or maps; in 64 bits from 1 on.
fn counts(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let rows = arguments[0].len();
    let mut lengths: Vec<Option<usize>> = vec![None; rows];
    for lists in arguments {
        for (row, length) in lengths.iter_mut().enumerate() {
            let own = match (lists.as_map_opt(), lists.as_list_opt::<i32>()) {
                _ if lists.is_null(row) => None,
                (Some(maps), _) => usize::try_from(maps.value_length(row)).ok(),
                (_, Some(lists)) => usize::try_from(lists.value_length(row)).ok(),
                _ => None,
            };
            *length = (*length).max(own);
        }
    }
    let each = || lengths.iter().flat_map(|length| 0..length.unwrap_or(0));
    let wide = matches!(to, DataType::List(item) if *item.data_type() == DataType::Int64);
    let values: ArrayRef = if wide {
        Arc::new(each().map(|at| i64::try_from(at + 1).ok()).collect::<Int64Array>())
    } else {
        Arc::new(each().map(|at| i32::try_from(at).ok()).collect::<Int32Array>())
    };
    let nulls = lengths.iter().map(Option::is_some).collect::<Vec<_>>();
    let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|length| length.unwrap_or(0)));
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let made: ArrayRef = Arc::new(ListArray::try_new(item, offsets, values, Some(nulls.into()))?);
    Ok(cast(&made, to)?)
}

fn filled(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let given = arguments[0].as_list::<i32>();
    let mut taken: Vec<Option<u32>> = Vec::with_capacity(given.values().len() + given.len());
    let mut lengths = Vec::with_capacity(given.len());
    for row in 0..given.len() {
        let (start, length) = (given.value_offsets()[row], given.value_length(row));
        if given.is_null(row) || length == 0 {
            taken.push(None);
            lengths.push(1);
            continue;
        }
        taken.extend((start..start + length).map(|index| u32::try_from(index).ok()));
        lengths.push(usize::try_from(length).unwrap_or_default());
    }
    let values = take(given.values(), &UInt32Array::from(taken), None)?;
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, None)?))
}
