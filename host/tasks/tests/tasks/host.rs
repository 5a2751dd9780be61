//! A host that can be stopped, killed and started again over one data folder.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use asgard_contract::{Error, Result};

use asgard_tasks::{
    Allowance, Allowances, Handler, NewTask, RetryPolicy, StepContext, StepOutcome, Task, Tasks, TasksConfig,
};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The kind that every test's handler takes.
pub(crate) const KIND: &str = "work";

/// Longer than anything here takes, unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// The numbers of a real host, shortened: a test must not wait for fifteen seconds.
pub(crate) fn quick() -> TasksConfig {
    TasksConfig {
        lease: Duration::from_millis(600),
        interrupt_grace: Duration::from_millis(200),
        cancel_timeout: Duration::from_secs(2),
        flush: Duration::from_millis(50),
        poll: Duration::from_millis(50),
        retry: RetryPolicy {
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_millis(100),
            patience: Duration::from_millis(600),
            budget: 100,
        },
        ..TasksConfig::default()
    }
}

struct Allowed(Allowance);

#[async_trait]
impl Allowances for Allowed {
    async fn allowances(&self) -> HashMap<String, Allowance> {
        HashMap::from([("local".to_owned(), self.0.clone())])
    }
}

/// What all tasks of the host are allowed.
pub(crate) fn allow(host: &TestHost, allowance: Allowance) {
    host.tasks.limit_by(Arc::new(Allowed(allowance)));
}

pub(crate) struct TestHost {
    pub(crate) tasks: Arc<Tasks>,
    shutdown: CancellationToken,
    run: JoinHandle<()>,
}

impl TestHost {
    pub(crate) async fn start(folder: &Path, handler: Arc<dyn Handler>) -> Self {
        Self::with(folder, handler, quick()).await
    }

    pub(crate) async fn with(folder: &Path, handler: Arc<dyn Handler>, config: TasksConfig) -> Self {
        Self::on(asgard_store::testing::open(folder).await.unwrap(), handler, config)
    }

    pub(crate) fn on(store: asgard_store::Store, handler: Arc<dyn Handler>, config: TasksConfig) -> Self {
        let tasks = Tasks::new(store, config);
        tasks.register(KIND, handler);
        let shutdown = CancellationToken::new();
        let run = {
            let (tasks, shutdown) = (Arc::clone(&tasks), shutdown.clone());
            tokio::spawn(async move { tasks.run(shutdown).await })
        };
        Self { tasks, shutdown, run }
    }

    /// As SIGTERM ends a host.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(LONG, self.run).await.expect("the host stops").unwrap();
    }

    /// As SIGKILL ends a host: nothing is written any more.
    pub(crate) async fn kill(self) {
        self.run.abort();
        assert!(self.run.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn submit(&self) -> Task {
        self.tasks.submit(NewTask::new("local", KIND).subject("s")).await.unwrap()
    }

    /// The task when it has ended.
    pub(crate) async fn end_of(&self, task: &Task) -> Task {
        let task = self.tasks.wait(&task.id, LONG).await.unwrap();
        assert!(task.status.is_final(), "{task:?}");
        task
    }

    /// Waits until the task's state is this one.
    pub(crate) async fn state_of(&self, task: &Task, state: Value) {
        let reached = async {
            while self.tasks.get(&task.id).await.unwrap().unwrap().state != state {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, reached).await.expect("the state is reached");
    }
}

/// Counts to `to`, one number a step.
pub(crate) struct Counting {
    pub(crate) to: u64,
    pub(crate) pause: Duration,
    pub(crate) steps: AtomicU32,
}

impl Counting {
    pub(crate) fn to(to: u64) -> Arc<Self> {
        Arc::new(Self { to, pause: Duration::ZERO, steps: AtomicU32::new(0) })
    }

    pub(crate) fn taken(&self) -> u32 {
        self.steps.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for Counting {
    async fn step(&self, task: &Task, _: &StepContext) -> StepOutcome {
        self.steps.fetch_add(1, Ordering::SeqCst);
        let state = task.state.as_u64().unwrap_or(0) + 1;
        if state == self.to {
            return StepOutcome::Succeeded { state: json!(state), outcome: json!("counted"), details: Value::Null };
        }
        StepOutcome::Continue { state: json!(state), progress: None, details: Value::Null, after: self.pause }
    }

    async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
        Ok(())
    }
}

/// Fails `times` with `error`, then succeeds.
pub(crate) struct Failing {
    pub(crate) error: Error,
    pub(crate) times: u32,
    pub(crate) steps: AtomicU32,
}

impl Failing {
    pub(crate) fn with(error: Error, times: u32) -> Arc<Self> {
        Arc::new(Self { error, times, steps: AtomicU32::new(0) })
    }

    pub(crate) fn taken(&self) -> u32 {
        self.steps.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for Failing {
    async fn step(&self, _: &Task, _: &StepContext) -> StepOutcome {
        let step = self.steps.fetch_add(1, Ordering::SeqCst);
        if step < self.times {
            return StepOutcome::failed(json!(step), self.error.clone());
        }
        StepOutcome::succeeded(json!("done"))
    }

    async fn cancel(&self, _: &Task, _: &StepContext) -> Result<()> {
        Ok(())
    }
}

/// One long step: saves `"saved"` once it runs, then waits. Listening, it returns `"interrupted"` when told to; deaf, never.
/// After an interruption it succeeds.
pub(crate) struct Long {
    pub(crate) listens: bool,
    pub(crate) cancels: AtomicU32,
    /// What the first calls of `cancel` answer.
    pub(crate) cancel_error: Option<(u32, Error)>,
}

impl Long {
    pub(crate) fn listening() -> Arc<Self> {
        Arc::new(Self { listens: true, cancels: AtomicU32::new(0), cancel_error: None })
    }

    pub(crate) fn deaf() -> Arc<Self> {
        Arc::new(Self { listens: false, cancels: AtomicU32::new(0), cancel_error: None })
    }

    pub(crate) fn cancelled(&self) -> u32 {
        self.cancels.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for Long {
    async fn step(&self, task: &Task, context: &StepContext) -> StepOutcome {
        if !task.state.is_null() {
            return StepOutcome::succeeded(json!(format!("went on from {}", task.state.as_str().unwrap())));
        }
        if let Err(error) = context.save(json!("saved")).await {
            return StepOutcome::failed(Value::Null, error);
        }
        if !self.listens {
            std::future::pending::<()>().await;
        }
        context.cancelled().await;
        StepOutcome::interrupted(json!("interrupted"))
    }

    async fn cancel(&self, task: &Task, _: &StepContext) -> Result<()> {
        assert_ne!(task.state, Value::Null, "cancel sees what the step saved");
        let call = self.cancels.fetch_add(1, Ordering::SeqCst);
        match &self.cancel_error {
            Some((times, error)) if call < *times => Err(error.clone()),
            _ => Ok(()),
        }
    }
}
