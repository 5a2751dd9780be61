//! Runs of pipelines: asked for, looked at, cancelled, repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use asgard_contract::{Error, Result};
use asgard_tasks::{NewTask, Task, TaskFilter, TaskStatus};
use chrono::{DateTime, NaiveDate, Utc};

use super::run::{self, Asked, RunState, StepStatus};
use crate::environments::Active;
use crate::{Page, Paged, Pipeline};

/// More dates at once are a slip of the keyboard.
const MOST_DATES: usize = 1000;

/// A run to be made.
#[derive(Debug, Clone, Default)]
pub struct NewRun {
    /// None: the day on which it begins, in UTC.
    pub date: Option<NaiveDate>,
    /// In the place of the pipeline's own of the same names.
    pub parameters: BTreeMap<String, String>,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: String,
    pub status: TaskStatus,
    pub date: Option<NaiveDate>,
    pub parameters: BTreeMap<String, String>,
    pub state: RunState,
    /// The run that this one repeats.
    pub repeats: Option<String>,
    pub message: Option<String>,
    pub error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl Pipeline {
    /// Asks for a run. It begins when those before it have ended.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for a parameter that the pipeline has not.
    pub async fn start_pipeline_run(&self, active: &Arc<Active>, name: &str, new: NewRun) -> Result<Run> {
        let record = self.pipeline_record(active, name).await?;
        for parameter in new.parameters.keys() {
            if !record.body.parameters.contains_key(parameter) {
                let known: Vec<&str> = record.body.parameters.keys().map(String::as_str).collect();
                return Err(Error::invalid(
                    format!("parameters.{parameter}"),
                    format!("the pipeline has none of this name: it has {}", known.join(", ")),
                ));
            }
        }
        let asked = Asked { date: new.date, parameters: new.parameters, ..Asked::default() };
        self.submit_run(active, &record.id, &asked).await
    }

    /// Asks for a run of each date, the first and the last included, in their order.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for a range that is none.
    pub async fn backfill_pipeline(
        &self,
        active: &Arc<Active>,
        name: &str,
        dates: (NaiveDate, NaiveDate),
        parameters: &BTreeMap<String, String>,
    ) -> Result<Vec<Run>> {
        let (first, last) = dates;
        if last < first {
            return Err(Error::invalid("until", format!("{last} is before {first}")));
        }
        let dates: Vec<NaiveDate> = first.iter_days().take_while(|date| *date <= last).take(MOST_DATES + 1).collect();
        if dates.len() > MOST_DATES {
            return Err(Error::invalid("until", format!("expected {MOST_DATES} dates at most: take them in parts")));
        }
        let mut runs = Vec::with_capacity(dates.len());
        for date in dates {
            runs.push(
                self.start_pipeline_run(active, name, NewRun { date: Some(date), parameters: parameters.clone() })
                    .await?,
            );
        }
        Ok(runs)
    }

    /// A pipeline's runs, newest first.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn pipeline_runs(&self, active: &Active, name: &str, page: Page) -> Result<Paged<Run>> {
        let id = self.pipeline_record(active, name).await?.id;
        let (tasks, total) = self.tasks.list(&runs_of(active, &id), page.limit, page.offset).await?;
        let mut items = Vec::with_capacity(tasks.len());
        for task in &tasks {
            items.push(self.shown_run(task).await?);
        }
        Ok(Paged { items, total })
    }

    /// A run.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn pipeline_run(&self, active: &Active, name: &str, run: &str) -> Result<Run> {
        self.shown_run(&self.run_task(active, name, run).await?).await
    }

    /// Cancels a run and the steps that are under way. What ended before stays.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn cancel_pipeline_run(&self, active: &Active, name: &str, run: &str) -> Result<Run> {
        let task = self.run_task(active, name, run).await?;
        self.shown_run(&self.tasks.cancel(&task.id).await?).await
    }

    /// Runs again what did not succeed in a run, and what was changed since. What succeeded is not repeated.
    ///
    /// # Errors
    /// `not-found`; `conflict` for a run that has not ended, or whose steps have not, or that has nothing to repeat.
    pub async fn rerun_pipeline(&self, active: &Arc<Active>, name: &str, run: &str) -> Result<Run> {
        let task = self.run_task(active, name, run).await?;
        if !task.status.is_final() {
            return Err(Error::conflict("the run is under way: cancel it first, or wait until it has ended"));
        }
        if task.status == TaskStatus::Succeeded {
            return Err(Error::conflict("all steps of the run succeeded: start a new one"));
        }
        let before = self.shown_run(&task).await?;
        let under_way: Vec<&str> = before.state.of(StepStatus::Running).collect();
        if !under_way.is_empty() {
            return Err(Error::conflict(format!(
                "the run has ended, and these steps of it are still under way: {}; cancel their tasks, or wait until they have ended",
                under_way.join(", ")
            )));
        }
        let mut asked: Asked = serde_json::from_value(task.request.clone()).unwrap_or_default();
        asked.repeats = Some(task.id.clone());
        asked.before = Some(before.state);
        self.submit_run(active, task.subject.as_deref().unwrap_or_default(), &asked).await
    }

    pub(super) async fn unfinished_runs(&self, active: &Active, pipeline: &str) -> Result<Vec<Task>> {
        let mut all = Vec::new();
        for status in [TaskStatus::Pending, TaskStatus::Running] {
            let filter = runs_of(active, pipeline).status(status);
            all.extend(self.tasks.list(&filter, u32::MAX, 0).await?.0);
        }
        Ok(all)
    }

    async fn submit_run(&self, active: &Active, pipeline: &str, asked: &Asked) -> Result<Run> {
        let request = serde_json::to_value(asked).map_err(|error| Error::internal(error.to_string()))?;
        let task = NewTask::new(&active.name, run::KIND).subject(pipeline).request(request);
        Ok(shown(&self.tasks.submit_behind(task).await?))
    }

    /// A run with its steps as they are by now: one that was cancelled, or had no time left, ends before they do.
    async fn shown_run(&self, task: &Task) -> Result<Run> {
        let mut run = shown(task);
        if run.status.is_final() {
            for step in run.state.steps.values_mut().filter(|step| step.status == StepStatus::Running) {
                self.look_at_step(step).await?;
            }
        }
        Ok(run)
    }

    async fn run_task(&self, active: &Active, name: &str, run: &str) -> Result<Task> {
        let pipeline = self.pipeline_record(active, name).await?.id;
        let task = self.tasks.get(run).await?;
        let own = |task: &Task| {
            task.environment == active.name && task.kind == run::KIND && task.subject.as_ref() == Some(&pipeline)
        };
        task.filter(own).ok_or_else(|| Error::not_found(format!("pipeline `{name}` has no run `{run}`")))
    }
}

fn runs_of(active: &Active, pipeline: &str) -> TaskFilter {
    TaskFilter::default().environment(&active.name).kind(run::KIND).subject(pipeline)
}

fn shown(task: &Task) -> Run {
    let asked: Asked = serde_json::from_value(task.request.clone()).unwrap_or_default();
    let state: RunState = serde_json::from_value(task.state.clone()).unwrap_or_default();
    Run {
        id: task.id.clone(),
        status: task.status,
        date: state.date.or(asked.date),
        parameters: asked.parameters,
        state,
        repeats: asked.repeats,
        message: task.progress.as_ref().map(|progress| progress.message.clone()),
        error: task.error.as_ref().map(ToString::to_string),
        created_at: task.created_at,
        started_at: task.started_at,
        finished_at: task.finished_at,
    }
}
