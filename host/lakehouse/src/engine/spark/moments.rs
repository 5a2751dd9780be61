//! Spark's functions of dates and moments beyond those of [`super::functions`]: made from parts, of other clocks, and their parts by
//! name.

use asgard_contract::Result;
use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::arrow::datatypes::DataType::{Date32, Float64, Int32, Utf8};
use sqlparser::ast::{DataType, Expr, Spanned, Value};
use sqlparser::tokenizer::Span;

use super::functions::function;
use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Day, Moment, MomentOrInterval, Text, Whole};
use crate::engine::functions::Returns::By;
use crate::engine::functions::dates::{self, timestamp, timestamptz};
use crate::engine::functions::{Function, made};
use crate::engine::rewrite::{arguments, call, cast, literal, name_of, place, refused, text, with_arguments};

pub(super) fn register(all: &mut Functions) {
    for (names, function) in [
        (&["make_date"][..], function("make_date", &[Whole, Whole, Whole], Date32, made::day)),
        (&["date_from_unix_date"], function("date_from_unix_date", &[Whole], Date32, made::day_of_number)),
        (&["timestamp_micros"], function("timestamp_micros", &[Whole], timestamptz(), made::of_micros)),
        (&["timestamp_millis"], function("timestamp_millis", &[Whole], timestamptz(), made::of_millis)),
        (&["dayname"], function("dayname", &[Day], Utf8, made::day_name)),
        (&["monthname"], function("monthname", &[Day], Utf8, made::month_name)),
        (&["$seconds"], function("second", &[MomentOrInterval], ArrowType::Decimal128(8, 6), made::seconds)),
        (&["$yearofweek"], function("yearofweek", &[Moment], Int32, dates::year_of_week)),
        (&["$dayofweek_iso"], function("dayofweek_iso", &[Moment], Int32, dates::day_of_week)),
        (&["$to_timestamp_ntz"], function("to_timestamp_ntz", &[Text, Text], timestamp(), dates::java_read)),
        (
            &["$months_between_exactly"],
            function("months_between", &[Moment, Moment], Float64, dates::months_between_exactly),
        ),
        (&["make_timestamp", "make_timestamp_ltz"], parts("make_timestamp", made::moment_type, made::moment)),
        (&["make_timestamp_ntz"], parts("make_timestamp_ntz", made::clock_type, made::moment)),
        (
            &["try_make_timestamp", "try_make_timestamp_ltz"],
            parts("try_make_timestamp", made::moment_type, made::moment_tried),
        ),
        (&["try_make_timestamp_ntz"], parts("try_make_timestamp_ntz", made::clock_type, made::moment_tried)),
    ] {
        all.scalar(names, &function.build());
    }
}

fn parts(
    name: &'static str,
    returns: fn(&[ArrowType]) -> datafusion::common::Result<ArrowType>,
    rows: crate::engine::functions::Rows,
) -> Function {
    Function::new(name, &[Any], By(returns), rows).rest(Any)
}

/// True: the expression was rewritten, and is done.
pub(super) fn rewritten(expr: &mut Expr) -> Result<bool> {
    let Expr::Function(function) = expr else { return Ok(false) };
    let (name, span) = (name_of(function), function.name.span());
    let Some(arguments) = arguments(function) else { return Ok(false) };
    match (name.as_str(), arguments.as_slice()) {
        ("date_part" | "datepart", [part, moment]) => {
            let Some(name) = literal(part) else {
                return refused(place(part), "the part of a date is written out: 'YEAR', 'MONTH', 'SECONDS'");
            };
            let Some(of) = part_function(name) else {
                return refused(
                    place(part),
                    format!("'{name}' is no part of a date: expected one like 'YEAR' or 'SECONDS'"),
                );
            };
            *expr = call(of, span, vec![moment.clone()]);
        }
        ("to_timestamp_ltz", [value]) => {
            *expr = cast(value.clone(), DataType::Timestamp(None, sqlparser::ast::TimezoneInfo::None));
        }
        ("to_timestamp_ltz", [_, _]) => *expr = call("$to_timestamp", span, arguments),
        ("to_timestamp_ntz", [value]) => *expr = cast(value.clone(), DataType::TimestampNtz(None)),
        ("to_timestamp_ntz", [_, _]) => *expr = call("$to_timestamp_ntz", span, arguments),
        ("convert_timezone", [zone, moment]) => {
            *expr = of_other_clock(span, text("UTC"), zone.clone(), moment.clone());
        }
        ("convert_timezone", [from, zone, moment]) => {
            *expr = of_other_clock(span, from.clone(), zone.clone(), moment.clone());
        }
        ("months_between", [later, earlier, Expr::Value(rounds)]) => {
            let both = vec![later.clone(), earlier.clone()];
            match rounds.value {
                Value::Boolean(true) => with_arguments(function, both),
                Value::Boolean(false) => *expr = call("$months_between_exactly", span, both),
                _ => return Ok(false),
            }
        }
        ("next_day", [day, weekday]) => {
            with_arguments(function, vec![cast(day.clone(), DataType::Date), weekday.clone()]);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What the clock of one zone shows when that of another shows this: a clock's time, which has no zone.
fn of_other_clock(span: Span, from: Expr, zone: Expr, moment: Expr) -> Expr {
    let moment = call("to_utc_timestamp", span, vec![moment, from]);
    cast(call("from_utc_timestamp", span, vec![moment, zone]), DataType::TimestampNtz(None))
}

/// The names of Spark's `date_part`.
pub(super) fn part_function(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_uppercase().as_str() {
        "YEAR" | "Y" | "YEARS" | "YR" | "YRS" => "year",
        "YEAROFWEEK" => "$yearofweek",
        "QUARTER" | "QTR" => "quarter",
        "MONTH" | "MON" | "MONS" | "MONTHS" => "month",
        "WEEK" | "W" | "WEEKS" => "weekofyear",
        "DAY" | "D" | "DAYS" => "day",
        "DAYOFWEEK" | "DOW" => "dayofweek",
        "DAYOFWEEK_ISO" | "DOW_ISO" => "$dayofweek_iso",
        "DOY" => "dayofyear",
        "HOUR" | "H" | "HOURS" | "HR" | "HRS" => "hour",
        "MINUTE" | "M" | "MIN" | "MINS" | "MINUTES" => "minute",
        "SECOND" | "S" | "SEC" | "SECONDS" | "SECS" => "$seconds",
        _ => return None,
    })
}
