//! Cron expressions, in UTC: five fields as Unix has them, or six or seven as Quartz does.
//!
//! | fields | read as | days of the week |
//! | --- | --- | --- |
//! | `minute hour day month weekday` | Unix cron | 0 or 7 = Sunday, 1 = Monday |
//! | `second minute hour day month weekday [year]` | Quartz | 1 = Sunday, 2 = Monday |
//!
//! Quartz wants `?` in one of its two day fields; `*` is taken for it too. Where both are restricted, Unix fires on days that
//! match either; Quartz refuses that, and so do we.

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// An expression that cannot be a schedule, in words for the one who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is no schedule: {reason}")]
pub struct InvalidCron {
    pub expression: String,
    pub reason: String,
}

/// Whether an expression can be read, and fires ever again.
///
/// # Errors
/// [`InvalidCron`] with the reason.
pub fn validate(expression: &str) -> Result<(), InvalidCron> {
    match next_after(expression, Utc::now())? {
        Some(_) => Ok(()),
        None => Err(invalid(expression, "it never fires: no date to come matches it")),
    }
}

/// The first moment after `after` that an expression names; none when there is none any more.
///
/// # Errors
/// [`InvalidCron`] with the reason.
pub fn next_after(expression: &str, after: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, InvalidCron> {
    Ok(parse(expression)?.find_next_occurrence(&after, false).ok())
}

fn invalid(expression: &str, reason: impl Into<String>) -> InvalidCron {
    InvalidCron { expression: expression.to_owned(), reason: reason.into() }
}

fn parse(expression: &str) -> Result<Cron, InvalidCron> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let parser = match fields.as_slice() {
        [_, _, _, _, _] => {
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).sloppy_ranges(true)
        }
        [_, _, _, day, _, weekday] | [_, _, _, day, _, weekday, _] => {
            let restricted = |field: &str| !matches!(field, "*" | "?");
            if restricted(day) && restricted(weekday) {
                return Err(invalid(
                    expression,
                    "it restricts both the day of the month and the day of the week: write `?` for one of them",
                ));
            }
            CronParser::builder()
                .seconds(Seconds::Required)
                .year(Year::Optional)
                .alternative_weekdays(true)
                .sloppy_ranges(true)
        }
        other => {
            return Err(invalid(
                expression,
                format!(
                    "it has {} fields: expected five (`0 12 * * *`), or Quartz's six or seven (`0 0 12 * * ?`)",
                    other.len()
                ),
            ));
        }
    };
    parser.build().parse(expression).map_err(|error| invalid(expression, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, after: &str) -> String {
        let after = after.parse().unwrap();
        next_after(expression, after).unwrap().unwrap().format("%Y-%m-%dT%H:%M:%S").to_string()
    }

    #[test]
    fn unix_and_quartz_expressions_name_the_same_moments() {
        // A Wednesday.
        let now = "2025-01-01T10:00:00Z";
        for (expression, expected) in [
            ("0 0 12 * * ?", "2025-01-01T12:00:00"),
            ("0 12 * * *", "2025-01-01T12:00:00"),
            ("0 0/15 * * * ?", "2025-01-01T10:15:00"),
            ("*/15 * * * *", "2025-01-01T10:15:00"),
            ("0 30 6 ? * MON-FRI", "2025-01-02T06:30:00"),
            ("0 30 6 ? * 2-6", "2025-01-02T06:30:00"),
            ("30 6 * * 1-5", "2025-01-02T06:30:00"),
            ("0 0 0 ? * 1", "2025-01-05T00:00:00"),
            ("0 0 * * 0", "2025-01-05T00:00:00"),
            ("0 0 0 L * ?", "2025-01-31T00:00:00"),
            ("0 0 0 ? * 6L", "2025-01-31T00:00:00"),
            ("0 0 0 1 1 ? 2027", "2027-01-01T00:00:00"),
            ("*/10 * * * * *", "2025-01-01T10:00:10"),
        ] {
            assert_eq!(next(expression, now), expected, "{expression}");
        }
    }

    #[test]
    fn what_cannot_be_a_schedule_is_refused_in_words() {
        for (expression, reason) in [
            ("", "fields"),
            ("* * *", "3 fields"),
            ("every day", "2 fields"),
            ("61 * * * *", "`61 * * * *`"),
            ("0 0 25 * * ?", "`0 0 25 * * ?`"),
            ("0 0 12 1 * MON", "both"),
            ("0 0 0 30 2 ?", "never fires"),
            ("0 0 0 1 1 ? 2001", "never fires"),
            ("0 0 12 * * ? * *", "8 fields"),
        ] {
            let error = validate(expression).expect_err(expression).to_string();
            assert!(error.contains(reason), "{expression}: {error}");
        }
    }
}
