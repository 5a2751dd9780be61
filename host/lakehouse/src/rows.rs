//! Small results as JSON, and rows of a request as Arrow.

use asgard_contract::{Error, Result};
use serde_json::{Map, Value};

/// The rows of an Arrow IPC stream as JSON objects.
///
/// # Errors
/// `internal` when it is no Arrow IPC stream.
pub fn rows_to_json(_ipc: &[u8]) -> Result<Vec<Map<String, Value>>> {
    Err(Error::internal("unfinished"))
}

/// JSON objects as an Arrow IPC stream: one column per name, typed by its values; `timestamp` is read as a point in time.
///
/// # Errors
/// `invalid-input` with the row and column as field.
pub fn rows_from_json(_rows: &[Map<String, Value>], _timestamp: &str) -> Result<Vec<u8>> {
    Err(Error::internal("unfinished"))
}
