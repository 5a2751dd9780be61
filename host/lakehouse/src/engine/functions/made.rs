//! Moments made from their parts or from numbers, and the names of their parts.
//!
//! What is no moment, the 31st of June, is an error; the `try_` forms make a null of it. Seconds are decimals of six digits; 60 of
//! them, with nothing behind the point, are the next minute.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err, plan_err};

use super::dates::{moments_as, timestamp, timestamptz};
use super::{intervals, type_word};
use crate::engine::calendar::pattern::{short_month, short_weekday};
use crate::engine::calendar::reading::offset_of_local;
use crate::engine::calendar::{DAY, Date, HOUR, MINUTE, SECOND, Unit, weekday};

type Moments = PrimitiveArray<TimestampMicrosecondType>;

/// Of a moment: `(year, month, day, hour, minute, second[, zone])` or `(date[, time[, zone]])`.
pub(in crate::engine) fn moment_type(types: &[DataType]) -> Result<DataType> {
    check_parts(types, 7).map(|()| timestamptz())
}

/// Likewise, of a clock's time, which has no zone.
pub(in crate::engine) fn clock_type(types: &[DataType]) -> Result<DataType> {
    check_parts(types, 6).map(|()| timestamp())
}

fn check_parts(types: &[DataType], most: usize) -> Result<()> {
    let number = |given: &DataType| given.is_numeric() || given.is_null();
    let text = |given: &DataType| matches!(given, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
    let fits = match types {
        [DataType::Date32, rest @ ..] => match rest {
            [] => true,
            [time] => matches!(time, DataType::Time64(_) | DataType::Time32(_)),
            [time, zone] => most == 7 && matches!(time, DataType::Time64(_) | DataType::Time32(_)) && text(zone),
            _ => false,
        },
        _ => {
            (6..=most).contains(&types.len())
                && types.iter().take(6).all(number)
                && types.get(6).is_none_or(|zone| text(zone) || zone.is_null())
        }
    };
    if fits {
        return Ok(());
    }
    let given: Vec<String> = types.iter().map(type_word).collect();
    plan_err!(
        "expected year, month, day, hour, minute and second as numbers, or a date and a time, not ({})",
        given.join(", ")
    )
}

/// The parts of many moments.
enum Parts {
    Fields { whole: Vec<Int64Array>, seconds: PrimitiveArray<Decimal128Type> },
    Day { days: PrimitiveArray<Date32Type>, times: Option<PrimitiveArray<Time64MicrosecondType>> },
}

impl Parts {
    fn of(arguments: &[ArrayRef]) -> Result<(Self, Option<StringArray>)> {
        let zone = |index: usize| -> Result<Option<StringArray>> {
            let Some(zones) = arguments.get(index) else { return Ok(None) };
            Ok(Some(cast(zones, &DataType::Utf8)?.as_string::<i32>().clone()))
        };
        if matches!(arguments[0].data_type(), DataType::Date32) {
            let times = match arguments.get(1) {
                Some(times) => Some(cast(times, &DataType::Time64(TimeUnit::Microsecond))?.as_primitive().clone()),
                None => None,
            };
            return Ok((Self::Day { days: arguments[0].as_primitive().clone(), times }, zone(2)?));
        }
        let whole = arguments[..5]
            .iter()
            .map(|each| Ok(cast(each, &DataType::Int64)?.as_primitive::<Int64Type>().clone()))
            .collect::<Result<Vec<_>>>()?;
        let seconds = cast(&arguments[5], &DataType::Decimal128(16, 6))?.as_primitive().clone();
        Ok((Self::Fields { whole, seconds }, zone(6)?))
    }

    /// Outer none: a part is null; inner none: there is no such moment.
    fn local(&self, row: usize) -> Option<Option<i64>> {
        match self {
            Self::Day { days, times } => {
                let time = match times {
                    Some(times) if times.is_null(row) => return None,
                    Some(times) => times.value(row),
                    None => 0,
                };
                days.is_valid(row).then(|| i64::from(days.value(row)).checked_mul(DAY)?.checked_add(time))
            }
            Self::Fields { whole, seconds } => {
                if whole.iter().any(|part| part.is_null(row)) || seconds.is_null(row) {
                    return None;
                }
                let part = |index: usize| whole[index].value(row);
                let micros = i64::try_from(seconds.value(row)).ok();
                Some(micros.and_then(|micros| at(part(0), part(1), part(2), part(3), part(4), micros)))
            }
        }
    }
}

fn at(year: i64, month: i64, day: i64, hour: i64, minute: i64, micros: i64) -> Option<i64> {
    if !(-300_000..=300_000).contains(&year) || !(0..24).contains(&hour) || !(0..60).contains(&minute) {
        return None;
    }
    if !(0..=60 * SECOND).contains(&micros) {
        return None;
    }
    let days = Date::checked(year, month, day)?.days();
    days.checked_mul(DAY)?.checked_add(hour * HOUR + minute * MINUTE + micros)
}

/// In the result's type, which says whether the zone's clock is meant.
pub(in crate::engine) fn moment(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    made(arguments, to, false)
}

/// Likewise, with nulls in the place of errors.
pub(in crate::engine) fn moment_tried(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    made(arguments, to, true)
}

fn made(arguments: &[ArrayRef], to: &DataType, tried: bool) -> Result<ArrayRef> {
    let (parts, zones) = Parts::of(arguments)?;
    let mut values = Vec::with_capacity(arguments[0].len());
    for row in 0..arguments[0].len() {
        let zone = zones.as_ref().map(|zones| zones.is_valid(row).then(|| zones.value(row)));
        let (Some(local), false) = (parts.local(row), zone == Some(None)) else {
            values.push(None);
            continue;
        };
        let value = local.and_then(|local| match zone.flatten() {
            Some(zone) => offset_of_local(zone, local).and_then(|offset| local.checked_sub(offset)),
            None => Some(local),
        });
        if value.is_none() && !tried {
            return exec_err!("row {} has parts that are no moment: the `try_` form makes a null of it", row + 1);
        }
        values.push(value);
    }
    moments_as(Moments::from(values), to)
}

/// `make_date(year, month, day)`.
pub(in crate::engine) fn day(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let parts: Vec<&Int64Array> = arguments.iter().map(|each| each.as_primitive()).collect();
    let mut days = Vec::with_capacity(parts[0].len());
    for row in 0..parts[0].len() {
        if parts.iter().any(|part| part.is_null(row)) {
            days.push(None);
            continue;
        }
        let [year, month, day] = [parts[0].value(row), parts[1].value(row), parts[2].value(row)];
        let made = Date::checked(year.clamp(-6_000_000, 6_000_000), month, day).filter(|date| date.year == year);
        match made.and_then(|date| i32::try_from(date.days()).ok()) {
            Some(made) => days.push(Some(made)),
            None => return exec_err!("there is no day {year}-{month:02}-{day:02}"),
        }
    }
    Ok(Arc::new(PrimitiveArray::<Date32Type>::from(days)))
}

/// A day from days since 1970.
pub(in crate::engine) fn day_of_number(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut days = Vec::with_capacity(arguments[0].len());
    for number in arguments[0].as_primitive::<Int64Type>() {
        match number.map(i32::try_from).transpose() {
            Ok(day) => days.push(day),
            Err(_) => return exec_err!("a date is out of range"),
        }
    }
    Ok(Arc::new(PrimitiveArray::<Date32Type>::from(days)))
}

fn of_number(arguments: &[ArrayRef], to: &DataType, unit: i64) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(arguments[0].len());
    for number in arguments[0].as_primitive::<Int64Type>() {
        let value = number.map(|number| number.checked_mul(unit));
        match value {
            Some(None) => return exec_err!("a moment is out of range"),
            Some(value) => values.push(value),
            None => values.push(None),
        }
    }
    moments_as(Moments::from(values), to)
}

/// A moment from microseconds since 1970.
pub(in crate::engine) fn of_micros(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    of_number(arguments, to, 1)
}

/// A moment from milliseconds since 1970.
pub(in crate::engine) fn of_millis(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    of_number(arguments, to, 1_000)
}

/// Three letters.
pub(in crate::engine) fn day_name(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let days = arguments[0].as_primitive::<Date32Type>();
    let names = days.iter().map(|day| day.map(|day| short_weekday(weekday(i64::from(day)))));
    Ok(Arc::new(StringArray::from_iter(names)))
}

/// Three letters.
pub(in crate::engine) fn month_name(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let days = arguments[0].as_primitive::<Date32Type>();
    let names = days.iter().map(|day| day.map(|day| short_month(Date::of_days(i64::from(day)).month)));
    Ok(Arc::new(StringArray::from_iter(names)))
}

/// Seconds of the minute, with their part: `decimal(8,6)`.
pub(in crate::engine) fn seconds(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    if let DataType::Interval(_) = arguments[0].data_type() {
        let micros = intervals::part(&arguments[0], &DataType::Int64, Unit::Microsecond)?;
        let micros: PrimitiveArray<Decimal128Type> = micros.as_primitive::<Int64Type>().unary(i128::from);
        return Ok(Arc::new(micros.with_data_type(to.clone())));
    }
    let moments = cast(&arguments[0], &timestamp())?;
    let micros: PrimitiveArray<Decimal128Type> =
        moments.as_primitive::<TimestampMicrosecondType>().unary(|at| i128::from(at.rem_euclid(MINUTE)));
    Ok(Arc::new(micros.with_data_type(to.clone())))
}
