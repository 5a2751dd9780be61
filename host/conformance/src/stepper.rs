//! The protocol of long work, as a host that crashes at every step would use it.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use asgard_contract::{Error, Result, Status, Step};
use async_trait::async_trait;

use crate::report::{Found, ensure, fail, is_lost, said};

/// Longest work of a suite.
const PATIENCE: Duration = Duration::from_secs(600);

/// Backends may wish to be asked rarely; an author waits.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The host stores a state with every step: larger ones belong into objects.
const LARGEST_STATE: usize = 1 << 20;

/// What is said of [`refuses_foreign_states`].
pub(crate) const FOREIGN: &str = "a state that it never gave is refused, and traps nothing";

/// Work of one interface on behalf of one task.
#[async_trait]
pub(crate) trait Stepper: Send + Sync {
    type Outcome: PartialEq + Debug + Send;
    async fn start(&self) -> Result<Step<Self::Outcome>>;
    async fn advance(&self, state: &[u8]) -> Result<Step<Self::Outcome>>;
    async fn cancel(&self, state: &[u8]) -> Result<()>;
}

/// Work of an interface whose handle has the three functions under their own names.
macro_rules! stepper {
    ($work:ident, $handle:ty, $request:ty, $outcome:ty) => {
        pub(crate) struct $work {
            pub(crate) handle: $handle,
            pub(crate) request: $request,
        }

        #[async_trait::async_trait]
        impl $crate::stepper::Stepper for $work {
            type Outcome = $outcome;
            async fn start(&self) -> asgard_contract::Result<asgard_contract::Step<$outcome>> {
                self.handle.start(&self.request).await
            }
            async fn advance(&self, state: &[u8]) -> asgard_contract::Result<asgard_contract::Step<$outcome>> {
                self.handle.advance(state).await
            }
            async fn cancel(&self, state: &[u8]) -> asgard_contract::Result<()> {
                self.handle.cancel(state).await
            }
        }
    };
}
pub(crate) use stepper;

/// Work that succeeded.
pub(crate) struct Done<T> {
    /// Of its last step.
    pub(crate) state: Vec<u8>,
    pub(crate) outcome: T,
}

/// Takes the work to its end, each step twice: the answer of the first is lost, as when a host ends before it stores it. Cancelling
/// it then changes nothing.
pub(crate) async fn to_its_end<S: Stepper>(work: &S) -> Found<S::Outcome> {
    let done = done(work).await?;
    work.cancel(&done.state).await?;
    Ok(done.outcome)
}

/// The same of work that goes on to be there when it is done, such as a service.
pub(crate) async fn done<S: Stepper>(work: &S) -> Found<Done<S::Outcome>> {
    work.start().await?;
    let step = work.start().await?;
    advanced(work, step).await
}

/// The same of work that another interface started.
pub(crate) async fn done_from<S: Stepper>(work: &S, state: &[u8]) -> Found<Done<S::Outcome>> {
    advanced(work, work.advance(state).await?).await
}

async fn advanced<S: Stepper>(work: &S, mut step: Step<S::Outcome>) -> Found<Done<S::Outcome>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        small(&step)?;
        match step.status {
            Status::Succeeded { outcome } => return Ok(Done { state: step.state, outcome }),
            Status::Failed { error } => return fail(said(&error)),
            Status::Running { poll_after_ms, .. } => {
                ensure(Instant::now() < deadline, || format!("it was not done within {} s", PATIENCE.as_secs()))?;
                tokio::time::sleep(Duration::from_millis(poll_after_ms.into()).min(LONGEST_PAUSE)).await;
            }
        }
        let lost = work.advance(&step.state).await?;
        let again = work.advance(&step.state).await?;
        equivalent(&lost, &again)?;
        step = again;
    }
}

fn small<T>(step: &Step<T>) -> Found {
    let size = step.state.len();
    ensure(size <= LARGEST_STATE, || format!("its state has {size} bytes: expected at most {LARGEST_STATE}"))
}

/// The second may be further, and never behind.
fn equivalent<T: PartialEq + Debug>(first: &Step<T>, second: &Step<T>) -> Found {
    match (&first.status, &second.status) {
        (Status::Succeeded { outcome: a }, Status::Succeeded { outcome: b }) => {
            ensure(a == b, || format!("one state, taken up twice, ended in two ways: {a:?} and {b:?}"))
        }
        (Status::Succeeded { .. }, Status::Running { .. }) => {
            fail("one state, taken up twice, was at its end first and is running now")
        }
        (Status::Succeeded { .. } | Status::Running { .. }, Status::Failed { error }) => {
            fail(format!("one state, taken up a second time, fails: {}", said(error)))
        }
        _ => Ok(()),
    }
}

/// Starts, and cancels twice.
pub(crate) async fn cancelled<S: Stepper>(work: &S) -> Found {
    let step = work.start().await?;
    work.cancel(&step.state).await?;
    work.cancel(&step.state).await?;
    Ok(())
}

/// States that it never gave are answered with an error, or with a failed step; the instance is not lost.
pub(crate) async fn refuses_foreign_states<S: Stepper>(work: &S) -> Found {
    for state in [&b""[..], b"\xff\x00 no state", b"{}", &[0; 4096]] {
        match work.advance(state).await {
            Err(error) if is_lost(&error) => return fail(said(&error)),
            Ok(Step { status: Status::Succeeded { .. }, .. }) => {
                return fail(format!(
                    "it is done with work that it never started, by the state {:?}",
                    &state[..state.len().min(16)]
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// How wrong input must be refused: typed, with its field, at the start or as a failed step.
pub(crate) async fn refuses_input<S: Stepper>(work: &S, planned: Option<Error>) -> Found {
    let error = match planned {
        Some(error) => error,
        None => match work.start().await {
            Err(error) => error,
            Ok(_) => {
                return match to_its_end(work).await {
                    Ok(outcome) => fail(format!("it was taken and came to {outcome:?}")),
                    Err(crate::report::Stop::Fail(message)) if message.starts_with("invalid-input") => Ok(()),
                    Err(other) => Err(other),
                };
            }
        },
    };
    match error {
        Error::InvalidInput { field: Some(_), .. } => Ok(()),
        other => fail(format!("expected invalid-input with a field, found {}", said(&other))),
    }
}
