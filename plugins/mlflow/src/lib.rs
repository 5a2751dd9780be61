//! Training scripts as local processes or as Jobs of a cluster; experiments and model registry of an MLflow server.
//!
//! A script runs unchanged, as on its author's machine: MLflow finds server and experiment in the environment, and gives
//! every run that the script starts the deployment's tags. The run is found again by that tag, so two trainings in one
//! experiment never take each other's.
//!
//! All logic stands behind [`Host`](host::Host), so that it runs natively in tests; only `component` knows the sandbox.

pub mod artifacts;
pub mod client;
pub mod configuration;
pub mod experiments;
pub mod followed;
pub mod host;
pub mod job;
pub mod output;
pub mod process;
pub mod registry;
pub mod runs;
pub mod training;
pub mod wire;

#[cfg(target_arch = "wasm32")]
mod component;
