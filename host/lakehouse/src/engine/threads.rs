//! The threads that statements run on, and how many of those run at one time.

use std::future::Future;
use std::sync::OnceLock;

use asgard_contract::{Error, Result};
use asgard_threads::{Ended, Threads};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

pub(super) use asgard_threads::cores;

/// Expressions are planned by descending into them; this holds the longest chain that a statement may have.
const STACK_BYTES: usize = 64 << 20;

/// One set per process.
struct Statements {
    threads: Threads,
    /// More statements than this wait in line: each may take its whole share of memory, and more at once end no sooner.
    places: Semaphore,
}

fn statements() -> Result<&'static Statements> {
    static STATEMENTS: OnceLock<std::result::Result<Statements, String>> = OnceLock::new();
    STATEMENTS
        .get_or_init(|| {
            let threads = Threads::start("statements", Some(STACK_BYTES)).map_err(|error| error.to_string())?;
            Ok(Statements { threads, places: Semaphore::new(cores().max(4)) })
        })
        .as_ref()
        .map_err(|error| Error::internal(format!("no threads for statements: {error}")))
}

/// Runs work on the threads of statements. Dropping the future ends it.
pub(super) async fn run<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    match statements()?.threads.run(work.in_current_span()).await {
        Ok(result) => result,
        Err(Ended::Panicked) => {
            tracing::error!("a statement panicked");
            Err(Error::internal("the engine broke down over this statement; nothing else is affected"))
        }
        Err(Ended::Stopping) => Err(Error::unavailable("the host is stopping")),
    }
}

/// Waits in line for a place to run.
pub(super) async fn place() -> Result<SemaphorePermit<'static>> {
    statements()?.places.acquire().await.map_err(|_| Error::unavailable("the host is stopping"))
}
