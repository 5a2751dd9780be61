//! The clock of the schedules, and what is done when it is put back.

use std::time::Duration;

use asgard_store::{Fired, Schedule, StoreResult};
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::{Tasks, schedule};

/// After an error of the store, as the worker has it.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);

/// Fires schedules until `shutdown`.
pub(crate) async fn run(tasks: &Tasks, shutdown: &CancellationToken) {
    let mut clock = Clock { tasks, seen: None };
    while !shutdown.is_cancelled() {
        let pause = match clock.tick().await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "schedules cannot be read");
                AFTER_AN_ERROR
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tasks.wait_schedules() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

struct Clock<'a> {
    tasks: &'a Tasks,
    /// The latest time so far; none before the first look.
    seen: Option<DateTime<Utc>>,
}

impl Clock<'_> {
    /// Fires what is due, and answers how long nothing will be.
    async fn tick(&mut self) -> StoreResult<Duration> {
        let store = self.tasks.store();
        let now = store.now().await?;
        // At the start too: the clock may have been put back while no host ran.
        if self.seen.is_none_or(|seen| now < seen) {
            self.put_back(now).await?;
        }
        self.seen = Some(now);
        for due in store.due_schedules(now).await? {
            self.fire(&due, now).await?;
        }
        let poll = self.tasks.config().poll;
        let Some(next) = store.next_schedule().await? else { return Ok(poll) };
        let pause = (next - store.now().await?).to_std().unwrap_or_default();
        Ok(pause.min(poll))
    }

    async fn fire(&self, due: &Schedule, now: DateTime<Utc>) -> StoreResult<()> {
        let (environment, id) = (&due.environment, &due.id);
        let firing = schedule::fire(due, now).unwrap_or_else(|error| {
            tracing::error!(environment, schedule = id, %error, "this schedule fires no more");
            schedule::Firing { moments: Vec::new(), next_at: None }
        });
        match self.tasks.store().fire_schedule(due, &firing.moments, firing.next_at).await? {
            Fired::Submitted(submitted) => {
                for task in &submitted {
                    tracing::info!(environment, schedule = id, task = task.id, "scheduled");
                }
                if submitted.is_empty() {
                    tracing::warn!(environment, schedule = id, "skipped: its time had passed");
                }
                self.tasks.announce();
            }
            Fired::StillRunning(task) => {
                tracing::warn!(environment, schedule = id, task, "skipped: still running");
            }
            Fired::Full => tracing::warn!(environment, schedule = id, "skipped: too many wait already"),
            Fired::Outdated => {}
        }
        Ok(())
    }

    /// What was planned by a clock that was ahead would stand still until that time comes again.
    async fn put_back(&self, now: DateTime<Utc>) -> StoreResult<()> {
        let store = self.tasks.store();
        for stored in store.schedules().await? {
            if let Ok(Some(next_at)) = schedule::sooner(&stored, now) {
                tracing::warn!(schedule = stored.id, %next_at, "the clock was put back: this schedule fires sooner");
                store.reschedule(&stored, next_at).await?;
            }
        }
        let mended = store.mend_due_times().await?;
        if mended > 0 {
            tracing::warn!(
                tasks = mended,
                "the clock was put back: these tasks were to wait until it is that late again"
            );
            self.tasks.announce();
        }
        Ok(())
    }
}
