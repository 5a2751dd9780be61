//! Lists as rows beside the rows that they are of: Spark's `LATERAL VIEW explode(list)`, Trino's `CROSS JOIN UNNEST(list)`.
//!
//! The engine makes rows of lists in a select list only. So the relation becomes a query of itself, under its own name, with one more
//! column for each list: `FROM t, lists of t` is `FROM (SELECT *, unnest(list) AS x FROM t) AS t`. A join has no one name: it is
//! refused, and goes into a subquery of its own.

use std::ops::ControlFlow;
use std::sync::Arc;

use asgard_contract::Result;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, UInt32Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result as PlanResult, plan_err};
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, ObjectName, Query, Select, SelectFlavor, SelectItem, SetExpr, TableAlias, TableFactor,
    TableWithJoins, WildcardAdditionalOptions, visit_expressions_mut,
};
use sqlparser::tokenizer::Span;

use super::dialect::Functions;
use super::functions::Kind::{Any, List};
use super::functions::Returns::By;
use super::functions::{Function, lists, type_word};
use super::rewrite::{call, refused};
use super::text::Place;

/// A column of elements: the list, and the column's name.
pub(super) struct Column {
    pub(super) list: Expr,
    pub(super) name: Ident,
}

impl Column {
    /// As it stands in a select list.
    pub(super) fn item(self) -> SelectItem {
        SelectItem::ExprWithAlias { expr: call("unnest", Span::empty(), vec![self.list]), alias: self.name }
    }
}

/// The functions that the columns are made with.
pub(super) fn register(all: &mut Functions) {
    let filled = Function::new("$filled", &[List], By(lists::same), filled);
    all.scalar(&["$filled"], &filled.build());
    let positions = Function::new("$positions", &[Any], By(positions_type), positions);
    all.scalar(&["$positions"], &positions.build());
}

/// Adds columns to what a select reads, and forgets the name that they had together.
pub(super) fn beside(
    select: &mut Select,
    from: TableWithJoins,
    columns: Vec<Column>,
    together: Option<&Ident>,
    at: Option<Place>,
) -> Result<TableWithJoins> {
    let Some(name) = name_of(&from) else {
        return refused(at, "lists become rows beside one table here: put the join into a subquery of its own");
    };
    let mut projection = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
    projection.extend(columns.into_iter().map(Column::item));
    if let Some(together) = together {
        forget(select, together);
    }
    let alias = TableAlias { explicit: true, name, columns: Vec::new() };
    let relation = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query(projection, vec![from])),
        alias: Some(alias),
        sample: None,
    };
    Ok(TableWithJoins { relation, joins: Vec::new() })
}

/// `SELECT projection FROM from`.
pub(super) fn query(projection: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Query {
    let select = Select {
        select_token: AttachedToken::empty(),
        optimizer_hint: None,
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from,
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

fn name_of(from: &TableWithJoins) -> Option<Ident> {
    if !from.joins.is_empty() {
        return None;
    }
    let last = |name: &ObjectName| name.0.last().and_then(|part| part.as_ident()).cloned();
    match &from.relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, alias: None, .. } => last(name),
        _ => None,
    }
}

/// `v.x` is `x`: the columns are the relation's own now.
fn forget(select: &mut Select, together: &Ident) {
    let mut put = |expr: &mut Expr| {
        if let Expr::CompoundIdentifier(names) = expr
            && names.len() > 1
            && names[0].value.eq_ignore_ascii_case(&together.value)
        {
            names.remove(0);
            if let [name] = names.as_slice() {
                *expr = Expr::Identifier(name.clone());
            }
        }
        ControlFlow::<()>::Continue(())
    };
    let _ = visit_expressions_mut(&mut select.projection, &mut put);
    let _ = visit_expressions_mut(&mut select.selection, &mut put);
    let _ = visit_expressions_mut(&mut select.group_by, &mut put);
    let _ = visit_expressions_mut(&mut select.having, &mut put);
}

/// A list of no elements, or none, as one of a null: its row stays.
fn filled(arguments: &[ArrayRef], _to: &DataType) -> PlanResult<ArrayRef> {
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

fn positions_type(types: &[DataType]) -> PlanResult<DataType> {
    match types {
        [DataType::List(_) | DataType::Map(..)] => Ok(DataType::new_list(DataType::Int32, true)),
        [other] => plan_err!("expected a list or a map, not {}", type_word(other)),
        _ => plan_err!("expected a list or a map"),
    }
}

/// 0, 1, 2 … for the elements of each list or map.
fn positions(arguments: &[ArrayRef], to: &DataType) -> PlanResult<ArrayRef> {
    let lengths: Vec<Option<i32>> = match arguments[0].as_map_opt() {
        Some(maps) => (0..maps.len()).map(|row| maps.is_valid(row).then(|| maps.value_length(row))).collect(),
        None => {
            let given = arguments[0].as_list::<i32>();
            (0..given.len()).map(|row| given.is_valid(row).then(|| given.value_length(row))).collect()
        }
    };
    let values: Int32Array = lengths.iter().flat_map(|length| 0..length.unwrap_or(0)).map(Some).collect();
    let nulls = lengths.iter().map(Option::is_some).collect::<Vec<_>>();
    let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|length| length.unwrap_or(0) as usize));
    let item = Arc::new(Field::new_list_field(DataType::Int32, true));
    let made: ArrayRef = Arc::new(ListArray::try_new(item, offsets, Arc::new(values), Some(nulls.into()))?);
    Ok(cast(&made, to)?)
}
