//! Tests of a model, as dbt and the package dbt_utils name them and their arguments.

use asgard_pipeline::transforms::{Assertion, Gaps, GenericTest, Severity as PipelineSeverity};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::{Problem, Result};

/// Tests of one request; more is a program's slip.
const MOST: usize = 200;

/// What a test asserts: the first four are dbt's own, the others the package dbt_utils' and their like.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TestKind {
    NotNull,
    Unique,
    AcceptedValues,
    Relationships,
    NotAcceptedValues,
    RelationshipsWhere,
    UniqueCombinationOfColumns,
    ExpressionIsTrue,
    NotNullProportion,
    AcceptedRange,
    EqualRowcount,
    FewerRowsThan,
    Equality,
    Recency,
    AtLeastOne,
    NotConstant,
    CardinalityEquality,
    NotEmptyString,
    SequentialValues,
    MutuallyExclusiveRanges,
}

/// What a test that finds rows does to the run.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Severity {
    #[default]
    Error,
    Warn,
}

/// One test of the model. Which arguments a test takes is in the documentation; one that it does not take is refused.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Test {
    /// The column that is tested. Tests of the whole table have none.
    #[schema(example = "operator_id")]
    #[serde(skip_serializing)]
    column: Option<String>,
    #[serde(skip_serializing)]
    test: TestKind,
    /// In place of the name that the test has by what it asserts and its columns.
    #[serde(skip_serializing)]
    name: Option<String>,
    /// Which rows are tested: a condition in Trino's SQL.
    #[serde(rename = "where", skip_serializing)]
    #[schema(example = "day >= DATE '2024-01-01'")]
    condition: Option<String>,
    #[serde(default, skip_serializing)]
    severity: Severity,
    /// How many wrong rows fail the test: `!= 0`, unless it is said.
    #[serde(skip_serializing)]
    #[schema(example = "> 10")]
    error_if: Option<String>,
    /// How many wrong rows are worth a warning: `!= 0`, unless it is said.
    #[serde(skip_serializing)]
    warn_if: Option<String>,
    // The rest are arguments, each of some tests.
    /// Texts, numbers, true or false.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    values: Option<Vec<Value>>,
    /// A table, such as `silver.operators`, or `ref('operators')`.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// A column of that table; of `recency`, the model's own moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Which rows of the model must have a counterpart.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_condition: Option<String>,
    /// Which rows of the other table are counterparts.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    combination_of_columns: Option<Vec<String>>,
    /// A condition; what comes behind the column, where there is a column.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "total >= 0")]
    expression: Option<String>,
    /// A proportion from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<f64>,
    /// A proportion from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<f64>,
    /// A number, or an expression as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    min_value: Option<Value>,
    /// A number, or an expression as a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    max_value: Option<Value>,
    /// Whether the bounds themselves are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    inclusive: Option<bool>,
    /// A table, as in `to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    compare_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare_columns: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "day")]
    datepart: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trim_whitespace: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_bound_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_bound_column: Option<String>,
    /// A column, or an expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "allowed")]
    gaps: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zero_length_range_allowed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_by_columns: Option<Vec<String>>,
}

/// # Errors
/// 422 for an argument that is missing, or that the test does not take.
pub(crate) fn tests(tests: Vec<Test>) -> Result<Vec<GenericTest>> {
    if tests.len() > MOST {
        return Err(Problem::field("tests", format!("{}: expected {MOST} at most", tests.len())));
    }
    tests.into_iter().enumerate().map(|(index, test)| test.checked(&format!("tests[{index}]"))).collect()
}

impl Test {
    fn checked(mut self, at: &str) -> Result<GenericTest> {
        let asked = Asked { at, kind: word(self.test) };
        let assertion = asked.assertion(&mut self)?;
        let left = serde_json::to_value(&self).unwrap_or_default();
        if let Some(name) = left.as_object().and_then(|left| left.keys().next()) {
            return Err(asked.wrong(name, format!("is no argument of `{}`: leave it out", asked.kind)));
        }
        Ok(GenericTest {
            column: self.column,
            assertion,
            condition: self.condition,
            severity: match self.severity {
                Severity::Error => PipelineSeverity::Error,
                Severity::Warn => PipelineSeverity::Warn,
            },
            error_if: self.error_if,
            warn_if: self.warn_if,
            name: self.name,
        })
    }
}

/// As the API writes it.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A test, and where it stands in the request.
struct Asked<'a> {
    at: &'a str,
    kind: String,
}

impl Asked<'_> {
    fn wrong(&self, argument: &str, message: String) -> Problem {
        Problem::field(format!("{}.{argument}", self.at), message)
    }

    fn needed<T>(&self, argument: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.wrong(argument, format!("is missing: `{}` needs it", self.kind)))
    }

    /// Takes every argument that the test knows out of `given`.
    fn assertion(&self, given: &mut Test) -> Result<Assertion> {
        let group_by = |given: &mut Test| given.group_by_columns.take().unwrap_or_default();
        Ok(match given.test {
            TestKind::NotNull => Assertion::NotNull,
            TestKind::Unique => Assertion::Unique,
            TestKind::AcceptedValues => Assertion::AcceptedValues(self.needed("values", given.values.take())?),
            TestKind::NotAcceptedValues => Assertion::NotAcceptedValues(self.needed("values", given.values.take())?),
            TestKind::Relationships => Assertion::Relationships {
                to: self.needed("to", given.to.take())?,
                field: self.needed("field", given.field.take())?,
                from_condition: None,
                to_condition: None,
            },
            TestKind::RelationshipsWhere => Assertion::Relationships {
                to: self.needed("to", given.to.take())?,
                field: self.needed("field", given.field.take())?,
                from_condition: Some(given.from_condition.take().unwrap_or_else(everything)),
                to_condition: Some(given.to_condition.take().unwrap_or_else(everything)),
            },
            TestKind::UniqueCombinationOfColumns => Assertion::UniqueCombinationOfColumns(
                self.needed("combination_of_columns", given.combination_of_columns.take())?,
            ),
            TestKind::ExpressionIsTrue => {
                Assertion::ExpressionIsTrue(self.needed("expression", given.expression.take())?)
            }
            TestKind::NotNullProportion => Assertion::NotNullProportion {
                at_least: self.needed("at_least", given.at_least.take())?,
                at_most: given.at_most.take().unwrap_or(1.0),
                group_by: group_by(given),
            },
            TestKind::AcceptedRange => Assertion::AcceptedRange {
                min_value: given.min_value.take(),
                max_value: given.max_value.take(),
                inclusive: given.inclusive.take().unwrap_or(true),
            },
            TestKind::EqualRowcount => Assertion::EqualRowcount {
                compare_model: self.needed("compare_model", given.compare_model.take())?,
                group_by: group_by(given),
            },
            TestKind::FewerRowsThan => Assertion::FewerRowsThan {
                compare_model: self.needed("compare_model", given.compare_model.take())?,
                group_by: group_by(given),
            },
            TestKind::Equality => Assertion::Equality {
                compare_model: self.needed("compare_model", given.compare_model.take())?,
                compare_columns: given.compare_columns.take().unwrap_or_default(),
            },
            TestKind::Recency => Assertion::Recency {
                datepart: self.needed("datepart", given.datepart.take())?,
                field: self.needed("field", given.field.take())?,
                interval: self.needed("interval", given.interval.take())?,
                group_by: group_by(given),
            },
            TestKind::AtLeastOne => Assertion::AtLeastOne { group_by: group_by(given) },
            TestKind::NotConstant => Assertion::NotConstant { group_by: group_by(given) },
            TestKind::CardinalityEquality => Assertion::CardinalityEquality {
                to: self.needed("to", given.to.take())?,
                field: self.needed("field", given.field.take())?,
            },
            TestKind::NotEmptyString => {
                Assertion::NotEmptyString { trim_whitespace: given.trim_whitespace.take().unwrap_or(true) }
            }
            TestKind::SequentialValues => Assertion::SequentialValues {
                interval: given.interval.take().unwrap_or(1),
                datepart: given.datepart.take(),
                group_by: group_by(given),
            },
            TestKind::MutuallyExclusiveRanges => Assertion::MutuallyExclusiveRanges {
                lower_bound_column: self.needed("lower_bound_column", given.lower_bound_column.take())?,
                upper_bound_column: self.needed("upper_bound_column", given.upper_bound_column.take())?,
                partition_by: given.partition_by.take(),
                gaps: self.gaps(given.gaps.take())?,
                zero_length_range_allowed: given.zero_length_range_allowed.take().unwrap_or(false),
            },
        })
    }

    fn gaps(&self, gaps: Option<String>) -> Result<Gaps> {
        match gaps.as_deref() {
            None | Some("allowed") => Ok(Gaps::Allowed),
            Some("not_allowed") => Ok(Gaps::NotAllowed),
            Some("required") => Ok(Gaps::Required),
            Some(other) => Err(self.wrong("gaps", format!("`{other}`: expected allowed, not_allowed or required"))),
        }
    }
}

/// The condition that leaves nothing out.
fn everything() -> String {
    "1 = 1".to_owned()
}
