//! A step's way to the world: its log, its progress, its state on the way, and the sign to stop.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use asgard_contract::log::LogSink;
use asgard_contract::{Progress, Result};
use asgard_store::tasks::{Lease, Next, StepWrite};
use asgard_store::{Store, StoreError, StoreResult};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;

/// Why a step is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// Somebody wants the task's end.
    Cancel,
    /// The host stops; the task goes on elsewhere or later.
    Shutdown,
    /// Another worker has the task.
    LeaseLost,
    /// The task took longer than it may.
    Deadline,
}

/// The sign to stop, with the first reason that was given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    why: Arc<OnceLock<Interruption>>,
}

impl Interrupt {
    pub(crate) fn because(&self, why: Interruption) {
        // The first reason stays: the later ones find the step stopping already.
        let _ = self.why.set(why);
        self.token.cancel();
    }

    pub(crate) fn why(&self) -> Option<Interruption> {
        self.why.get().copied()
    }

    pub(crate) async fn given(&self) {
        self.token.cancelled().await;
    }
}

/// What a step has beside its task.
pub struct StepContext {
    store: Store,
    lease: Lease,
    interrupt: Interrupt,
    journal: Arc<Journal>,
    /// Held over a write: lines must be stored in the order in which they were taken.
    writing: Mutex<()>,
}

/// What is written beside what was said.
#[derive(Debug, Default)]
pub(crate) struct Left<'a> {
    pub(crate) state: Option<&'a Value>,
    pub(crate) details: Option<&'a Value>,
    pub(crate) plugin: Option<&'a str>,
}

impl StepContext {
    pub(crate) fn new(store: Store, lease: Lease, interrupt: Interrupt) -> Self {
        Self { store, lease, interrupt, journal: Arc::default(), writing: Mutex::default() }
    }

    /// Where the task's lines and events go. They can be read within half a second, while the step still runs.
    pub fn log(&self) -> Arc<dyn LogSink> {
        Arc::clone(&self.journal) as Arc<dyn LogSink>
    }

    /// Shows how far the step is; only the newest is kept.
    pub fn progress(&self, progress: Progress) {
        self.journal.progress(progress);
    }

    /// Stores `state` now: a step that runs again starts from it.
    ///
    /// # Errors
    /// `unavailable` when another worker has taken the task, or the database cannot be written: the step must stop.
    pub async fn save(&self, state: Value) -> Result<()> {
        self.write(Left { state: Some(&state), ..Left::default() }, Next::GoesOn).await?;
        Ok(())
    }

    /// Stores which plugin the task has started with, where its request could not say: every later step finds it in
    /// [`Task::plugin`](crate::Task::plugin).
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub async fn started_with(&self, plugin: &str) -> Result<()> {
        self.write(Left { plugin: Some(plugin), ..Left::default() }, Next::GoesOn).await?;
        Ok(())
    }

    /// Returns when the step is to stop: it then returns [`StepOutcome::Interrupted`](crate::StepOutcome::Interrupted) with
    /// the state to go on from.
    pub async fn cancelled(&self) {
        self.interrupt.given().await;
    }

    /// Whether the step is to stop.
    pub fn is_cancelled(&self) -> bool {
        self.interrupt.why().is_some()
    }

    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Writes what was said and what is left. What was said is kept for the next write when this one fails.
    pub(crate) async fn write(&self, left: Left<'_>, next: Next) -> StoreResult<()> {
        let _writing = self.writing.lock().await;
        let mut said = Taken { journal: &self.journal, said: Some(self.journal.take()) };
        let Some(now) = said.said.as_mut() else { return Ok(()) };
        now.lines.make_contiguous();
        now.events.make_contiguous();
        let step = StepWrite {
            state: left.state,
            progress: now.progress.as_ref(),
            details: left.details,
            plugin: left.plugin,
            log: now.lines.as_slices().0,
            events: now.events.as_slices().0,
            next,
        };
        let written = self.store.write_step(&self.lease, step).await;
        match &written {
            Ok(()) => said.said = None,
            Err(StoreError::LeaseLost(_)) => self.interrupt.because(Interruption::LeaseLost),
            Err(_) => {}
        }
        written
    }

    /// Stores what was said, every `interval`, until `stop`.
    pub(crate) async fn flush_until(&self, stop: &CancellationToken, interval: Duration) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            if self.journal.is_empty() {
                continue;
            }
            match self.write(Left::default(), Next::GoesOn).await {
                Ok(()) => {}
                Err(StoreError::LeaseLost(_)) => return,
                Err(error) => {
                    tracing::warn!(task = self.lease.task(), %error, "the log of a running step is kept back");
                }
            }
        }
    }
}

/// Puts lines back unless they were stored, also when the write is dropped halfway with the step around it.
struct Taken<'a> {
    journal: &'a Journal,
    said: Option<crate::journal::Said>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(said) = self.said.take() {
            self.journal.put_back(said);
        }
    }
}
