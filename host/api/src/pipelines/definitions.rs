//! `/pipelines`: declared, changed, removed.

use std::collections::BTreeMap;

use asgard_pipeline::pipelines::{Definition, NewPipeline, PipelineResource, StepDefinition, StepKind as DomainKind};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Body, Environment, Id, Paging, Params};
use crate::ingestion::schedule::Schedule;
use crate::platform::environments::{ChangeAnswer, shown};
use crate::problem::Result;

/// What a step does; `with` is what its own route takes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PipelineStepKind {
    /// `{"ingestion": NAME OR ID}`: a sync.
    Ingestion,
    /// `POST /spark/transform`.
    Silver,
    /// `POST /dbt/transform`.
    Gold,
    /// `POST /feast/features`: registered unless it is, and its online store filled.
    Features,
    /// `POST /mlops/deploy`: training, registration, build, serving.
    Deployment,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineStep {
    #[schema(pattern = "^[a-zA-Z][a-zA-Z0-9_]*$", max_length = 100, example = "clean")]
    id: String,
    kind: PipelineStepKind,
    /// Steps that have to succeed before. None: it begins at once.
    #[serde(default)]
    needs: Vec<String>,
    /// What the step is given. `${date}`, `${next_date}` and parameters are replaced in its texts.
    #[schema(value_type = Object, example = json!({"sql": "SELECT * FROM source_data WHERE day = DATE '${date}'",
        "source_path": "bronze.work_orders", "table": "work_orders"}))]
    with: Value,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PipelineBody {
    description: Option<String>,
    schedule: Option<Schedule>,
    /// What `${name}` stands for, unless a run says otherwise.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[schema(min_items = 1, max_items = 100)]
    steps: Vec<PipelineStep>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreatePipeline {
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length = 63, example = "factory")]
    name: String,
    description: Option<String>,
    schedule: Option<Schedule>,
    /// What `${name}` stands for, unless a run says otherwise.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[schema(min_items = 1, max_items = 100)]
    steps: Vec<PipelineStep>,
}

impl From<CreatePipeline> for NewPipeline {
    fn from(body: CreatePipeline) -> Self {
        let CreatePipeline { name, description, schedule, parameters, steps } = body;
        PipelineBody { description, schedule, parameters, steps }.named(name)
    }
}

impl PipelineBody {
    fn named(self, name: String) -> NewPipeline {
        let step = |step: PipelineStep| StepDefinition {
            id: step.id,
            kind: match step.kind {
                PipelineStepKind::Ingestion => DomainKind::Ingestion,
                PipelineStepKind::Silver => DomainKind::Silver,
                PipelineStepKind::Gold => DomainKind::Gold,
                PipelineStepKind::Features => DomainKind::Features,
                PipelineStepKind::Deployment => DomainKind::Deployment,
            },
            needs: step.needs,
            with: step.with,
        };
        let definition = Definition {
            description: self.description,
            schedule: self.schedule.map(Into::into),
            parameters: self.parameters,
            steps: self.steps.into_iter().map(step).collect(),
        };
        NewPipeline { name, definition }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineAnswer {
    name: String,
    description: Option<String>,
    schedule: Option<Schedule>,
    parameters: BTreeMap<String, String>,
    steps: Vec<PipelineStep>,
    next_run: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<PipelineResource> for PipelineAnswer {
    fn from(pipeline: PipelineResource) -> Self {
        let definition = pipeline.definition;
        let step = |step: StepDefinition| PipelineStep {
            id: step.id,
            kind: match step.kind {
                DomainKind::Ingestion => PipelineStepKind::Ingestion,
                DomainKind::Silver => PipelineStepKind::Silver,
                DomainKind::Gold => PipelineStepKind::Gold,
                DomainKind::Features => PipelineStepKind::Features,
                DomainKind::Deployment => PipelineStepKind::Deployment,
            },
            needs: step.needs,
            with: step.with,
        };
        Self {
            name: pipeline.name,
            description: definition.description,
            schedule: definition.schedule.map(Into::into),
            parameters: definition.parameters,
            steps: definition.steps.into_iter().map(step).collect(),
            next_run: pipeline.next_run,
            created_at: pipeline.created_at,
            updated_at: pipeline.updated_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineList {
    pipelines: Vec<PipelineAnswer>,
    total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelinePlan {
    name: String,
    /// There is no pipeline of this name yet.
    is_new: bool,
    changes: Vec<ChangeAnswer>,
}

/// Declare a pipeline.
#[utoipa::path(post, path = "/pipelines", tag = "Pipelines", request_body = CreatePipeline,
    responses((status = 201, body = PipelineAnswer)))]
pub(crate) async fn create(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<CreatePipeline>,
) -> Result<(StatusCode, Json<PipelineAnswer>)> {
    Ok((StatusCode::CREATED, Json(app.pipeline.create_pipeline(&active, body.into()).await?.into())))
}

/// All pipelines, newest first.
#[utoipa::path(get, path = "/pipelines", tag = "Pipelines", params(Paging), responses((status = 200, body = PipelineList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(paging): Params<Paging>,
) -> Result<Json<PipelineList>> {
    let found = app.pipeline.pipelines(&active, paging.page()?).await?;
    Ok(Json(PipelineList { pipelines: found.items.into_iter().map(Into::into).collect(), total: found.total }))
}

/// One pipeline.
#[utoipa::path(get, path = "/pipelines/{name}", tag = "Pipelines", params(("name" = String, Path,)),
    responses((status = 200, body = PipelineAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
) -> Result<Json<PipelineAnswer>> {
    Ok(Json(app.pipeline.pipeline(&active, &name).await?.into()))
}

/// Make a pipeline, or change the one of this name. Runs that have begun go on as they began.
#[utoipa::path(put, path = "/pipelines/{name}", tag = "Pipelines", params(("name" = String, Path,)),
    request_body = PipelineBody, responses((status = 200, body = PipelineAnswer)))]
pub(crate) async fn put(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
    Body(body): Body<PipelineBody>,
) -> Result<Json<PipelineAnswer>> {
    Ok(Json(app.pipeline.put_pipeline(&active, body.named(name)).await?.into()))
}

/// What putting a pipeline would change. Nothing is changed.
#[utoipa::path(post, path = "/pipelines/{name}/plan", tag = "Pipelines", params(("name" = String, Path,)),
    request_body = PipelineBody, responses((status = 200, body = PipelinePlan)))]
pub(crate) async fn plan(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
    Body(body): Body<PipelineBody>,
) -> Result<Json<PipelinePlan>> {
    let new = body.named(name);
    let changes = app.pipeline.plan_pipeline(&active, &new).await?;
    Ok(Json(PipelinePlan { name: new.name, is_new: changes.is_none(), changes: shown(changes.unwrap_or_default()) }))
}

/// Remove a pipeline. Its runs are cancelled; what they made stays.
#[utoipa::path(delete, path = "/pipelines/{name}", tag = "Pipelines", params(("name" = String, Path,)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
) -> Result<StatusCode> {
    app.pipeline.delete_pipeline(&active, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
