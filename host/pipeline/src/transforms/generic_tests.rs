//! Tests of a model by what they assert, as dbt and the package dbt_utils name them: each becomes a query for the rows that are wrong.
//!
//! A test without rows to judge passes, as in dbt: a value that is null is neither in a range nor outside of it.

use asgard_contract::{Error, Result, TableName};
use serde_json::Value;

use super::checks::{Check, Severity, Thresholds};
use crate::{names, sql};

/// A test of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct GenericTest {
    /// The column that is tested, for those that test one.
    pub column: Option<String>,
    pub assertion: Assertion,
    /// Rows that are tested, as a condition in Trino's SQL; all where there is none.
    pub condition: Option<String>,
    pub severity: Severity,
    /// Such as `> 10`: how many wrong rows fail the test.
    pub error_if: Option<String>,
    /// Likewise, how many are worth a warning.
    pub warn_if: Option<String>,
    /// In place of the name that it has by its kind and columns.
    pub name: Option<String>,
}

/// What must be true. Tables that a test compares with are named as `ref('customers')` or `silver.customers`.
#[derive(Debug, Clone, PartialEq)]
pub enum Assertion {
    NotNull,
    Unique,
    AcceptedValues(Vec<Value>),
    NotAcceptedValues(Vec<Value>),
    /// Every value is one of `field` in `to`, among the rows that the conditions choose.
    Relationships {
        to: String,
        field: String,
        from_condition: Option<String>,
        to_condition: Option<String>,
    },
    UniqueCombinationOfColumns(Vec<String>),
    /// A condition; behind the column's name where there is a column.
    ExpressionIsTrue(String),
    NotNullProportion {
        at_least: f64,
        at_most: f64,
        group_by: Vec<String>,
    },
    /// Numbers, or expressions in Trino's SQL.
    AcceptedRange {
        min_value: Option<Value>,
        max_value: Option<Value>,
        inclusive: bool,
    },
    EqualRowcount {
        compare_model: String,
        group_by: Vec<String>,
    },
    FewerRowsThan {
        compare_model: String,
        group_by: Vec<String>,
    },
    /// The same rows; of all columns, in their order, where none are named.
    Equality {
        compare_model: String,
        compare_columns: Vec<String>,
    },
    /// The newest `field` is at most `interval` times `datepart` old.
    Recency {
        datepart: String,
        field: String,
        interval: i64,
        group_by: Vec<String>,
    },
    AtLeastOne {
        group_by: Vec<String>,
    },
    NotConstant {
        group_by: Vec<String>,
    },
    /// Every value is there as often as in `field` of `to`.
    CardinalityEquality {
        to: String,
        field: String,
    },
    NotEmptyString {
        trim_whitespace: bool,
    },
    SequentialValues {
        interval: i64,
        datepart: Option<String>,
        group_by: Vec<String>,
    },
    MutuallyExclusiveRanges {
        lower_bound_column: String,
        upper_bound_column: String,
        partition_by: Option<String>,
        gaps: Gaps,
        zero_length_range_allowed: bool,
    },
}

/// Whether there may be room between a range and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gaps {
    Allowed,
    NotAllowed,
    Required,
}

/// Parts of a date that tests count in.
const DATEPARTS: [&str; 9] = ["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"];

/// The check of a test of `table`, in Trino's SQL. `at` is the test's place in the request.
///
/// # Errors
/// `invalid-input` for the argument that is no column, table, value, condition or threshold.
pub(super) fn check(at: &str, table: &TableName, test: &GenericTest) -> Result<Check> {
    let from = match &test.condition {
        None => of(table),
        Some(condition) => {
            let rows = format!("SELECT * FROM {} WHERE (\n{condition}\n)", of(table));
            sql::compiled(&format!("{at}.where"), &rows)?;
            format!("({rows})")
        }
    };
    let subject = Subject { at, from };
    let column = match &test.column {
        Some(column) => Some(subject.column("column", column)?),
        None => None,
    };
    let needed = || {
        column
            .as_deref()
            .ok_or_else(|| Error::invalid(format!("{at}.column"), "is missing: the test is about a column"))
    };
    let query = match &test.assertion {
        Assertion::NotNull => subject.where_("not_null", format!("{} IS NULL", needed()?)),
        Assertion::Unique => {
            let column = needed()?;
            Query::new("unique", subject.repeated(&[column.to_owned()], &format!(" WHERE {column} IS NOT NULL")))
        }
        Assertion::AcceptedValues(values) => subject.values("accepted_values", needed()?, "NOT IN", values)?,
        Assertion::NotAcceptedValues(values) => subject.values("not_accepted_values", needed()?, "IN", values)?,
        Assertion::Relationships { to, field, from_condition, to_condition } => {
            subject.relationships(needed()?, to, field, from_condition.as_deref(), to_condition.as_deref())?
        }
        Assertion::UniqueCombinationOfColumns(columns) => {
            let quoted = subject.columns("combination_of_columns", columns)?;
            if quoted.is_empty() {
                return Err(subject.wrong("combination_of_columns", "names none: expected at least one column"));
            }
            Query::new("unique_combination_of_columns", subject.repeated(&quoted, ""))
        }
        Assertion::ExpressionIsTrue(expression) => {
            let condition = column.iter().chain([expression]).cloned().collect::<Vec<_>>().join(" ");
            let query = subject.where_("expression_is_true", format!("NOT (\n{condition}\n)"));
            sql::compiled(&format!("{at}.expression"), &query.sql)?;
            query
        }
        Assertion::NotNullProportion { at_least, at_most, group_by } => {
            subject.not_null_proportion(needed()?, *at_least, *at_most, group_by)?
        }
        Assertion::AcceptedRange { min_value, max_value, inclusive } => {
            subject.accepted_range(needed()?, min_value.as_ref(), max_value.as_ref(), *inclusive)?
        }
        Assertion::EqualRowcount { compare_model, group_by } => subject.rowcounts(
            "equal_rowcount",
            compare_model,
            group_by,
            "rows_here <> rows_there",
            "ABS(rows_here - rows_there)",
        )?,
        Assertion::FewerRowsThan { compare_model, group_by } => subject.rowcounts(
            "fewer_rows_than",
            compare_model,
            group_by,
            "rows_here >= rows_there",
            "GREATEST(rows_here - rows_there, 1)",
        )?,
        Assertion::Equality { compare_model, compare_columns } => {
            let other = subject.table("compare_model", compare_model)?;
            let columns = subject.columns("compare_columns", compare_columns)?;
            let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
            let (here, there) =
                (format!("SELECT {columns} FROM {}", subject.from), format!("SELECT {columns} FROM {other}"));
            Query::new(
                "equality",
                format!(
                    "SELECT * FROM ({here} EXCEPT {there}) AS a UNION ALL SELECT * FROM ({there} EXCEPT {here}) AS b"
                ),
            )
        }
        Assertion::Recency { datepart, field, interval, group_by } => {
            let part = subject.datepart(datepart)?;
            let field = subject.column("field", field)?;
            let newest = subject.grouped(group_by, &format!("MAX({field}) AS most_recent"))?;
            let oldest = format!("date_add('{part}', -({interval}), CAST(current_timestamp AS TIMESTAMP))");
            Query::new(
                "recency",
                format!("SELECT * FROM ({newest}) AS newest WHERE CAST(most_recent AS TIMESTAMP) < {oldest}"),
            )
        }
        Assertion::AtLeastOne { group_by } => {
            let counted = subject.grouped(group_by, &format!("COUNT({}) AS filled", needed()?))?;
            Query::new("at_least_one", format!("SELECT * FROM ({counted}) AS counted WHERE filled = 0"))
        }
        Assertion::NotConstant { group_by } => {
            let counted = subject.grouped(group_by, &format!("COUNT(DISTINCT {}) AS different", needed()?))?;
            Query::new("not_constant", format!("SELECT * FROM ({counted}) AS counted WHERE different = 1"))
        }
        Assertion::CardinalityEquality { to, field } => {
            let (column, other) = (needed()?, subject.table("to", to)?);
            let field = subject.column("field", field)?;
            let times = |name: &str, from: &str| {
                format!("SELECT {name} AS {column}, COUNT(*) AS times FROM {from} GROUP BY {name}")
            };
            let (here, there) = (times(column, &subject.from), times(&field, &other));
            Query::new(
                "cardinality_equality",
                format!(
                    "SELECT * FROM ({here} EXCEPT {there}) AS a UNION ALL SELECT * FROM ({there} EXCEPT {here}) AS b"
                ),
            )
        }
        Assertion::NotEmptyString { trim_whitespace } => {
            let column = needed()?;
            let text = if *trim_whitespace { format!("TRIM({column})") } else { column.to_owned() };
            subject.where_("not_empty_string", format!("{text} = ''"))
        }
        Assertion::SequentialValues { interval, datepart, group_by } => {
            subject.sequential_values(needed()?, *interval, datepart.as_deref(), group_by)?
        }
        Assertion::MutuallyExclusiveRanges {
            lower_bound_column,
            upper_bound_column,
            partition_by,
            gaps,
            zero_length_range_allowed,
        } => subject.ranges(
            lower_bound_column,
            upper_bound_column,
            partition_by.as_deref(),
            *gaps,
            *zero_length_range_allowed,
        )?,
    };
    let named = test.column.iter().chain(match &test.assertion {
        Assertion::UniqueCombinationOfColumns(columns) => columns.iter(),
        _ => [].iter(),
    });
    let own = std::iter::once(query.kind.to_owned()).chain(named.cloned()).collect::<Vec<_>>().join("_");
    Ok(Check {
        name: test.name.clone().unwrap_or(own),
        sql: query.sql,
        measure: query.measure,
        thresholds: Thresholds::parse(at, test.severity, test.error_if.as_deref(), test.warn_if.as_deref())?,
    })
}

/// A query for the rows that are wrong.
struct Query {
    kind: &'static str,
    sql: String,
    /// What counts as the failures, where it is not the rows.
    measure: Option<String>,
}

impl Query {
    fn new(kind: &'static str, sql: String) -> Self {
        Self { kind, sql, measure: None }
    }
}

/// The rows that are tested.
struct Subject<'a> {
    at: &'a str,
    /// What comes behind FROM.
    from: String,
}

impl Subject<'_> {
    fn wrong(&self, argument: &str, message: impl Into<String>) -> Error {
        Error::invalid(format!("{}.{argument}", self.at), message.into())
    }

    fn column(&self, argument: &str, name: &str) -> Result<String> {
        names::identifier(&format!("{}.{argument}", self.at), name)?;
        Ok(quoted(name))
    }

    fn columns(&self, argument: &str, named: &[String]) -> Result<Vec<String>> {
        named.iter().enumerate().map(|(index, name)| self.column(&format!("{argument}[{index}]"), name)).collect()
    }

    fn table(&self, argument: &str, text: &str) -> Result<String> {
        Ok(of(&table_of(&format!("{}.{argument}", self.at), text)?))
    }

    fn datepart<'d>(&self, datepart: &'d str) -> Result<&'d str> {
        if DATEPARTS.contains(&datepart) {
            return Ok(datepart);
        }
        Err(self.wrong("datepart", format!("`{datepart}`: expected {}", DATEPARTS.join(", "))))
    }

    /// A condition of the request's, in brackets.
    fn condition(&self, argument: &str, condition: Option<&str>) -> Result<String> {
        let Some(condition) = condition else { return Ok("TRUE".to_owned()) };
        sql::compiled(&format!("{}.{argument}", self.at), &format!("SELECT 1 AS a WHERE (\n{condition}\n)"))?;
        Ok(format!("(\n{condition}\n)"))
    }

    fn where_(&self, kind: &'static str, wrong: String) -> Query {
        Query::new(kind, format!("SELECT * FROM {} AS tested WHERE {wrong}", self.from))
    }

    fn repeated(&self, columns: &[String], chosen: &str) -> String {
        let columns = columns.join(", ");
        format!(
            "SELECT {columns}, COUNT(*) AS times FROM {} AS tested{chosen} GROUP BY {columns} HAVING COUNT(*) > 1",
            self.from
        )
    }

    /// One row for each group; of all rows, where none are named.
    fn grouped(&self, group_by: &[String], aggregate: &str) -> Result<String> {
        let groups = self.columns("group_by_columns", group_by)?.join(", ");
        Ok(if groups.is_empty() {
            format!("SELECT {aggregate} FROM {} AS tested", self.from)
        } else {
            format!("SELECT {groups}, {aggregate} FROM {} AS tested GROUP BY {groups}", self.from)
        })
    }

    fn values(&self, kind: &'static str, column: &str, wrong: &str, values: &[Value]) -> Result<Query> {
        if values.is_empty() {
            return Err(self.wrong("values", "names none: expected at least one value"));
        }
        let one = |(index, value): (usize, &Value)| match value {
            Value::String(text) => Ok(literal(text)),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(value) => Ok(value.to_string()),
            _ => Err(self.wrong(&format!("values[{index}]"), "expected a text, a number, true or false")),
        };
        let literals = values.iter().enumerate().map(one).collect::<Result<Vec<_>>>()?.join(", ");
        Ok(Query::new(
            kind,
            format!(
                "SELECT {column}, COUNT(*) AS times FROM {} AS tested WHERE {column} {wrong} ({literals}) GROUP BY {column}",
                self.from
            ),
        ))
    }

    fn relationships(
        &self,
        column: &str,
        to: &str,
        field: &str,
        from_condition: Option<&str>,
        to_condition: Option<&str>,
    ) -> Result<Query> {
        let (field, parent) = (self.column("field", field)?, self.table("to", to)?);
        let chosen = self.condition("from_condition", from_condition)?;
        let among = self.condition("to_condition", to_condition)?;
        let kind = if from_condition.or(to_condition).is_some() { "relationships_where" } else { "relationships" };
        Ok(Query::new(
            kind,
            format!(
                "SELECT child.{column} FROM (SELECT {column} FROM {} AS tested WHERE {column} IS NOT NULL AND {chosen}) AS child \
                 LEFT JOIN (SELECT {field} AS parent_key FROM {parent} AS others WHERE {field} IS NOT NULL AND {among}) AS parent \
                 ON child.{column} = parent.parent_key WHERE parent.parent_key IS NULL",
                self.from
            ),
        ))
    }

    fn not_null_proportion(&self, column: &str, at_least: f64, at_most: f64, group_by: &[String]) -> Result<Query> {
        for (argument, value) in [("at_least", at_least), ("at_most", at_most)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(self.wrong(argument, format!("{value}: expected a proportion from 0 to 1")));
            }
        }
        let proportion = format!("CAST(COUNT({column}) AS DOUBLE) / NULLIF(COUNT(*), 0) AS not_null_proportion");
        let grouped = self.grouped(group_by, &proportion)?;
        Ok(Query::new(
            "not_null_proportion",
            format!(
                "SELECT * FROM ({grouped}) AS counted WHERE not_null_proportion < {at_least:?} OR not_null_proportion > {at_most:?}"
            ),
        ))
    }

    fn accepted_range(
        &self,
        column: &str,
        min_value: Option<&Value>,
        max_value: Option<&Value>,
        inclusive: bool,
    ) -> Result<Query> {
        let mut wrong = Vec::new();
        let equal = if inclusive { "" } else { "=" };
        for (argument, value, beyond) in [("min_value", min_value, "<"), ("max_value", max_value, ">")] {
            let Some(value) = value else { continue };
            let bound = match value {
                Value::Number(number) => number.to_string(),
                Value::String(expression) => {
                    let field = format!("{}.{argument}", self.at);
                    sql::compiled(&field, &format!("SELECT 1 AS a WHERE 1 < (\n{expression}\n)"))?;
                    format!("(\n{expression}\n)")
                }
                _ => return Err(self.wrong(argument, "expected a number, or an expression in SQL as a text")),
            };
            wrong.push(format!("{column} {beyond}{equal} {bound}"));
        }
        if wrong.is_empty() {
            return Err(self.wrong("min_value", "is missing: a range needs min_value, max_value or both"));
        }
        Ok(self.where_("accepted_range", wrong.join(" OR ")))
    }

    fn rowcounts(
        &self,
        kind: &'static str,
        compare_model: &str,
        group_by: &[String],
        wrong: &str,
        difference: &str,
    ) -> Result<Query> {
        let other = self.table("compare_model", compare_model)?;
        let groups = self.columns("group_by_columns", group_by)?;
        let counted = |from: &str| {
            let names = groups.join(", ");
            let (listed, grouped) = if names.is_empty() {
                (String::new(), String::new())
            } else {
                (format!("{names}, "), format!(" GROUP BY {names}"))
            };
            format!("(SELECT {listed}COUNT(*) AS n FROM {from} AS counted{grouped})")
        };
        let on = groups.iter().map(|name| format!("here.{name} = there.{name}")).collect::<Vec<_>>().join(" AND ");
        let (join, on) = if on.is_empty() { ("CROSS JOIN", on) } else { ("FULL OUTER JOIN", format!(" ON {on}")) };
        let keys: String =
            groups.iter().map(|name| format!("COALESCE(here.{name}, there.{name}) AS {name}, ")).collect();
        let both = format!(
            "SELECT {keys}COALESCE(here.n, 0) AS rows_here, COALESCE(there.n, 0) AS rows_there FROM {} AS here {join} {} AS there{on}",
            counted(&self.from),
            counted(&other)
        );
        let sql =
            format!("SELECT both_counts.*, {difference} AS difference FROM ({both}) AS both_counts WHERE {wrong}");
        Ok(Query { kind, sql, measure: Some("SUM(difference)".to_owned()) })
    }

    fn sequential_values(
        &self,
        column: &str,
        interval: i64,
        datepart: Option<&str>,
        group_by: &[String],
    ) -> Result<Query> {
        let groups = self.columns("group_by_columns", group_by)?.join(", ");
        let partition = if groups.is_empty() { String::new() } else { format!("PARTITION BY {groups} ") };
        let steps = match datepart {
            None => format!("{column} <> previous_value + ({interval})"),
            Some(part) => format!(
                "CAST({column} AS TIMESTAMP) <> date_add('{}', {interval}, CAST(previous_value AS TIMESTAMP))",
                self.datepart(part)?
            ),
        };
        Ok(Query::new(
            "sequential_values",
            format!(
                "SELECT * FROM (SELECT {column}, LAG({column}) OVER ({partition}ORDER BY {column}) AS previous_value \
                 FROM {} AS tested) AS followed WHERE {steps}",
                self.from
            ),
        ))
    }

    fn ranges(
        &self,
        lower: &str,
        upper: &str,
        partition_by: Option<&str>,
        gaps: Gaps,
        zero_length: bool,
    ) -> Result<Query> {
        let (lower, upper) = (self.column("lower_bound_column", lower)?, self.column("upper_bound_column", upper)?);
        let partition = match partition_by {
            None => String::new(),
            Some(expression) => {
                let field = format!("{}.partition_by", self.at);
                sql::compiled(
                    &field,
                    &format!("SELECT COUNT(*) OVER (PARTITION BY {expression}\n) AS n FROM {} AS tested", self.from),
                )?;
                format!("PARTITION BY {expression}\n ")
            }
        };
        let next = match gaps {
            Gaps::Allowed => "<=",
            Gaps::NotAllowed => "=",
            Gaps::Required => "<",
        };
        let length = if zero_length { "<=" } else { "<" };
        Ok(Query::new(
            "mutually_exclusive_ranges",
            format!(
                "SELECT * FROM (SELECT {lower}, {upper}, \
                 LEAD({lower}) OVER ({partition}ORDER BY {lower}, {upper}) AS next_lower_bound, \
                 ROW_NUMBER() OVER ({partition}ORDER BY {lower} DESC, {upper} DESC) = 1 AS is_last_record FROM {} AS tested) AS ranges \
                 WHERE NOT (COALESCE({lower} {length} {upper}, FALSE) AND COALESCE({upper} {next} next_lower_bound, is_last_record, FALSE))",
                self.from
            ),
        ))
    }
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

fn of(table: &TableName) -> String {
    format!("{}.{}", quoted(&table.namespace), quoted(&table.name))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn about(column: Option<&str>, assertion: Assertion) -> GenericTest {
        GenericTest {
            column: column.map(str::to_owned),
            assertion,
            condition: None,
            severity: Severity::Error,
            error_if: None,
            warn_if: None,
            name: None,
        }
    }

    fn orders() -> TableName {
        TableName::new("gold", "orders")
    }

    fn field(test: &GenericTest) -> String {
        match check("tests[0]", &orders(), test) {
            Err(Error::InvalidInput { field: Some(field), .. }) => field,
            other => panic!("expected invalid input, not {other:?}"),
        }
    }

    #[test]
    fn tests_become_queries_for_the_rows_that_are_wrong() {
        let of =
            |column: &str, assertion: Assertion| check("tests[0]", &orders(), &about(Some(column), assertion)).unwrap();
        let not_null = of("id", Assertion::NotNull);
        assert_eq!(not_null.name, "not_null_id");
        assert_eq!(not_null.sql, r#"SELECT * FROM "gold"."orders" AS tested WHERE "id" IS NULL"#);
        let accepted = of("status", Assertion::AcceptedValues(vec![json!("it's"), json!(2)]));
        assert!(accepted.sql.contains("NOT IN ('it''s', 2)"), "{}", accepted.sql);
        for (to, expected) in [
            ("silver.customers", r#""silver"."customers""#),
            ("iceberg.silver.customers", r#""silver"."customers""#),
            ("ref('customers')", r#""gold"."customers""#),
        ] {
            let known = Assertion::Relationships {
                to: to.to_owned(),
                field: "id".to_owned(),
                from_condition: None,
                to_condition: None,
            };
            assert!(of("customer", known).sql.contains(expected), "{to}");
        }
    }

    #[test]
    fn a_wrong_argument_is_refused_by_its_name() {
        let relationships = |to: &str, from_condition: Option<&str>| Assertion::Relationships {
            to: to.to_owned(),
            field: "id".to_owned(),
            from_condition: from_condition.map(str::to_owned),
            to_condition: None,
        };
        let range = |min_value: Option<Value>| Assertion::AcceptedRange { min_value, max_value: None, inclusive: true };
        for (assertion, at) in [
            (Assertion::AcceptedValues(Vec::new()), "tests[0].values"),
            (Assertion::AcceptedValues(vec![json!([1])]), "tests[0].values[0]"),
            (relationships("a b", None), "tests[0].to"),
            (relationships("a", Some("1 = 1; DROP TABLE x")), "tests[0].from_condition"),
            (range(None), "tests[0].min_value"),
            (range(Some(json!("SELEC ("))), "tests[0].min_value"),
            (Assertion::ExpressionIsTrue(">".to_owned()), "tests[0].expression"),
            (Assertion::NotNullProportion { at_least: 2.0, at_most: 1.0, group_by: Vec::new() }, "tests[0].at_least"),
            (Assertion::AtLeastOne { group_by: vec!["a b".to_owned()] }, "tests[0].group_by_columns[0]"),
            (
                Assertion::SequentialValues { interval: 1, datepart: Some("moon".to_owned()), group_by: Vec::new() },
                "tests[0].datepart",
            ),
        ] {
            assert_eq!(field(&about(Some("id"), assertion)), at);
        }
        assert_eq!(field(&about(None, Assertion::NotNull)), "tests[0].column");
        let mut odd = about(Some("id"), Assertion::NotNull);
        odd.condition = Some("id >".to_owned());
        assert_eq!(field(&odd), "tests[0].where");
        odd.condition = None;
        odd.error_if = Some("many".to_owned());
        assert_eq!(field(&odd), "tests[0].error_if");
    }
}
