//! The loop that leases and starts steps, and the heartbeat that keeps their leases.

use std::sync::Arc;
use std::time::Duration;

use asgard_store::tasks::Leased;
use asgard_store::{HostLock, StoreResult};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::{Interrupt, Interruption};
use crate::step::StepRun;
use crate::tasks::Running;
use crate::{Tasks, clock, retention};

/// After an error of the store: long enough not to fill the log while a disk is full, short enough that work goes on soon.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);

/// One life of [`Tasks::run`].
pub(crate) struct Worker {
    tasks: Arc<Tasks>,
    shutdown: CancellationToken,
}

impl Worker {
    pub(crate) fn new(tasks: Arc<Tasks>, shutdown: CancellationToken) -> Self {
        Self { tasks, shutdown }
    }

    pub(crate) async fn run(&self) {
        let _host = self.take_over().await;
        let idle = CancellationToken::new();
        let steps = async {
            self.dispatch().await;
            idle.cancel();
        };
        tokio::join!(
            steps,
            self.keep_leases(&idle),
            clock::run(&self.tasks, &self.shutdown),
            retention::run(&self.tasks, &self.shutdown)
        );
        if let Err(error) = self.tasks.store().end_life().await {
            tracing::warn!(%error, "leases were not given back: they run out by themselves");
        }
    }

    /// The holder of the folder's host lock frees what earlier lives of this host left leased. Without the lock one of them is
    /// alive, and leases run out by themselves; so do those of other hosts.
    async fn take_over(&self) -> Option<HostLock> {
        let store = self.tasks.store();
        let lock = match store.try_host_lock() {
            Ok(lock) => lock?,
            Err(error) => {
                tracing::warn!(%error, "leases of an earlier life run out by themselves");
                return None;
            }
        };
        match store.reclaim_leases().await {
            Ok(0) => {}
            Ok(tasks) => tracing::info!(tasks, "taking up what was running when the host ended"),
            Err(error) => tracing::warn!(%error, "leases of an earlier life run out by themselves"),
        }
        Some(lock)
    }

    async fn dispatch(&self) {
        let mut steps = JoinSet::new();
        while !self.shutdown.is_cancelled() {
            let free = self.tasks.config().concurrency.saturating_sub(steps.len());
            let pause = match self.start(free, &mut steps).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "tasks cannot be leased");
                    AFTER_AN_ERROR
                }
            };
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = self.tasks.wait_due() => {}
                Some(_) = steps.join_next() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        for step in self.tasks.running_steps() {
            step.interrupt.because(Interruption::Shutdown);
        }
        while steps.join_next().await.is_some() {}
    }

    /// Starts up to `free` steps, and answers how long there is nothing more to start.
    async fn start(&self, free: usize, steps: &mut JoinSet<()>) -> StoreResult<Duration> {
        let poll = self.tasks.config().poll;
        let kinds = self.tasks.kinds();
        if free == 0 || kinds.is_empty() {
            return Ok(poll);
        }
        let store = self.tasks.store();
        let Some(pause) = store.next_due(store.owner(), &kinds, self.tasks.config().lease).await? else {
            return Ok(poll);
        };
        if !pause.is_zero() {
            return Ok(pause.min(poll));
        }
        let allowances = self.tasks.allowances().await;
        let limits = allowances.iter().map(|(name, allowance)| (name.clone(), allowance.concurrency.clone())).collect();
        let leased = store.lease_due(store.owner(), &kinds, self.tasks.config().lease, free, &limits).await?;
        let started = leased.len();
        for leased in leased {
            let longest = allowances.get(&leased.task.environment).and_then(|allowance| allowance.longest);
            self.spawn(leased, longest, steps);
        }
        // None though some are due: they wait for others to end, or another host was faster.
        if started == free || started == 0 {
            return Ok(poll);
        }
        let next = store.next_due(store.owner(), &kinds, self.tasks.config().lease).await?;
        Ok(next.map_or(poll, |pause| pause.min(poll)))
    }

    fn spawn(&self, leased: Leased, longest: Option<Duration>, steps: &mut JoinSet<()>) {
        let interrupt = Interrupt::default();
        self.tasks.started(Running { lease: leased.lease.clone(), interrupt: interrupt.clone() });
        let (tasks, shutdown) = (Arc::clone(&self.tasks), self.shutdown.clone());
        steps.spawn(async move {
            let id = leased.task.id.clone();
            StepRun::new(&tasks, leased, longest, interrupt, shutdown).run().await;
            tasks.stopped(&id);
        });
    }

    /// Renews all leases until `idle`; tells steps whose lease went, and those that somebody cancelled through another host.
    async fn keep_leases(&self, idle: &CancellationToken) {
        let beat = self.tasks.config().lease / 3;
        loop {
            tokio::select! {
                () = idle.cancelled() => return,
                () = tokio::time::sleep(beat) => {}
            }
            // Read before the leases are: a step that starts meanwhile is not missed among them. And each is compared with
            // its own lease: the task's next step may have begun under another one by now.
            let running = self.tasks.running_steps();
            let store = self.tasks.store();
            if running.is_empty() && !store.is_shared() {
                continue;
            }
            match store.beat(self.tasks.config().lease).await {
                Ok(held) => {
                    for step in running {
                        match held.iter().find(|held| held.lease == step.lease) {
                            None => step.interrupt.because(Interruption::LeaseLost),
                            Some(held) if held.cancel_requested => step.interrupt.because(Interruption::Cancel),
                            Some(_) => {}
                        }
                    }
                }
                Err(error) => tracing::error!(%error, "leases cannot be renewed: another host may take these tasks"),
            }
        }
    }
}
