//! Long work that goes on.

use std::time::Duration;

use crate::{Progress, Running};

impl Running {
    /// Goes on; the host asks again after `pause`. `message` is one short sentence: `reading sales.orders`.
    pub fn after(pause: Duration, message: impl Into<String>) -> Self {
        let poll_after_ms = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
        Self { progress: Progress { message: message.into(), fraction: None }, poll_after_ms }
    }
}
