//! The clock that interrupts guests: advances the engine's epoch, so that a guest in a loop comes back to the host,
//! gives way to other work on its thread, and has its time checked.
//!
//! One thread per runtime, which rests while no call runs: an idle host wakes nobody.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How long a guest may hold its thread. Short enough for other requests on the same thread, long enough that the
/// checks cost nothing that can be measured.
const TICK: Duration = Duration::from_millis(10);

/// Ticks without a call before the thread rests: going to rest and waking up cost more than a second of ticks.
const IDLE_TICKS: u32 = 100;

/// Owns the thread; it ends when this is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    calls: usize,
    resting: bool,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let engine = engine.weak();
        let theirs = shared.clone();
        std::thread::Builder::new().name("asgard-epoch".to_owned()).spawn(move || tick(&engine, &theirs))?;
        Ok(Self { shared })
    }

    /// The epoch advances for as long as the answer lives.
    pub(crate) fn hold(&self) -> Ticking {
        let mut state = self.shared.state();
        state.calls += 1;
        if state.resting {
            self.shared.wake.notify_one();
        }
        drop(state);
        Ticking { shared: self.shared.clone() }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.wake.notify_one();
    }
}

/// A call under way.
pub(crate) struct Ticking {
    shared: Arc<Shared>,
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.shared.state().calls -= 1;
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    let mut idle = 0;
    loop {
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        drop(engine);
        let mut state = shared.state();
        idle = if state.calls == 0 { idle + 1 } else { 0 };
        if idle > IDLE_TICKS {
            state.resting = true;
            while state.calls == 0 && !state.closed {
                state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.resting = false;
            idle = 0;
        }
        if state.closed {
            return;
        }
    }
}
