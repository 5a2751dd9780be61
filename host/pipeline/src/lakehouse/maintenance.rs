//! The task that maintains one table: one operation per step, so a host that crashes goes on with the one it was at.

use std::sync::{Arc, Weak};
use std::time::Duration;

use asgard_contract::log::Level;
use asgard_contract::{Error, Progress, Result, TableName};
use asgard_lakehouse::{Compacted, Expiry, OrphanSearch};
use asgard_tasks::{Handler, NewTask, StepContext, StepOutcome, Task};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Pipeline;
use crate::environments::Active;
use crate::stepping;

/// The task's kind. Its subject is the table, as `namespace.name`.
pub(super) const KIND: &str = "maintenance";

/// Beside the time that a statement may run: clocks of two hosts differ.
const READERS_MARGIN: Duration = Duration::from_secs(60);

/// What is done to a table. Operations that are none are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Small files into large ones, without rows that are marked as deleted.
    pub compact: bool,
    pub expire: Option<ExpireSnapshots>,
    pub orphans: Option<RemoveOrphans>,
}

/// Which snapshots are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpireSnapshots {
    pub older_than_hours: u64,
    pub retain_last: u32,
}

/// Which files are deleted that no snapshot has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveOrphans {
    pub older_than_hours: u64,
    pub dry_run: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Asked {
    table: TableName,
    maintenance: Maintenance,
}

/// Outcomes by operation; an operation that has one is done.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    #[serde(default)]
    done: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Compact,
    Expire(ExpireSnapshots),
    Orphans(RemoveOrphans),
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Compact => "compaction",
            Self::Expire(_) => "expiry",
            Self::Orphans(_) => "orphans",
        }
    }
}

impl Maintenance {
    /// In the order in which one makes work for the next: what compaction replaces, expiry forgets.
    fn operations(&self) -> Vec<Operation> {
        let compact = self.compact.then_some(Operation::Compact);
        let expire = self.expire.map(Operation::Expire);
        compact.into_iter().chain(expire).chain(self.orphans.map(Operation::Orphans)).collect()
    }
}

impl Pipeline {
    /// Starts to maintain a table. While a task of it is under way, that one is the answer.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` when nothing is asked for, and for views.
    pub async fn maintain(&self, active: &Active, table: &TableName, maintenance: Maintenance) -> Result<Task> {
        if maintenance.operations().is_empty() {
            let message = "nothing is asked for: expected `compact`, `expire_snapshots` or `remove_orphans`";
            return Err(Error::invalid("body", message));
        }
        // Neither a view nor nothing: told now, not by a task that fails.
        active.lakehouse.check_maintained(table).await?;
        let asked = Asked { table: table.clone(), maintenance };
        let task = NewTask::new(&active.name, KIND)
            .subject(&table.to_string())
            .request(serde_json::to_value(&asked).unwrap_or_default());
        Ok(self.tasks.submit_unless_running(task).await?)
    }
}

pub(super) struct MaintenanceHandler {
    pipeline: Weak<Pipeline>,
}

impl MaintenanceHandler {
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::downgrade(pipeline) }
    }

    async fn advance(&self, task: &Task, context: &StepContext) -> Result<StepOutcome> {
        let pipeline = stepping::running(&self.pipeline)?;
        let active = pipeline.environments.get(&task.environment).await?;
        let asked: Asked = stepping::asked(task)?;
        let mut state: State = serde_json::from_value(task.state.clone()).unwrap_or_default();
        let due = |state: &State| {
            asked.maintenance.operations().into_iter().find(|operation| !state.done.contains_key(operation.name()))
        };
        if let Some(operation) = due(&state) {
            let done = tokio::select! {
                done = carry_out(&active, &asked.table, operation, context) => done?,
                // What was committed stays, and the rest is found again.
                () = context.cancelled() => return Ok(StepOutcome::interrupted(task.state.clone())),
            };
            context.log().log(Level::Info, &format!("{} of `{}`: {done}", operation.name(), asked.table));
            state.done.insert(operation.name().to_owned(), done);
        }
        let outcome = Value::Object(state.done.clone());
        let goes_on = due(&state).is_some();
        let state = serde_json::to_value(&state).unwrap_or_default();
        Ok(if goes_on {
            StepOutcome::Continue { state, progress: None, details: Value::Null, after: Duration::ZERO }
        } else {
            StepOutcome::Succeeded { state, outcome, details: Value::Null }
        })
    }
}

async fn carry_out(active: &Active, table: &TableName, operation: Operation, context: &StepContext) -> Result<Value> {
    context.progress(Progress { message: format!("{} of `{table}`", operation.name()), fraction: None });
    Ok(match operation {
        Operation::Compact => {
            let told = |done: usize, of: usize| {
                let message = format!("compaction of `{table}`: {done} of {of} groups of files");
                context.progress(Progress { message, fraction: Some(done as f64 / of.max(1) as f64) });
            };
            let done = active.lakehouse.compact(table, &told).await?;
            let mut told = json!({
                "files_before": done.files_before, "files_after": done.files_after, "bytes": done.bytes,
                "delete_files_removed": done.delete_files, "groups_given_up": done.given_up,
            });
            if done == Compacted::default() {
                told["message"] = json!(format!(
                    "nothing was worth it: a partition is compacted when it has {} small files, or fewer that fill one of the \
                     wanted size, and a file whose rows were deleted, or whose partitioning is one of before, at any time",
                    asgard_lakehouse::FEWEST_FILES
                ));
            }
            told
        }
        Operation::Expire(asked) => {
            let done = active.lakehouse.expire(table, &expiry(active, asked)).await?;
            json!({
                "snapshots": done.snapshots, "files_deleted": done.files_deleted, "files_deleted_later": done.files_left,
            })
        }
        Operation::Orphans(asked) => {
            let older_than = hours(asked.older_than_hours);
            let done =
                active.lakehouse.remove_orphans(table, &OrphanSearch { older_than, dry_run: asked.dry_run }).await?;
            json!({"files": done.files, "bytes": done.bytes, "dry_run": asked.dry_run, "locations": done.locations})
        }
    })
}

pub(super) fn hours(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(3600))
}

pub(super) fn expiry(active: &Active, asked: ExpireSnapshots) -> Expiry {
    Expiry {
        older_than: hours(asked.older_than_hours),
        retain_last: asked.retain_last,
        readers: Duration::from_secs(active.document.limits.query_seconds).saturating_add(READERS_MARGIN),
    }
}

#[async_trait]
impl Handler for MaintenanceHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        self.advance(task, context).await.unwrap_or_else(|error| StepOutcome::failed(task.state.clone(), error))
    }

    /// The step that was interrupted has undone what it did not commit.
    async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
        Ok(())
    }
}
