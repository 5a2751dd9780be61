//! Days, months and points in time as numbers: microseconds and days since 1970-01-01 in the proleptic Gregorian calendar,
//! which is what Iceberg, Spark and Trino count in.

pub(super) mod pattern;
pub(super) mod reading;

/// Microseconds.
pub(super) const SECOND: i64 = 1_000_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A unit of time, as functions name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

impl Unit {
    /// The names that are listed when another is given.
    pub(super) const NAMES: &str = "year, quarter, month, week, day, hour, minute, second, millisecond";

    /// Reads a name in any case.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "year" => Self::Year,
            "quarter" => Self::Quarter,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "second" => Self::Second,
            "millisecond" => Self::Millisecond,
            "microsecond" => Self::Microsecond,
            _ => return None,
        })
    }

    /// Its length where all of its kind are equally long.
    fn micros(self) -> Option<i64> {
        Some(match self {
            Self::Week => 7 * DAY,
            Self::Day => DAY,
            Self::Hour => HOUR,
            Self::Minute => MINUTE,
            Self::Second => SECOND,
            Self::Millisecond => 1_000,
            Self::Microsecond => 1,
            Self::Year | Self::Quarter | Self::Month => return None,
        })
    }

    fn months(self) -> i64 {
        match self {
            Self::Year => 12,
            Self::Quarter => 3,
            _ => 1,
        }
    }
}

/// A day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
}

impl Date {
    /// Howard Hinnant's `civil_from_days`: exact for every day that fits.
    pub(crate) fn of_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_index = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_index + 2) / 5 + 1;
        let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
        Self { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// `days_from_civil` of the same author.
    pub(super) fn days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month_index = (self.month + 9) % 12;
        let day_of_year = (153 * month_index + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// None for a day that its month does not have.
    pub(super) fn checked(year: i64, month: i64, day: i64) -> Option<Self> {
        let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        valid.then_some(Self { year, month, day })
    }

    /// 1 to 366.
    pub(super) fn day_of_year(self) -> i64 {
        self.days() - Self { month: 1, day: 1, ..self }.days() + 1
    }

    /// Some months later; the last day of the month where it has no such day.
    pub(super) fn plus_months(self, months: i64) -> Self {
        let index = self.year * 12 + self.month - 1 + months;
        let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_in_month(year, month)) }
    }

    fn month_index(self) -> i64 {
        self.year * 12 + self.month - 1
    }
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Monday = 1 to Sunday = 7.
pub(super) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// ISO 8601: the year that the day's week belongs to, and the week's number in it.
pub(super) fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - weekday(days) + 4;
    let date = Date::of_days(thursday);
    (date.year, (date.day_of_year() - 1) / 7 + 1)
}

/// The beginning of the unit that a moment is in; weeks begin on Monday.
pub(super) fn truncated(micros: i64, unit: Unit) -> i64 {
    let days = micros.div_euclid(DAY);
    let date = || Date::of_days(days);
    match unit {
        Unit::Year => Date { month: 1, day: 1, ..date() }.days() * DAY,
        Unit::Quarter => {
            let date = date();
            Date { month: (date.month - 1) / 3 * 3 + 1, day: 1, ..date }.days() * DAY
        }
        Unit::Month => Date { day: 1, ..date() }.days() * DAY,
        Unit::Week => (days - weekday(days) + 1) * DAY,
        _ => {
            let length = unit.micros().unwrap_or(1);
            micros.div_euclid(length) * length
        }
    }
}

/// Some units later; none where that is out of range.
pub(super) fn plus(micros: i64, unit: Unit, count: i64) -> Option<i64> {
    match unit.micros() {
        Some(length) => micros.checked_add(length.checked_mul(count)?),
        None => {
            let date = Date::of_days(micros.div_euclid(DAY));
            let months = count.checked_mul(unit.months())?;
            // A year beyond this is out of range below, and far enough from overflow in between.
            if months.abs() > 12 * 300_000 {
                return None;
            }
            date.plus_months(months).days().checked_mul(DAY)?.checked_add(micros.rem_euclid(DAY))
        }
    }
}

/// Who counts the months between two moments at the end of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MonthEnds {
    /// From January 31 to February 29 is a month: Trino.
    Whole,
    /// It is not: Spark.
    Cut,
}

/// Whole units from one moment to another, toward zero.
pub(super) fn between(unit: Unit, from: i64, to: i64, ends: MonthEnds) -> i64 {
    match unit.micros() {
        Some(length) => to.saturating_sub(from) / length,
        None if to < from => -months_between(to, from, ends) / unit.months(),
        None => months_between(from, to, ends) / unit.months(),
    }
}

/// For `from` not after `to`.
fn months_between(from: i64, to: i64, ends: MonthEnds) -> i64 {
    let (first, last) = (Date::of_days(from.div_euclid(DAY)), Date::of_days(to.div_euclid(DAY)));
    let months = last.month_index() - first.month_index();
    let mut first_day = first.day;
    if ends == MonthEnds::Whole && last.day == days_in_month(last.year, last.month) {
        first_day = first_day.min(last.day);
    }
    let since_month = |day: i64, micros: i64| day * DAY + micros.rem_euclid(DAY);
    months - i64::from(since_month(last.day, to) < since_month(first_day, from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        reading::moment(text, reading::Partial::Refused).unwrap().micros
    }

    #[test]
    fn days_and_dates_are_each_other_s_inverse() {
        for days in (-800_000..800_000).step_by(97) {
            let date = Date::of_days(days);
            assert_eq!(date.days(), days, "{date:?}");
        }
        assert_eq!(Date::of_days(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(weekday(0), 4);
        assert_eq!(iso_week(Date { year: 2021, month: 1, day: 3 }.days()), (2020, 53));
    }

    #[test]
    fn units_between_two_moments_are_whole_ones() {
        let cases = [
            (Unit::Day, "2024-01-01 12:00:00", "2024-01-02 11:59:59", 0, 0),
            (Unit::Day, "2024-01-02 12:00:00", "2024-01-01 00:00:00", -1, -1),
            (Unit::Month, "2024-01-31 00:00:00", "2024-02-29 00:00:00", 1, 0),
            (Unit::Month, "2024-01-15 10:00:00", "2024-03-15 09:00:00", 1, 1),
            (Unit::Year, "2020-02-29 00:00:00", "2021-02-28 00:00:00", 1, 0),
            (Unit::Hour, "2024-01-01 00:00:00", "2024-01-01 08:29:00", 8, 8),
        ];
        for (unit, from, to, trino, spark) in cases {
            assert_eq!(between(unit, at(from), at(to), MonthEnds::Whole), trino, "{unit:?} {from} {to}");
            assert_eq!(between(unit, at(from), at(to), MonthEnds::Cut), spark, "{unit:?} {from} {to}");
        }
    }

    #[test]
    fn a_moment_is_cut_to_its_unit_and_moved_by_it() {
        let moment = at("2024-05-15 13:45:59.123456");
        for (unit, expected) in [
            (Unit::Year, "2024-01-01 00:00:00"),
            (Unit::Quarter, "2024-04-01 00:00:00"),
            (Unit::Week, "2024-05-13 00:00:00"),
            (Unit::Hour, "2024-05-15 13:00:00"),
            (Unit::Millisecond, "2024-05-15 13:45:59.123"),
        ] {
            assert_eq!(truncated(moment, unit), at(expected), "{unit:?}");
        }
        assert_eq!(plus(at("2024-01-31 10:00:00"), Unit::Month, 1), Some(at("2024-02-29 10:00:00")));
        assert_eq!(plus(0, Unit::Year, i64::MAX), None);
    }
}
