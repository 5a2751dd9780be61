//! The plugin's logic against the answers of a real MLflow 3.17 (`answers/`), and a process that lives in memory.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends with the first thing that is not as it should be"
)]

mod job;
mod recorded;
mod registry;
mod training;
