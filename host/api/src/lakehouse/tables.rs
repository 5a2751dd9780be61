//! `/lakehouse/tables`: what there is, what it is made of, its history.

use std::collections::BTreeMap;

use asgard_pipeline::lakehouse::{SnapshotInfo, TableColumn, TableDetails, TableEntry, TableKind};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{as_of, table};
use crate::App;
use crate::extract::{Environment, Ids, Paging, Params, first_page, page, usual_page};
use crate::problem::Result;

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LakehouseTableType {
    Table,
    View,
}

impl From<TableKind> for LakehouseTableType {
    fn from(kind: TableKind) -> Self {
        match kind {
            TableKind::Table => Self::Table,
            TableKind::View => Self::View,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LakehouseTable {
    namespace: String,
    name: String,
    r#type: LakehouseTableType,
}

impl From<TableEntry> for LakehouseTable {
    fn from(entry: TableEntry) -> Self {
        Self { namespace: entry.name.namespace, name: entry.name.name, r#type: entry.kind.into() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LakehouseTableList {
    tables: Vec<LakehouseTable>,
    total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LakehouseColumn {
    /// What it is called may change; its id does not.
    id: i32,
    name: String,
    /// An Iceberg type, such as `long`, `decimal(10,2)` or `list<string>`.
    r#type: String,
    nullable: bool,
    doc: Option<String>,
}

impl From<TableColumn> for LakehouseColumn {
    fn from(column: TableColumn) -> Self {
        let TableColumn { id, column } = column;
        Self { id, name: column.name, r#type: column.data_type, nullable: column.nullable, doc: column.doc }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LakehouseSnapshot {
    /// As text: it has more digits than numbers of JSON have in many a client.
    id: String,
    parent_id: Option<String>,
    committed_at: Option<DateTime<Utc>>,
    /// `append`, `replace`, `overwrite` or `delete`.
    operation: String,
    /// Counts of rows and files, as its writer noted them.
    summary: BTreeMap<String, String>,
    /// Branches and tags that are at it.
    refs: Vec<String>,
    is_current: bool,
}

impl From<SnapshotInfo> for LakehouseSnapshot {
    fn from(snapshot: SnapshotInfo) -> Self {
        Self {
            id: snapshot.id.to_string(),
            parent_id: snapshot.parent.map(|id| id.to_string()),
            committed_at: snapshot.committed_at,
            operation: snapshot.operation,
            summary: snapshot.summary,
            refs: snapshot.refs,
            is_current: snapshot.is_current,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LakehouseTableDetails {
    namespace: String,
    name: String,
    r#type: LakehouseTableType,
    columns: Vec<LakehouseColumn>,
    /// Such as `day(ordered_at)`; empty = unpartitioned.
    partitioning: Vec<String>,
    /// Such as `id ASC NULLS FIRST`; empty = unsorted.
    sorted_by: Vec<String>,
    properties: BTreeMap<String, String>,
    /// Null for views, and where another program has marked rows as deleted: those are counted by reading.
    row_count: Option<u64>,
    size_bytes: Option<u64>,
    data_files: Option<u64>,
    delete_files: Option<u64>,
    /// The one that is shown: the current one, or that of `as_of`.
    snapshot: Option<LakehouseSnapshot>,
    format_version: Option<u8>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    location: String,
    /// Of a view.
    sql: Option<String>,
}

impl From<TableDetails> for LakehouseTableDetails {
    fn from(details: TableDetails) -> Self {
        Self {
            namespace: details.name.namespace,
            name: details.name.name,
            r#type: details.kind.into(),
            columns: details.columns.into_iter().map(Into::into).collect(),
            partitioning: details.partitioning,
            sorted_by: details.sorted_by,
            properties: details.properties,
            row_count: details.rows,
            size_bytes: details.bytes,
            data_files: details.data_files,
            delete_files: details.delete_files,
            snapshot: details.snapshot.map(Into::into),
            format_version: details.format_version,
            created_at: details.created_at,
            updated_at: details.updated_at,
            location: details.location,
            sql: details.view_sql,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LakehouseSnapshotList {
    snapshots: Vec<LakehouseSnapshot>,
    total: u64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TablesQuery {
    /// `bronze`, `silver`, `gold` or another one; none = all.
    #[param(required = false)]
    namespace: Option<String>,
    #[serde(default = "first_page")]
    #[param(minimum = 1, maximum = 1_000_000, default = 1, required = false)]
    page: u64,
    #[serde(default = "usual_page")]
    #[param(minimum = 1, maximum = 1000, default = 100, required = false)]
    page_size: u32,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AsOfQuery {
    /// The id of a snapshot, or a time such as `2026-03-01T12:00:00Z`.
    #[param(required = false)]
    as_of: Option<String>,
}

/// Tables and views, by name.
#[utoipa::path(get, path = "/lakehouse/tables", tag = "Lakehouse", params(TablesQuery),
    responses((status = 200, body = LakehouseTableList)))]
pub(crate) async fn list(
    State(app): State<App>,
    Environment(active): Environment,
    Params(query): Params<TablesQuery>,
) -> Result<Json<LakehouseTableList>> {
    let part = page(query.page, query.page_size)?;
    let found = app.pipeline.tables(&active, query.namespace.as_deref(), part).await?;
    Ok(Json(LakehouseTableList { tables: found.items.into_iter().map(Into::into).collect(), total: found.total }))
}

/// What a table or view is made of.
#[utoipa::path(get, path = "/lakehouse/tables/{namespace}/{name}", tag = "Lakehouse",
    params(("namespace" = String, Path,), ("name" = String, Path,), AsOfQuery),
    responses((status = 200, body = LakehouseTableDetails)))]
pub(crate) async fn get(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(namespace, name): Ids,
    Params(query): Params<AsOfQuery>,
) -> Result<Json<LakehouseTableDetails>> {
    let as_of = as_of(query.as_of.as_deref())?;
    Ok(Json(app.pipeline.table(&active, &table(&namespace, &name), as_of).await?.into()))
}

/// Drop a table or view. Its files go after an hour; an ingestion that fills it begins it anew with its next sync.
#[utoipa::path(delete, path = "/lakehouse/tables/{namespace}/{name}", tag = "Lakehouse",
    params(("namespace" = String, Path,), ("name" = String, Path,)), responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(namespace, name): Ids,
) -> Result<StatusCode> {
    app.pipeline.drop_table(&active, &table(&namespace, &name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The commits of a table, newest first. `as_of` takes the id of any of them.
#[utoipa::path(get, path = "/lakehouse/tables/{namespace}/{name}/snapshots", tag = "Lakehouse",
    params(("namespace" = String, Path,), ("name" = String, Path,), Paging),
    responses((status = 200, body = LakehouseSnapshotList)))]
pub(crate) async fn snapshots(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(namespace, name): Ids,
    Params(paging): Params<Paging>,
) -> Result<Json<LakehouseSnapshotList>> {
    let found = app.pipeline.table_snapshots(&active, &table(&namespace, &name), paging.page()?).await?;
    Ok(Json(LakehouseSnapshotList { snapshots: found.items.into_iter().map(Into::into).collect(), total: found.total }))
}
