//! Tasks that submit themselves by the clock.
//!
//! A schedule fires once at a time, whatever its hosts and their clocks do. What becomes of fires that were missed while no host ran,
//! and of one that finds the task of its subject still under way, is for its [`Timetable`] to say.

use asgard_store::Schedule;
use chrono::{DateTime, Utc};

use crate::schedule::{self, InvalidCron, Timetable};
use crate::{NewTask, Tasks, TasksResult};

/// The schedules of [`Tasks`].
#[derive(Clone, Copy)]
pub struct Schedules<'a> {
    tasks: &'a Tasks,
}

impl<'a> Schedules<'a> {
    pub(crate) fn new(tasks: &'a Tasks) -> Self {
        Self { tasks }
    }

    /// Submits `task` whenever the timetable says, from now on; in the place of the schedule with this id.
    ///
    /// # Errors
    /// [`TasksError::Cron`](crate::TasksError::Cron) when the expression cannot be read or never fires.
    pub async fn put(
        &self,
        environment: &str,
        id: &str,
        timetable: impl Into<Timetable>,
        task: NewTask,
    ) -> TasksResult<()> {
        self.tasks.known(task.kind())?;
        let Timetable { cron, time_zone, catch_up, overlap } = timetable.into();
        let next_at = schedule::next_after(&cron, &time_zone, self.tasks.store().now().await?)?;
        if next_at.is_none() {
            let reason = "it never fires: no date to come matches it".to_owned();
            return Err(InvalidCron { expression: cron, reason }.into());
        }
        let (environment, id) = (environment.to_owned(), id.to_owned());
        let schedule = Schedule { environment, id, cron, time_zone, catch_up, overlap, task, last_at: None, next_at };
        self.tasks.store().put_schedule(&schedule).await?;
        self.tasks.wake_schedules();
        Ok(())
    }

    /// Removes a schedule; one that is gone already is no error. What it submitted goes on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete(&self, environment: &str, id: &str) -> TasksResult<()> {
        Ok(self.tasks.store().delete_schedule(environment, id).await?)
    }

    /// When a schedule fires next; none where there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn next_fire(&self, environment: &str, id: &str) -> TasksResult<Option<DateTime<Utc>>> {
        Ok(self.tasks.store().schedule(environment, id).await?.and_then(|schedule| schedule.next_at))
    }
}
