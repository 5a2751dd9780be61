//! Silver runs on Spark, in three ways: a SparkApplication of the Kubernetes operator, a submission to a standalone master's
//! REST server, a client of Spark Connect.
//!
//! All three run one program, `job.py`, with one request ([`request`]) and read what it says ([`report`]), so that a run means the
//! same in each. A way ([`operator`], [`standalone`], [`connect`]) only starts the program, follows it and ends it.
//!
//! A step may be repeated, and work may be started twice: the operator and the host know a run by its name, and the program's
//! commit carries the run's key, which the catalog lets nobody commit a second time.
//!
//! All logic stands behind [`Host`](host::Host), so that it runs natively in tests; only `component` knows the sandbox.

pub mod configuration;
pub mod connect;
pub mod host;
pub mod operator;
pub mod output;
pub mod report;
pub mod request;
pub mod run;
pub mod standalone;

#[cfg(target_arch = "wasm32")]
mod component;
