//! `PATCH /lakehouse/tables/{namespace}/{name}`: columns, layout and properties of a table.

use asgard_pipeline::lakehouse::Change;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::table;
use super::tables::LakehouseTableDetails;
use crate::App;
use crate::extract::{Body, Environment, Ids};
use crate::problem::Result;

/// One change. `a.b` names field `b` of the struct `a`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum TableChange {
    /// Null in the rows that there are.
    AddColumn {
        name: String,
        #[schema(example = "decimal(10,2)")]
        r#type: String,
        doc: Option<String>,
    },
    /// Snapshots of before keep it.
    DropColumn {
        name: String,
    },
    RenameColumn {
        name: String,
        to: String,
    },
    /// To a wider type: int to long, float to double, a decimal with more digits.
    WidenColumn {
        name: String,
        r#type: String,
    },
    /// Values may be null from now on.
    MakeOptional {
        name: String,
    },
    DocumentColumn {
        name: String,
        doc: Option<String>,
    },
    /// Behind another column, or to the first place.
    MoveColumn {
        name: String,
        after: Option<String>,
    },
    /// Of files that are written from now on; compaction brings those of before into it. Empty = none.
    SetPartitioning {
        #[schema(example = json!(["day(ordered_at)", "bucket(id, 16)"]))]
        by: Vec<String>,
    },
    /// Likewise.
    SetSortOrder {
        #[schema(example = json!(["ordered_at DESC"]))]
        by: Vec<String>,
    },
    SetProperty {
        name: String,
        value: String,
    },
    RemoveProperty {
        name: String,
    },
}

impl From<TableChange> for Change {
    fn from(change: TableChange) -> Self {
        match change {
            TableChange::AddColumn { name, r#type, doc } => Self::AddColumn { name, data_type: r#type, doc },
            TableChange::DropColumn { name } => Self::DropColumn { name },
            TableChange::RenameColumn { name, to } => Self::RenameColumn { name, to },
            TableChange::WidenColumn { name, r#type } => Self::WidenColumn { name, data_type: r#type },
            TableChange::MakeOptional { name } => Self::MakeOptional { name },
            TableChange::DocumentColumn { name, doc } => Self::DocumentColumn { name, doc },
            TableChange::MoveColumn { name, after } => Self::MoveColumn { name, after },
            TableChange::SetPartitioning { by } => Self::Partition { by },
            TableChange::SetSortOrder { by } => Self::Sort { by },
            TableChange::SetProperty { name, value } => Self::SetProperty { name, value },
            TableChange::RemoveProperty { name } => Self::RemoveProperty { name },
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PatchTable {
    /// Made in this order and in one commit: all or none.
    changes: Vec<TableChange>,
}

/// Change a table. No file is rewritten.
#[utoipa::path(patch, path = "/lakehouse/tables/{namespace}/{name}", tag = "Lakehouse",
    params(("namespace" = String, Path,), ("name" = String, Path,)), request_body = PatchTable,
    responses((status = 200, body = LakehouseTableDetails)))]
pub(crate) async fn patch(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(namespace, name): Ids,
    Body(body): Body<PatchTable>,
) -> Result<Json<LakehouseTableDetails>> {
    let changes: Vec<Change> = body.changes.into_iter().map(Into::into).collect();
    Ok(Json(app.pipeline.alter_table(&active, &table(&namespace, &name), &changes).await?.into()))
}
