//! The plugin contract in plain Rust: the same words as `wit/`, without a wasmtime type.
//!
//! Everything above the plugin runtime speaks these types: the pipeline, the tasks, the lakehouse, the
//! capabilities. The runtime converts them from and to each WIT version it knows.

pub mod connector;
pub mod deployer;
pub mod environment;
pub mod error;
pub mod features;
pub mod lakehouse;
pub mod log;
pub mod manifest;
pub mod misfit;
pub mod step;
pub mod table;
pub mod transform;

pub use error::{Error, Result};
pub use step::{Progress, Status, Step};
pub use table::{Column, TableName};
