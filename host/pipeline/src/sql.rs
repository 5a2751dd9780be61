//! SQL is judged by parsing, never by looking for words: a column called `update_time` and a string `'drop'` pass, a
//! second statement does not.

use asgard_contract::{Error, Result};
use sqlparser::ast::{SetExpr, Statement};
use sqlparser::dialect::{DatabricksDialect, Dialect, GenericDialect};
use sqlparser::parser::Parser;

/// Silver: one or more statements of Spark SQL; all but the last may only make temporary views, the last one is a query.
///
/// # Errors
/// `invalid-input` for `field`, with line and column where it does not parse.
pub fn silver(field: &str, sql: &str) -> Result<()> {
    let statements = parse(field, sql, &DatabricksDialect {})?;
    let Some((last, before)) = statements.split_last() else {
        return Err(Error::invalid(field, "there is no statement: expected a SELECT"));
    };
    for statement in before {
        if !is_temporary_view(statement) {
            return Err(Error::invalid(
                field,
                format!(
                    "only `CREATE TEMPORARY VIEW … AS SELECT …` may come before the last statement, not `{}`",
                    head(statement)
                ),
            ));
        }
    }
    read_only(field, last)
}

/// Gold: exactly one SELECT or WITH. Models with Jinja are judged after rendering, by the plugin's plan.
///
/// # Errors
/// `invalid-input` for `field`.
pub fn gold(field: &str, sql: &str) -> Result<()> {
    if has_jinja(sql) {
        return Ok(());
    }
    compiled(field, sql)
}

/// A rendered model: exactly one SELECT or WITH.
///
/// # Errors
/// `invalid-input` for `field`.
pub fn compiled(field: &str, sql: &str) -> Result<()> {
    let statements = parse(field, sql, &GenericDialect {})?;
    match statements.as_slice() {
        [] => Err(Error::invalid(field, "there is no statement: expected one SELECT or WITH")),
        [one] => read_only(field, one),
        more => Err(Error::invalid(field, format!("{} statements: expected exactly one SELECT or WITH", more.len()))),
    }
}

fn has_jinja(sql: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| sql.contains(mark))
}

fn parse(field: &str, sql: &str, dialect: &dyn Dialect) -> Result<Vec<Statement>> {
    Parser::parse_sql(dialect, sql)
        .map_err(|error| Error::invalid(field, format!("the SQL does not parse: {}", plain(&error.to_string()))))
}

/// The parser's own prefix says nothing to a user.
fn plain(message: &str) -> &str {
    message.strip_prefix("sql parser error: ").unwrap_or(message)
}

fn read_only(field: &str, statement: &Statement) -> Result<()> {
    match statement {
        Statement::Query(query) if reads(&query.body) => Ok(()),
        other => Err(Error::invalid(
            field,
            format!("only queries are run here, not `{}`: expected a SELECT or WITH", head(other)),
        )),
    }
}

/// `WITH … INSERT` and `SELECT … INTO` parse as queries and are none.
fn reads(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => reads(&query.body),
        SetExpr::SetOperation { left, right, .. } => reads(left) && reads(right),
        SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

fn is_temporary_view(statement: &Statement) -> bool {
    matches!(statement, Statement::CreateView(view) if view.temporary && reads(&view.query.body))
}

fn head(statement: &Statement) -> String {
    statement.to_string().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
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
    fn an_error_says_where() {
        let Err(Error::InvalidInput { field, message }) = gold("sql_query", "SELECT (a\nFROM b") else {
            panic!("expected invalid input");
        };
        assert_eq!(field.as_deref(), Some("sql_query"));
        assert!(message.contains("Line"), "{message}");
    }
}
