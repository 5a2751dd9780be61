//! What a step knows of those before it.

use serde::{Deserialize, Serialize};

use super::Results;
use crate::names::Name;

/// A run of dbt on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    pub target: Name,
    /// As dbt calls it.
    pub model: String,
    /// For people: `append to gold.totals`.
    pub what: String,
    pub place: Place,
    /// The target's snapshot before the run.
    pub base: Option<i64>,
    /// Of the output that is in the log.
    #[serde(default)]
    pub offset: u64,
    pub started_ms: u64,
    #[serde(default)]
    pub end: Option<End>,
}

/// Where dbt runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Process,
    Job {
        namespace: String,
        name: String,
        /// It was applied asleep, and is woken once it is known.
        awake: bool,
    },
}

/// How dbt ended. Stored before anything is concluded from it: what it left is removed with the conclusion.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct End {
    pub how: How,
    pub results: Option<Results>,
    pub last_words: String,
}

/// How a process or a Job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Exited(i32),
    Timeout,
    /// Ended from outside: why, in words.
    Killed(String),
}
