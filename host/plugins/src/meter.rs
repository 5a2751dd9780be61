//! How much processor time one call has used.
//!
//! Time is counted while the call's future is polled, on the clock of the thread: waiting for a backend costs
//! nothing, and a busy machine does not make a guest look slow. The epoch's callback asks in the middle of a poll,
//! the guest being in a loop.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Shared by the call's future and the epoch's callback. One thread at a time uses it, the one that polls.
#[derive(Default)]
pub(crate) struct Meter {
    /// Of earlier polls, in nanoseconds.
    spent: AtomicU64,
    /// The thread's clock when the present poll began.
    started: AtomicU64,
}

impl Meter {
    /// A new call begins.
    pub(crate) fn reset(&self) {
        self.spent.store(0, Ordering::Relaxed);
    }

    /// Used so far; to be asked within a poll.
    pub(crate) fn now(&self) -> Duration {
        let present = thread_time().saturating_sub(self.started.load(Ordering::Relaxed));
        Duration::from_nanos(self.spent.load(Ordering::Relaxed) + present)
    }
}

/// Polls `future` on the meter.
pub(crate) struct Metered<F: ?Sized> {
    pub(crate) future: Pin<Box<F>>,
    pub(crate) meter: Arc<Meter>,
}

impl<F: Future + ?Sized> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.meter.started.store(thread_time(), Ordering::Relaxed);
        let answer = self.future.as_mut().poll(context);
        let used = thread_time().saturating_sub(self.meter.started.load(Ordering::Relaxed));
        self.meter.spent.fetch_add(used, Ordering::Relaxed);
        answer
    }
}

fn thread_time() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
