//! Functions of dates and moments, for both dialects. Where they differ there are two loops.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray, StringArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err, plan_err};

use super::{intervals, type_word};
use crate::engine::calendar::pattern::Pattern;
use crate::engine::calendar::reading::{offset_at, offset_of_local};
use crate::engine::calendar::{
    self, DAY, Date, HOUR, MINUTE, MonthEnds, SECOND, Unit, days_in_month, iso_week, weekday,
};

type Moments = PrimitiveArray<TimestampMicrosecondType>;

/// Microseconds, without a time zone.
pub(in crate::engine) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// Microseconds since 1970 in UTC.
pub(in crate::engine) fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// As the clock of their zone shows them.
fn on_the_clock(array: &ArrayRef) -> Result<Moments> {
    let moments = array.as_primitive::<TimestampMicrosecondType>();
    match moments.timezone() {
        None | Some("UTC" | "Z" | "+00:00") => Ok(moments.clone().with_timezone_opt(None::<Arc<str>>)),
        Some(zone) => {
            let local = moments.iter().map(|moment| moment.map(|at| at + offset_at(zone, at).unwrap_or(0)));
            Ok(Moments::from_iter(local))
        }
    }
}

/// One number of each moment, in the type that the dialect has for it; of an interval or a time of day where it is a unit of theirs.
fn numbers(array: &ArrayRef, to: &DataType, unit: Option<Unit>, number: impl Fn(i64) -> i64) -> Result<ArrayRef> {
    let numbers: Int64Array = match (array.data_type(), unit) {
        (DataType::Interval(_), Some(unit)) => return intervals::part(array, to, unit),
        (DataType::Time64(_), _) => array.as_primitive::<Time64MicrosecondType>().unary(number),
        _ => on_the_clock(array)?.unary(number),
    };
    let numbers: ArrayRef = Arc::new(numbers);
    Ok(cast(&numbers, to)?)
}

macro_rules! field {
    ($($name:ident $(of $unit:ident)?: $moment:ident => $number:expr;)*) => {
        $(pub(in crate::engine) fn $name(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
            let unit: Option<Unit> = [$(Unit::$unit)?].first().copied();
            numbers(&arguments[0], to, unit, |$moment| $number)
        })*
    };
}

field! {
    year of Year: at => date(at).year;
    quarter: at => (date(at).month - 1) / 3 + 1;
    month of Month: at => date(at).month;
    week: at => iso_week(at.div_euclid(DAY)).1;
    year_of_week: at => iso_week(at.div_euclid(DAY)).0;
    day of Day: at => date(at).day;
    day_of_year: at => date(at).day_of_year();
    // Monday = 1.
    day_of_week: at => weekday(at.div_euclid(DAY));
    // Spark's `dayofweek`: Sunday = 1.
    day_of_week_from_sunday: at => weekday(at.div_euclid(DAY)) % 7 + 1;
    // Spark's `weekday`: Monday = 0.
    day_of_week_from_zero: at => weekday(at.div_euclid(DAY)) - 1;
    hour of Hour: at => at.rem_euclid(DAY) / HOUR;
    minute of Minute: at => at.rem_euclid(HOUR) / MINUTE;
    second of Second: at => at.rem_euclid(MINUTE) / SECOND;
    millisecond of Millisecond: at => at.rem_euclid(SECOND) / 1_000;
}

fn date(at: i64) -> Date {
    Date::of_days(at.div_euclid(DAY))
}

/// Reads names of units, mostly one and the same.
struct Units<'a> {
    names: &'a StringArray,
    last: Option<(&'a str, Unit)>,
}

impl<'a> Units<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        Self { names: array.as_string(), last: None }
    }

    fn at(&mut self, row: usize) -> Result<Option<Unit>> {
        if self.names.is_null(row) {
            return Ok(None);
        }
        let name = self.names.value(row);
        if let Some((last, unit)) = self.last
            && last == name
        {
            return Ok(Some(unit));
        }
        let Some(unit) = Unit::parse(name) else {
            return exec_err!("'{name}' is no unit of time: expected one of {}", Unit::NAMES);
        };
        self.last = Some((name, unit));
        Ok(Some(unit))
    }
}

/// `(unit, from, to)`: whole units, as Trino counts months.
pub(in crate::engine) fn units_between(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    between(arguments, MonthEnds::Whole)
}

/// `(unit, from, to)`: whole units, as Spark counts months.
pub(in crate::engine) fn units_between_cut(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    between(arguments, MonthEnds::Cut)
}

fn between(arguments: &[ArrayRef], ends: MonthEnds) -> Result<ArrayRef> {
    let mut units = Units::of(&arguments[0]);
    let (from, to) = (on_the_clock(&arguments[1])?, on_the_clock(&arguments[2])?);
    let mut values = Vec::with_capacity(from.len());
    for row in 0..from.len() {
        let unit = units.at(row)?;
        let both = from.is_valid(row) && to.is_valid(row);
        values.push(unit.filter(|_| both).map(|unit| calendar::between(unit, from.value(row), to.value(row), ends)));
    }
    Ok(Arc::new(Int64Array::from(values)))
}

/// The second argument's type after a function that keeps days days and moments moments.
pub(in crate::engine) fn kept(types: &[DataType]) -> Result<DataType> {
    match types.last() {
        Some(DataType::Date32 | DataType::Date64) => Ok(DataType::Date32),
        Some(moment @ DataType::Timestamp(..)) => Ok(moment.clone()),
        Some(DataType::Null) => Ok(timestamp()),
        Some(other) => plan_err!("expected a date or a timestamp, not {}", type_word(other)),
        None => plan_err!("expected a date or a timestamp"),
    }
}

/// A date or timestamp as microseconds.
pub(in crate::engine) fn micros_of(array: &ArrayRef) -> Result<ArrayRef> {
    let zone = match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    Ok(cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))?)
}

/// Back from microseconds on a clock to what [`kept`] said.
fn kept_values(values: Moments, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let values: ArrayRef = match array.data_type() {
        DataType::Timestamp(_, Some(zone)) if !matches!(zone.as_ref(), "UTC" | "Z" | "+00:00") => {
            // The clock's time, read in its zone again.
            let plain: ArrayRef = Arc::new(values);
            return Ok(cast(&plain, to)?);
        }
        DataType::Timestamp(_, Some(zone)) => Arc::new(values.with_timezone(Arc::clone(zone))),
        _ => Arc::new(values),
    };
    Ok(cast(&values, to)?)
}

/// `date_trunc(unit, date or moment)`.
pub(in crate::engine) fn truncated(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let mut units = Units::of(&arguments[0]);
    let moments = on_the_clock(&micros_of(&arguments[1])?)?;
    let mut values = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        let unit = units.at(row)?;
        values.push(unit.filter(|_| moments.is_valid(row)).map(|unit| calendar::truncated(moments.value(row), unit)));
    }
    kept_values(Moments::from(values), &arguments[1], to)
}

/// `(unit, count, date or moment)`.
pub(in crate::engine) fn plus_units(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let mut units = Units::of(&arguments[0]);
    let counts = arguments[1].as_primitive::<Int64Type>();
    let is_date = matches!(arguments[2].data_type(), DataType::Date32 | DataType::Date64);
    let moments = on_the_clock(&micros_of(&arguments[2])?)?;
    let mut values = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        let Some(unit) = units.at(row)?.filter(|_| moments.is_valid(row) && counts.is_valid(row)) else {
            values.push(None);
            continue;
        };
        if is_date && !matches!(unit, Unit::Year | Unit::Quarter | Unit::Month | Unit::Week | Unit::Day) {
            return exec_err!("a date has no hours: cast it to a timestamp first");
        }
        match calendar::plus(moments.value(row), unit, counts.value(row)) {
            Some(value) => values.push(Some(value)),
            None => return exec_err!("a moment is out of range after adding {}", counts.value(row)),
        }
    }
    kept_values(Moments::from(values), &arguments[2], to)
}

/// `last_day_of_month`.
pub(in crate::engine) fn last_day(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let days = arguments[0].as_primitive::<Date32Type>();
    let last: PrimitiveArray<Date32Type> = days.unary(|days| {
        let date = Date::of_days(i64::from(days));
        days + (days_in_month(date.year, date.month) - date.day) as i32
    });
    Ok(Arc::new(last))
}

/// Some days after a day.
pub(in crate::engine) fn plus_days(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    moved(arguments, i64::checked_add)
}

/// Some days before a day.
pub(in crate::engine) fn minus_days(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    moved(arguments, i64::checked_sub)
}

/// Some months after a day.
pub(in crate::engine) fn plus_months(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    moved(arguments, |day, months| {
        // Further than any date reaches.
        (months.abs() < 12 * 20_000_000).then(|| Date::of_days(day).plus_months(months).days())
    })
}

fn moved(arguments: &[ArrayRef], to: impl Fn(i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let (days, counts) = (arguments[0].as_primitive::<Date32Type>(), arguments[1].as_primitive::<Int64Type>());
    let mut moved = Vec::with_capacity(days.len());
    for (day, count) in days.iter().zip(counts) {
        let (Some(day), Some(count)) = (day, count) else {
            moved.push(None);
            continue;
        };
        match to(i64::from(day), count).and_then(|day| i32::try_from(day).ok()) {
            Some(day) => moved.push(Some(day)),
            None => return exec_err!("a date is out of range after adding {count}"),
        }
    }
    Ok(Arc::new(PrimitiveArray::<Date32Type>::from(moved)))
}

/// Spark's `datediff(to, from)`.
pub(in crate::engine) fn days_between(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (to, from) = (arguments[0].as_primitive::<Date32Type>(), arguments[1].as_primitive::<Date32Type>());
    let days = to.iter().zip(from).map(|(to, from)| to?.checked_sub(from?));
    Ok(Arc::new(PrimitiveArray::<Int32Type>::from_iter(days)))
}

/// Spark's `from_utc_timestamp(moment, zone)`: what the zone's clock shows, as if it were UTC.
pub(in crate::engine) fn clock_of_zone(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    shifted(arguments, to, |zone, at| offset_at(zone, at).and_then(|offset| at.checked_add(offset)))
}

/// Spark's `to_utc_timestamp(moment, zone)`: the reverse.
pub(in crate::engine) fn moment_of_clock(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    shifted(arguments, to, |zone, at| offset_of_local(zone, at).and_then(|offset| at.checked_sub(offset)))
}

fn shifted(arguments: &[ArrayRef], to: &DataType, shift: impl Fn(&str, i64) -> Option<i64>) -> Result<ArrayRef> {
    let (moments, zones) = (on_the_clock(&arguments[0])?, arguments[1].as_string::<i32>());
    let mut values = Vec::with_capacity(moments.len());
    for (moment, zone) in moments.iter().zip(zones) {
        let (Some(moment), Some(zone)) = (moment, zone) else {
            values.push(None);
            continue;
        };
        match shift(zone, moment) {
            Some(value) => values.push(Some(value)),
            None => return exec_err!("'{zone}' is no time zone"),
        }
    }
    moments_as(Moments::from(values), to)
}

/// Spark's: months and days of 31, to eight digits; whole at the same day or at both months' ends.
pub(in crate::engine) fn months_between(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    months_apart(arguments, |months| (months * 1e8).round() / 1e8)
}

/// Likewise, with all its digits.
pub(in crate::engine) fn months_between_exactly(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    months_apart(arguments, |months| months)
}

fn months_apart(arguments: &[ArrayRef], rounded: fn(f64) -> f64) -> Result<ArrayRef> {
    let (later, earlier) = (on_the_clock(&arguments[0])?, on_the_clock(&arguments[1])?);
    let values = later.iter().zip(&earlier).map(|(later, earlier)| {
        let (later, earlier) = (later?, earlier?);
        let (a, b) = (date(later), date(earlier));
        let months = ((a.year - b.year) * 12 + a.month - b.month) as f64;
        let is_last = |date: Date| date.day == days_in_month(date.year, date.month);
        if a.day == b.day || (is_last(a) && is_last(b)) {
            return Some(months);
        }
        let seconds = |date: Date, at: i64| date.day * 86_400 + at.rem_euclid(DAY) / SECOND;
        let rest = (seconds(a, later) - seconds(b, earlier)) as f64 / (31.0 * 86_400.0);
        Some(rounded(months + rest))
    });
    Ok(Arc::new(PrimitiveArray::<Float64Type>::from_iter(values)))
}

/// Compiles patterns, mostly one and the same.
struct Patterns<'a> {
    texts: &'a StringArray,
    compile: fn(&str) -> std::result::Result<Pattern, String>,
    last: Option<(&'a str, Pattern)>,
}

impl<'a> Patterns<'a> {
    fn at(&mut self, row: usize) -> Result<Option<&Pattern>> {
        if self.texts.is_null(row) {
            return Ok(None);
        }
        let text = self.texts.value(row);
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            match (self.compile)(text) {
                Ok(pattern) => self.last = Some((text, pattern)),
                Err(why) => return exec_err!("{why}"),
            }
        }
        Ok(self.last.as_ref().map(|(_, pattern)| pattern))
    }
}

fn written(arguments: &[ArrayRef], compile: fn(&str) -> std::result::Result<Pattern, String>) -> Result<ArrayRef> {
    let moments = on_the_clock(&arguments[0])?;
    let mut patterns = Patterns { texts: arguments[1].as_string(), compile, last: None };
    let mut out = StringBuilder::new();
    let mut text = String::new();
    for row in 0..moments.len() {
        match patterns.at(row)?.filter(|_| moments.is_valid(row)) {
            Some(pattern) => {
                text.clear();
                pattern.write(moments.value(row), &mut text);
                out.append_value(&text);
            }
            None => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn read(
    arguments: &[ArrayRef],
    compile: fn(&str) -> std::result::Result<Pattern, String>,
    lenient: bool,
) -> Result<Moments> {
    let texts = arguments[0].as_string::<i32>();
    let mut patterns = Patterns { texts: arguments[1].as_string(), compile, last: None };
    let mut values = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        let Some(pattern) = patterns.at(row)?.filter(|_| texts.is_valid(row)) else {
            values.push(None);
            continue;
        };
        let value = pattern.read(texts.value(row));
        if value.is_none() && !lenient {
            let pattern = arguments[1].as_string::<i32>().value(row);
            return exec_err!("the text '{}' does not have the pattern '{pattern}'", texts.value(row));
        }
        values.push(value);
    }
    Ok(Moments::from(values))
}

/// Moments in the result's type.
pub(super) fn moments_as(values: Moments, to: &DataType) -> Result<ArrayRef> {
    let values: ArrayRef = Arc::new(values.with_timezone("UTC"));
    Ok(cast(&values, to)?)
}

/// `(moment, pattern)`: Spark's `date_format`, Trino's `format_datetime`.
pub(in crate::engine) fn java_written(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    written(arguments, Pattern::java)
}

/// `(moment, pattern)`: Trino's `date_format`.
pub(in crate::engine) fn mysql_written(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    written(arguments, Pattern::mysql)
}

/// `(text, pattern)`: Spark's `to_timestamp` and `to_date`, Trino's `parse_datetime`.
pub(in crate::engine) fn java_read(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    moments_as(read(arguments, Pattern::java, false)?, to)
}

/// Likewise, null for a text without that pattern: `try_to_timestamp`, `try_to_date`.
pub(in crate::engine) fn java_tried(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    moments_as(read(arguments, Pattern::java, true)?, to)
}

/// `(text, pattern)`: Trino's `date_parse`.
pub(in crate::engine) fn mysql_read(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    moments_as(read(arguments, Pattern::mysql, false)?, to)
}

/// Seconds since 1970, whole or not as the result's type says.
pub(in crate::engine) fn to_seconds(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let moments = arguments[0].as_primitive::<TimestampMicrosecondType>();
    if to.is_integer() {
        let seconds: Int64Array = moments.unary(|at| at.div_euclid(SECOND));
        return Ok(Arc::new(seconds));
    }
    let seconds: PrimitiveArray<Float64Type> = moments.unary(|at| at as f64 / SECOND as f64);
    Ok(Arc::new(seconds))
}

/// A moment from seconds since 1970.
pub(in crate::engine) fn of_seconds(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let seconds = arguments[0].as_primitive::<Float64Type>();
    let moments: Moments = seconds.unary(|seconds| (seconds * SECOND as f64).round() as i64);
    moments_as(moments, to)
}

/// Spark's `from_unixtime(seconds, pattern)`: text.
pub(in crate::engine) fn seconds_written(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let seconds = arguments[0].as_primitive::<Int64Type>();
    let moments: Moments = seconds.unary(|seconds| seconds.saturating_mul(SECOND));
    let moments: ArrayRef = Arc::new(moments);
    written(&[moments, Arc::clone(&arguments[1])], Pattern::java)
}
