//! `/dbt/transform` and `/dbt/transformations`: gold models.

use asgard_contract::transform::{IncrementalStrategy as ContractStrategy, Materialization as ContractMaterialization};
use asgard_pipeline::transforms::{NewTransformation, Transformation};
use asgard_tasks::TaskStatus;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::generic_tests::{self, Test};
use super::quality::{self, Check, CheckAnswer, DryRun, PlanAnswer};
use crate::App;
use crate::extract::{Body, Environment, Id, Params, page};
use crate::problem::{Problem, Result};

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Materialization {
    #[default]
    Table,
    View,
    Incremental,
}

impl From<Materialization> for ContractMaterialization {
    fn from(materialization: Materialization) -> Self {
        match materialization {
            Materialization::Table => Self::Table,
            Materialization::View => Self::View,
            Materialization::Incremental => Self::Incremental,
        }
    }
}

impl From<ContractMaterialization> for Materialization {
    fn from(materialization: ContractMaterialization) -> Self {
        match materialization {
            ContractMaterialization::Table => Self::Table,
            ContractMaterialization::View => Self::View,
            ContractMaterialization::Incremental => Self::Incremental,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IncrementalStrategy {
    #[default]
    Append,
    Merge,
    DeleteInsert,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateTransformation {
    #[schema(pattern = "^[a-zA-Z][a-zA-Z0-9_]*$", max_length = 100, example = "order_totals")]
    name: String,
    /// One SELECT or WITH, in Trino's SQL; dbt's `ref`, `source`, `config` and `is_incremental` are known.
    #[schema(
        min_length = 10,
        example = "SELECT operator_id, COUNT(*) AS orders FROM iceberg.silver.work_orders GROUP BY operator_id"
    )]
    sql_query: String,
    #[schema(max_length = 500)]
    description: Option<String>,
    #[serde(default)]
    materialization: Materialization,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "dbt")]
    #[schema(default = "dbt")]
    owner: String,
    #[serde(default)]
    incremental_strategy: IncrementalStrategy,
    /// Columns that identify a row; for `merge` and `delete_insert`.
    #[serde(default)]
    unique_key: Vec<String>,
    /// dbt's generic tests, run once the table is written; the transformation fails when one does.
    #[serde(default)]
    tests: Vec<Test>,
    /// More that must be true, in Trino's SQL.
    #[serde(default)]
    checks: Vec<Check>,
    /// Write to a branch of the catalog, run tests and checks there, and publish the table when they pass. For catalogs that have
    /// branches.
    #[serde(default)]
    #[schema(default = false)]
    audit: bool,
}

fn dbt() -> String {
    "dbt".to_owned()
}

impl CreateTransformation {
    pub(crate) fn checked(self) -> Result<NewTransformation> {
        if self.sql_query.trim().chars().count() < 10 {
            return Err(Problem::field("sql_query", "expected 10 characters at least: one SELECT or WITH"));
        }
        if self.description.as_ref().is_some_and(|text| text.chars().count() > 500) {
            return Err(Problem::field("description", "expected 500 characters at most"));
        }
        Ok(NewTransformation {
            name: self.name,
            sql: self.sql_query,
            description: self.description,
            materialization: self.materialization.into(),
            incremental_strategy: match self.incremental_strategy {
                IncrementalStrategy::Append => ContractStrategy::Append,
                IncrementalStrategy::Merge => ContractStrategy::Merge,
                IncrementalStrategy::DeleteInsert => ContractStrategy::DeleteInsert,
            },
            unique_key: self.unique_key,
            tags: self.tags,
            owner: self.owner,
            tests: generic_tests::tests(self.tests)?,
            checks: quality::checks(self.checks)?,
            audit: self.audit,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModelRunStatus {
    Pending,
    Running,
    Completed,
    Failed,
}

impl From<TaskStatus> for ModelRunStatus {
    fn from(status: TaskStatus) -> Self {
        match status {
            TaskStatus::Pending => Self::Pending,
            TaskStatus::Running => Self::Running,
            TaskStatus::Succeeded => Self::Completed,
            TaskStatus::Failed | TaskStatus::Cancelled => Self::Failed,
        }
    }
}

impl From<ModelRunStatus> for TaskStatus {
    fn from(status: ModelRunStatus) -> Self {
        match status {
            ModelRunStatus::Pending => Self::Pending,
            ModelRunStatus::Running => Self::Running,
            ModelRunStatus::Completed => Self::Succeeded,
            ModelRunStatus::Failed => Self::Failed,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransformationAnswer {
    transformation_id: String,
    name: String,
    status: ModelRunStatus,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    gold_table_name: String,
    /// Of the table, after the run; null for a view.
    row_count: Option<u64>,
    execution_time_seconds: Option<f64>,
    description: Option<String>,
    tags: Vec<String>,
    owner: String,
    error_message: Option<String>,
    materialization: Materialization,
    /// How the newest run's tests and checks ended.
    tests: Vec<CheckAnswer>,
}

impl From<Transformation> for TransformationAnswer {
    fn from(transformation: Transformation) -> Self {
        let task = &transformation.task;
        let seconds = task
            .started_at
            .zip(task.finished_at)
            .map(|(start, end)| (end - start).num_milliseconds().max(0) as f64 / 1000.0);
        let error = match task.status {
            TaskStatus::Cancelled => Some("the run was cancelled".to_owned()),
            _ => task.error.as_ref().map(ToString::to_string),
        };
        let rows = transformation.outcome.as_ref().map(|outcome| outcome.total_rows);
        let rows = rows.filter(|_| transformation.materialization != ContractMaterialization::View);
        Self {
            transformation_id: transformation.id,
            status: task.status.into(),
            created_at: transformation.created_at,
            updated_at: transformation.updated_at,
            gold_table_name: transformation.model.target.to_string(),
            row_count: rows,
            execution_time_seconds: seconds,
            description: transformation.model.description,
            tags: transformation.model.tags,
            owner: transformation.model.owner,
            error_message: error,
            tests: quality::found(task),
            materialization: transformation.materialization.into(),
            name: transformation.model.name,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    #[serde(default = "one")]
    #[param(minimum = 1, maximum = 1_000_000, default = 1, required = false)]
    page: u64,
    #[serde(default = "twenty")]
    #[param(minimum = 1, maximum = 1000, default = 20, required = false)]
    page_size: u32,
    #[param(inline, required = false)]
    status: Option<ModelRunStatus>,
}

fn one() -> u64 {
    1
}

fn twenty() -> u32 {
    20
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TransformationList {
    transformations: Vec<TransformationAnswer>,
    total_count: u64,
    page: u64,
    page_size: u32,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// Drop its table too.
    #[serde(default)]
    #[param(default = false, required = false)]
    drop_table: bool,
}

/// What a request for a model is answered with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum CreateAnswer {
    Transformation(Box<TransformationAnswer>),
    /// Of a dry run.
    Planned(PlanAnswer),
}

/// Run a gold model. Answers when it is done, or after 30 s with the run going on.
#[utoipa::path(post, path = "/dbt/transform", tag = "Gold", params(DryRun), request_body = CreateTransformation,
    responses((status = 200, body = CreateAnswer)))]
pub(crate) async fn create(
    State(app): State<App>,
    Environment(active): Environment,
    Params(dry): Params<DryRun>,
    Body(body): Body<CreateTransformation>,
) -> Result<Json<CreateAnswer>> {
    let new = body.checked()?;
    if dry.dry_run {
        return Ok(Json(CreateAnswer::Planned(app.pipeline.plan_gold(&active, new).await?.into())));
    }
    Ok(Json(CreateAnswer::Transformation(Box::new(app.pipeline.start_gold(&active, new).await?.into()))))
}

/// Transformations, newest first.
#[utoipa::path(get, path = "/dbt/transformations", tag = "Gold", params(ListQuery),
    responses((status = 200, body = TransformationList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(query): Params<ListQuery>,
) -> Result<Json<TransformationList>> {
    let part = page(query.page, query.page_size)?;
    let found = app.pipeline.transformations(&active, query.status.map(Into::into), part).await?;
    Ok(Json(TransformationList {
        transformations: found.items.into_iter().map(Into::into).collect(),
        total_count: found.total,
        page: query.page,
        page_size: query.page_size,
    }))
}

/// One transformation and its newest run.
#[utoipa::path(get, path = "/dbt/transformations/{id}", tag = "Gold", params(("id" = String, Path,)),
    responses((status = 200, body = TransformationAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<TransformationAnswer>> {
    Ok(Json(app.pipeline.transformation(&active, &id).await?.into()))
}

/// Remove a transformation. Its table stays unless `drop_table` is set.
#[utoipa::path(delete, path = "/dbt/transformations/{id}", tag = "Gold", params(("id" = String, Path,), DeleteQuery),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Params(query): Params<DeleteQuery>,
) -> Result<StatusCode> {
    app.pipeline.delete_transformation(&active, &id, query.drop_table).await?;
    Ok(StatusCode::NO_CONTENT)
}
