//! Container images of models and their inference service, built in the cluster.
//!
//! A build is a Job with the Kaniko executor: no daemon, no privileges. Its context is one archive of the Dockerfile, the model
//! and the inference service, which is that of `local-serving`. What the builder pushed is known by the digest that it leaves,
//! and the image is named by nothing else from there on: a tag may move.
//!
//! All logic stands behind [`Host`](host::Host), so that it runs natively in tests; only `component` knows the sandbox.

pub mod archive;
pub mod build;
pub mod configuration;
pub mod context;
pub mod ecr;
pub mod host;
pub mod login;
pub mod work;

#[cfg(target_arch = "wasm32")]
mod component;
