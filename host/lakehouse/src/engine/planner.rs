//! From a parsed query to a plan in which every name is resolved and every expression means what its dialect says.

use std::collections::HashMap;
use std::sync::Arc;

use asgard_contract::{Result, TableName};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result as PlanResult, TableReference, plan_datafusion_err};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, SubqueryAlias, TableSource, WindowUDF,
};
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use sqlparser::ast::{Query, Statement};

use super::dialect::SqlDialect;
use super::errors::Translator;
use super::lambdas::Lambdas;
use super::lateral_aliases;
use super::meaning;
use super::references::Name;
use super::relations;

/// What the names of a query stand for.
pub(super) type Tables = HashMap<Name, Arc<dyn TableSource>>;

/// Plans a query whose names are all in `tables`; rewritten by the dialect already.
pub(super) fn plan(
    session: &SessionState,
    dialect: &'static dyn SqlDialect,
    tables: &Tables,
    query: Query,
    lambdas: &Arc<Lambdas>,
    errors: &Translator,
) -> Result<LogicalPlan> {
    let relations = relations::planners();
    let context = Context { session, dialect, tables, lambdas, relations: &relations };
    resolved(&SqlToRel::new_with_options(&context, options(dialect)), dialect, query)
        .and_then(relations::lateral::flattened)
        .and_then(|plan| meaning::apply(dialect.meaning(), plan))
        .and_then(expand_views)
        // Checks types and names at once, so that a plan is never handed on that only fails when it is run.
        .and_then(|plan| session.analyzer().execute_and_check(plan, session.config_options(), |_, _| {}))
        .map_err(|error| errors.planning(error))
}

/// A query's plan; where the dialect has columns that see those before them, planned anew for each name of such a one.
fn resolved(
    planner: &SqlToRel<'_, Context<'_>>,
    dialect: &dyn SqlDialect,
    mut query: Query,
) -> PlanResult<LogicalPlan> {
    let plan = |query| planner.sql_statement_to_plan(Statement::Query(Box::new(query)));
    if !dialect.sees_columns_before() {
        return plan(query);
    }
    loop {
        match plan(query.clone()) {
            Err(error) if lateral_aliases::resolve(&mut query, &error) => {}
            planned => return planned,
        }
    }
}

/// Plans the body of a lambda, whose names are all in the schema.
pub(super) fn body(
    session: &SessionState,
    dialect: &'static dyn SqlDialect,
    lambdas: &Arc<Lambdas>,
    body: sqlparser::ast::Expr,
    schema: &DFSchema,
) -> PlanResult<datafusion::logical_expr::Expr> {
    let tables = Tables::new();
    let context = Context { session, dialect, tables: &tables, lambdas, relations: &[] };
    let planner = SqlToRel::new_with_options(&context, options(dialect));
    let planned = planner.sql_to_expr(body, schema, &mut PlannerContext::new())?;
    meaning::expression(dialect.meaning(), planned, schema, &DFSchema::empty())
}

fn options(dialect: &dyn SqlDialect) -> ParserOptions {
    ParserOptions {
        parse_float_as_decimal: true,
        enable_ident_normalization: true,
        support_varchar_with_length: true,
        enable_options_value_normalization: false,
        collect_spans: true,
        map_string_types_to_utf8view: false,
        default_null_ordering: dialect.nulls(),
    }
}

/// A view of any kind: its plan stays closed until the query around it has been given its dialect's meaning, since it has
/// had its own.
pub(super) struct ViewSource {
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl ViewSource {
    pub(super) fn new(plan: LogicalPlan) -> Self {
        let schema = Arc::clone(plan.schema().inner());
        Self { plan, schema }
    }
}

impl TableSource for ViewSource {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn expand_views(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        let Some(view) = scan.source.as_any().downcast_ref::<ViewSource>() else { return Ok(Transformed::no(node)) };
        let alias = SubqueryAlias::try_new(Arc::new(view.plan.clone()), scan.table_name.clone())?;
        Ok(Transformed::yes(LogicalPlan::SubqueryAlias(alias)))
    })
    .map(|expanded| expanded.data)
}

/// Gives a plan's columns other names, in order.
pub(super) fn renamed(plan: LogicalPlan, names: &[String]) -> PlanResult<LogicalPlan> {
    let columns = plan.schema().columns();
    let renamed = columns
        .into_iter()
        .zip(names)
        .map(|(column, name)| datafusion::logical_expr::Expr::Column(column).alias(name.clone()));
    let renamed: Vec<_> = renamed.collect();
    LogicalPlanBuilder::from(plan).project(renamed)?.build()
}

/// What the planner asks about names.
struct Context<'a> {
    session: &'a SessionState,
    dialect: &'static dyn SqlDialect,
    tables: &'a Tables,
    lambdas: &'a Arc<Lambdas>,
    relations: &'a [Arc<dyn RelationPlanner>],
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> PlanResult<Arc<dyn TableSource>> {
        let wanted = match &name {
            TableReference::Bare { table } => Name::Bare(table.to_string()),
            TableReference::Partial { schema, table } | TableReference::Full { schema, table, .. } => {
                Name::Table(TableName::new(schema.to_string(), table.to_string()))
            }
        };
        self.tables.get(&wanted).cloned().ok_or_else(|| plan_datafusion_err!("there is no table `{name}`"))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> PlanResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.dialect.planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.relations
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(self.dialect.types())
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.dialect.functions().scalars.get(name).cloned().or_else(|| self.lambdas.function(name))
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.dialect.functions().aggregates.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.dialect.functions().windows.get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.session.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.dialect.functions().scalars.keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.dialect.functions().aggregates.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.dialect.functions().windows.keys().cloned().collect()
    }
}
