//! What must be true of a table that a transform wrote: queries that find the rows that are wrong, and find none.

use asgard_capabilities::lakehouse::Engine as _;
use asgard_contract::lakehouse::{Dialect, Statement};
use asgard_contract::{Error, Result, TableName};
use asgard_lakehouse::{Lakehouse, rows_to_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{names, sql};

/// Rows of a failed check that are shown: enough to see what is wrong with them.
const SHOWN: u32 = 3;

/// A query that selects the rows that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub sql: String,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    pub name: String,
    /// Rows that are wrong.
    pub failures: u64,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Map<String, Value>>,
}

/// dbt's generic tests, of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnTest {
    NotNull,
    Unique,
    AcceptedValues(Vec<Value>),
    /// Every value is one of `field` in `to`.
    Relationships {
        to: String,
        field: String,
    },
}

/// Looks that every check is one query of its dialect, and that no two have a name.
///
/// # Errors
/// `invalid-input` for `checks[n]`, with line and column.
pub(super) fn validate(checks: &[Check], dialect: Dialect) -> Result<()> {
    for (index, check) in checks.iter().enumerate() {
        if check.name.trim().is_empty() || checks.iter().take(index).any(|other| other.name == check.name) {
            let message = format!("`{}`: expected a name that no other check has", check.name);
            return Err(Error::invalid(format!("checks[{index}].name"), message));
        }
        let field = format!("checks[{index}].sql");
        match dialect {
            Dialect::Spark => sql::silver(&field, &check.sql)?,
            Dialect::Trino => sql::compiled(&field, &check.sql)?,
        }
    }
    Ok(())
}

/// The check of a test, in Trino's SQL. `field` is the test's place in the request.
///
/// # Errors
/// `invalid-input` for what is no column, table or value.
pub(super) fn of_test(field: &str, table: &TableName, column: &str, test: &ColumnTest) -> Result<Check> {
    names::identifier(&format!("{field}.column"), column)?;
    let (name, subject) = (quoted(column), format!("{}.{}", quoted(&table.namespace), quoted(&table.name)));
    let (kind, sql) = match test {
        ColumnTest::NotNull => ("not_null", format!("SELECT * FROM {subject} WHERE {name} IS NULL")),
        ColumnTest::Unique => (
            "unique",
            format!(
                "SELECT {name}, COUNT(*) AS times FROM {subject} WHERE {name} IS NOT NULL GROUP BY {name} HAVING COUNT(*) > 1"
            ),
        ),
        ColumnTest::AcceptedValues(values) => {
            if values.is_empty() {
                return Err(Error::invalid(format!("{field}.values"), "names none: expected at least one value"));
            }
            let literals = values.iter().enumerate().map(|(index, value)| literal(field, index, value));
            let literals = literals.collect::<Result<Vec<_>>>()?.join(", ");
            (
                "accepted_values",
                format!(
                    "SELECT {name}, COUNT(*) AS times FROM {subject} WHERE {name} NOT IN ({literals}) GROUP BY {name}"
                ),
            )
        }
        ColumnTest::Relationships { to, field: other } => {
            names::identifier(&format!("{field}.field"), other)?;
            let to = table_of(&format!("{field}.to"), to)?;
            let parent = format!("{}.{}", quoted(&to.namespace), quoted(&to.name));
            let other = quoted(other);
            (
                "relationships",
                format!(
                    "SELECT child.{name} FROM {subject} AS child LEFT JOIN {parent} AS parent ON child.{name} = parent.{other} \
                     WHERE child.{name} IS NOT NULL AND parent.{other} IS NULL"
                ),
            )
        }
    };
    Ok(Check { name: format!("{kind}_{column}"), sql })
}

/// `silver.customers`, `ref('customers')`; a name alone is a gold table.
fn table_of(field: &str, text: &str) -> Result<TableName> {
    let inner = text.trim().strip_prefix("ref(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    let inner = inner.trim().trim_matches(['\'', '"']);
    let inner = inner.strip_prefix("iceberg.").unwrap_or(inner);
    if inner.contains('.') {
        return TableName::parse(inner).map_err(|error| error.in_field(field));
    }
    names::identifier(field, inner)?;
    Ok(TableName::new("gold", inner))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(field: &str, index: usize, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err(Error::invalid(format!("{field}.values[{index}]"), "expected a text, a number, true or false")),
    }
}

/// Runs all checks, also after one has failed.
///
/// # Errors
/// `invalid-input` for a check that cannot be run, with its name; those of the lakehouse.
pub(super) async fn run(lakehouse: &Lakehouse, dialect: Dialect, checks: &[Check]) -> Result<Vec<Checked>> {
    let mut done = Vec::with_capacity(checks.len());
    for check in checks {
        let query = async |sql: String, rows: u32| {
            let statement = Statement { sql, dialect, inputs: Vec::new() };
            let answer = lakehouse.query(&statement, rows).await.map_err(|error| of_check(check, error))?;
            rows_to_json(&answer)
        };
        // Comments at the end of the query must not take the bracket along.
        let counted = query(format!("SELECT COUNT(*) AS failures FROM (\n{}\n) AS wrong", check.sql), 1).await?;
        let failures = counted.first().and_then(|row| row.get("failures")).and_then(Value::as_u64).unwrap_or_default();
        let rows = if failures == 0 { Vec::new() } else { query(check.sql.clone(), SHOWN).await? };
        done.push(Checked { name: check.name.clone(), failures, rows });
    }
    Ok(done)
}

fn of_check(check: &Check, error: Error) -> Error {
    match error {
        Error::InvalidInput { message, .. } => {
            Error::invalid("checks", format!("check `{}` cannot be run: {message}", check.name))
        }
        other => other,
    }
}

/// Why a table whose checks ended so is not what it should be; none where all passed.
pub(super) fn verdict(done: &[Checked]) -> Option<String> {
    let failed: Vec<_> = done.iter().filter(|check| check.failures > 0).collect();
    if failed.is_empty() {
        return None;
    }
    let told = failed.iter().map(|check| {
        let first = check.rows.first().map(|row| format!(", such as {}", Value::Object(row.clone())));
        format!("`{}` finds {} rows{}", check.name, check.failures, first.unwrap_or_default())
    });
    Some(format!("{} of {} checks failed: {}", failed.len(), done.len(), told.collect::<Vec<_>>().join("; ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tests_become_queries_for_the_rows_that_are_wrong() {
        let orders = TableName::new("gold", "orders");
        let of = |column: &str, test: ColumnTest| of_test("tests[0]", &orders, column, &test).unwrap();
        let not_null = of("id", ColumnTest::NotNull);
        assert_eq!(not_null.name, "not_null_id");
        assert_eq!(not_null.sql, r#"SELECT * FROM "gold"."orders" WHERE "id" IS NULL"#);
        let accepted = of("status", ColumnTest::AcceptedValues(vec![json!("it's"), json!(2)]));
        assert!(accepted.sql.contains("NOT IN ('it''s', 2)"), "{}", accepted.sql);
        for to in ["silver.customers", "iceberg.silver.customers"] {
            let known = ColumnTest::Relationships { to: to.to_owned(), field: "id".to_owned() };
            assert!(of("customer", known).sql.contains(r#"LEFT JOIN "silver"."customers""#));
        }
        let known = ColumnTest::Relationships { to: "ref('customers')".to_owned(), field: "id".to_owned() };
        assert!(of("customer", known).sql.contains(r#""gold"."customers""#));
        for (test, at) in [
            (ColumnTest::AcceptedValues(Vec::new()), "tests[0].values"),
            (ColumnTest::AcceptedValues(vec![json!([1])]), "tests[0].values[0]"),
            (ColumnTest::Relationships { to: "a b".to_owned(), field: "id".to_owned() }, "tests[0].to"),
        ] {
            let error = of_test("tests[0]", &orders, "id", &test).unwrap_err();
            assert!(matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == at), "{error:?}");
        }
    }

    #[test]
    fn a_verdict_says_what_was_found() {
        let wrong = Checked {
            name: "unique_id".to_owned(),
            failures: 2,
            rows: vec![Map::from_iter([("id".to_owned(), json!(7))])],
        };
        let fine = Checked { name: "not_null_id".to_owned(), failures: 0, rows: Vec::new() };
        assert_eq!(verdict(std::slice::from_ref(&fine)), None);
        let said = verdict(&[fine, wrong]).unwrap();
        assert_eq!(said, "1 of 2 checks failed: `unique_id` finds 2 rows, such as {\"id\":7}");
    }
}
