//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{Answer, Client};

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

/// How long a host may make ready what a request needs, such as a connector's Python environment.
const READY_WITHIN: Duration = Duration::from_secs(600);

/// A host's answer to a request with a body, which is asked again while what it needs is not ready (503).
///
/// # Panics
/// When it is not ready in ten minutes.
pub fn when_ready(client: &Client, method: &str, path: &str, body: &Value) -> Answer {
    until(&format!("{method} {path} is ready"), READY_WITHIN, || {
        client.send(method, path, Some(body), &[]).ok().filter(|answer| answer.status != 503)
    })
}
