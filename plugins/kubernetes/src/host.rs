//! What the plugin uses of the host. The component lends its capabilities; tests keep a cluster in memory.

use asgard_sdk::context::Level;
use asgard_sdk::{Result, http};
use asgard_workloads::cluster::Cluster;

/// The capabilities `kubernetes` and `http`, as far as they are used. Each as the WIT describes it.
pub trait Host: Cluster {
    /// One exchange.
    ///
    /// # Errors
    /// `forbidden`, `unavailable`, `invalid-input`; never because of a status.
    fn send(&self, request: &http::Request) -> Result<http::Response>;

    /// The environment's name.
    fn environment(&self) -> String;

    /// A line of the task's log.
    fn log(&self, level: Level, message: &str);

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
}
