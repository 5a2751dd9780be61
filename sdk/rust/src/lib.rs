//! Everything a plugin author needs: the contract as Rust types, the capabilities as functions, one export macro per
//! interface, and the few lines every plugin would otherwise repeat.
//!
//! # A plugin
//! A crate of type `cdylib` for the target `wasm32-wasip2`, with a `plugin.toml` beside it that says what it exports and
//! which capabilities it asks for. This one runs training scripts that are done before they begin:
//!
//! ```
//! use asgard_sdk::training::{Guest, Outcome, Request, Status, Step};
//! use asgard_sdk::{Result, context, encode};
//!
//! struct Instant;
//!
//! impl Guest for Instant {
//!     fn start(request: Request) -> Result<Step> {
//!         context::log(context::Level::Info, &format!("training {}", request.model_name));
//!         let outcome = Outcome {
//!             run_id: context::task_id(),
//!             model_uri: format!("models:/{}", request.model_name),
//!             metrics: vec![("accuracy".to_owned(), 1.0)],
//!         };
//!         Ok(Step { state: encode(&request.deployment_id)?, status: Status::Succeeded(outcome) })
//!     }
//!
//!     fn advance(_: Vec<u8>) -> Result<Step> {
//!         unreachable!("the first step succeeds")
//!     }
//!
//!     fn cancel(_: Vec<u8>) -> Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! asgard_sdk::export_training!(Instant);
//! ```
//!
//! `sdk/examples/hello` is a whole one. A plugin that exports several interfaces calls several macros.
//!
//! # What to know
//! - Every call runs in an instance of its own, so nothing is remembered between two steps but the step's state. A
//!   connector's `Sync` is the exception: its instance lives as long as the sync.
//! - Any step may be repeated, here or on another host. [`context::task_id`] stays the same: the key under which work is done
//!   once.
//! - A panic fails the call with its message; what was printed is in the task's log. There are no files, no environment
//!   variables and no network but what a capability lends.

#[expect(missing_docs, reason = "generated from wit/, where the documentation is")]
pub mod bindings;

mod backend;
mod error;
mod progress;
mod rows;
mod state;
pub mod url;

pub use bindings::imports::asgard::credentials::password as credentials;
pub use bindings::imports::asgard::files::folders;
pub use bindings::imports::asgard::http::client as http;
pub use bindings::imports::asgard::key_value::store as key_value;
pub use bindings::imports::asgard::kubernetes::resources as kubernetes;
pub use bindings::imports::asgard::lakehouse::lakehouse;
pub use bindings::imports::asgard::objects::objects;
pub use bindings::imports::asgard::plugin::context;
pub use bindings::imports::asgard::plugin::types::{self, Column, Error, Progress, Running, TableName};
pub use bindings::imports::asgard::processes::processes;
pub use bindings::imports::asgard::services::services;
pub use bindings::imports::asgard::sockets::tcp as sockets;
pub use error::Result;
pub use state::{configuration, decode, encode};

pub use bindings::canary::exports::asgard::canary::canary;
pub use bindings::connector::exports::asgard::connector::connector;
pub use bindings::explain::exports::asgard::explain::explain;
pub use bindings::feature_push::exports::asgard::feature_push::feature_push;
pub use bindings::feature_source::exports::asgard::feature_source::feature_source;
pub use bindings::image_build::exports::asgard::deployer::image_build;
pub use bindings::model_registry::exports::asgard::deployer::model_registry;
pub use bindings::readiness::exports::asgard::readiness::readiness;
pub use bindings::serving::exports::asgard::deployer::serving;
pub use bindings::training::exports::asgard::deployer::training;
pub use bindings::transform::exports::asgard::transform::transform;

pub use bindings::canary::export_canary;
pub use bindings::connector::export_connector;
pub use bindings::explain::export_explain;
pub use bindings::feature_push::export_feature_push;
pub use bindings::feature_source::export_feature_source;
pub use bindings::image_build::export_image_build;
pub use bindings::model_registry::export_model_registry;
pub use bindings::readiness::export_readiness;
pub use bindings::serving::export_serving;
pub use bindings::training::export_training;
pub use bindings::transform::export_transform;

pub use serde_json as json;
