//! The plugin's logic against the answers of a real Trino 476 and a real dbt 1.11 (`answers/`), and a process and a cluster that live in
//! memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends with the first thing that is not as it should be")]

mod branches;
mod dbt;
mod faults;
mod jobs;
mod models;
mod project;
mod recorded;
mod statements;
