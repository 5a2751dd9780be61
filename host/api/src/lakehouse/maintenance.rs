//! `POST /lakehouse/tables/{namespace}/{name}/maintenance`.

use asgard_pipeline::lakehouse::{ExpireSnapshots, Maintenance, RemoveOrphans};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::table;
use crate::App;
use crate::extract::{Body, Environment, Ids};
use crate::platform::tasks::TaskAnswer;
use crate::problem::{Problem, Result};

/// Defaults are Iceberg's own: five days of snapshots, three days for files that nothing has.
const SNAPSHOT_HOURS: u64 = 120;
const ORPHAN_HOURS: u64 = 72;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpireSnapshotsRequest {
    /// Those of the last hour are always kept.
    #[serde(default = "snapshot_hours")]
    #[schema(default = 120)]
    older_than_hours: u64,
    /// Of every branch, whatever their age.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    retain_last: u32,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveOrphansRequest {
    /// Younger files may belong to a writer that has not committed yet.
    #[serde(default = "orphan_hours")]
    #[schema(minimum = 24, default = 72)]
    older_than_hours: u64,
    /// Only tell what would be deleted.
    #[serde(default = "yes")]
    #[schema(default = true)]
    dry_run: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaintenanceRequest {
    /// Put small files together, up to the table's `write.target-file-size-bytes` (128 MiB), without rows that are marked as
    /// deleted.
    #[serde(default)]
    compact: bool,
    expire_snapshots: Option<ExpireSnapshotsRequest>,
    remove_orphans: Option<RemoveOrphansRequest>,
}

fn snapshot_hours() -> u64 {
    SNAPSHOT_HOURS
}

fn orphan_hours() -> u64 {
    ORPHAN_HOURS
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

impl MaintenanceRequest {
    fn checked(self) -> Result<Maintenance> {
        if self.expire_snapshots.as_ref().is_some_and(|expire| expire.retain_last == 0) {
            return Err(Problem::field("expire_snapshots.retain_last", "expected 1 at least"));
        }
        if self.remove_orphans.as_ref().is_some_and(|orphans| orphans.older_than_hours < 24) {
            let message = "expected 24 at least: younger files may belong to a writer that has not committed yet";
            return Err(Problem::field("remove_orphans.older_than_hours", message));
        }
        Ok(Maintenance {
            compact: self.compact,
            expire: self.expire_snapshots.map(|expire| ExpireSnapshots {
                older_than_hours: expire.older_than_hours,
                retain_last: expire.retain_last,
            }),
            orphans: self
                .remove_orphans
                .map(|orphans| RemoveOrphans { older_than_hours: orphans.older_than_hours, dry_run: orphans.dry_run }),
        })
    }
}

/// Maintain a table: a task, whose outcome GET /tasks/{id} shows. One at a time: while one is under way, it is the answer.
#[utoipa::path(post, path = "/lakehouse/tables/{namespace}/{name}/maintenance", tag = "Lakehouse",
    params(("namespace" = String, Path,), ("name" = String, Path,)), request_body = MaintenanceRequest,
    responses((status = 202, body = TaskAnswer)))]
pub(crate) async fn start(
    State(app): State<App>,
    Environment(active): Environment,
    Ids(namespace, name): Ids,
    Body(body): Body<MaintenanceRequest>,
) -> Result<(StatusCode, Json<TaskAnswer>)> {
    let task = app.pipeline.maintain(&active, &table(&namespace, &name), body.checked()?).await?;
    Ok((StatusCode::ACCEPTED, Json(task.into())))
}
