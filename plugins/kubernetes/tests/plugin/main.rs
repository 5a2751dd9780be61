//! Models in a cluster, by what the cluster is told and what it answers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends with the first thing that is not as it should be")]

mod canary;
mod memory;
mod serving;
