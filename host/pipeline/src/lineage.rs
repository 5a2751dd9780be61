//! Where tables and models come from: from snapshot to snapshot, with the task and the plugin that made each.
//!
//! Nothing is kept for this. A commit names its task and the snapshots that it read, a deployment's task the ones that its features
//! are of, and each task its plugin with the digest. What another program committed, or a host of before notes were taken, ends the
//! way back.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use asgard_contract::{Error, Result, TableName};
use asgard_lakehouse::SnapshotInfo;
use asgard_tasks::Task;
use chrono::{DateTime, Utc};

use crate::Pipeline;
use crate::environments::Active;

/// A table as it was at a commit.
#[derive(Debug, Clone)]
pub struct TableNode {
    pub table: TableName,
    /// None for views, and for a table that is gone.
    pub snapshot: Option<i64>,
    pub committed_at: Option<DateTime<Utc>>,
    pub made_by: Option<TaskNode>,
    /// Table and snapshot, each of which is a node too.
    pub inputs: Vec<(TableName, i64)>,
}

/// The work behind a commit or a model.
#[derive(Debug, Clone)]
pub struct TaskNode {
    pub id: String,
    pub kind: String,
    pub subject: Option<String>,
    /// `name@version sha256:…`.
    pub plugin: Option<String>,
    /// The run and the step of a pipeline that it was.
    pub parent: Option<String>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl From<Task> for TaskNode {
    fn from(task: Task) -> Self {
        Self {
            id: task.id,
            kind: task.kind,
            subject: task.subject,
            plugin: task.plugin,
            parent: task.parent,
            finished_at: task.finished_at,
        }
    }
}

/// A version of a model.
#[derive(Debug, Clone)]
pub struct ModelLineage {
    pub model: String,
    pub version: String,
    pub deployment: TaskNode,
    /// Role -> plugin and digest.
    pub plugins: BTreeMap<String, String>,
    /// The snapshots that its features were read from.
    pub inputs: Vec<(TableName, i64)>,
    /// Those, and all before them.
    pub tables: Vec<TableNode>,
}

impl Pipeline {
    /// A table's snapshot and all that it comes from; the current one if none is named. The table itself is the first node.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for a snapshot that the table has not.
    pub async fn table_lineage(
        &self,
        active: &Active,
        table: &TableName,
        snapshot: Option<i64>,
    ) -> Result<Vec<TableNode>> {
        let snapshots = active.lakehouse.snapshots(table).await?;
        let current = snapshots.iter().find(|known| known.is_current).map(|known| known.id);
        if let Some(wanted) = snapshot
            && !snapshots.iter().any(|known| known.id == wanted)
        {
            return Err(Error::invalid("snapshot", format!("`{table}` has no snapshot {wanted}: it may have expired")));
        }
        match snapshot.or(current) {
            Some(snapshot) => self.back(active, vec![(table.clone(), snapshot)]).await,
            None => Ok(vec![TableNode {
                table: table.clone(),
                snapshot: None,
                committed_at: None,
                made_by: None,
                inputs: Vec::new(),
            }]),
        }
    }

    /// A version of a model, back to the tables.
    ///
    /// # Errors
    /// `not-found` for one that no deployment of this environment made.
    pub async fn model_lineage(&self, active: &Arc<Active>, model: &str, version: &str) -> Result<ModelLineage> {
        let made = self.deployment_of_version(active, model, version).await?.ok_or_else(|| {
            Error::not_found(format!(
                "no deployment of environment `{}` made version {version} of `{model}`",
                active.name
            ))
        })?;
        let inputs: Vec<(TableName, i64)> = made
            .snapshots
            .into_iter()
            .map(|(table, snapshot)| Ok((TableName::parse(&table)?, snapshot)))
            .collect::<Result<_>>()?;
        Ok(ModelLineage {
            model: model.to_owned(),
            version: version.to_owned(),
            deployment: made.task.into(),
            plugins: made.plugins,
            tables: self.back(active, inputs.clone()).await?,
            inputs,
        })
    }

    /// All nodes on the way back, each once.
    async fn back(&self, active: &Active, from: Vec<(TableName, i64)>) -> Result<Vec<TableNode>> {
        let (mut open, mut seen, mut nodes) = (from, HashSet::new(), Vec::new());
        open.reverse();
        while let Some((table, snapshot)) = open.pop() {
            if !seen.insert((table.clone(), snapshot)) {
                continue;
            }
            let found = match active.lakehouse.snapshots(&table).await {
                Ok(snapshots) => snapshots.into_iter().find(|known| known.id == snapshot),
                Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
            let node = self.node(table, snapshot, found.as_ref()).await?;
            open.extend(node.inputs.iter().rev().cloned());
            nodes.push(node);
        }
        Ok(nodes)
    }

    async fn node(&self, table: TableName, snapshot: i64, found: Option<&SnapshotInfo>) -> Result<TableNode> {
        let made_by = match found.and_then(SnapshotInfo::task) {
            Some(task) => self.tasks.get(task).await?.map(TaskNode::from),
            None => None,
        };
        Ok(TableNode {
            table,
            snapshot: Some(snapshot),
            committed_at: found.and_then(|found| found.committed_at),
            made_by,
            inputs: found.map(SnapshotInfo::inputs).unwrap_or_default(),
        })
    }
}
