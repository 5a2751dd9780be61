//! The opaque state of a step, and the binding's configuration, as Rust values.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result, context};

/// A step's state as bytes. JSON, so that a newer version of the plugin can read an older one's.
///
/// # Errors
/// `internal` when the value has no JSON form.
pub fn encode(state: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(state).map_err(|error| Error::internal(format!("the state cannot be written: {error}")))
}

/// The state that [`encode`] wrote.
///
/// # Errors
/// `internal` when the bytes are not of this plugin's making.
pub fn decode<T: DeserializeOwned>(state: &[u8]) -> Result<T> {
    serde_json::from_slice(state).map_err(|error| Error::internal(format!("the state cannot be read: {error}")))
}

/// The binding's configuration.
///
/// # Errors
/// `invalid-input` naming what does not fit.
pub fn configuration<T: DeserializeOwned>() -> Result<T> {
    serde_json::from_str(&context::configuration())
        .map_err(|error| Error::invalid("configuration", format!("the binding's configuration does not fit: {error}")))
}
