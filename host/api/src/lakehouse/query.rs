//! `/lakehouse/query`: SQL that only reads.

use std::time::Duration;

use asgard_pipeline::lakehouse::{Dialect, Question, Rows};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::as_of;
use crate::App;
use crate::extract::{Body, Environment};
use crate::ingestion::sources::ColumnAnswer;
use crate::problem::{Problem, Result};

/// Rows of one answer: more are for a table.
const ROWS_AT_MOST: u32 = 10_000;

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SqlDialectName {
    #[default]
    Trino,
    Spark,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LakehouseQuery {
    /// One query; in Spark's SQL, temporary views may come before it. `FOR VERSION AS OF`, `FOR TIMESTAMP AS OF` and, in
    /// Spark's, `VERSION AS OF` and `TIMESTAMP AS OF` read one table as it was.
    #[schema(example = "SELECT operator_id, count(*) AS orders FROM silver.work_orders GROUP BY operator_id")]
    sql: String,
    #[serde(default)]
    dialect: SqlDialectName,
    /// Time as of which all tables are read that the statement says nothing else of, or the id of a snapshot of the one table.
    #[schema(example = "2026-03-01T12:00:00Z")]
    as_of: Option<String>,
    #[serde(default = "thousand")]
    #[schema(minimum = 1, maximum = 10_000, default = 1000)]
    max_rows: u32,
    /// The environment's limit, if that is shorter.
    #[schema(minimum = 1)]
    timeout_seconds: Option<u64>,
    /// The environment's limit, if that is smaller.
    #[schema(minimum = 1_048_576)]
    memory_bytes: Option<u64>,
}

fn thousand() -> u32 {
    1000
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadTable {
    /// As `namespace.name`.
    table: String,
    /// Null for a view.
    snapshot_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LakehouseQueryAnswer {
    columns: Vec<ColumnAnswer>,
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Map<String, Value>>,
    row_count: u64,
    /// Whether there are more rows than `max_rows`.
    truncated: bool,
    /// What was read, tables under views included.
    tables: Vec<ReadTable>,
}

impl LakehouseQuery {
    fn checked(self) -> Result<Question> {
        if !(1..=ROWS_AT_MOST).contains(&self.max_rows) {
            return Err(Problem::field("max_rows", format!("{}: expected 1 to {ROWS_AT_MOST}", self.max_rows)));
        }
        if self.timeout_seconds == Some(0) {
            return Err(Problem::field("timeout_seconds", "expected 1 second at least"));
        }
        if self.memory_bytes.is_some_and(|bytes| bytes < 1 << 20) {
            return Err(Problem::field("memory_bytes", "expected 1048576 (1 MiB) at least"));
        }
        Ok(Question {
            sql: self.sql,
            dialect: match self.dialect {
                SqlDialectName::Trino => Dialect::Trino,
                SqlDialectName::Spark => Dialect::Spark,
            },
            as_of: as_of(self.as_of.as_deref())?,
            max_rows: self.max_rows,
            time: self.timeout_seconds.map(Duration::from_secs),
            memory_bytes: self.memory_bytes,
        })
    }
}

/// Run a query. Errors name line and column of the SQL.
#[utoipa::path(post, path = "/lakehouse/query", tag = "Lakehouse", request_body = LakehouseQuery,
    responses((status = 200, body = LakehouseQueryAnswer)))]
pub(crate) async fn query(
    State(app): State<App>,
    Environment(active): Environment,
    Body(body): Body<LakehouseQuery>,
) -> Result<Json<LakehouseQueryAnswer>> {
    let Rows { columns, rows, more, snapshots } = app.pipeline.ask(&active, body.checked()?).await?;
    let tables = snapshots.into_iter().map(|(table, snapshot)| ReadTable {
        table: table.to_string(),
        snapshot_id: snapshot.map(|id| id.to_string()),
    });
    Ok(Json(LakehouseQueryAnswer {
        columns: columns.into_iter().map(Into::into).collect(),
        row_count: rows.len() as u64,
        rows,
        truncated: more,
        tables: tables.collect(),
    }))
}
