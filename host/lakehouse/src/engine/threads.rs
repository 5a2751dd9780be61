//! The threads that statements run on.
//!
//! Operators of the engine compute for milliseconds between two points where they yield. On the threads that answer
//! requests, a handful of heavy statements would leave none to answer `GET /health`. So there is one set of threads per
//! process, as many as the machine has cores, that only runs statements; the operating system shares the cores between them
//! and the threads of the API, and nothing a statement does can hold the latter up.
//!
//! A statement is one spawned task with one owner: the future that waits for it. Dropping that future aborts the task, and
//! with it every task that its operators spawned.

use std::future::Future;
use std::sync::OnceLock;

use asgard_contract::{Error, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tracing::Instrument;

/// Expressions are planned by descending into them; this holds the longest chain that a statement may have. Memory that is
/// not touched is not used.
const STACK_BYTES: usize = 64 << 20;

struct Threads {
    runtime: Runtime,
    /// More statements than this wait in line: each may take its whole share of memory, and more at once end no sooner.
    places: Semaphore,
}

fn threads() -> Result<&'static Threads> {
    static THREADS: OnceLock<std::result::Result<Threads, String>> = OnceLock::new();
    THREADS.get_or_init(start).as_ref().map_err(|error| Error::internal(format!("no threads for statements: {error}")))
}

fn start() -> std::result::Result<Threads, String> {
    let cores = cores();
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores)
        .thread_name("statements")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Threads { runtime, places: Semaphore::new(cores.max(4)) })
}

/// How many parts a statement's work is cut into.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Runs work on the threads of statements. Dropping the future ends it.
pub(super) async fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let mut task = Owned(threads()?.runtime.spawn(work.in_current_span()));
    match (&mut task.0).await {
        Ok(result) => result,
        Err(ended) if ended.is_panic() => {
            tracing::error!(%ended, "a statement panicked");
            Err(Error::internal("the engine broke down over this statement; nothing else is affected"))
        }
        Err(_) => Err(Error::unavailable("the host is stopping")),
    }
}

/// Waits in line for a place to run.
pub(super) async fn place() -> Result<SemaphorePermit<'static>> {
    threads()?.places.acquire().await.map_err(|_| Error::unavailable("the host is stopping"))
}

/// Ends the task with its owner.
struct Owned<T>(JoinHandle<T>);

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
