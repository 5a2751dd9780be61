//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

/// Often enough to be no wait of its own.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits until `look` finds something.
///
/// # Panics
/// When it has found nothing within `limit`: `what` says what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {} s: {what}", limit.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}
