//! The messages of the Airbyte protocol, one JSON object a line.
//!
//! Parts that go on as they came, states and schemas, stay text: numbers in them may have more digits than Rust's types. Fields
//! that the protocol calls integers may come as floats.

use std::borrow::Cow;

use asgard_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A line.
#[derive(Debug, Default, Deserialize)]
pub struct Message<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub record: Option<Record<'a>>,
    #[serde(borrow)]
    pub state: Option<State<'a>>,
    pub log: Option<Log>,
    pub trace: Option<Trace>,
    #[serde(borrow)]
    pub control: Option<Control<'a>>,
    pub spec: Option<Specification>,
    #[serde(rename = "connectionStatus")]
    pub connection_status: Option<ConnectionStatus>,
    pub catalog: Option<Catalog>,
}

#[derive(Debug, Deserialize)]
pub struct Record<'a> {
    #[serde(borrow)]
    pub stream: Cow<'a, str>,
    #[serde(borrow)]
    pub namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub data: &'a RawValue,
}

/// Without a type: the oldest form, `data` alone.
#[derive(Debug, Deserialize)]
pub struct State<'a> {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(borrow)]
    pub stream: Option<&'a RawValue>,
    #[serde(borrow)]
    pub global: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    #[serde(rename = "sourceStats")]
    pub source_stats: Option<SourceStats>,
}

/// The part of a stream's state that says whose it is.
#[derive(Debug, Deserialize)]
pub struct StreamState {
    pub stream_descriptor: StreamName,
}

#[derive(Debug, Deserialize)]
pub struct SourceStats {
    #[serde(rename = "recordCount")]
    pub record_count: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StreamName {
    pub name: String,
    #[serde(default)]
    pub namespace: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Log {
    pub level: String,
    pub message: String,
    pub stack_trace: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Trace {
    #[serde(rename = "type")]
    pub kind: String,
    pub error: Option<TraceError>,
    pub estimate: Option<Estimate>,
    pub stream_status: Option<StreamStatus>,
}

/// Why a connector, or one of its streams, cannot go on.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TraceError {
    #[serde(default)]
    pub message: String,
    pub internal_message: Option<String>,
    pub stack_trace: Option<String>,
    /// `system_error`, `config_error`, `transient_error`.
    pub failure_type: Option<String>,
    pub stream_descriptor: Option<StreamName>,
}

#[derive(Debug, Deserialize)]
pub struct Estimate {
    pub name: Option<String>,
    pub namespace: Option<String>,
    /// `STREAM` or `SYNC`.
    #[serde(rename = "type")]
    pub kind: String,
    pub row_estimate: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub struct StreamStatus {
    pub stream_descriptor: StreamName,
    /// `STARTED`, `RUNNING`, `COMPLETE`, `INCOMPLETE`.
    pub status: String,
}

#[derive(Debug, Deserialize)]
pub struct Control<'a> {
    #[serde(rename = "connectorConfig", borrow)]
    pub connector_config: Option<ConnectorConfig<'a>>,
}

#[derive(Debug, Deserialize)]
pub struct ConnectorConfig<'a> {
    #[serde(borrow)]
    pub config: &'a RawValue,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Specification {
    #[serde(rename = "connectionSpecification")]
    pub connection_specification: serde_json::Value,
}

#[derive(Debug, Clone, Deserialize)]
pub struct ConnectionStatus {
    pub status: String,
    pub message: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Catalog {
    /// As they came: they go back to the connector in the configured catalog.
    pub streams: Vec<Box<RawValue>>,
}

/// What a line is.
pub enum Line<'a> {
    Message(Box<Message<'a>>),
    /// Something that a library printed, as text.
    Other(&'a str),
}

/// Reads a line.
///
/// # Errors
/// `internal` for a message that cannot be read: its content would be missing.
pub fn read(line: &[u8]) -> Result<Line<'_>> {
    let text = std::str::from_utf8(line).map_err(|error| damaged(&error, &String::from_utf8_lossy(line)))?.trim();
    if !text.starts_with('{') {
        return Ok(Line::Other(text));
    }
    match serde_json::from_str::<Message<'_>>(text) {
        Ok(message) => Ok(Line::Message(Box::new(message))),
        Err(error) if looks_like_a_message(text) => Err(damaged(&error, text)),
        Err(_) => Ok(Line::Other(text)),
    }
}

/// A dictionary that somebody printed is none.
fn looks_like_a_message(text: &str) -> bool {
    let start: String = text.chars().take(200).filter(|c| !c.is_whitespace()).collect();
    start.contains("\"type\":\"")
}

fn damaged(error: &dyn std::fmt::Display, text: &str) -> Error {
    let start: String = text.chars().take(120).collect();
    Error::internal(format!("the connector wrote a message that cannot be read ({error}): {start}"))
}
