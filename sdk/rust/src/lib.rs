//! Everything a plugin author needs: the contract as Rust types, the capabilities as functions, one export macro per
//! interface, and the few lines every plugin would otherwise repeat.
//!
//! ```ignore
//! use asgard_sdk::{connector, Result};
//!
//! struct Hello;
//! impl connector::Guest for Hello { /* … */ }
//! asgard_sdk::export_connector!(Hello with_types_in asgard_sdk::bindings::connector);
//! ```

#[expect(missing_docs, reason = "generated from wit/, where the documentation is")]
pub mod bindings;
mod error;
mod state;

pub use bindings::imports::asgard::credentials::password as credentials;
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

pub use bindings::connector::exports::asgard::connector::connector;
pub use bindings::feature_source::exports::asgard::feature_source::feature_source;
pub use bindings::image_build::exports::asgard::deployer::image_build;
pub use bindings::model_registry::exports::asgard::deployer::model_registry;
pub use bindings::serving::exports::asgard::deployer::serving;
pub use bindings::training::exports::asgard::deployer::training;
pub use bindings::transform::exports::asgard::transform::transform;

pub use bindings::connector::export_connector;
pub use bindings::feature_source::export_feature_source;
pub use bindings::image_build::export_image_build;
pub use bindings::model_registry::export_model_registry;
pub use bindings::serving::export_serving;
pub use bindings::training::export_training;
pub use bindings::transform::export_transform;

pub use serde_json as json;
