//! Names in SQL: quoted, and the lakehouse's catalog whatever Trino calls it.

use asgard_sdk::TableName;
use serde::{Deserialize, Serialize};

/// The namespaces of the lakehouse.
const NAMESPACES: [&str; 3] = ["bronze", "silver", "gold"];

/// A table or view, in a form that can be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    pub namespace: String,
    pub name: String,
}

impl From<&TableName> for Name {
    fn from(name: &TableName) -> Self {
        Self { namespace: name.namespace.clone(), name: name.name.clone() }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

impl Name {
    /// For a statement: in the session's catalog.
    pub fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.namespace), quoted(&self.name))
    }

    /// One of Iceberg's tables about a table, such as `$snapshots`.
    pub fn metadata(&self, kind: &str) -> String {
        format!("{}.{}", quoted(&self.namespace), quoted(&format!("{}${kind}", self.name)))
    }
}

/// An identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// The statement for a session whose catalog is `catalog`.
///
/// `iceberg.silver.x` is how every model names the lakehouse. Where Trino calls it something else the first part is left out, so
/// that the session's catalog counts: unlike a catalog's own name, `silver.x` in a view means the same to every engine that reads
/// it. Strings, comments and Jinja are left as they are.
pub fn in_catalog(sql: &str, catalog: &str) -> String {
    if catalog == asgard_dbt::CATALOG {
        return sql.to_owned();
    }
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut after_dot = false;
    while let Some(token) = Token::first(rest) {
        let (text, after) = rest.split_at(token.length);
        let names_lakehouse = !after_dot && token.identifier.as_deref() == Some(asgard_dbt::CATALOG);
        match names_lakehouse.then(|| without_dot(after)).flatten() {
            Some(tail) => {
                rest = tail;
                // What follows is a part of this name, and starts no other.
                after_dot = true;
                continue;
            }
            None => out.push_str(text),
        }
        after_dot = match text {
            "." => true,
            _ if text.chars().all(char::is_whitespace) => after_dot,
            _ => false,
        };
        rest = after;
    }
    out
}

/// What follows the dot, when a namespace and another dot do.
fn without_dot(rest: &str) -> Option<&str> {
    let tail = rest.trim_start().strip_prefix('.')?.trim_start();
    let namespace = Token::first(tail)?;
    let known = NAMESPACES.contains(&namespace.identifier?.as_str());
    let goes_on = tail.get(namespace.length..)?.trim_start().starts_with('.');
    (known && goes_on).then_some(tail)
}

struct Token {
    length: usize,
    /// In lower case, without quotes.
    identifier: Option<String>,
}

impl Token {
    fn first(text: &str) -> Option<Self> {
        let first = text.chars().next()?;
        let opaque = |length: Option<usize>| Some(Self { length: length.unwrap_or(text.len()), identifier: None });
        let through = |start: usize, end: &str| {
            text.get(start..).and_then(|inner| inner.find(end)).map(|found| start + found + end.len())
        };
        for (start, end) in [("--", "\n"), ("/*", "*/"), ("{{", "}}"), ("{%", "%}"), ("{#", "#}")] {
            if text.starts_with(start) {
                return opaque(through(start.len(), end));
            }
        }
        match first {
            // A doubled quote ends one string and starts the next: as good as one string with a quote in it.
            '\'' => opaque(through(1, "'")),
            '"' => {
                let length = through(1, "\"").unwrap_or(text.len());
                let inner = text.get(1..length.saturating_sub(1)).unwrap_or_default();
                Some(Self { length, identifier: Some(inner.to_lowercase()) })
            }
            _ if first.is_alphabetic() || first == '_' => {
                let end = text.find(|next: char| !(next.is_alphanumeric() || "_@$".contains(next)));
                let length = end.unwrap_or(text.len());
                Some(Self { length, identifier: text.get(..length).map(str::to_lowercase) })
            }
            _ => Some(Self { length: first.len_utf8(), identifier: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lakehouse_is_the_sessions_catalog_whatever_it_is_called() {
        for (sql, expected) in [
            ("SELECT * FROM iceberg.silver.orders", "SELECT * FROM silver.orders"),
            (r#"FROM "iceberg"."gold"."a b" x"#, r#"FROM "gold"."a b" x"#),
            ("FROM Iceberg . Bronze . t", "FROM Bronze . t"),
            (
                "SELECT iceberg.silver.orders.id FROM iceberg.silver.orders",
                "SELECT silver.orders.id FROM silver.orders",
            ),
            ("SELECT 'iceberg.silver.x', \"iceberg.silver.x\"", "SELECT 'iceberg.silver.x', \"iceberg.silver.x\""),
            ("SELECT 'it''s iceberg.silver.x'", "SELECT 'it''s iceberg.silver.x'"),
            ("SELECT 1 -- iceberg.silver.x\nFROM iceberg.gold.y", "SELECT 1 -- iceberg.silver.x\nFROM gold.y"),
            ("/* iceberg.silver.x */ FROM iceberg.silver.x", "/* iceberg.silver.x */ FROM silver.x"),
            (
                "FROM {{ source('iceberg.silver.x') }}, iceberg.silver.x",
                "FROM {{ source('iceberg.silver.x') }}, silver.x",
            ),
            // Names of something else.
            ("FROM iceberg.other.x", "FROM iceberg.other.x"),
            ("SELECT iceberg.silver FROM t AS iceberg", "SELECT iceberg.silver FROM t AS iceberg"),
            ("FROM my.iceberg.silver.x", "FROM my.iceberg.silver.x"),
            ("FROM my_iceberg.silver.x", "FROM my_iceberg.silver.x"),
            ("SELECT 'open", "SELECT 'open"),
            ("SELECT 'Größe' AS größe FROM iceberg.silver.größe", "SELECT 'Größe' AS größe FROM silver.größe"),
        ] {
            assert_eq!(in_catalog(sql, "lake"), expected);
            assert_eq!(in_catalog(sql, "iceberg"), sql);
        }
    }

    #[test]
    fn names_and_texts_are_quoted() {
        let name = Name { namespace: "gold".to_owned(), name: "a\"b".to_owned() };
        assert_eq!(name.sql(), r#""gold"."a""b""#);
        assert_eq!(name.metadata("files"), r#""gold"."a""b$files""#);
        assert_eq!(text("it's"), "'it''s'");
    }
}
