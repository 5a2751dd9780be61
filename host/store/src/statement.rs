//! Statements that are put together: the same `$1` placeholders on both databases, which sqlx's own builder does not write for
//! `Any`.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::{Query, QueryAs};
use sqlx::{Any, FromRow};

/// A statement's text, and what its placeholders stand for.
#[derive(Debug, Default)]
pub(crate) struct Statement<'q> {
    text: String,
    values: Vec<Value<'q>>,
}

/// What a placeholder may stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'q> {
    Text(&'q str),
    Number(i64),
    Bytes(&'q [u8]),
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Self {
        Self::Text(text)
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(text: &'q String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<'q> From<&'q Vec<u8>> for Value<'q> {
    fn from(bytes: &'q Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'q> Statement<'q> {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), values: Vec::new() }
    }

    /// Adds text.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a placeholder for a value.
    pub(crate) fn bind(&mut self, value: impl Into<Value<'q>>) -> &mut Self {
        self.values.push(value.into());
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    /// Adds placeholders with commas between them.
    pub(crate) fn bind_all<V: Into<Value<'q>>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.bind(value);
        }
        self
    }

    /// Adds `VALUES (…), (…)`, one pair of brackets for each row.
    pub(crate) fn bind_rows<const N: usize>(&mut self, rows: impl IntoIterator<Item = [Value<'q>; N]>) -> &mut Self {
        for (index, row) in rows.into_iter().enumerate() {
            self.text.push_str(if index == 0 { "VALUES (" } else { ", (" });
            self.bind_all(row);
            self.text.push(')');
        }
        self
    }

    pub(crate) fn query(&self) -> Query<'_, Any, AnyArguments<'_>> {
        self.values.iter().fold(sqlx::query(&self.text), |query, value| match *value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }

    pub(crate) fn query_as<T: for<'r> FromRow<'r, AnyRow>>(&self) -> QueryAs<'_, Any, T, AnyArguments<'_>> {
        self.values.iter().fold(sqlx::query_as(&self.text), |query, value| match *value {
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }
}
