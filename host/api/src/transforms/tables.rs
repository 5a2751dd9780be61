//! `/dbt/sources/silver` and `/dbt/tables/gold`: what the transformations read and make.

use asgard_pipeline::transforms::{GoldTable, SilverTable};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::gold::Materialization;
use crate::App;
use crate::extract::Environment;
use crate::ingestion::sources::ColumnAnswer;
use crate::problem::Result;

/// The lakehouse's name in SQL.
const CATALOG: &str = "iceberg";

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SilverTableAnswer {
    table_name: String,
    schema_name: String,
    catalog_name: &'static str,
    row_count: Option<u64>,
    size_bytes: Option<u64>,
    last_modified: Option<DateTime<Utc>>,
    columns: Vec<ColumnAnswer>,
    location: String,
}

impl From<SilverTable> for SilverTableAnswer {
    fn from(table: SilverTable) -> Self {
        Self {
            table_name: table.name.name,
            schema_name: table.name.namespace,
            catalog_name: CATALOG,
            row_count: table.info.rows,
            size_bytes: table.info.bytes,
            last_modified: table.info.updated_at,
            columns: table.info.columns.into_iter().map(Into::into).collect(),
            location: table.info.location,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SilverTableList {
    sources: Vec<SilverTableAnswer>,
    total_count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GoldTableAnswer {
    table_name: String,
    transformation_name: Option<String>,
    /// Null for a view, whose rows are those of its statement when it is read.
    row_count: Option<u64>,
    size_bytes: Option<u64>,
    created_at: Option<DateTime<Utc>>,
    last_updated: Option<DateTime<Utc>>,
    location: String,
    /// `iceberg`.
    format: &'static str,
    partition_spec: Vec<String>,
    /// What the table is: `config` in the model goes before what the request said.
    materialization: Option<Materialization>,
    tags: Vec<String>,
}

impl From<GoldTable> for GoldTableAnswer {
    fn from(table: GoldTable) -> Self {
        Self {
            table_name: table.name.name,
            row_count: table.info.rows,
            size_bytes: table.info.bytes,
            created_at: table.info.created_at,
            last_updated: table.info.updated_at,
            location: table.info.location,
            format: CATALOG,
            partition_spec: table.info.partitioning,
            materialization: table.materialization.map(Into::into),
            tags: table.model.as_ref().map(|model| model.tags.clone()).unwrap_or_default(),
            transformation_name: table.model.map(|model| model.name),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GoldTableList {
    tables: Vec<GoldTableAnswer>,
    total_count: u64,
}

/// The silver tables, by name.
#[utoipa::path(get, path = "/dbt/sources/silver", tag = "Gold", responses((status = 200, body = SilverTableList)))]
pub(crate) async fn silver(State(app): State<App>, Environment(active): Environment) -> Result<Json<SilverTableList>> {
    let sources: Vec<SilverTableAnswer> =
        app.pipeline.silver_tables(&active).await?.into_iter().map(Into::into).collect();
    Ok(Json(SilverTableList { total_count: sources.len() as u64, sources }))
}

/// The gold tables and views, by name.
#[utoipa::path(get, path = "/dbt/tables/gold", tag = "Gold", responses((status = 200, body = GoldTableList)))]
pub(crate) async fn gold(State(app): State<App>, Environment(active): Environment) -> Result<Json<GoldTableList>> {
    let tables: Vec<GoldTableAnswer> = app.pipeline.gold_tables(&active).await?.into_iter().map(Into::into).collect();
    Ok(Json(GoldTableList { total_count: tables.len() as u64, tables }))
}
