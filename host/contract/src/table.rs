//! Names of tables and their columns.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Two of the names that SQL does not tell apart, in their order.
pub fn differing_in_case<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    names.into_iter().find_map(|name| seen.insert(name.to_lowercase(), name).map(|other| (other, name)))
}

/// A table or view of the lakehouse: `silver.work_orders`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// `bronze`, `silver` or `gold`.
    pub namespace: String,
    pub name: String,
}

impl TableName {
    /// Without any check; for names that the host made itself or checked before.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Reads `namespace.name` or `iceberg.namespace.name` (the lakehouse's catalog name in SQL).
    ///
    /// # Errors
    /// `invalid-input` when it has another shape.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            [namespace, name] | ["iceberg", namespace, name] if !namespace.is_empty() && !name.is_empty() => {
                Ok(Self::new(*namespace, *name))
            }
            _ => Err(Error::InvalidInput {
                field: None,
                message: format!("`{text}` is no table name: expected `namespace.table`, such as `silver.work_orders`"),
            }),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

/// A column. `data_type` is written as Iceberg writes it: `long`, `decimal(10,2)`, `list<string>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub data_type: String,
    pub nullable: bool,
    pub doc: Option<String>,
}
