//! What is known of a view between two calls: a small value in the host's store.

use std::collections::BTreeMap;

use asgard_sdk::{Result, decode, encode};
use serde::{Deserialize, Serialize};

use crate::host::Host;

const KEY: &str = "known";

/// A view's file, its registration and its rows in the online store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Of the file that Feast reads; none before it is first written.
    pub file: Option<File>,
    /// Whether Feast's SDK has applied the view, after the registry server took it.
    pub applied: bool,
    /// Of the online store; none before it is first filled.
    pub online: Option<Filled>,
    /// The table's columns that the view names, and their types, when the view was registered or last written.
    pub types: BTreeMap<String, String>,
}

/// What a view's file was written of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// None for a view of the lakehouse, which has no snapshots.
    pub snapshot: Option<i64>,
    /// The statement.
    pub sql: String,
}

/// What the online store was filled of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    pub snapshot: Option<i64>,
    /// When the snapshot was last seen to be the table's current one.
    pub checked_ms: u64,
}

impl Known {
    /// What is known of the view.
    ///
    /// # Errors
    /// Those of the host.
    pub fn of(host: &dyn Host, view: &str) -> Result<Self> {
        host.get_value(&bucket(view), KEY)?.map_or_else(|| Ok(Self::default()), |value| decode(&value))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// Those of the host.
    pub fn keep(&self, host: &dyn Host, view: &str) -> Result<()> {
        host.set_value(&bucket(view), KEY, &encode(self)?)
    }

    /// Forgets all of a view.
    ///
    /// # Errors
    /// Those of the host.
    pub fn forget(host: &dyn Host, view: &str) -> Result<()> {
        host.forget_values(&bucket(view))
    }
}

fn bucket(view: &str) -> String {
    format!("view.{view}")
}
