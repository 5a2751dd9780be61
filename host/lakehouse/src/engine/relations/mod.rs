//! What stands in a FROM clause besides tables and queries: lists as rows, PIVOT and UNPIVOT, relations that see the ones
//! before them, and the columns that joins share.

pub(super) mod lateral;
mod pivot;
mod rows;
mod using;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{GroupByExpr, Query, Select, SelectFlavor, SelectItem, SetExpr, TableFactor, TableWithJoins};

pub(super) use pivot::name_columns;
pub(super) use rows::{given, is_generator, register, stacked};
pub(super) use using::shared_columns;

/// The planner of both dialects; each refuses what it does not have before.
pub(super) fn planners() -> Vec<Arc<dyn RelationPlanner>> {
    vec![Arc::new(Relations)]
}

#[derive(Debug)]
struct Relations;

impl RelationPlanner for Relations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (plan, alias) = match relation {
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, with_offset: false, .. } => {
                (rows::unnested(array_exprs, with_ordinality, context)?, alias)
            }
            TableFactor::Function { name, args, alias, .. } => (rows::generated(&name, args, context)?, alias),
            TableFactor::Pivot { table, aggregate_functions, value_column, value_source, alias, .. } => {
                (pivot::pivoted(*table, aggregate_functions, value_column, value_source, context)?, alias)
            }
            TableFactor::Unpivot { table, value, name, columns, null_inclusion, alias } => {
                (pivot::unpivoted(*table, value, name, columns, null_inclusion, context)?, alias)
            }
            other => return Ok(RelationPlanning::Original(Box::new(other))),
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
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
