//! Maintenance that nobody asks for: the policy of each environment.
//!
//! Every so often each table is looked at, by its metadata alone; only one that has something to do gets a task, so an idle
//! lakehouse has no tasks, and what was done is found where all tasks are. A table that cannot be looked at is logged and
//! stops no other.

use std::time::Duration;

use asgard_contract::environment::Maintenance as Policy;
use asgard_contract::{Result, TableName};
use asgard_lakehouse::TableKind;

use super::maintenance::{ExpireSnapshots, Maintenance, RemoveOrphans, expiry};
use crate::Pipeline;
use crate::environments::Active;

/// How often tables are looked at. Costs a few reads of metadata per table that changed.
const EVERY: Duration = Duration::from_secs(600);

/// The first look comes when the host has started in peace.
const FIRST_AFTER: Duration = Duration::from_secs(120);

impl Pipeline {
    /// Looks after the tables of all environments. Never ends by itself.
    pub(crate) async fn keep_tables(&self) {
        let mut looks = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_AFTER, EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for active in self.environments.list().await {
                let policy = active.document.lakehouse.maintenance.clone();
                if policy.automatic
                    && let Err(error) = self.keep_tables_of(&active, &policy).await
                {
                    tracing::warn!(environment = active.name, %error, "the tables could not be looked after");
                }
            }
        }
    }

    async fn keep_tables_of(&self, active: &Active, policy: &Policy) -> Result<()> {
        for entry in active.lakehouse.entries(None).await? {
            if entry.kind == TableKind::View {
                continue;
            }
            match self.keep_table(active, &entry.name, policy).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(environment = active.name, table = %entry.name, %error, "a table could not be looked after");
                }
            }
        }
        Ok(())
    }

    async fn keep_table(&self, active: &Active, table: &TableName, policy: &Policy) -> Result<()> {
        let snapshots =
            ExpireSnapshots { older_than_hours: policy.snapshot_hours, retain_last: policy.snapshots_at_least };
        let due = active.lakehouse.maintenance_due(table, &expiry(active, snapshots)).await?;
        if !due.compaction && !due.expiry {
            return Ok(());
        }
        let maintenance = Maintenance {
            compact: due.compaction,
            expire: Some(snapshots),
            orphans: Some(RemoveOrphans { older_than_hours: policy.orphan_hours, dry_run: false }),
        };
        self.maintain(active, table, maintenance).await?;
        Ok(())
    }
}
