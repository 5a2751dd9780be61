//! The threads that statements run on, and how many of those run at one time.

use std::future::Future;
use std::sync::OnceLock;

use asgard_contract::{Error, Result};
use asgard_threads::{Ended, Standing, Threads};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

pub(super) use asgard_threads::cores;

/// Expressions are planned by descending into them; this holds the longest chain that a statement may have.
const STACK_BYTES: usize = 64 << 20;

/// Statements that somebody waits for, and those of tasks: neither waits in the other's line.
struct Statements {
    asked: Line,
    behind: Line,
}

struct Line {
    threads: Threads,
    /// More statements than this wait in line: each may take its whole share of memory, and more at once end no sooner.
    places: Semaphore,
}

impl Statements {
    fn start() -> std::io::Result<Self> {
        let line = |name, standing, places| {
            let threads = Threads::start(name, standing, Some(STACK_BYTES))?;
            Ok::<_, std::io::Error>(Line { threads, places: Semaphore::new(places) })
        };
        Ok(Self {
            asked: line("asked", Standing::Asked, cores().max(2))?,
            behind: line("statements", Standing::Behind, cores().max(4))?,
        })
    }

    fn line(&self, standing: Standing) -> &Line {
        match standing {
            Standing::Asked => &self.asked,
            Standing::Behind => &self.behind,
        }
    }
}

/// One per process.
fn statements() -> Result<&'static Statements> {
    static STATEMENTS: OnceLock<std::result::Result<Statements, String>> = OnceLock::new();
    STATEMENTS
        .get_or_init(|| Statements::start().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| Error::internal(format!("no threads for statements: {error}")))
}

/// Runs work on the threads of statements. Dropping the future ends it.
pub(super) async fn run<T: Send + 'static>(
    standing: Standing,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match statements()?.line(standing).threads.run(work.in_current_span()).await {
        Ok(result) => result,
        Err(Ended::Panicked) => {
            tracing::error!("a statement panicked");
            Err(Error::internal("the engine broke down over this statement; nothing else is affected"))
        }
        Err(Ended::Stopping) => Err(Error::unavailable("the host is stopping")),
    }
}

/// Waits in line for a place to run.
pub(super) async fn place(standing: Standing) -> Result<SemaphorePermit<'static>> {
    statements()?.line(standing).places.acquire().await.map_err(|_| Error::unavailable("the host is stopping"))
}
