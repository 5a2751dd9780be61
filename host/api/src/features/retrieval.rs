//! `/feast/features/historical` and `/feast/features/online`: features as they were at a time, and as they are.

use std::collections::BTreeMap;

use asgard_contract::TableName;
use asgard_pipeline::features::{EntityInput, HistoricalQuery, OnlineQuery, Selected};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Body, Environment};
use crate::problem::{Problem, Result};

/// One row: column -> value.
type Row = Map<String, Value>;

/// Entity rows in a request: the rows themselves, or the name of a table that has them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Entities {
    /// Entities and, for point-in-time joins, `event_timestamp`.
    #[schema(value_type = Vec<Object>)]
    Rows(Vec<Row>),
    /// `gold.orders`.
    Table(String),
}

impl Entities {
    /// # Errors
    /// 422 for a name of another shape.
    pub(crate) fn input(self, field: &str) -> Result<EntityInput> {
        Ok(match self {
            Self::Rows(rows) => EntityInput::Rows(rows),
            Self::Table(name) => EntityInput::Table(TableName::parse(&name).map_err(|error| error.in_field(field))?),
        })
    }
}

/// The features that a request names, one way or the other.
///
/// # Errors
/// 422 when it names both or none.
pub(crate) fn selected(service: Option<String>, features: Option<Vec<String>>) -> Result<Selected> {
    match (service, features) {
        (Some(service), None) => Ok(Selected::Service(service)),
        (None, Some(features)) => Ok(Selected::Features(features)),
        (Some(_), Some(_)) => Err(Problem::field("features", "name a `feature_service` or `features`, not both")),
        (None, None) => {
            Err(Problem::field("features", "name a `feature_service`, or `features` as `view:feature` or `view`"))
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct HistoricalRequest {
    feature_service: Option<String>,
    /// `view:feature`, or `view` for all of its features.
    features: Option<Vec<String>>,
    /// Rows, or a table's name. None: the latest row of each entity of the first view.
    entities: Option<Entities>,
    /// Write `view__feature` instead of `feature`.
    #[serde(default)]
    full_feature_names: bool,
    /// Write the rows to this gold table instead of answering with them.
    output_table: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistoricalAnswer {
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Row>,
    row_count: u64,
    table: Option<String>,
    /// Table -> the Iceberg snapshot that was read.
    snapshots: BTreeMap<String, i64>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OnlineRequest {
    feature_service: Option<String>,
    /// `view:feature`, or `view` for all of its features.
    features: Option<Vec<String>>,
    /// One object per row: entity -> value.
    #[schema(value_type = Vec<Object>)]
    entities: Vec<Row>,
    #[serde(default)]
    full_feature_names: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnlineAnswer {
    /// In the order of the entities.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Row>,
}

/// Features as they were at each row's time (point-in-time join).
#[utoipa::path(post, path = "/feast/features/historical", tag = "Features", request_body = HistoricalRequest,
    responses((status = 200, body = HistoricalAnswer)))]
pub(crate) async fn historical(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<HistoricalRequest>,
) -> Result<Json<HistoricalAnswer>> {
    let query = HistoricalQuery {
        selected: selected(body.feature_service, body.features)?,
        entities: body.entities.map_or(Ok(EntityInput::Latest), |entities| entities.input("entities"))?,
        full_names: body.full_feature_names,
        output_table: body.output_table,
    };
    let found = app.pipeline.historical_features(&active, query).await?;
    Ok(Json(HistoricalAnswer {
        rows: found.rows,
        row_count: found.row_count,
        table: found.table.map(|table| table.to_string()),
        snapshots: found.snapshots.into_iter().collect(),
    }))
}

/// Features of entities as they are now, from the online store.
#[utoipa::path(post, path = "/feast/features/online", tag = "Features", request_body = OnlineRequest,
    responses((status = 200, body = OnlineAnswer)))]
pub(crate) async fn online(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<OnlineRequest>,
) -> Result<Json<OnlineAnswer>> {
    let query = OnlineQuery {
        selected: selected(body.feature_service, body.features)?,
        entities: body.entities,
        full_names: body.full_feature_names,
    };
    Ok(Json(OnlineAnswer { rows: app.pipeline.online_features(&active, query).await? }))
}
