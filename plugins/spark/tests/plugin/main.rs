//! The plugin's logic against recorded answers of a real Spark 4.1 master, its worker, and a Kubernetes cluster with the operator
//! (`answers/`), and a client that lives in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends with the first thing that is not as it should be")]

mod configuration;
mod connect;
mod operator;
mod recorded;
mod standalone;
