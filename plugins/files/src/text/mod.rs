//! Text files, row by row: CSV and JSON lines, compressed or not.

mod csv;
mod dialect;
mod json_lines;
mod opening;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::csv::CsvRows;
pub use self::dialect::{Dialect, sniff};
pub use self::json_lines::JsonRows;
pub use self::opening::{Start, bytes_of, open, sample};

use crate::fault::Fault;

/// A row with more bytes is a mistake, such as a quote that is never closed, and would not fit in the sandbox.
pub const LARGEST_ROW: u64 = 64 << 20;

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    /// Of CSV, where everything is text.
    Text(&'a str),
    JsonString(Cow<'a, str>),
    JsonNumber(&'a str),
    JsonBoolean(bool),
    /// An object or a list, as it is written.
    JsonNested(&'a str),
}

/// Where a row was, and where the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// Bytes of the uncompressed text before the next row.
    pub end: u64,
    /// The line on which the next row begins.
    pub next_line: u64,
}

/// Takes a value: its place, its name, itself.
pub type Take<'a> = dyn FnMut(usize, &str, Value<'_>) -> Result<(), Fault> + 'a;

/// Rows of one file.
pub trait Rows {
    /// Hands the next row's values to `take`, each with its place among [`Rows::names`] and its name. None at the end.
    ///
    /// # Errors
    /// A row that is none, with its line; those of the location.
    fn next(&mut self, take: &mut Take<'_>) -> Result<Option<Place>, Fault>;

    /// The names of the file's columns; of JSON, those that were met so far.
    fn names(&self) -> &[String];
}

/// Counts the bytes since a row began, and stops at [`LARGEST_ROW`].
#[derive(Debug, Clone, Default)]
pub struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// A row begins.
    fn renew(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn use_up(&self, bytes: usize) -> std::io::Result<()> {
        let used = self.0.fetch_add(bytes as u64, Ordering::Relaxed);
        if used > LARGEST_ROW {
            return Err(std::io::Error::other(format!(
                "a row has more than {} MiB: is there a quote that is not closed, or is this another format?",
                LARGEST_ROW >> 20
            )));
        }
        Ok(())
    }
}
