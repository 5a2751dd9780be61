//! Maintenance that nobody asks for: the policy of each environment.
//!
//! Every so often each table is looked at, by its metadata alone; only one that has something to do gets a task, so an idle
//! lakehouse has no tasks, and what was done is found where all tasks are. A table that cannot be looked at is logged and
//! stops no other.
//!
//! Files that no snapshot has are not found by metadata: once a day each table's folder is searched for them, whether or not
//! anybody writes to the table, and only one that has some gets a task.

use std::collections::HashMap;
use std::time::Duration;

use asgard_contract::environment::Maintenance as Policy;
use asgard_contract::{Result, TableName};
use asgard_lakehouse::TableKind;
use tokio::time::Instant;

use super::maintenance::{ExpireSnapshots, Maintenance, RemoveOrphans, expiry, hours};
use crate::Pipeline;
use crate::environments::Active;

/// How often tables are looked at. Costs a few reads of metadata per table that changed.
const EVERY: Duration = Duration::from_secs(600);

/// The first look comes when the host has started in peace.
const FIRST_AFTER: Duration = Duration::from_secs(120);

/// How often a table's folder is searched. It lists the folder and reads the manifests of all snapshots, for files that are a
/// day old at least.
const SEARCH_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Folders that are searched in one look at most, so that the others do not wait for long: enough for 7,200 tables a day.
const SEARCHES_AT_ONCE: usize = 50;

/// Which folders were searched lately, by environment and table. Nothing is kept of it over a restart: they are searched once
/// more then.
#[derive(Default)]
struct Searches {
    last: HashMap<(String, TableName), Instant>,
    /// In this look.
    count: usize,
}

impl Searches {
    fn begin_look(&mut self) {
        self.count = 0;
        self.last.retain(|_, at| at.elapsed() < SEARCH_EVERY);
    }

    /// Whether a table's folder is to be searched now; it counts as done then.
    fn take(&mut self, environment: &str, table: &TableName) -> bool {
        let table = (environment.to_owned(), table.clone());
        if self.count >= SEARCHES_AT_ONCE || self.last.contains_key(&table) {
            return false;
        }
        self.count += 1;
        self.last.insert(table, Instant::now());
        true
    }
}

impl Pipeline {
    /// Looks after the tables of all environments. Never ends by itself.
    pub(crate) async fn keep_tables(&self) {
        let mut looks = tokio::time::interval_at(Instant::now() + FIRST_AFTER, EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut searches = Searches::default();
        loop {
            looks.tick().await;
            searches.begin_look();
            for active in self.environments.list().await {
                let policy = active.document.lakehouse.maintenance.clone();
                if policy.automatic
                    && let Err(error) = self.keep_tables_of(&active, &policy, &mut searches).await
                {
                    tracing::warn!(environment = active.name, %error, "the tables could not be looked after");
                }
            }
        }
    }

    async fn keep_tables_of(&self, active: &Active, policy: &Policy, searches: &mut Searches) -> Result<()> {
        for entry in active.lakehouse.entries(None).await? {
            if entry.kind == TableKind::View {
                continue;
            }
            match self.keep_table(active, &entry.name, policy, searches).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(environment = active.name, table = %entry.name, %error, "a table could not be looked after");
                }
            }
        }
        Ok(())
    }

    async fn keep_table(
        &self,
        active: &Active,
        table: &TableName,
        policy: &Policy,
        searches: &mut Searches,
    ) -> Result<()> {
        let snapshots =
            ExpireSnapshots { older_than_hours: policy.snapshot_hours, retain_last: policy.snapshots_at_least };
        let due = active.lakehouse.maintenance_due(table, &expiry(active, snapshots)).await?;
        let orphans = searches.take(&active.name, table)
            && active.lakehouse.has_orphans(table, hours(policy.orphan_hours)).await?;
        if !due.compaction && !due.expiry && !orphans {
            return Ok(());
        }
        // Each where it is due: a catalog may look after snapshots and files itself, and have tables compacted here.
        let maintenance = Maintenance {
            compact: due.compaction,
            expire: due.expiry.then_some(snapshots),
            orphans: orphans.then_some(RemoveOrphans { older_than_hours: policy.orphan_hours, dry_run: false }),
        };
        self.maintain(active, table, maintenance).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_searched_once_and_others_wait_for_the_next_look() {
        let table = |number: usize| TableName::new("silver", format!("t{number}"));
        let mut searches = Searches::default();
        searches.begin_look();
        assert!(searches.take("one", &table(0)));
        assert!(!searches.take("one", &table(0)));
        assert!(searches.take("two", &table(0)), "of another environment");
        let rest = (1..2 * SEARCHES_AT_ONCE).filter(|number| searches.take("one", &table(*number))).count();
        assert_eq!(rest, SEARCHES_AT_ONCE - 2);
        searches.begin_look();
        assert!(!searches.take("one", &table(0)));
        assert!(searches.take("one", &table(2 * SEARCHES_AT_ONCE)));
    }
}
