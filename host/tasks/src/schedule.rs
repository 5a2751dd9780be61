//! Cron expressions in a time zone: five fields as Unix has them, or six or seven as Quartz does.
//!
//! | fields | read as | days of the week |
//! | --- | --- | --- |
//! | `minute hour day month weekday` | Unix cron | 0 or 7 = Sunday, 1 = Monday |
//! | `second minute hour day month weekday [year]` | Quartz | 1 = Sunday, 2 = Monday |
//!
//! Quartz wants `?` in one of its two day fields; `*` is taken for it too. Where both are restricted, Unix fires on days that
//! match either; Quartz refuses that, and so do we.
//!
//! Where the clocks are put forward, a time that does not exist that day comes when they have been put; where they are put back,
//! a time that comes twice fires once.

use std::time::Duration;

use asgard_store::{CatchUp, Overlap, Schedule};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// An expression that cannot be a schedule, in words for the one who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is no schedule: {reason}")]
pub struct InvalidCron {
    pub expression: String,
    pub reason: String,
}

/// When something is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    pub cron: String,
    /// A name of the IANA database, such as `Europe/Berlin`.
    pub time_zone: String,
    pub catch_up: CatchUp,
    pub overlap: Overlap,
}

impl From<&str> for Timetable {
    /// An expression in UTC, with the policies that are usual.
    fn from(cron: &str) -> Self {
        let (catch_up, overlap) = (CatchUp::default(), Overlap::default());
        Self { cron: cron.to_owned(), time_zone: UTC.to_owned(), catch_up, overlap }
    }
}

/// The time zone where none is named.
pub const UTC: &str = "UTC";

/// A time zone's name that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone: expected a name of the IANA database, such as `Europe/Berlin`")]
pub struct UnknownTimeZone(pub String);

/// Whether a time zone is known.
///
/// # Errors
/// [`UnknownTimeZone`].
pub fn validate_time_zone(name: &str) -> Result<(), UnknownTimeZone> {
    zone(name).map(drop)
}

/// The day that a moment belongs to in a time zone.
///
/// # Errors
/// [`UnknownTimeZone`].
pub fn day_in(time_zone: &str, moment: DateTime<Utc>) -> Result<NaiveDate, UnknownTimeZone> {
    Ok(moment.with_timezone(&zone(time_zone)?).date_naive())
}

fn zone(name: &str) -> Result<Tz, UnknownTimeZone> {
    name.parse().map_err(|_| UnknownTimeZone(name.to_owned()))
}

/// Whether an expression can be read, and fires ever again.
///
/// # Errors
/// [`InvalidCron`] with the reason.
pub fn validate(expression: &str) -> Result<(), InvalidCron> {
    match next_after(expression, UTC, Utc::now())? {
        Some(_) => Ok(()),
        None => Err(invalid(expression, "it never fires: no date to come matches it")),
    }
}

/// The first moment after `after` that an expression names in a time zone; none when there is none any more.
///
/// # Errors
/// [`InvalidCron`] with the reason.
pub fn next_after(
    expression: &str,
    time_zone: &str,
    after: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, InvalidCron> {
    let zone = zone_of(expression, time_zone)?;
    let next = parse(expression)?.find_next_occurrence(&after.with_timezone(&zone), false).ok();
    // Where a time comes twice, the second is after the first by the clock and not by the expression.
    Ok(next.map(|next| next.to_utc()).filter(|next| *next > after))
}

/// The last moment from `first` to `now` that an expression names in a time zone, where `first` is one that it names.
fn newest(due: &Schedule, first: DateTime<Utc>, now: DateTime<Utc>) -> Result<DateTime<Utc>, InvalidCron> {
    let zone = zone_of(&due.cron, &due.time_zone)?;
    let newest = parse(&due.cron)?.find_previous_occurrence(&now.with_timezone(&zone), true).ok();
    Ok(newest.map_or(first, |newest| newest.to_utc().max(first)))
}

fn zone_of(expression: &str, time_zone: &str) -> Result<Tz, InvalidCron> {
    zone(time_zone).map_err(|error| invalid(expression, error.to_string()))
}

/// A fire that comes later than this was missed: hosts look at least every second.
const MISSED_AFTER: Duration = Duration::from_secs(60);

/// Missed fires that are caught up with one by one, the oldest ones: those of a schedule that fires each minute, of an hour and a
/// half.
const MOST_AT_ONCE: usize = 100;

/// What a schedule that is due comes to at `now`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Firing {
    /// The moments that it fires for, oldest first.
    pub(crate) moments: Vec<DateTime<Utc>>,
    pub(crate) next_at: Option<DateTime<Utc>>,
}

/// Fires a schedule in thought.
pub(crate) fn fire(due: &Schedule, now: DateTime<Utc>) -> Result<Firing, InvalidCron> {
    let next = |after| next_after(&due.cron, &due.time_zone, after);
    let next_at = next(now)?;
    let Some(first) = due.next_at else { return Ok(Firing { moments: Vec::new(), next_at }) };
    let moments = match due.catch_up {
        CatchUp::Latest => vec![newest(due, first, now)?],
        // The last one may be in time though others were missed.
        CatchUp::Skip => {
            Some(newest(due, first, now)?).filter(|last| *last >= now - MISSED_AFTER).into_iter().collect()
        }
        CatchUp::All => {
            let (mut moments, mut another) = (Vec::new(), Some(first));
            while let Some(moment) = another.filter(|moment| *moment <= now && moments.len() < MOST_AT_ONCE) {
                moments.push(moment);
                another = next(moment)?;
            }
            moments
        }
    };
    Ok(Firing { moments, next_at })
}

/// When a schedule is to fire next at `now`, where that is sooner than what is stored: the clock was put back after it fired. What
/// fired already does not fire again.
pub(crate) fn sooner(stored: &Schedule, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, InvalidCron> {
    let after = stored.last_at.map_or(now, |last| last.max(now));
    let next = next_after(&stored.cron, &stored.time_zone, after)?;
    Ok(next.filter(|next| stored.next_at.is_some_and(|stored| *next < stored)))
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
    let parser = parser.build();
    parser.parse(expression).map_err(|_| invalid(expression, wrong_field(&parser, &fields)))
}

/// The field that makes an expression none. The parser's own words are about its insides, and do not say which field they are of: so
/// each field is tried alone.
fn wrong_field(parser: &CronParser, fields: &[&str]) -> String {
    const UNIX: [(&str, &str); 5] =
        [MINUTE, HOUR, DAY, MONTH, ("day of the week", "0 to 7 (0 and 7 are Sunday) or SUN to SAT")];
    const QUARTZ: [(&str, &str); 7] = [
        ("second", "0 to 59"),
        MINUTE,
        HOUR,
        DAY,
        MONTH,
        ("day of the week", "1 to 7 (1 is Sunday) or SUN to SAT"),
        ("year", "1 to 5000"),
    ];
    const MINUTE: (&str, &str) = ("minute", "0 to 59");
    const HOUR: (&str, &str) = ("hour", "0 to 23");
    const DAY: (&str, &str) = ("day of the month", "1 to 31 or L");
    const MONTH: (&str, &str) = ("month", "1 to 12 or JAN to DEC");
    let names: &[(&str, &str)] = if fields.len() == UNIX.len() { &UNIX } else { &QUARTZ };
    for (place, (field, (name, values))) in fields.iter().zip(names).enumerate() {
        let mut alone = vec!["*"; fields.len()];
        alone[place] = *field;
        if parser.parse(&alone.join(" ")).is_err() {
            return format!(
                "its {name} is `{field}`: expected {values}, `*`, or lists (`1,2`), ranges (`1-5`) and steps (`*/5`) of those"
            );
        }
    }
    "its fields do not go together".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, after: &str) -> String {
        let after = after.parse().unwrap();
        next_after(expression, UTC, after).unwrap().unwrap().format("%Y-%m-%dT%H:%M:%S").to_string()
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

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn scheduled(cron: &str, catch_up: CatchUp, next_at: &str) -> Schedule {
        Schedule {
            environment: "local".into(),
            id: "s".into(),
            cron: cron.into(),
            time_zone: UTC.into(),
            catch_up,
            overlap: Overlap::Skip,
            task: asgard_store::tasks::NewTask::new("local", "k"),
            last_at: None,
            next_at: Some(at(next_at)),
        }
    }

    #[test]
    fn a_time_zone_has_its_own_noon_and_its_own_nights_of_change() {
        for (expression, zone, after, expected) in [
            ("0 12 * * *", "Europe/Berlin", "2025-01-01T00:00:00Z", "2025-01-01T11:00:00Z"),
            ("0 12 * * *", "Europe/Berlin", "2025-07-01T00:00:00Z", "2025-07-01T10:00:00Z"),
            ("0 12 * * *", "America/New_York", "2025-07-01T00:00:00Z", "2025-07-01T16:00:00Z"),
            // On 30 March 2025, 02:30 does not exist in Berlin: at 01:00 UTC it is 03:00.
            ("30 2 * * *", "Europe/Berlin", "2025-03-30T00:00:00Z", "2025-03-30T01:00:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2025-03-30T02:00:00Z", "2025-03-31T00:30:00Z"),
            // On 26 October 2025, 02:30 comes twice.
            ("30 2 * * *", "Europe/Berlin", "2025-10-26T00:00:00Z", "2025-10-26T00:30:00Z"),
            ("30 2 * * *", "Europe/Berlin", "2025-10-26T00:30:00Z", "2025-10-27T01:30:00Z"),
        ] {
            let next = next_after(expression, zone, at(after)).unwrap();
            assert_eq!(next, Some(at(expected)), "{expression} in {zone} after {after}");
        }
        for (zone, day) in [(UTC, "2025-01-01"), ("Europe/Berlin", "2025-01-02"), ("America/New_York", "2025-01-01")] {
            assert_eq!(day_in(zone, at("2025-01-01T23:30:00Z")).unwrap().to_string(), day, "{zone}");
        }
        assert!(validate_time_zone("Europe/Berlin").is_ok());
        assert!(validate_time_zone("Berlin").unwrap_err().to_string().contains("Europe/Berlin"));
    }

    #[test]
    fn missed_fires_come_as_the_policy_says() {
        let now = at("2025-01-01T10:30:10Z");
        for (next_at, skip, latest, all) in [
            // In time, missed once, missed many times, missed for long.
            ("2025-01-01T10:30:00Z", 1, 1, 1),
            ("2025-01-01T10:00:00Z", 1, 1, 4),
            ("2025-01-01T00:00:00Z", 1, 1, 64),
            ("2024-01-01T00:00:00Z", 1, 1, MOST_AT_ONCE),
        ] {
            let times = |policy| fire(&scheduled("*/10 * * * *", policy, next_at), now).unwrap().moments.len();
            assert_eq!(
                [times(CatchUp::Skip), times(CatchUp::Latest), times(CatchUp::All)],
                [skip, latest, all],
                "{next_at}"
            );
        }
        let hourly = |policy| fire(&scheduled("0 * * * *", policy, "2025-01-01T09:00:00Z"), now).unwrap();
        let [nine, ten] = ["2025-01-01T09:00:00Z", "2025-01-01T10:00:00Z"].map(at);
        assert!(hourly(CatchUp::Skip).moments.is_empty());
        assert_eq!(hourly(CatchUp::Latest).moments, [ten]);
        assert_eq!(hourly(CatchUp::All).moments, [nine, ten]);
        assert_eq!(hourly(CatchUp::Skip).next_at, Some(at("2025-01-01T11:00:00Z")));
    }

    #[test]
    fn a_clock_that_was_wrong_neither_doubles_a_fire_nor_loses_those_of_its_error() {
        let mut hourly = scheduled("0 * * * *", CatchUp::Latest, "2025-01-01T11:00:00Z");
        // At 10:30 the clock says it is tomorrow: 11:00 fires, and what is between.
        let firing = fire(&hourly, at("2025-01-02T10:30:00Z")).unwrap();
        assert_eq!(
            (firing.moments, firing.next_at),
            (vec![at("2025-01-02T10:00:00Z")], Some(at("2025-01-02T11:00:00Z")))
        );
        (hourly.last_at, hourly.next_at) = (hourly.next_at, firing.next_at);
        // At 10:31 it is right again.
        assert_eq!(sooner(&hourly, at("2025-01-01T10:31:00Z")).unwrap(), Some(at("2025-01-01T12:00:00Z")));
        // A clock that goes on as it should changes nothing.
        assert_eq!(sooner(&hourly, at("2025-01-02T10:31:00Z")).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_a_schedule_is_refused_in_words() {
        for (expression, reason) in [
            ("", "fields"),
            ("* * *", "3 fields"),
            ("every day", "2 fields"),
            ("61 * * * *", "its minute is `61`: expected 0 to 59"),
            ("0 0 25 * * ?", "its hour is `25`: expected 0 to 23"),
            ("a b c d e", "its minute is `a`"),
            ("0 0 * FOO *", "its month is `FOO`: expected 1 to 12"),
            ("0 0 12 ? * 9", "its day of the week is `9`: expected 1 to 7"),
            ("0 0 1-50 * *", "its day of the month is `1-50`"),
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
