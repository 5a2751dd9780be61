//! Threads beside those of the API, for work that computes for long between two points where it yields: statements, and the guests of
//! plugins.
//!
//! On the threads that answer requests, a handful of either would leave none to answer `GET /health`. So there are sets of threads that
//! only do such work, as many as the machine has cores. The operating system shares the cores between them and the threads of the API,
//! and gives way to the latter: they compute for little and are waited for. What an open request waits for goes before what tasks do
//! ([`Standing`]).
//!
//! Work is one spawned task with one owner: the future that waits for it. Dropping that future ends the task where it yields next.

use std::future::Future;

use rustix::process::setpriority_process;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// How far threads stand behind those of the API, on a machine that is busy with both. On one that is not they have all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Somebody waits for it with an open request: a third of a core beside each core of the API.
    Asked,
    /// Steps of tasks, and guests, whose code nobody here wrote: a tenth of a core beside each of what is asked.
    Behind,
}

impl Standing {
    /// As `nice(2)` has it: each step is a quarter more or less.
    fn nice(self) -> i32 {
        match self {
            Self::Asked => 5,
            Self::Behind => 15,
        }
    }
}

/// A set of threads.
pub struct Threads {
    /// None only while it is being dropped.
    runtime: Option<Runtime>,
}

/// Why work did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("the work panicked")]
    Panicked,
    #[error("the host is stopping")]
    Stopping,
}

impl Threads {
    /// Starts as many threads as the machine has cores, which are shown under this name. `stack_bytes`: none = as threads have it;
    /// memory that is not touched is not used.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn start(name: &'static str, standing: Standing, stack_bytes: Option<usize>) -> std::io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(cores()).thread_name(name).enable_all().on_thread_start(move || {
            // On Linux a thread has a priority of its own. Where it cannot be had, nothing but latency is lost.
            if let Err(error) = setpriority_process(None, standing.nice()) {
                tracing::debug!(%error, "a thread keeps its priority");
            }
        });
        if let Some(bytes) = stack_bytes {
            builder.thread_stack_size(bytes);
        }
        Ok(Self { runtime: Some(builder.build()?) })
    }

    /// Does work on these threads. Dropping the future ends it.
    ///
    /// # Errors
    /// When the work panicked, or the threads end.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Ended> {
        let Some(runtime) = &self.runtime else { return Err(Ended::Stopping) };
        let mut task = Owned(runtime.spawn(work));
        (&mut task.0).await.map_err(|ended| if ended.is_panic() { Ended::Panicked } else { Ended::Stopping })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Whoever drops it may be on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How many things the machine does at one time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Ends the task with its owner.
struct Owned<T>(JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn work_is_done_elsewhere_behind_the_others() {
        let threads = Threads::start("elsewhere", Standing::Behind, None).unwrap();
        let here = rustix::process::getpriority_process(None).unwrap();
        let there = threads.run(async { rustix::process::getpriority_process(None).unwrap() }).await.unwrap();
        assert!(there >= here && there >= Standing::Behind.nice(), "{there} there, {here} here");
        assert_eq!(threads.run(async { panic!("on purpose") }).await, Err::<(), _>(Ended::Panicked));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let threads = Threads::start("abandoned", Standing::Asked, None).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        struct Sets(Arc<AtomicBool>);
        impl Drop for Sets {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let sets = Sets(Arc::clone(&ended));
        let work = threads.run(async move {
            let _sets = sets;
            std::future::pending::<()>().await;
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), work).await.is_err());
        for _ in 0..500 {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the work goes on");
    }
}
