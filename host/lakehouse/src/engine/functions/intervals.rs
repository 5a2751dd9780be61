//! Intervals: months, and a time of days and parts of them. The two are not compared: a month has no one length.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;

use super::Function;
use super::Kind::{Any, Moment};
use super::Returns::Always;
use crate::engine::calendar::{DAY, HOUR, MINUTE, SECOND, Unit};

/// The one type of an interval.
pub(in crate::engine) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

pub(in crate::engine) fn values(intervals: &ArrayRef) -> Result<PrimitiveArray<IntervalMonthDayNanoType>> {
    Ok(cast(intervals, &INTERVAL)?.as_primitive::<IntervalMonthDayNanoType>().clone())
}

/// The time of an interval's days and parts of them, in microseconds.
fn time(interval: IntervalMonthDayNano) -> i128 {
    i128::from(interval.days) * i128::from(DAY) + i128::from(interval.nanoseconds) / 1_000
}

/// Two intervals as two numbers that compare as they do.
pub(in crate::engine) fn comparable(left: Expr, right: Expr) -> (Expr, Expr) {
    let order = Function::new("$intervals_compared", &[Any, Any], Always(DataType::Int32), compared).build();
    let order = Expr::ScalarFunction(ScalarFunction::new_udf(order, vec![left, right]));
    (order, Expr::Literal(0_i32.into(), None))
}

fn compared(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let (left, right) = (values(&arguments[0])?, values(&arguments[1])?);
    let order = |left: IntervalMonthDayNano, right: IntervalMonthDayNano| -> Result<i32> {
        let order = match (time(left), time(right)) {
            (0, 0) => left.months.cmp(&right.months),
            (one, other) if left.months == 0 && right.months == 0 => one.cmp(&other),
            _ => return exec_err!("an interval of months is not compared with one of days: a month has no one length"),
        };
        Ok(match order {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        })
    };
    let orders = left.iter().zip(&right).map(|pair| match pair {
        (Some(left), Some(right)) => order(left, right).map(Some),
        _ => Ok(None),
    });
    Ok(Arc::new(orders.collect::<Result<Int32Array>>()?))
}

/// The time between two moments: `later - earlier`.
pub(in crate::engine) fn between(later: Expr, earlier: Expr) -> Expr {
    let apart = Function::new("$moments_apart", &[Moment, Moment], Always(INTERVAL), apart).build();
    Expr::ScalarFunction(ScalarFunction::new_udf(apart, vec![later, earlier]))
}

fn apart(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let micros = |array: &ArrayRef| array.as_primitive::<TimestampMicrosecondType>().clone();
    let (later, earlier) = (micros(&arguments[0]), micros(&arguments[1]));
    let spans = later.iter().zip(&earlier).map(|pair| {
        let (Some(later), Some(earlier)) = pair else { return Ok(None) };
        let apart = later.checked_sub(earlier).and_then(|apart| {
            Some(IntervalMonthDayNano::new(0, i32::try_from(apart / DAY).ok()?, apart % DAY * 1_000))
        });
        apart.map_or_else(|| exec_err!("the moments are too far apart for an interval"), |apart| Ok(Some(apart)))
    });
    Ok(Arc::new(spans.collect::<Result<PrimitiveArray<IntervalMonthDayNanoType>>>()?))
}

/// A part of each interval: years and months of its months, the rest of its time.
pub(super) fn part(intervals: &ArrayRef, to: &DataType, unit: Unit) -> Result<ArrayRef> {
    let of = |interval: IntervalMonthDayNano| -> Result<i64> {
        let (months, time) = (i64::from(interval.months), i64::try_from(time(interval)).unwrap_or(i64::MAX));
        Ok(match unit {
            Unit::Year => months / 12,
            Unit::Month => months % 12,
            Unit::Day => time / DAY,
            Unit::Hour => time % DAY / HOUR,
            Unit::Minute => time % HOUR / MINUTE,
            Unit::Second => time % MINUTE / SECOND,
            Unit::Millisecond => time % SECOND / 1_000,
            Unit::Microsecond => time % MINUTE,
            Unit::Quarter | Unit::Week => return exec_err!("an interval has no quarters or weeks"),
        })
    };
    let parts =
        values(intervals)?.iter().map(|interval| interval.map(of).transpose()).collect::<Result<Int64Array>>()?;
    let parts: ArrayRef = Arc::new(parts);
    Ok(cast(&parts, to)?)
}

/// The type that an interval, or for its parts a time of day, arrives in; none: it is neither.
pub(super) fn arrives(given: &DataType, time_of_day: bool) -> Option<DataType> {
    match given {
        DataType::Interval(_) | DataType::Duration(_) => Some(INTERVAL),
        DataType::Time32(_) | DataType::Time64(_) if time_of_day => {
            Some(DataType::Time64(datafusion::arrow::datatypes::TimeUnit::Microsecond))
        }
        _ => None,
    }
}
