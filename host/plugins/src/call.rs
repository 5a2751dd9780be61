//! What a call needs beside its arguments.

use std::sync::Arc;

use asgard_capabilities::Lent;
use asgard_contract::environment::Limits;
use asgard_contract::log::LogSink;

/// On whose behalf a plugin is called, and what it may reach and use. One is enough for all calls of a handle.
#[derive(Clone)]
pub struct Call {
    /// The binding's configuration, checked and with its defaults; see [`crate::Plugin::validate_configuration`].
    pub configuration: serde_json::Value,
    /// The environment's name.
    pub environment: String,
    /// The task's id, or the request's.
    pub task_id: String,
    /// How often the ingestion was reset that this is about; [`crate::Connector`] fills it in.
    pub resets: u32,
    /// What is not in here is denied.
    pub lent: Lent,
    /// Of each call.
    pub limits: Limits,
    /// Receives what the guest logs.
    pub log: Arc<dyn LogSink>,
}
