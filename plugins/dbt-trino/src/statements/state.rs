//! What a step knows of those before it.

use serde::{Deserialize, Serialize};

use crate::names::Name;

/// A run on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub target: Name,
    pub script: Vec<Statement>,
    /// The statement that is next, or runs.
    pub at: usize,
    /// The query that was posted for it.
    pub query: Option<Query>,
    /// Queries that were begun for it before, and failed in a way that may pass. One of them may have committed all the same.
    #[serde(default)]
    pub tried: Vec<String>,
    /// What the statement that writes did.
    #[serde(default)]
    pub wrote: Option<Wrote>,
    /// Polls of the query so far.
    #[serde(default)]
    pub polls: u32,
    pub started_ms: u64,
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// For people: `append to gold.totals`.
    pub what: String,
    pub sql: String,
    /// Lines that come before the model's own SQL.
    pub lines_before: u32,
    pub kind: Kind,
    /// The catalog of the session that it is posted in, where that is not the run's.
    #[serde(default)]
    pub session: Option<String>,
}

/// What becomes of a statement whose end is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It may run again: it says how things are to be.
    Definition,
    /// It writes rows. Whether it has is looked up before it runs again.
    Rows,
}

/// A query of Trino's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    pub id: String,
    pub next: String,
    pub info: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wrote {
    pub query: String,
    pub rows: u64,
    pub rows_read: u64,
    pub bytes_read: u64,
}

/// The first poll comes soon; Trino itself holds an answer back for up to a second while there is nothing to tell.
const FIRST_POLL_MS: u32 = 10;
const SLOWEST_POLL_MS: u32 = 1_000;

impl State {
    /// Milliseconds until the next poll; twice as many each time.
    pub fn poll_after_ms(&self) -> u32 {
        FIRST_POLL_MS.saturating_mul(1 << self.polls.min(10)).min(SLOWEST_POLL_MS)
    }
}
