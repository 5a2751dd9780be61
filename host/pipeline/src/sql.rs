//! SQL is judged before anything is started: it parses in its dialect, and it only reads. By parsing, never by looking for
//! words: a column called `update_time` and a string `'drop'` pass, a second statement does not.

use asgard_contract::lakehouse::Dialect;
use asgard_contract::{Error, Result};
use asgard_lakehouse::check_statement;

/// Silver: Spark SQL. Temporary views may come before its query.
///
/// # Errors
/// `invalid-input` for `field`, with line and column.
pub fn silver(field: &str, sql: &str) -> Result<()> {
    of_field(field, check_statement(Dialect::Spark, sql))
}

/// Gold: one query of Trino's SQL. Models with Jinja are judged after rendering, by the plugin's plan.
///
/// # Errors
/// `invalid-input` for `field`, with line and column.
pub fn gold(field: &str, sql: &str) -> Result<()> {
    if has_jinja(sql) { Ok(()) } else { compiled(field, sql) }
}

/// A rendered model: one query of Trino's SQL.
///
/// # Errors
/// `invalid-input` for `field`, with line and column.
pub fn compiled(field: &str, sql: &str) -> Result<()> {
    of_field(field, check_statement(Dialect::Trino, sql))
}

fn has_jinja(sql: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| sql.contains(mark))
}

/// Of the request's fields, only one has SQL.
fn of_field(field: &str, judged: Result<()>) -> Result<()> {
    judged.map_err(|error| match error {
        Error::InvalidInput { message, .. } => Error::invalid(field, message),
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_inside_names_and_strings_do_not_count() {
        assert!(gold("sql_query", "SELECT update_time, 'drop table x' AS t FROM silver.a -- delete").is_ok());
        assert!(gold("sql_query", "WITH a AS (SELECT 1 AS x) SELECT * FROM a").is_ok());
    }

    #[test]
    fn a_second_statement_and_anything_that_writes_is_refused() {
        for bad in [
            "SELECT 1; SELECT 2",
            "SELECT 1; DROP TABLE x",
            "DROP TABLE silver.a",
            "INSERT INTO a SELECT 1",
            "CREATE TABLE a AS SELECT 1",
            "SELECT 1 INTO b",
            "",
            "SELEC 1",
        ] {
            assert!(gold("sql_query", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn silver_takes_temporary_views_before_its_query() {
        assert!(silver("sql", "CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1 AS a; SELECT * FROM v").is_ok());
        assert!(silver("sql", "SELECT 1; SELECT 2").is_err());
        assert!(silver("sql", "CREATE TABLE t AS SELECT 1 AS a; SELECT * FROM t").is_err());
    }

    #[test]
    fn each_dialect_has_its_own_literals() {
        assert!(silver("sql", r"SELECT 'it\'s' AS a, 2.5D AS b").is_ok());
        assert!(gold("sql_query", r"SELECT 'it\'s' AS a").is_err());
    }

    #[test]
    fn an_error_names_the_field_and_says_where() {
        let Err(Error::InvalidInput { field, message }) = gold("sql_query", "SELECT (a\nFROM b") else {
            panic!("expected invalid input");
        };
        assert_eq!(field.as_deref(), Some("sql_query"));
        assert!(message.contains("line 2"), "{message}");
    }
}
