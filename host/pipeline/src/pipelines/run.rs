//! The task behind a run: one look at all steps per step of the task.
//!
//! What is under way is looked at, what may begin begins, what waits for something that failed is skipped; the others go on. A step
//! that cannot begin for a reason that passes is tried again, beside the others; what keeps on failing fails the run only when no step
//! is under way any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use asgard_contract::log::{Level, LogSink};
use asgard_contract::{Error, Progress, Result};
use asgard_store::ResourceKind;
use asgard_tasks::{Handler, StepContext, StepOutcome, Task, TaskFilter, TaskStatus, schedule};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::Names;
use super::{Definition, StepDefinition, StepWork};
use crate::environments::Active;
use crate::{Pipeline, stepping};

pub(super) const KIND: &str = asgard_store::tasks::WAITING;

/// Between two looks at steps that are under way.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Before what could not be done is tried again, while other steps are under way: a backend that is away is not asked twice a second.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What was asked; stored as the task's request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) date: Option<NaiveDate>,
    /// The moment of the schedule that asked; none for a person.
    pub(super) fired_at: Option<DateTime<Utc>>,
    pub(super) parameters: BTreeMap<String, String>,
    /// The run that this one repeats, and what it came to.
    pub(super) repeats: Option<String>,
    pub(super) before: Option<RunState>,
}

/// Where a run is; stored as the task's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunState {
    /// As it was when the run began.
    pub definition: Option<Definition>,
    pub date: Option<NaiveDate>,
    pub steps: BTreeMap<String, StepState>,
}

/// Where a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// Something that it needs did not succeed.
    Skipped,
}

/// A step of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepState {
    pub status: StepStatus,
    /// The task that carries it out; none where there was nothing to do.
    pub task: Option<String>,
    /// What the task is about, for the routes of its kind: a run's, an ingestion's, a deployment's id.
    pub subject: Option<String>,
    /// Plugin and digest.
    pub plugin: Option<String>,
    pub outcome: Value,
    pub error: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// How a step began.
pub(crate) enum Begun {
    Task(Box<Task>),
    /// What it needs is used by somebody else at the moment.
    Later,
    Nothing,
}

pub(super) struct RunHandler {
    pipeline: Weak<Pipeline>,
}

impl RunHandler {
    pub(super) fn new(pipeline: &Arc<Pipeline>) -> Self {
        Self { pipeline: Arc::downgrade(pipeline) }
    }
}

#[async_trait]
impl Handler for RunHandler {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        let mut state: RunState = serde_json::from_value(task.state.clone()).unwrap_or_default();
        let looked = self.look(task, context, &mut state).await;
        outcome(&state, looked, context.log().as_ref())
    }

    async fn cancel(&self, task: &Task, _: &StepContext) -> Result<()> {
        let pipeline = stepping::running(&self.pipeline)?;
        for child in pipeline.steps_under_way(task).await? {
            pipeline.tasks.cancel(&child.id).await?;
        }
        Ok(())
    }
}

enum Looked {
    Waiting(String, Duration),
    Done,
}

fn outcome(state: &RunState, looked: Result<Looked>, log: &dyn LogSink) -> StepOutcome {
    let stored = serde_json::to_value(state).unwrap_or_default();
    let (message, after) = match looked {
        Ok(Looked::Waiting(message, after)) => (message, after),
        Ok(Looked::Done) => {
            return match state.failure() {
                None => StepOutcome::succeeded(stored),
                Some(error) => StepOutcome::failed(stored, error),
            };
        }
        // The task's patience is not spent on it: the end of the run would leave those steps to nobody.
        Err(error) if error.is_retryable() && state.of(StepStatus::Running).next().is_some() => {
            log.log(Level::Warn, &error.to_string());
            (format!("waiting to try again: {error}"), TRY_AGAIN)
        }
        Err(error) => return StepOutcome::failed(stored, error),
    };
    let progress = Some(Progress { message, fraction: state.fraction() });
    StepOutcome::Continue { state: stored, progress, details: Value::Null, after }
}

impl RunHandler {
    /// # Errors
    /// The first of those that steps had; the others have been looked at all the same.
    async fn look(&self, task: &Task, context: &StepContext, state: &mut RunState) -> Result<Looked> {
        let pipeline = stepping::running(&self.pipeline)?;
        let active = pipeline.environments.get(&task.environment).await?;
        let asked: Asked = stepping::asked(task)?;
        if state.definition.is_none() {
            let subject = task.subject.as_deref().unwrap_or_default();
            *state = pipeline.begun(&active, subject, &asked).await?;
            return Ok(Looked::Waiting("beginning".to_owned(), Duration::ZERO));
        }
        let Some(definition) = state.definition.clone() else { return Ok(Looked::Done) };
        let mut parameters = definition.parameters.clone();
        parameters.extend(asked.parameters);
        let names = Names::of(state.date.unwrap_or_default(), &parameters);
        let log = context.log();
        let mut held_up = None;
        for step in &definition.steps {
            let Some(status) = state.steps.get(&step.id).map(|step| step.status) else { continue };
            let looked_at = match status {
                StepStatus::Running => pipeline.look_at_step(state.steps.entry(step.id.clone()).or_default()).await,
                StepStatus::Pending => match readiness(step, state) {
                    Readiness::Waits => Ok(()),
                    Readiness::Never => {
                        let skipped = state.steps.entry(step.id.clone()).or_default();
                        skipped.status = StepStatus::Skipped;
                        skipped.finished_at = Some(Utc::now());
                        Ok(())
                    }
                    Readiness::Ready => {
                        let parent = format!("{}/{}", task.id, step.id);
                        pipeline.begin_step(&active, step, &names, &parent, state, log.as_ref()).await
                    }
                },
                _ => Ok(()),
            };
            if let Err(error) = looked_at {
                held_up.get_or_insert(error.about(&format!("step `{}`", step.id)));
            }
        }
        if let Some(error) = held_up {
            return Err(error);
        }
        if state.steps.values().all(|step| !matches!(step.status, StepStatus::Pending | StepStatus::Running)) {
            return Ok(Looked::Done);
        }
        let running: Vec<&str> = state.of(StepStatus::Running).collect();
        let message = if running.is_empty() { "waiting".to_owned() } else { format!("running {}", running.join(", ")) };
        Ok(Looked::Waiting(message, LOOK_AGAIN))
    }
}

enum Readiness {
    Ready,
    Waits,
    Never,
}

fn readiness(step: &StepDefinition, state: &RunState) -> Readiness {
    let mut readiness = Readiness::Ready;
    for need in &step.needs {
        match state.steps.get(need).map(|step| step.status) {
            Some(StepStatus::Succeeded) => {}
            Some(StepStatus::Pending | StepStatus::Running) => readiness = Readiness::Waits,
            _ => return Readiness::Never,
        }
    }
    readiness
}

impl RunState {
    pub(super) fn of(&self, status: StepStatus) -> impl Iterator<Item = &str> {
        self.steps.iter().filter(move |(_, step)| step.status == status).map(|(id, _)| id.as_str())
    }

    fn fraction(&self) -> Option<f64> {
        let ended = self.steps.values().filter(|step| step.finished_at.is_some()).count();
        (!self.steps.is_empty()).then(|| ended as f64 / self.steps.len() as f64)
    }

    /// Why the run failed. Never one that would be tried again: each step has been, by itself.
    fn failure(&self) -> Option<Error> {
        let bad = |step: &&StepState| matches!(step.status, StepStatus::Failed | StepStatus::Cancelled);
        let told: Vec<String> = self
            .steps
            .iter()
            .filter(|(_, step)| bad(step))
            .map(|(id, step)| format!("step `{id}`: {}", step.error.as_deref().unwrap_or("was cancelled")))
            .collect();
        (!told.is_empty()).then(|| Error::conflict(told.join("; ")))
    }
}

/// The day that a run is for where nobody said: that for which the schedule fired, by its own clock; else the one on which it begins.
fn day(asked: &Asked, definition: &Definition) -> Result<NaiveDate> {
    let Some(fired_at) = asked.fired_at else { return Ok(Utc::now().date_naive()) };
    let zone = definition.schedule.as_ref().and_then(|schedule| schedule.time_zone.as_deref());
    schedule::day_in(zone.unwrap_or(schedule::UTC), fired_at).map_err(|error| Error::internal(error.to_string()))
}

/// All steps, with what they came to before where neither they nor what they need begin anew.
fn kept(definition: &Definition, before: &RunState) -> BTreeMap<String, StepState> {
    let same = |step: &&StepDefinition| {
        let then = before.definition.iter().flat_map(|definition| &definition.steps);
        let succeeded = before.steps.get(&step.id).is_some_and(|state| state.status == StepStatus::Succeeded);
        succeeded && then.into_iter().any(|then| then == *step)
    };
    let mut keeps: BTreeSet<&str> = definition.steps.iter().filter(same).map(|step| step.id.as_str()).collect();
    loop {
        let begins = |step: &&StepDefinition| {
            keeps.contains(step.id.as_str()) && step.needs.iter().any(|need| !keeps.contains(need.as_str()))
        };
        let Some(step) = definition.steps.iter().find(begins) else { break };
        keeps.remove(step.id.as_str());
    }
    let state = |step: &StepDefinition| {
        let before = before.steps.get(&step.id).filter(|_| keeps.contains(step.id.as_str()));
        (step.id.clone(), before.cloned().unwrap_or_default())
    };
    definition.steps.iter().map(state).collect()
}

impl Pipeline {
    /// What a run begins with: the pipeline as it is now, and of a run that it repeats what succeeded and still is what it was.
    async fn begun(&self, active: &Active, pipeline: &str, asked: &Asked) -> Result<RunState> {
        let resource = self.store.get::<Definition>(&active.name, ResourceKind::Pipeline, pipeline).await?;
        let definition = resource.ok_or_else(|| Error::not_found("the pipeline was removed"))?.body;
        let before = asked.before.clone().unwrap_or_default();
        let date = before.date.or(asked.date).map_or_else(|| day(asked, &definition), Ok)?;
        let steps = kept(&definition, &before);
        Ok(RunState { definition: Some(definition), date: Some(date), steps })
    }

    /// The tasks of a run's steps that have not ended. They are found by their parent, since the state does not have all of them: a
    /// host that was killed when a step had begun, or whose look was broken off, did not write it down.
    async fn steps_under_way(&self, run: &Task) -> Result<Vec<Task>> {
        let parent = format!("{}/", run.id);
        let mut found = Vec::new();
        // In this order: one whose first step begins in between is found twice, the other way round it would be missed.
        for status in [TaskStatus::Pending, TaskStatus::Running] {
            let filter = TaskFilter::default().environment(&run.environment).status(status);
            let (tasks, _) = self.tasks.list(&filter, u32::MAX, 0).await?;
            let own = |task: &Task| task.parent.as_deref().is_some_and(|of| of.starts_with(&parent));
            found.extend(tasks.into_iter().filter(own));
        }
        Ok(found)
    }

    /// Where a step is by now that was under way.
    pub(super) async fn look_at_step(&self, step: &mut StepState) -> Result<()> {
        let Some(id) = &step.task else { return Ok(()) };
        let Some(task) = self.tasks.get(id).await? else {
            step.status = StepStatus::Failed;
            step.error = Some("its task is gone".to_owned());
            step.finished_at = Some(Utc::now());
            return Ok(());
        };
        step.status = match task.status {
            TaskStatus::Pending | TaskStatus::Running => return Ok(()),
            TaskStatus::Succeeded => StepStatus::Succeeded,
            TaskStatus::Failed => StepStatus::Failed,
            TaskStatus::Cancelled => StepStatus::Cancelled,
        };
        step.outcome = task.outcome.unwrap_or_default();
        step.error = task.error.map(|error| error.to_string());
        step.finished_at = task.finished_at;
        Ok(())
    }

    /// # Errors
    /// One that passes; any other is the step's end.
    async fn begin_step(
        &self,
        active: &Arc<Active>,
        definition: &StepDefinition,
        names: &Names,
        parent: &str,
        state: &mut RunState,
        log: &dyn LogSink,
    ) -> Result<()> {
        let begun = match self.read_step(definition, names, "with") {
            Ok(work) => self.begin_work(active, work, parent).await,
            Err(error) => Err(error),
        };
        let step = state.steps.entry(definition.id.clone()).or_default();
        match begun {
            Ok(Begun::Later) => return Ok(()),
            Ok(Begun::Nothing) => {
                (step.status, step.finished_at) = (StepStatus::Succeeded, Some(Utc::now()));
            }
            Ok(Begun::Task(task)) => {
                step.status = StepStatus::Running;
                step.task = Some(task.id);
                step.subject = task.subject;
                step.plugin = task.plugin;
            }
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => {
                log.log(Level::Error, &format!("step `{}` cannot begin: {error}", definition.id));
                (step.status, step.finished_at) = (StepStatus::Failed, Some(Utc::now()));
                step.error = Some(error.to_string());
                return Ok(());
            }
        }
        step.started_at = Some(Utc::now());
        log.event("Normal", "StepBegan", &format!("step `{}` began", definition.id));
        Ok(())
    }

    async fn begin_work(&self, active: &Arc<Active>, work: StepWork, parent: &str) -> Result<Begun> {
        match work {
            StepWork::Ingestion(name) => self.sync_of(active, &name, parent).await,
            StepWork::Silver(new) => self.silver_of(active, *new, parent).await,
            StepWork::Gold(new) => self.gold_of(active, *new, parent).await,
            StepWork::Features(new) => self.features_of(active, *new, parent).await,
            StepWork::Deployment(new) => self.deployment_of(active, *new, parent).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use asgard_contract::log::Discard;
    use serde_json::json;

    use super::*;

    fn state(steps: &[(&str, StepStatus)]) -> RunState {
        let step = |(id, status): &(&str, StepStatus)| {
            ((*id).to_owned(), StepState { status: *status, ..StepState::default() })
        };
        RunState { steps: steps.iter().map(step).collect(), ..RunState::default() }
    }

    #[test]
    fn what_may_pass_ends_no_run_while_one_of_its_steps_is_under_way() {
        let away = || Err(Error::unavailable("connection refused"));
        let under_way = state(&[("a", StepStatus::Running), ("b", StepStatus::Pending)]);
        let StepOutcome::Continue { state: stored, progress, .. } = outcome(&under_way, away(), &Discard) else {
            panic!("the run ended")
        };
        assert_eq!(stored, serde_json::to_value(&under_way).unwrap());
        assert!(progress.unwrap().message.contains("connection refused"));
        let alone = state(&[("a", StepStatus::Succeeded), ("b", StepStatus::Pending)]);
        assert!(matches!(outcome(&alone, away(), &Discard), StepOutcome::Failed { error, .. } if error.is_retryable()));
        let defect = outcome(&under_way, Err(Error::internal("unreadable")), &Discard);
        assert!(matches!(defect, StepOutcome::Failed { error: Error::Internal { .. }, .. }));
    }

    #[test]
    fn a_run_that_a_schedule_began_is_for_the_day_on_which_it_fired_by_its_own_clock() {
        let definition = |schedule: Value| -> Definition {
            serde_json::from_value(json!({"description": null, "schedule": schedule, "parameters": {}, "steps": []}))
                .unwrap()
        };
        let nightly = |zone: Value| {
            definition(json!({"schedule_type": "cron", "cron_expression": "0 1 * * *", "time_zone": zone}))
        };
        let asked: Asked = serde_json::from_value(json!({"fired_at": "2024-03-01T23:30:00+00:00"})).unwrap();
        for (definition, expected) in [
            (nightly(json!("Europe/Berlin")), "2024-03-02"),
            (nightly(Value::Null), "2024-03-01"),
            (definition(Value::Null), "2024-03-01"),
        ] {
            assert_eq!(day(&asked, &definition).unwrap().to_string(), expected);
        }
    }
}
