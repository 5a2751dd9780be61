//! The threads that statements run on, how many of those run at one time, and with how much memory in all.
//!
//! A statement waits until its whole memory is free, rather than that it begins with a part and fails over what others have: joins
//! cannot spill.

use std::future::Future;
use std::sync::OnceLock;

use asgard_contract::{Error, Result};
use asgard_threads::{Ended, Standing, Threads};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tracing::Instrument;

pub(super) use asgard_threads::cores;

use super::memory;

/// Expressions are planned by descending into them; this holds the longest chain that a statement may have.
const STACK_BYTES: usize = 64 << 20;

/// One part in so many of the host's memory is for what is asked, and for tasks. The last quarter is for guests, for rows that are
/// written, and for what the engine does not count.
const ASKED_SHARE: u64 = 4;
const BEHIND_SHARE: u64 = 2;

/// In which memory is given out.
const UNIT: u64 = 1 << 20;

/// Statements that somebody waits for, and those of tasks: neither waits in the other's line.
struct Statements {
    asked: Line,
    behind: Line,
}

struct Line {
    threads: Threads,
    /// More statements than this wait in line: more at once end no sooner.
    places: Semaphore,
    /// Units that are not taken.
    memory: Semaphore,
    /// All units.
    units: u32,
}

/// A statement's leave to run, until it is dropped.
pub(super) struct Turn<'a> {
    /// What it asked for, or all that its line has.
    pub(super) memory_bytes: u64,
    _place: SemaphorePermit<'a>,
    _memory: SemaphorePermit<'a>,
}

impl Line {
    fn start(name: &'static str, standing: Standing, places: usize, memory_bytes: u64) -> std::io::Result<Self> {
        let units = units(memory_bytes);
        Ok(Self {
            threads: Threads::start(name, standing, Some(STACK_BYTES))?,
            places: Semaphore::new(places),
            memory: Semaphore::new(usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS)),
            units,
        })
    }

    async fn turn(&self, memory_bytes: u64) -> std::result::Result<Turn<'_>, AcquireError> {
        let units = units(memory_bytes).min(self.units);
        Ok(Turn {
            memory_bytes: memory_bytes.min(u64::from(units) * UNIT),
            _place: self.places.acquire().await?,
            _memory: self.memory.acquire_many(units).await?,
        })
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Statements {
    fn start() -> std::io::Result<Self> {
        let memory = memory::of_host();
        Ok(Self {
            asked: Line::start("asked", Standing::Asked, cores().max(2), memory / ASKED_SHARE)?,
            behind: Line::start("statements", Standing::Behind, cores().max(4), memory / BEHIND_SHARE)?,
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

/// Waits in line for a place to run and this much memory.
pub(super) async fn turn(standing: Standing, memory_bytes: u64) -> Result<Turn<'static>> {
    statements()?.line(standing).turn(memory_bytes).await.map_err(|_| Error::unavailable("the host is stopping"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn statements_have_no_more_memory_together_than_their_line() {
        let line = Line::start("memory", Standing::Behind, 4, 10 * UNIT).unwrap();
        let first = line.turn(8 * UNIT - 1).await.unwrap();
        let small = line.turn(2 * UNIT).await.unwrap();
        assert_eq!((first.memory_bytes, small.memory_bytes), (8 * UNIT - 1, 2 * UNIT));
        let next = line.turn(3 * UNIT);
        tokio::pin!(next);
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut next).await.is_err());
        drop(first);
        assert_eq!(next.await.unwrap().memory_bytes, 3 * UNIT);
        drop(small);
        // One that may have more than there is has all of it.
        assert_eq!(line.turn(1 << 40).await.unwrap().memory_bytes, 10 * UNIT);
    }
}
