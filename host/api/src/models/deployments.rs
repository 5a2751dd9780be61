//! `/mlops/deploy` and `/mlops/deployments`: from a training script to a served model.

use std::collections::BTreeMap;

use asgard_pipeline::features::EntityInput;
use asgard_pipeline::models::{Deployment, FeatureChoice, NewDeployment, Phase, ServeAgain};
use asgard_tasks::TaskStatus;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::script;
use crate::App;
use crate::extract::{Body, Environment, Id, Paging, Params};
use crate::features::retrieval::{Entities, selected};
use crate::platform::tasks::{LogPage, LogQuery};
use crate::problem::Result;

/// How many items there are on all pages.
const TOTAL: HeaderName = HeaderName::from_static("x-total-count");

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Features {
    /// A feature service,
    service: Option<String>,
    /// or a feature view: all of its features.
    view: Option<String>,
    /// The column to learn: a feature, or a column of the entity rows.
    target: String,
    /// Rows, or a table's name. None: the latest row of each entity.
    entities: Option<Entities>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Deploy {
    #[schema(example = "train.py")]
    script_name: String,
    /// Base64, or the script's text.
    script_content: String,
    experiment_name: String,
    #[schema(example = "operator_efficiency_predictor")]
    model_name: String,
    /// PEP 508 lines.
    #[serde(default)]
    requirements: Vec<String>,
    #[serde(default)]
    environment_vars: BTreeMap<String, String>,
    /// Seconds, of the script.
    #[serde(default = "five_minutes")]
    #[schema(default = 300, minimum = 60, maximum = 3600)]
    timeout: u32,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default = "two")]
    #[schema(default = 2, minimum = 1, maximum = 10)]
    replicas: u32,
    #[serde(default = "asgard")]
    #[schema(default = "asgard")]
    namespace: String,
    /// The features that the script gets as a Parquet file; its path is in `ASGARD_FEATURES`.
    features: Option<Features>,
    /// Of a hundred requests, how many are to be the new version's, beside the one that is served. Without it: all.
    #[schema(minimum = 1, maximum = 99)]
    canary_weight: Option<u32>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Serve {
    /// Without it: as many as the deployment asked for.
    #[schema(minimum = 1, maximum = 10)]
    replicas: Option<u32>,
    /// Of a hundred requests, how many are to be this version's, beside the one that is served. Without it: all.
    #[schema(minimum = 1, maximum = 99)]
    canary_weight: Option<u32>,
}

fn five_minutes() -> u32 {
    300
}

fn two() -> u32 {
    2
}

fn asgard() -> String {
    "asgard".to_owned()
}

impl Deploy {
    pub(crate) fn checked(self) -> Result<NewDeployment> {
        let features = match self.features {
            None => None,
            Some(features) => Some(FeatureChoice {
                selected: selected(features.service, features.view.map(|view| vec![view]))?,
                target: features.target,
                entities: features
                    .entities
                    .map_or(Ok(EntityInput::Latest), |entities| entities.input("features.entities"))?,
            }),
        };
        let new = NewDeployment {
            script: script::decode(&self.script_content)?,
            script_name: self.script_name,
            experiment_name: self.experiment_name,
            model_name: self.model_name,
            requirements: self.requirements,
            environment: self.environment_vars.into_iter().collect(),
            timeout: self.timeout,
            tags: self.tags.into_iter().collect(),
            replicas: self.replicas,
            namespace: self.namespace,
            features,
            canary_weight: self.canary_weight,
        };
        new.check()?;
        Ok(new)
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Deployed {
    deployment_id: String,
    model_name: String,
    /// `submitted`.
    status: &'static str,
    message: String,
}

impl From<Deployment> for Deployed {
    fn from(deployment: Deployment) -> Self {
        Self {
            message: format!("the deployment is submitted: follow it at /mlops/deployments/{}", deployment.id),
            deployment_id: deployment.id,
            model_name: deployment.model_name,
            status: "submitted",
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeploymentStatus {
    Submitted,
    Running,
    Deployed,
    Failed,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Progress {
    Training,
    Building,
    Deploying,
    Completed,
}

impl From<Phase> for Progress {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Features | Phase::Training | Phase::Registering => Self::Training,
            Phase::Building => Self::Building,
            Phase::Deploying => Self::Deploying,
            Phase::Completed => Self::Completed,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Endpoints {
    health: String,
    predict: String,
    docs: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeploymentAnswer {
    deployment_id: String,
    model_name: String,
    experiment_name: String,
    status: DeploymentStatus,
    progress: Progress,
    submitted_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    inference_url: Option<String>,
    external_ip: Option<String>,
    endpoints: Option<Endpoints>,
    /// Of the experiment tracker.
    run_id: Option<String>,
    model_version: Option<String>,
    /// None where the build phase is skipped.
    ecr_image: Option<String>,
    error: Option<String>,
    replicas: u32,
    /// As asked. How near the backend came to it is in the log.
    canary_weight: Option<u32>,
    /// The deployment that made the version, where this one only serves it.
    made_by: Option<String>,
    /// As the script logged them.
    metrics: BTreeMap<String, f64>,
    /// `skipped` where the environment has no plugin in role `build`.
    build: &'static str,
}

impl From<Deployment> for DeploymentAnswer {
    fn from(deployment: Deployment) -> Self {
        let url = deployment.serving.as_ref().map(|serving| serving.url.trim_end_matches('/').to_owned());
        Self {
            deployment_id: deployment.id,
            model_name: deployment.model_name,
            experiment_name: deployment.experiment_name,
            status: match deployment.status {
                TaskStatus::Pending => DeploymentStatus::Submitted,
                TaskStatus::Running => DeploymentStatus::Running,
                TaskStatus::Succeeded => DeploymentStatus::Deployed,
                TaskStatus::Failed | TaskStatus::Cancelled => DeploymentStatus::Failed,
            },
            progress: deployment.phase.into(),
            submitted_at: deployment.submitted_at,
            started_at: deployment.started_at,
            completed_at: deployment.completed_at,
            endpoints: url.as_ref().map(|url| Endpoints {
                health: format!("{url}/health"),
                predict: format!("{url}/predict"),
                docs: format!("{url}/docs"),
            }),
            inference_url: url,
            external_ip: deployment.serving.and_then(|serving| serving.external_ip),
            run_id: deployment.run_id,
            model_version: deployment.model_version,
            ecr_image: deployment.image,
            error: deployment.error,
            replicas: deployment.replicas,
            canary_weight: deployment.canary_weight,
            made_by: deployment.made_by,
            metrics: deployment.metrics.into_iter().collect(),
            build: if deployment.build_skipped { "skipped" } else { "bound" },
        }
    }
}

/// Train, register and serve a model.
#[utoipa::path(post, path = "/mlops/deploy", tag = "Models", request_body = Deploy,
    responses((status = 200, body = Deployed)))]
pub(crate) async fn create(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<Deploy>,
) -> Result<Json<Deployed>> {
    Ok(Json(app.pipeline.deploy(&active, body.checked()?).await?.into()))
}

/// Serve what a finished deployment made once more, without training it again: with other replicas to scale it, to go back to
/// it, or beside the version that is served with a share of the requests. Answers with a deployment of its own.
#[utoipa::path(post, path = "/mlops/deployments/{id}/serve", tag = "Models", params(("id" = String, Path,)),
    request_body = Serve, responses((status = 200, body = Deployed)))]
pub(crate) async fn serve(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Body(body): Body<Serve>,
) -> Result<Json<Deployed>> {
    let again = ServeAgain { replicas: body.replicas, canary_weight: body.canary_weight };
    Ok(Json(app.pipeline.serve_again(&active, &id, again).await?.into()))
}

/// All deployments, newest first. How many there are in all is in the header `X-Total-Count`.
#[utoipa::path(get, path = "/mlops/deployments", tag = "Models", params(Paging),
    responses((status = 200, body = Vec<DeploymentAnswer>, headers(("X-Total-Count" = u64)))))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(paging): Params<Paging>,
) -> Result<(HeaderMap, Json<Vec<DeploymentAnswer>>)> {
    let found = app.pipeline.deployments(&active, paging.page()?).await?;
    let headers = HeaderMap::from_iter([(TOTAL, HeaderValue::from(found.total))]);
    Ok((headers, Json(found.items.into_iter().map(Into::into).collect())))
}

/// One deployment.
#[utoipa::path(get, path = "/mlops/deployments/{id}", tag = "Models", params(("id" = String, Path,)),
    responses((status = 200, body = DeploymentAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<DeploymentAnswer>> {
    Ok(Json(app.pipeline.deployment(&active, &id).await?.into()))
}

/// The log of a deployment, oldest line first: what the script printed, and what the host did.
#[utoipa::path(get, path = "/mlops/deployments/{id}/logs", tag = "Models", params(("id" = String, Path,), LogQuery),
    responses((status = 200, body = LogPage)))]
pub(crate) async fn logs(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
    Params(query): Params<LogQuery>,
) -> Result<Json<LogPage>> {
    let deployment = app.pipeline.deployment(&active, &id).await?;
    Ok(Json(query.read(&app, &deployment.task.id).await?))
}

/// Cancel a deployment that is under way.
#[utoipa::path(post, path = "/mlops/deployments/{id}/cancel", tag = "Models", params(("id" = String, Path,)),
    responses((status = 200, body = DeploymentAnswer)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    Environment(active): Environment,
    Id(id): Id,
) -> Result<Json<DeploymentAnswer>> {
    Ok(Json(app.pipeline.cancel_deployment(&active, &id).await?.into()))
}

/// End what a finished deployment serves.
#[utoipa::path(delete, path = "/mlops/deployments/{id}", tag = "Models", params(("id" = String, Path,)),
    responses((status = 204)))]
pub(crate) async fn delete(State(app): State<App>, Environment(active): Environment, Id(id): Id) -> Result<StatusCode> {
    app.pipeline.remove_deployment(&active, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
