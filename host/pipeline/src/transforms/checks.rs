//! What must be true of a table that a transform wrote: queries that find the rows that are wrong, and find none.

use asgard_capabilities::lakehouse::Engine as _;
use asgard_contract::lakehouse::{Dialect, Statement};
use asgard_contract::{Error, Result};
use asgard_lakehouse::{Lakehouse, rows_to_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::sql;

/// Rows of a failed check that are shown: enough to see what is wrong with them.
const SHOWN: u32 = 3;

/// A query that selects the rows that are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub sql: String,
    /// What is counted as the rows that are wrong, as an aggregate; how many rows the query has, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    #[serde(default, skip_serializing_if = "Thresholds::is_default")]
    pub thresholds: Thresholds,
}

impl Check {
    /// A check that fails from the first row on.
    #[must_use]
    pub fn new(name: String, sql: String) -> Self {
        Self { name, sql, measure: None, thresholds: Thresholds::default() }
    }
}

/// What a check that finds rows does to the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It fails.
    #[default]
    Error,
    /// It goes on, and tells.
    Warn,
}

/// From how many wrong rows on a check warns or fails, as dbt has it: both from one row on, unless something else is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    severity: Severity,
    error_if: Option<Threshold>,
    warn_if: Option<Threshold>,
}

impl Thresholds {
    /// `at` is the test's place in the request.
    ///
    /// # Errors
    /// `invalid-input` for `error_if` or `warn_if`.
    pub(super) fn parse(at: &str, severity: Severity, error_if: Option<&str>, warn_if: Option<&str>) -> Result<Self> {
        let parse = |name: &str, text: Option<&str>| {
            text.map(|text| Threshold::parse(&format!("{at}.{name}"), text)).transpose()
        };
        Ok(Self { severity, error_if: parse("error_if", error_if)?, warn_if: parse("warn_if", warn_if)? })
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn verdict(&self, failures: u64) -> Verdict {
        let met = |threshold: Option<Threshold>| threshold.map_or(failures > 0, |threshold| threshold.is_met(failures));
        if self.severity == Severity::Error && met(self.error_if) {
            Verdict::Fail
        } else if met(self.warn_if) {
            Verdict::Warn
        } else {
            Verdict::Pass
        }
    }
}

/// A comparison of the number of wrong rows with another, such as `> 10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Threshold {
    comparison: Comparison,
    rows: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Comparison {
    Equal,
    NotEqual,
    More,
    MoreOrEqual,
    Less,
    LessOrEqual,
}

impl Threshold {
    /// # Errors
    /// `invalid-input` for `field`.
    fn parse(field: &str, text: &str) -> Result<Self> {
        // Longer ones first: `>=` starts as `>` does.
        let comparisons = [
            (">=", Comparison::MoreOrEqual),
            ("<=", Comparison::LessOrEqual),
            ("!=", Comparison::NotEqual),
            ("<>", Comparison::NotEqual),
            ("=", Comparison::Equal),
            (">", Comparison::More),
            ("<", Comparison::Less),
        ];
        let parsed = comparisons.into_iter().find_map(|(sign, comparison)| {
            let rows = text.trim().strip_prefix(sign)?.trim().parse().ok()?;
            Some(Self { comparison, rows })
        });
        parsed.ok_or_else(|| {
            Error::invalid(field, format!("`{text}`: expected a comparison with a number of rows, such as `> 10`"))
        })
    }

    fn is_met(self, failures: u64) -> bool {
        match self.comparison {
            Comparison::Equal => failures == self.rows,
            Comparison::NotEqual => failures != self.rows,
            Comparison::More => failures > self.rows,
            Comparison::MoreOrEqual => failures >= self.rows,
            Comparison::Less => failures < self.rows,
            Comparison::LessOrEqual => failures <= self.rows,
        }
    }
}

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Pass,
    Warn,
    Fail,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    pub name: String,
    /// Rows that are wrong.
    pub failures: u64,
    /// As the check's thresholds have it, where it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// The first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Map<String, Value>>,
}

impl Checked {
    /// Without thresholds of its own a check fails from the first row on.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict.unwrap_or(if self.failures == 0 { Verdict::Pass } else { Verdict::Fail })
    }
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
        let measure =
            check.measure.as_ref().map_or_else(|| "COUNT(*)".to_owned(), |measure| format!("COALESCE({measure}, 0)"));
        let counted = query(format!("SELECT {measure} AS failures FROM (\n{}\n) AS wrong", check.sql), 1).await?;
        let failures = counted.first().and_then(|row| row.get("failures")).and_then(Value::as_u64).unwrap_or_default();
        let rows = if failures == 0 { Vec::new() } else { query(check.sql.clone(), SHOWN).await? };
        let verdict = (!check.thresholds.is_default()).then(|| check.thresholds.verdict(failures));
        done.push(Checked { name: check.name.clone(), failures, verdict, rows });
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
    let failed: Vec<_> = done.iter().filter(|check| check.verdict() == Verdict::Fail).collect();
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
    fn thresholds_decide_as_dbt_has_them() {
        let of = |severity, error_if, warn_if| Thresholds::parse("tests[0]", severity, error_if, warn_if).unwrap();
        for (thresholds, failures, verdict) in [
            (of(Severity::Error, None, None), 0, Verdict::Pass),
            (of(Severity::Error, None, None), 1, Verdict::Fail),
            (of(Severity::Warn, None, None), 1, Verdict::Warn),
            (of(Severity::Warn, Some(">= 1"), Some("> 5")), 5, Verdict::Pass),
            (of(Severity::Error, Some("> 10"), None), 10, Verdict::Warn),
            (of(Severity::Error, Some(">10"), Some("!= 0")), 11, Verdict::Fail),
            (of(Severity::Error, Some("= 3"), Some("<2")), 2, Verdict::Pass),
        ] {
            assert_eq!(thresholds.verdict(failures), verdict, "{thresholds:?} {failures}");
        }
        for text in ["10", "> ten", "", "> -1", "between 1 and 2"] {
            assert!(Thresholds::parse("tests[0]", Severity::Error, Some(text), None).is_err(), "{text}");
        }
    }

    #[test]
    fn a_verdict_says_what_was_found() {
        let wrong = Checked {
            name: "unique_id".to_owned(),
            failures: 2,
            verdict: None,
            rows: vec![Map::from_iter([("id".to_owned(), json!(7))])],
        };
        let fine = Checked { name: "not_null_id".to_owned(), failures: 0, verdict: None, rows: Vec::new() };
        assert_eq!(verdict(std::slice::from_ref(&fine)), None);
        let said = verdict(&[fine, wrong]).unwrap();
        assert_eq!(said, "1 of 2 checks failed: `unique_id` finds 2 rows, such as {\"id\":7}");
    }
}
