//! Why a value cannot be taken.

use std::fmt;

/// Why a value, or a row, cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are not what the column's type says.
    Malformed,
    /// Neither Arrow nor Iceberg has such a value.
    NoCounterpart,
    /// Null, by which no row can be found.
    Null,
    /// Text that is no UTF-8.
    NotUtf8,
    /// A row with another number of columns than was asked for.
    ColumnCount(i16),
    /// Arrow's own objection.
    Arrow(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the server sent a value that does not have its type's form"),
            Self::NoCounterpart => f.write_str(
                "a value has no counterpart (infinity, NaN or out of range), and a column of the primary key cannot be null",
            ),
            Self::Null => f.write_str(
                "it is null in a row, and rows are found by it: take columns that are NOT NULL as the stream's `primaryKey`, or delete \
                 such rows and POST /ingestion/{id}/reset",
            ),
            Self::NotUtf8 => f.write_str(
                "a text of the primary key is not UTF-8: the database's encoding is SQL_ASCII; convert it to UTF8",
            ),
            Self::ColumnCount(found) => write!(f, "a row came with {found} columns"),
            Self::Arrow(text) => f.write_str(text),
        }
    }
}
