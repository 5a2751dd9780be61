//! Rows and columns without an Arrow library.

use serde::Serialize;

use crate::connector::{RowData, Rows};
use crate::{Column, Error, Result};

impl Rows {
    /// Rows of one stream as JSON lines, all of them inserts. The host reads them by the stream's columns, so a `decimal`
    /// or a `timestamp` is a string. `stream` is the index into the sync's streams.
    ///
    /// # Errors
    /// `internal` when a row has no JSON form.
    pub fn json_lines(stream: u32, rows: impl IntoIterator<Item = impl Serialize>) -> Result<Self> {
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, &row)
                .map_err(|error| Error::internal(format!("a row has no JSON form: {error}")))?;
            lines.push(b'\n');
        }
        Ok(Self::inserts(stream, RowData::JsonLines(lines)))
    }

    /// Rows of one stream in either form, all of them inserts.
    pub fn inserts(stream: u32, data: RowData) -> Self {
        Self { stream, data, changes: Vec::new(), kept: Vec::new(), previous_keys: None }
    }
}

impl Column {
    /// A column that may be null, of a type as Iceberg writes it: `long`, `decimal(10,2)`.
    pub fn new(name: impl Into<String>, data_type: impl Into<String>) -> Self {
        Self { name: name.into(), data_type: data_type.into(), nullable: true, doc: None }
    }
}
