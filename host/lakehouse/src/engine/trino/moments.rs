//! More functions of moments and intervals.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType::{self, Int64, Utf8};
use datafusion::arrow::datatypes::{
    Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::Operator;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ScalarUDF};

use crate::engine::calendar::reading::offset_at;
use crate::engine::calendar::{HOUR, MINUTE};
use crate::engine::cast::writes::{Digits, moment};
use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Number};
use crate::engine::functions::Returns::{Always, By};
use crate::engine::functions::dates::micros_of;
use crate::engine::functions::intervals::{self, INTERVAL};
use crate::engine::functions::{Function, type_word};
use crate::engine::numbers::decimal::Rules;

const NANOS_OF_A_DAY: i64 = 86_400_000_000_000;

/// Registers the functions.
pub(super) fn register(all: &mut Functions) {
    let written = Function::new("to_iso8601", &[Any], By(text_of_moment), iso_written);
    all.scalar(&["to_iso8601"], &written.build());
    let readable = Function::new("human_readable_seconds", &[Number], Always(Utf8), readable);
    all.scalar(&["human_readable_seconds"], &readable.build());
    let millis = Function::new("to_milliseconds", &[Any], By(whole_of_interval), to_millis);
    all.scalar(&["to_milliseconds"], &millis.build());
    let hour = Function::new("timezone_hour", &[Any], By(whole_of_zoned), |arguments, _| {
        offsets(&arguments[0], |offset| offset / HOUR)
    });
    all.scalar(&["timezone_hour"], &hour.build());
    let minute = Function::new("timezone_minute", &[Any], By(whole_of_zoned), |arguments, _| {
        offsets(&arguments[0], |offset| offset % HOUR / MINUTE)
    });
    all.scalar(&["timezone_minute"], &minute.build());
}

fn text_of_moment(types: &[DataType]) -> Result<DataType> {
    match types {
        [DataType::Date32 | DataType::Timestamp(..)] => Ok(Utf8),
        [other] => plan_err!("to_iso8601 takes a date or a timestamp, not {}", type_word(other)),
        _ => plan_err!("to_iso8601 takes a date or a timestamp"),
    }
}

fn whole_of_interval(types: &[DataType]) -> Result<DataType> {
    match types {
        [DataType::Interval(_) | DataType::Duration(_)] => Ok(Int64),
        [other] => plan_err!("to_milliseconds takes an interval, not {}", type_word(other)),
        _ => plan_err!("to_milliseconds takes an interval"),
    }
}

fn whole_of_zoned(types: &[DataType]) -> Result<DataType> {
    match types {
        [DataType::Timestamp(_, Some(_))] => Ok(Int64),
        [other] => plan_err!("expected a timestamp with time zone, not {}", type_word(other)),
        _ => plan_err!("expected a timestamp with time zone"),
    }
}

fn iso_written(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let DataType::Timestamp(unit, zone) = arguments[0].data_type() else {
        return Ok(cast(&arguments[0], &Utf8)?);
    };
    let digits = Digits::of(*unit, Rules::Trino);
    let moments = micros_of(&arguments[0])?;
    let texts = moments.as_primitive::<TimestampMicrosecondType>().iter().map(|at| {
        let at = at?;
        let mut text = String::new();
        let offset = zone.as_deref().map_or(Some(0), |zone| offset_at(zone, at))?;
        moment(at + offset, 'T', digits, &mut text);
        match (zone.is_some(), offset) {
            (false, _) => {}
            (true, 0) => text.push('Z'),
            (true, _) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let (hours, minutes) = (offset.abs() / HOUR, offset.abs() % HOUR / MINUTE);
                text.push_str(&format!("{sign}{hours:02}:{minutes:02}"));
            }
        }
        Some(text)
    });
    Ok(Arc::new(texts.collect::<StringArray>()))
}

fn offsets(moments: &ArrayRef, part: impl Fn(i64) -> i64) -> Result<ArrayRef> {
    let moments = micros_of(moments)?;
    let moments = moments.as_primitive::<TimestampMicrosecondType>();
    let zone = moments.timezone().unwrap_or("UTC");
    let parts: Int64Array = moments.iter().map(|at| offset_at(zone, at?).map(&part)).collect();
    Ok(Arc::new(parts))
}

/// `1 day, 2 hours, 1 second`.
fn readable(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    const UNITS: [(&str, u64); 5] =
        [("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let mut out = Vec::with_capacity(arguments[0].len());
    for seconds in arguments[0].as_primitive::<Float64Type>() {
        let Some(seconds) = seconds else {
            out.push(None);
            continue;
        };
        if !seconds.is_finite() {
            return exec_err!("human_readable_seconds takes a finite number");
        }
        let mut rest = seconds.abs().round() as u64;
        let mut parts = Vec::new();
        for (unit, length) in UNITS {
            let count = rest / length;
            rest %= length;
            if count > 0 || (length == 1 && parts.is_empty()) {
                parts.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
            }
        }
        out.push(Some(parts.join(", ")));
    }
    Ok(Arc::new(StringArray::from(out)))
}

fn to_millis(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(arguments[0].len());
    for interval in &intervals::values(&arguments[0])? {
        match interval {
            Some(interval) if interval.months != 0 => {
                return exec_err!("to_milliseconds takes an interval of days and parts of them, not of months");
            }
            Some(interval) => out.push(Some(i64::from(interval.days) * 86_400_000 + interval.nanoseconds / 1_000_000)),
            None => out.push(None),
        }
    }
    Ok(Arc::new(Int64Array::from(out)))
}

/// `interval * number` and `interval / number`; none: it is none of them.
pub(super) fn scaled(left: Expr, operator: Operator, right: Expr, interval_first: bool) -> Option<Expr> {
    let (interval, number) = if interval_first { (left, right) } else { (right, left) };
    let function: Arc<ScalarUDF> = match operator {
        Operator::Multiply => Function::new("$interval_times", &[Any, Number], Always(INTERVAL), |arguments, _| {
            by(arguments, |part, number| part * number)
        })
        .build(),
        Operator::Divide if interval_first => {
            Function::new("$interval_part", &[Any, Number], Always(INTERVAL), |arguments, _| {
                by(arguments, |part, number| part / number)
            })
            .build()
        }
        _ => return None,
    };
    let number = Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(number), DataType::Float64));
    Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![interval, number])))
}

/// Months stay months, and the rest is milliseconds, each without its fraction.
fn by(arguments: &[ArrayRef], result: impl Fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(arguments[0].len());
    for (interval, number) in intervals::values(&arguments[0])?.iter().zip(arguments[1].as_primitive::<Float64Type>()) {
        let (Some(interval), Some(number)) = (interval, number) else {
            out.push(None);
            continue;
        };
        let whole = |value: f64, most: f64| (value.is_finite() && value.abs() < most).then(|| value.trunc() as i64);
        let millis = i64::from(interval.days) * 86_400_000 + interval.nanoseconds / 1_000_000;
        let months =
            whole(result(f64::from(interval.months), number), 2e9).and_then(|months| i32::try_from(months).ok());
        let nanos = whole(result(millis as f64, number), 9e12 * 20.0)
            .and_then(|millis| Some((i32::try_from(millis / 86_400_000).ok()?, millis % 86_400_000 * 1_000_000)));
        let (Some(months), Some((days, nanos))) = (months, nanos) else {
            return exec_err!("an interval is out of range after it was multiplied or divided by {number}");
        };
        debug_assert!(nanos.abs() < NANOS_OF_A_DAY);
        out.push(Some(IntervalMonthDayNano::new(months, days, nanos)));
    }
    Ok(Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from(out)))
}
