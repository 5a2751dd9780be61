//! `/lakehouse/tables/{namespace}/{name}/rows`: a table's rows, page by page.
//!
//! A cursor is the snapshot and a place in it, so pages fit together whatever is committed meanwhile.

use asgard_pipeline::lakehouse::{AsOf, Rows, RowsQuery};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::{as_of, table};
use crate::App;
use crate::extract::{Environment, Ids, Params, limit};
use crate::ingestion::sources::ColumnAnswer;
use crate::problem::{Problem, Result};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowsParams {
    #[serde(default = "hundred")]
    #[param(minimum = 1, maximum = 1000, default = 100, required = false)]
    limit: u32,
    /// The `next_cursor` of the page before.
    #[param(required = false)]
    cursor: Option<String>,
    /// Names with commas between them; none = all.
    #[param(required = false, example = "id,name")]
    columns: Option<String>,
    /// The id of a snapshot, or a time such as `2026-03-01T12:00:00Z`.
    #[param(required = false)]
    as_of: Option<String>,
}

fn hundred() -> u32 {
    100
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LakehouseRows {
    columns: Vec<ColumnAnswer>,
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Map<String, Value>>,
    /// The snapshot that was read; null for a view.
    snapshot_id: Option<String>,
    /// For the next page; null = this is the last.
    next_cursor: Option<String>,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    snapshot: Option<i64>,
    offset: u64,
}

impl Cursor {
    fn parse(text: &str) -> Result<Self> {
        let parsed = text.split_once('-').and_then(|(snapshot, offset)| {
            let snapshot = if snapshot == "view" { None } else { Some(snapshot.parse().ok()?) };
            Some(Self { snapshot, offset: offset.parse().ok()? })
        });
        parsed
            .ok_or_else(|| Problem::field("cursor", format!("`{text}`: expected the `next_cursor` of an earlier page")))
    }

    fn text(self) -> String {
        let snapshot = self.snapshot.map_or_else(|| "view".to_owned(), |id| id.to_string());
        format!("{snapshot}-{}", self.offset)
    }
}

/// A page of rows.
#[utoipa::path(get, path = "/lakehouse/tables/{namespace}/{name}/rows", tag = "Lakehouse",
    params(("namespace" = String, Path,), ("name" = String, Path,), RowsParams),
    responses((status = 200, body = LakehouseRows)))]
pub(crate) async fn rows(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(namespace, name): Ids,
    Params(query): Params<RowsParams>,
) -> Result<Json<LakehouseRows>> {
    let name = table(&namespace, &name);
    let cursor = query.cursor.as_deref().map(Cursor::parse).transpose()?;
    let as_of = match cursor {
        Some(Cursor { snapshot: Some(snapshot), .. }) => Some(AsOf::Snapshot(snapshot)),
        _ => as_of(query.as_of.as_deref())?,
    };
    let offset = cursor.map_or(0, |cursor| cursor.offset);
    let asked = RowsQuery {
        columns: query.columns.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect()),
        as_of,
        offset,
        limit: limit("limit", query.limit)?,
    };
    let Rows { columns, rows, more, snapshots } = app.pipeline.table_rows(&active, &name, &asked).await?;
    let snapshot = snapshots.into_iter().find(|(table, _)| *table == name).and_then(|(_, snapshot)| snapshot);
    let next = more.then(|| Cursor { snapshot, offset: offset + rows.len() as u64 }.text());
    Ok(Json(LakehouseRows {
        columns: columns.into_iter().map(Into::into).collect(),
        rows,
        snapshot_id: snapshot.map(|id| id.to_string()),
        next_cursor: next,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_refused_by_its_name() {
        for cursor in [Cursor { snapshot: Some(7), offset: 100 }, Cursor { snapshot: None, offset: 3 }] {
            assert_eq!(Cursor::parse(&cursor.text()).unwrap(), cursor);
        }
        for bad in ["", "7", "x-1", "7-x", "7--1"] {
            assert_eq!(Cursor::parse(bad).unwrap_err().errors[0].field, "cursor", "{bad}");
        }
    }
}
