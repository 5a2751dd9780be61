//! Models as supervised HTTP services on this machine.
//!
//! Each model is one service, whatever its version: a newer version is put beside the older one, which answers until the
//! newer one does. Which deployment a model's service belongs to is kept as an object ([`record`]), so that removing an
//! old deployment leaves the newer one's model alone, and one that does not come up gives its place back.
//!
//! The service itself is the Python program in `service/`: the model is loaded without the rest of MLflow where that is
//! possible, and its workers are forked from the process that loaded it.
//!
//! All logic stands behind [`Host`](host::Host), so that it runs natively in tests; only `component` knows the sandbox.

pub mod configuration;
pub mod host;
pub mod record;
pub mod service;
pub mod serving;

#[cfg(target_arch = "wasm32")]
mod component;
