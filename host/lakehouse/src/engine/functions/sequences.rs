//! `sequence(start, stop[, step])` of whole numbers, days and moments.
//!
//! A step of months counts from the start each time, so that the end of a month stays one: 31 January, 29 February, 31 March.

use std::sync::Arc;

use chrono::{DateTime, Days, Months, NaiveDateTime, TimeDelta};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err, plan_err};

use super::type_word;

/// More would fill a statement's memory by one value.
const ELEMENTS_AT_MOST: usize = 10_000_000;

/// Trino's own limit.
const TRINO_AT_MOST: usize = 10_000;

/// The type in Spark: whole numbers keep theirs.
pub(in crate::engine) fn spark_type(arguments: &[DataType]) -> Result<DataType> {
    of(arguments, super::maps::common(arguments.iter().take(2))?)
}

/// The type in Trino: whole numbers are bigint.
pub(in crate::engine) fn trino_type(arguments: &[DataType]) -> Result<DataType> {
    let common = super::maps::common(arguments.iter().take(2))?;
    of(arguments, if common.is_integer() { DataType::Int64 } else { common })
}

fn of(arguments: &[DataType], item: DataType) -> Result<DataType> {
    let step = arguments.get(2);
    let fits = match (&item, step) {
        (item, None) => item.is_integer() || matches!(item, DataType::Date32),
        (item, Some(step)) if item.is_integer() => step.is_integer(),
        (DataType::Date32 | DataType::Timestamp(..), Some(step)) => {
            matches!(step, DataType::Interval(IntervalUnit::MonthDayNano))
        }
        _ => false,
    };
    if fits {
        return Ok(DataType::new_list(item, true));
    }
    let words: Vec<String> = arguments.iter().map(type_word).collect();
    plan_err!("`sequence` takes two whole numbers, dates or timestamps and their step, not ({})", words.join(", "))
}

pub(in crate::engine) fn spark(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    rows(arguments, to, ELEMENTS_AT_MOST)
}

pub(in crate::engine) fn trino(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    rows(arguments, to, TRINO_AT_MOST)
}

#[derive(Clone, Copy)]
enum Step {
    Number(i64),
    Span { months: i32, days: i32, micros: i64 },
}

fn rows(arguments: &[ArrayRef], to: &DataType, most: usize) -> Result<ArrayRef> {
    let DataType::List(item) = to else { return plan_err!("expected a list") };
    let micros = |zone: &Option<Arc<str>>| DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
    let through = match item.data_type() {
        DataType::Timestamp(_, zone) => Some(micros(zone)),
        _ => None,
    };
    // Days and moments are counted in microseconds.
    let is_day = matches!(item.data_type(), DataType::Date32);
    let counted = |array: &ArrayRef| -> Result<ArrayRef> {
        let array = cast(array, item.data_type())?;
        let array = match &through {
            Some(through) => cast(&array, through)?,
            None if is_day => cast(&array, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
            None => array,
        };
        Ok(cast(&array, &DataType::Int64)?)
    };
    let (starts, stops) = (counted(&arguments[0])?, counted(&arguments[1])?);
    let (starts, stops) = (starts.as_primitive::<Int64Type>(), stops.as_primitive::<Int64Type>());
    let (mut all, mut lengths, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..starts.len() {
        let missing = starts.is_null(row) || stops.is_null(row) || arguments.iter().any(|array| array.is_null(row));
        known.push(!missing);
        let before = all.len();
        if !missing {
            let (start, stop) = (starts.value(row), stops.value(row));
            let step = step(arguments.get(2), row, start <= stop, item.data_type())?;
            counted_out(start, stop, step, most, &mut all)?;
        }
        lengths.push(all.len() - before);
    }
    let values: ArrayRef = Arc::new(Int64Array::from(all));
    let values = match &through {
        Some(through) => cast(&values, through)?,
        None if is_day => cast(&values, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
        None => values,
    };
    let values = cast(&values, item.data_type())?;
    let item = Arc::new(Field::new_list_field(item.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, Some(known.into()))?))
}

fn step(steps: Option<&ArrayRef>, row: usize, upwards: bool, item: &DataType) -> Result<Step> {
    let sign = if upwards { 1 } else { -1 };
    let Some(steps) = steps else {
        return Ok(if item.is_integer() {
            Step::Number(sign)
        } else {
            Step::Span { months: 0, days: if upwards { 1 } else { -1 }, micros: 0 }
        });
    };
    if item.is_integer() {
        return Ok(Step::Number(cast(steps, &DataType::Int64)?.as_primitive::<Int64Type>().value(row)));
    }
    let span = steps.as_primitive::<IntervalMonthDayNanoType>().value(row);
    let micros = span.nanoseconds / 1_000;
    let signs = [i64::from(span.months).signum(), i64::from(span.days).signum(), micros.signum()];
    if signs.contains(&1) && signs.contains(&-1) {
        return exec_err!("the step of a sequence goes forwards and backwards at once");
    }
    if matches!(item, DataType::Date32) && micros % (24 * 3_600 * 1_000_000) != 0 {
        return exec_err!("the step of a sequence of dates is of days or months, not of hours");
    }
    Ok(Step::Span { months: span.months, days: span.days, micros })
}

fn counted_out(start: i64, stop: i64, step: Step, most: usize, all: &mut Vec<i64>) -> Result<()> {
    let forwards = match step {
        Step::Number(step) => step.signum(),
        Step::Span { months, days, micros } => {
            (i64::from(months).signum() + i64::from(days).signum() + micros.signum()).signum()
        }
    };
    if start == stop {
        all.push(start);
        return Ok(());
    }
    if forwards == 0 || (start < stop) != (forwards > 0) {
        return exec_err!("a sequence from its start never comes to its stop by its step");
    }
    let before = all.len();
    let origin = DateTime::from_timestamp_micros(start).map(|moment| moment.naive_utc());
    for index in 0.. {
        let next = match step {
            Step::Number(step) => i64::from(index).checked_mul(step).and_then(|way| start.checked_add(way)),
            Step::Span { months, days, micros } => {
                let origin = origin.ok_or_else(|| beyond("its start"))?;
                after(origin, i64::from(index), months, days, micros).map(|moment| moment.and_utc().timestamp_micros())
            }
        };
        let Some(next) = next else { break };
        if (forwards > 0 && next > stop) || (forwards < 0 && next < stop) {
            break;
        }
        if all.len() - before >= most {
            return exec_err!("a sequence has {most} elements at most");
        }
        all.push(next);
    }
    Ok(())
}

fn beyond(what: &str) -> DataFusionError {
    exec_datafusion_err!("a sequence is beyond the calendar: {what}")
}

fn after(origin: NaiveDateTime, index: i64, months: i32, days: i32, micros: i64) -> Option<NaiveDateTime> {
    let (months, days) = (i64::from(months).checked_mul(index)?, i64::from(days).checked_mul(index)?);
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moment = if months < 0 { origin.checked_sub_months(count)? } else { origin.checked_add_months(count)? };
    let count = Days::new(days.unsigned_abs());
    let moment = if days < 0 { moment.checked_sub_days(count)? } else { moment.checked_add_days(count)? };
    moment.checked_add_signed(TimeDelta::microseconds(micros.checked_mul(index)?))
}
