//! `/feast/features`: feature views; `/feast/status`: the feature store as a whole.

use asgard_contract::TableName;
use asgard_contract::features::{Dtype, Feature, FeatureView};
use asgard_pipeline::features::{NewView, Registered, ViewStatus as DomainStatus};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Tags;
use crate::App;
use crate::extract::{Body, Environment, Id};
use crate::problem::{Problem, Result};

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewFeature {
    #[schema(example = "total_orders")]
    name: String,
    /// `int32`, `int64`, `float32`, `float64`, `string`, `bytes`, `bool`, `unix_timestamp`, or `array_` and `int32`, `int64`,
    /// `float32`, `float64`, `string`.
    #[schema(example = "int64")]
    dtype: String,
    description: Option<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Source {
    #[schema(example = "operator_profiles")]
    table_name: String,
    /// The event time. None: rows are valid at all times.
    timestamp_field: Option<String>,
    created_timestamp_column: Option<String>,
    #[serde(default = "iceberg")]
    #[schema(default = "iceberg")]
    catalog: String,
    #[serde(default = "gold")]
    #[schema(default = "gold")]
    schema: String,
}

fn iceberg() -> String {
    "iceberg".to_owned()
}

fn gold() -> String {
    "gold".to_owned()
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateView {
    #[schema(example = "operator_features")]
    name: String,
    /// Names of entities, which are the names of their key columns.
    entities: Vec<String>,
    features: Vec<NewFeature>,
    source: Source,
    /// How long a value is valid; 0 = for ever.
    #[serde(default = "a_day")]
    #[schema(default = 86400)]
    ttl_seconds: u64,
    description: Option<String>,
    #[serde(default)]
    tags: Tags,
    /// Fill the online store too.
    #[serde(default)]
    online: bool,
}

fn a_day() -> u64 {
    86_400
}

impl CreateView {
    pub(crate) fn checked(self) -> Result<NewView> {
        if self.source.catalog != "iceberg" {
            return Err(Problem::field(
                "source.catalog",
                format!("`{}`: expected `iceberg`, the environment's lakehouse", self.source.catalog),
            ));
        }
        // SQL's way of writing the table is accepted in the one field too.
        let source = if self.source.table_name.contains('.') {
            TableName::parse(&self.source.table_name).map_err(|error| error.in_field("source.table_name"))?
        } else {
            TableName::new(self.source.schema, self.source.table_name)
        };
        let mut features = Vec::with_capacity(self.features.len());
        for (index, feature) in self.features.into_iter().enumerate() {
            let dtype: Dtype = feature
                .dtype
                .to_ascii_lowercase()
                .parse()
                .map_err(|error: asgard_contract::Error| error.in_field(&format!("features[{index}].dtype")))?;
            features.push(Feature {
                name: feature.name,
                dtype,
                description: feature.description,
                tags: feature.tags.into_iter().collect(),
            });
        }
        let view = FeatureView {
            name: self.name,
            entities: self.entities,
            features,
            source,
            timestamp_field: self.source.timestamp_field,
            created_timestamp_column: self.source.created_timestamp_column,
            ttl_seconds: self.ttl_seconds,
            description: self.description,
            tags: self.tags.into_iter().collect(),
            online: self.online,
        };
        Ok(NewView { view })
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeatureAnswer {
    name: String,
    dtype: String,
    description: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ViewStatus {
    Registered,
    Materialized,
    Failed,
}

impl From<DomainStatus> for ViewStatus {
    fn from(status: DomainStatus) -> Self {
        match status {
            DomainStatus::Registered => Self::Registered,
            DomainStatus::Materialized => Self::Materialized,
            DomainStatus::Failed => Self::Failed,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ViewAnswer {
    name: String,
    entities: Vec<String>,
    features: Vec<FeatureAnswer>,
    source_table: String,
    online_enabled: bool,
    ttl_seconds: u64,
    created_at: DateTime<Utc>,
    status: ViewStatus,
    message: String,
}

impl From<Registered> for ViewAnswer {
    fn from(registered: Registered) -> Self {
        Self {
            features: features(&registered.view),
            name: registered.view.name,
            entities: registered.view.entities,
            source_table: format!("iceberg.{}", registered.view.source),
            online_enabled: registered.view.online,
            ttl_seconds: registered.view.ttl_seconds,
            created_at: registered.created_at,
            status: registered.status.into(),
            message: registered.message,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedView {
    name: String,
    entities: Vec<String>,
    features: Vec<FeatureAnswer>,
    online_enabled: bool,
    ttl_seconds: u64,
    created_at: DateTime<Utc>,
}

fn features(view: &FeatureView) -> Vec<FeatureAnswer> {
    let answer = |feature: &Feature| FeatureAnswer {
        name: feature.name.clone(),
        dtype: feature.dtype.to_string(),
        description: feature.description.clone(),
    };
    view.features.iter().map(answer).collect()
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FeatureStoreStatus {
    registry_type: String,
    online_store_type: String,
    offline_store_type: String,
    num_feature_views: usize,
    num_entities: usize,
    num_feature_services: u64,
    feature_views: Vec<String>,
    entities: Vec<String>,
}

/// Register a feature view. Table, columns and types are checked first.
#[utoipa::path(post, path = "/feast/features", tag = "Features", request_body = CreateView,
    responses((status = 201, body = ViewAnswer)))]
pub(crate) async fn create(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<CreateView>,
) -> Result<(StatusCode, Json<ViewAnswer>)> {
    let registered = app.pipeline.register_view(&active, body.checked()?).await?;
    Ok((StatusCode::CREATED, Json(registered.into())))
}

/// All feature views, newest first.
#[utoipa::path(get, path = "/feast/features", tag = "Features", responses((status = 200, body = Vec<ListedView>)))]
pub(crate) async fn list(State(app): State<App>, Environment(active): Environment) -> Result<Json<Vec<ListedView>>> {
    let views = app.pipeline.views(&active).await?.into_iter().map(|registered| ListedView {
        features: features(&registered.view),
        name: registered.view.name,
        entities: registered.view.entities,
        online_enabled: registered.view.online,
        ttl_seconds: registered.view.ttl_seconds,
        created_at: registered.created_at,
    });
    Ok(Json(views.collect()))
}

/// One feature view.
#[utoipa::path(get, path = "/feast/features/{name}", tag = "Features", params(("name" = String, Path,)),
    responses((status = 200, body = ViewAnswer)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
) -> Result<Json<ViewAnswer>> {
    Ok(Json(app.pipeline.view(&active, &name).await?.into()))
}

/// Remove a feature view. 409 while a service uses it.
#[utoipa::path(delete, path = "/feast/features/{name}", tag = "Features", params(("name" = String, Path,)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Environment(active): Environment,
    Id(name): Id,
) -> Result<StatusCode> {
    app.pipeline.remove_view(&active, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the feature store holds, and what it is.
#[utoipa::path(get, path = "/feast/status", tag = "Features", responses((status = 200, body = FeatureStoreStatus)))]
pub(crate) async fn status(
    State(app): State<App>,
    Environment(active): Environment,
) -> Result<Json<FeatureStoreStatus>> {
    let status = app.pipeline.feature_status(&active).await?;
    Ok(Json(FeatureStoreStatus {
        registry_type: status.information.registry_type,
        online_store_type: status.information.online_store_type,
        offline_store_type: status.information.offline_store_type,
        num_feature_views: status.views.len(),
        num_entities: status.entities.len(),
        num_feature_services: status.services,
        feature_views: status.views,
        entities: status.entities,
    }))
}
