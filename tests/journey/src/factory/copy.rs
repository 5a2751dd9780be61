//! PostgreSQL's text format for COPY.

use std::fmt::{Display, Write as _};

use chrono::DateTime;

/// A table and its rows.
#[derive(Debug, Clone)]
pub struct Table {
    schema: &'static str,
    name: &'static str,
    columns: &'static [&'static str],
    rows: usize,
    text: String,
}

impl Table {
    pub(crate) fn new(schema: &'static str, name: &'static str, columns: &'static [&'static str]) -> Self {
        Self { schema, name, columns, rows: 0, text: String::new() }
    }

    /// `production.work_orders`.
    pub fn qualified_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// In the order of the rows' fields.
    pub fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What COPY reads: a line per row, fields between tabs, `\N` for null.
    pub fn copy_text(&self) -> &str {
        &self.text
    }

    /// As [`Table::copy_text`].
    pub fn into_copy_text(self) -> String {
        self.text
    }

    /// The statement that reads [`Table::copy_text`].
    pub fn copy_statement(&self) -> String {
        format!("COPY {} ({}) FROM STDIN", self.qualified_name(), self.columns.join(", "))
    }

    /// Begins the next row.
    pub(crate) fn row(&mut self) -> Row<'_> {
        self.rows += 1;
        Row { text: &mut self.text, first: true }
    }
}

/// A row being written; it ends when dropped.
pub(crate) struct Row<'a> {
    text: &'a mut String,
    first: bool,
}

impl Row<'_> {
    fn field(&mut self) -> &mut String {
        if !self.first {
            self.text.push('\t');
        }
        self.first = false;
        self.text
    }

    /// A number or a boolean.
    pub(crate) fn value(&mut self, value: impl Display) -> &mut Self {
        // Writing to a string does not fail.
        let _ = write!(self.field(), "{value}");
        self
    }

    /// As [`Row::value`], or null.
    pub(crate) fn maybe(&mut self, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.value(value),
            None => self.value("\\N"),
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let field = self.field();
        for character in text.chars() {
            match character {
                '\\' => field.push_str("\\\\"),
                '\t' => field.push_str("\\t"),
                '\n' => field.push_str("\\n"),
                '\r' => field.push_str("\\r"),
                other => field.push(other),
            }
        }
        self
    }

    pub(crate) fn maybe_text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.value("\\N"),
        }
    }

    /// A number with `digits` decimals, from its smallest units.
    pub(crate) fn decimal(&mut self, units: i64, digits: u32) -> &mut Self {
        let scale = 10_i64.pow(digits);
        let sign = if units < 0 { "-" } else { "" };
        let units = units.abs();
        self.value(format_args!("{sign}{}.{:0width$}", units / scale, units % scale, width = digits as usize))
    }

    pub(crate) fn maybe_decimal(&mut self, units: Option<i64>, digits: u32) -> &mut Self {
        match units {
            Some(units) => self.decimal(units, digits),
            None => self.value("\\N"),
        }
    }

    /// Seconds since 1970 as a timestamp with time zone.
    pub(crate) fn time(&mut self, seconds: i64) -> &mut Self {
        self.value(DateTime::from_timestamp(seconds, 0).unwrap_or_default().format("%Y-%m-%d %H:%M:%S+00"))
    }

    pub(crate) fn maybe_time(&mut self, seconds: Option<i64>) -> &mut Self {
        match seconds {
            Some(seconds) => self.time(seconds),
            None => self.value("\\N"),
        }
    }

    /// Seconds since 1970 as a date.
    pub(crate) fn date(&mut self, seconds: i64) -> &mut Self {
        self.value(DateTime::from_timestamp(seconds, 0).unwrap_or_default().format("%Y-%m-%d"))
    }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        self.text.push('\n');
    }
}
