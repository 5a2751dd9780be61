//! `/lineage`: where tables and models come from.

use std::collections::BTreeMap;

use asgard_contract::TableName;
use asgard_pipeline::lineage::{ModelLineage, TableNode, TaskNode};
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::extract::{Environment, Ids, Params};
use crate::problem::{Problem, Result};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineageTask {
    /// `GET /tasks/{id}`.
    id: String,
    kind: String,
    subject: Option<String>,
    /// Plugin, version and digest.
    plugin: Option<String>,
    /// `{run}/{step}` of a pipeline.
    parent: Option<String>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<TaskNode> for LineageTask {
    fn from(task: TaskNode) -> Self {
        let TaskNode { id, kind, subject, plugin, parent, finished_at } = task;
        Self { id, kind, subject, plugin, parent, finished_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineageInput {
    table: String,
    /// As text: it has more digits than numbers have in JavaScript.
    snapshot: String,
}

impl From<(TableName, i64)> for LineageInput {
    fn from((table, snapshot): (TableName, i64)) -> Self {
        Self { table: table.to_string(), snapshot: snapshot.to_string() }
    }
}

/// A table as it was at a commit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LineageTable {
    table: String,
    /// Null for views.
    snapshot: Option<String>,
    committed_at: Option<DateTime<Utc>>,
    /// Null for what another program committed.
    made_by: Option<LineageTask>,
    /// What it was made of: each is in the list, too.
    inputs: Vec<LineageInput>,
}

impl From<TableNode> for LineageTable {
    fn from(node: TableNode) -> Self {
        Self {
            table: node.table.to_string(),
            snapshot: node.snapshot.map(|snapshot| snapshot.to_string()),
            committed_at: node.committed_at,
            made_by: node.made_by.map(Into::into),
            inputs: node.inputs.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TableLineage {
    /// The table itself, then all that it comes from.
    tables: Vec<LineageTable>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelLineageAnswer {
    model: String,
    version: String,
    deployment: LineageTask,
    /// Role -> plugin, version and digest.
    plugins: BTreeMap<String, String>,
    /// The snapshots that its features were read from.
    inputs: Vec<LineageInput>,
    /// Those, and all that they come from.
    tables: Vec<LineageTable>,
}

impl From<ModelLineage> for ModelLineageAnswer {
    fn from(lineage: ModelLineage) -> Self {
        Self {
            model: lineage.model,
            version: lineage.version,
            deployment: lineage.deployment.into(),
            plugins: lineage.plugins,
            inputs: lineage.inputs.into_iter().map(Into::into).collect(),
            tables: lineage.tables.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LineageQuery {
    /// The id of a snapshot; none = the current one.
    #[param(required = false)]
    snapshot: Option<String>,
}

/// Where a table comes from, snapshot by snapshot, with the task and the plugin that made each.
#[utoipa::path(get, path = "/lineage/tables/{namespace}/{name}", tag = "Pipelines",
    params(("namespace" = String, Path,), ("name" = String, Path,), LineageQuery),
    responses((status = 200, body = TableLineage)))]
pub(crate) async fn table(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(namespace, name): Ids,
    Params(query): Params<LineageQuery>,
) -> Result<Json<TableLineage>> {
    let number =
        |text: String| text.parse().map_err(|_| Problem::field("snapshot", format!("`{text}` is no id of a snapshot")));
    let snapshot = query.snapshot.map(number).transpose()?;
    let nodes = app.pipeline.table_lineage(&active, &TableName::new(namespace, name), snapshot).await?;
    Ok(Json(TableLineage { tables: nodes.into_iter().map(Into::into).collect() }))
}

/// Where a version of a model comes from: deployment, plugins, and the tables behind its features.
#[utoipa::path(get, path = "/lineage/models/{name}/{version}", tag = "Pipelines",
    params(("name" = String, Path,), ("version" = String, Path,)), responses((status = 200, body = ModelLineageAnswer)))]
pub(crate) async fn model(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(name, version): Ids,
) -> Result<Json<ModelLineageAnswer>> {
    Ok(Json(app.pipeline.model_lineage(&active, &name, &version).await?.into()))
}
