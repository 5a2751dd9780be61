//! The protocol of long work: a step carries a plugin's opaque state, its status, and when to ask again.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How far work is, for people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    pub message: String,
    /// 0.0 to 1.0 where known.
    pub fraction: Option<f64>,
}

/// Where a step left the work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Status<T> {
    /// Ask again after `poll_after_ms` at the earliest.
    Running {
        progress: Progress,
        poll_after_ms: u32,
    },
    Succeeded {
        outcome: T,
    },
    Failed {
        error: Error,
    },
}

/// One step of long work with an outcome of type `T`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step<T> {
    /// Opaque to the host; the argument of the next call.
    pub state: Vec<u8>,
    pub status: Status<T>,
    /// A JSON object about the backend; `{}` where it has nothing to tell.
    pub details: serde_json::Value,
}
