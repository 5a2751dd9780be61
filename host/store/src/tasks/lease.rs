//! Leases: who works on a task, and until when.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Any, Transaction};

use super::fairness::{self, Candidate, Limits, UnderWay};
use super::{COLUMNS, Row, Task};
use crate::statement::Statement;
use crate::{Store, StoreResult, time};

/// The right to write a task's steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub(crate) task: String,
    pub(crate) token: i64,
}

impl Lease {
    /// The task's id.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Whether nobody had the task before.
    pub fn is_first(&self) -> bool {
        self.token == 1
    }
}

/// What went wrong with a task so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// Steps that failed and were to be repeated, since the last one that did not.
    pub failures: u32,
    /// The first of those.
    pub failing_since: Option<DateTime<Utc>>,
    /// In the task's whole life.
    pub retries: u32,
}

/// A task with the lease on it.
#[derive(Debug, Clone)]
pub struct Leased {
    pub task: Task,
    pub lease: Lease,
    pub attempts: Attempts,
}

/// A lease that its owner still has.
#[derive(Debug, Clone)]
pub struct Held {
    pub lease: Lease,
    pub cancel_requested: bool,
}

impl Store {
    /// Leases up to `limit` tasks that are due to `owner` for `time`, in turns and within `limits`: free ones, and those whose lease
    /// on another owner ran out. An owner's own leases do not run out for itself: after a clock jump a worker must not start a task
    /// that it is working on. A task that another host had goes on there, unless it is late by half a lease: that host may hold in its
    /// memory what the task waits for, such as a statement that would have to begin anew.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn lease_due(
        &self,
        owner: &str,
        kinds: &[String],
        time: Duration,
        limit: usize,
        limits: &Limits,
    ) -> StoreResult<Vec<Leased>> {
        // What is counted must not change until what was chosen is written.
        let mut write = if fairness::are_unlimited(limits) { self.write_rows().await? } else { self.write().await? };
        let now = self.now_in(&mut write).await?;
        let candidates = candidates(&mut write, owner, kinds, now, time, limit).await?;
        let under_way: Vec<UnderWay> = sqlx::query_as(
            "SELECT environment, kind, COALESCE(backend, '') AS backend, COUNT(*) AS count FROM tasks
             WHERE finished_at IS NULL AND status <> 'pending' GROUP BY environment, kind, COALESCE(backend, '')",
        )
        .fetch_all(&mut *write)
        .await?;
        let chosen = fairness::choose(candidates, &under_way, limits, limit);
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let mut query =
            Statement::new("WITH due AS MATERIALIZED (SELECT id FROM tasks WHERE finished_at IS NULL AND id IN (");
        query.bind_all(&chosen);
        query.push(") AND (lease_owner IS NULL OR lease_until < ").bind(now).push(")");
        query.push(self.dialect().for_update());
        query.push(") UPDATE tasks SET status = 'running', lease_owner = ").bind(owner);
        query.push(", last_host = ").bind(host_of(owner));
        query.push(", lease_until = ").bind(time::later(now, time));
        query.push(", lease_token = lease_token + 1, started_at = COALESCE(started_at, ").bind(now);
        query.push("), updated_at = ").bind(now);
        query.push(" WHERE id IN (SELECT id FROM due) RETURNING ").push(COLUMNS);
        let mut rows: Vec<Row> = query.query_as().fetch_all(&mut *write).await?;
        write.commit().await?;
        // The databases give the rows back in orders of their own.
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        rows.into_iter().map(leased).collect()
    }

    /// In how long the next task of these kinds is due for `owner`, who leases for `time`: nothing where one waits already, none
    /// where there is none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn next_due(&self, owner: &str, kinds: &[String], time: Duration) -> StoreResult<Option<Duration>> {
        let mut query = Statement::new("SELECT MIN(CASE WHEN lease_owner IS NOT NULL THEN lease_until + 1 WHEN ");
        query.push("last_host <> ").bind(host_of(owner)).push(" THEN due_at + ").bind(lateness(time));
        query.push(" ELSE due_at END) FROM tasks WHERE TRUE");
        push_free(&mut query, owner, kinds);
        let (next,): (Option<i64>,) = query.query_as().fetch_one(self.readers()).await?;
        let Some(next) = next else { return Ok(None) };
        let now = self.now().await?.timestamp_millis();
        Ok(Some(Duration::from_millis(u64::try_from(next - now).unwrap_or(0))))
    }

    /// Tasks that were written in a time to come, since the clock was put back, are due as long after now as they were after that
    /// time. Answers how many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn mend_due_times(&self) -> StoreResult<u64> {
        let mut write = self.write_rows().await?;
        let now = self.now_in(&mut write).await?;
        let mended = sqlx::query(
            "UPDATE tasks SET due_at = due_at - (updated_at - $1), lease_until = lease_until - (updated_at - $1),
                 updated_at = $1 WHERE finished_at IS NULL AND updated_at > $1",
        )
        .bind(now)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(mended.rows_affected())
    }

    /// Lets all leases of `owner` last for `time` from now, and answers which it has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn renew_leases(&self, owner: &str, time: Duration) -> StoreResult<Vec<Held>> {
        let mut write = self.write_rows().await?;
        let now = self.now_in(&mut write).await?;
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "UPDATE tasks SET lease_until = $1 WHERE lease_owner = $2 RETURNING id, lease_token, cancel_requested",
        )
        .bind(time::later(now, time))
        .bind(owner)
        .fetch_all(&mut *write)
        .await?;
        write.commit().await?;
        let held = |(task, token, cancel_requested)| Held {
            lease: Lease { task, token },
            cancel_requested: cancel_requested != 0,
        };
        Ok(rows.into_iter().map(held).collect())
    }

    /// Gives all leases of `owner` back; the tasks are due when they were, for every host.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn release_leases(&self, owner: &str) -> StoreResult<u64> {
        sqlx::query("UPDATE tasks SET last_host = NULL WHERE last_host = $1 AND finished_at IS NULL")
            .bind(host_of(owner))
            .execute(self.writer())
            .await?;
        let freed = sqlx::query("UPDATE tasks SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1")
            .bind(owner)
            .execute(self.writer())
            .await?;
        Ok(freed.rows_affected())
    }

    /// Frees what earlier lives of this host leased. Only for the holder of the [`HostLock`](crate::HostLock): those lives are
    /// over. The tokens stay, so even a mistake here cannot make two workers write one task.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn reclaim_leases(&self) -> StoreResult<u64> {
        let freed = sqlx::query(
            "UPDATE tasks SET lease_owner = NULL, lease_until = NULL WHERE lease_owner LIKE $1 AND lease_owner <> $2",
        )
        .bind(self.own_lives())
        .bind(self.owner())
        .execute(self.writer())
        .await?;
        Ok(freed.rows_affected())
    }
}

/// The host of a life.
fn host_of(owner: &str) -> &str {
    owner.split('/').next().unwrap_or_default()
}

/// From when on a task is anybody's that its host has not gone on with, in milliseconds: after half a lease, so that what a killed host
/// had is taken over no later than what it was working on.
fn lateness(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis() / 2).unwrap_or(i64::MAX)
}

/// What is due and free, oldest first: as many of each environment, kind and backend as may be chosen in all.
async fn candidates(
    write: &mut Transaction<'static, Any>,
    owner: &str,
    kinds: &[String],
    now: i64,
    time: Duration,
    limit: usize,
) -> StoreResult<Vec<Candidate>> {
    let mut query = Statement::new(
        "SELECT id, environment, kind, backend, begun FROM (
             SELECT id, environment, kind, COALESCE(backend, '') AS backend, due_at,
                 CASE WHEN status = 'pending' THEN 0 ELSE 1 END AS begun,
                 ROW_NUMBER() OVER (PARTITION BY environment, kind, backend, status ORDER BY due_at, id) AS place
             FROM tasks WHERE due_at <= ",
    );
    query.bind(now);
    push_free(&mut query, owner, kinds);
    query.push(" AND (lease_owner IS NULL OR lease_until < ").bind(now);
    query.push(") AND (lease_owner IS NOT NULL OR last_host IS NULL OR last_host = ").bind(host_of(owner));
    query.push(" OR due_at <= ").bind(now.saturating_sub(lateness(time)));
    query.push(
        ") AND (waits = 0 OR NOT EXISTS (SELECT 1 FROM tasks older WHERE older.environment = tasks.environment
             AND older.kind = tasks.kind AND older.subject = tasks.subject AND older.id < tasks.id
             AND older.finished_at IS NULL))) AS waiting WHERE place <= ",
    );
    query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).push(" ORDER BY due_at, id");
    Ok(query.query_as().fetch_all(&mut **write).await?)
}

/// Unfinished, of these kinds, not the owner's own.
fn push_free<'a>(query: &mut Statement<'a>, owner: &'a str, kinds: &'a [String]) {
    query.push(" AND finished_at IS NULL AND (lease_owner IS NULL OR lease_owner <> ").bind(owner);
    query.push(") AND kind IN (").bind_all(kinds).push(")");
}

fn leased(row: Row) -> StoreResult<Leased> {
    let attempts = Attempts {
        failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
        failing_since: row.failing_since.map(time::from_millis),
        retries: u32::try_from(row.retries).unwrap_or(u32::MAX),
    };
    let lease = Lease { task: row.id.clone(), token: row.lease_token };
    Ok(Leased { task: row.task()?, lease, attempts })
}
