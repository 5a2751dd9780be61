//! What operators, casts and calls mean in Trino. Its types are strict: what it does not convert silently is refused with the
//! cast to write.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, Cast, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::{json, moments, names};
use crate::engine::cast;
use crate::engine::functions::dates::timestamptz;
use crate::engine::functions::{Function, intervals, type_word};
use crate::engine::meaning::{Meaning, Typed, rounded_decimal, tried};
use crate::engine::numbers::decimal::Rules;
use crate::engine::numbers::{self, Missing};

/// A sum of decimals has this many digits.
const SUM_DIGITS: u8 = 38;

/// The engine adds this many to a sum's digits.
const ADDED_BY_ENGINE: u8 = 10;

#[derive(Debug)]
pub(super) struct TrinoMeaning;

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_null()
}

impl Meaning for TrinoMeaning {
    fn arithmetic(&self, left: Typed, operator: Operator, right: Typed) -> Result<Expr> {
        let types = [&left.data_type, &right.data_type];
        if types.iter().all(|data_type| is_number(data_type)) {
            if let Some(exact) = numbers::exact(&left, operator, &right, Rules::Trino, Missing::Error) {
                return exact;
            }
            // A decimal beside a float is a double.
            let has_decimal = types.iter().any(|data_type| numbers::decimal::parts(data_type).is_some());
            if has_decimal {
                let left = left.cast_to(&DataType::Float64);
                return Ok(engine(left, operator, right.cast_to(&DataType::Float64)));
            }
            return Ok(engine(left.expr, operator, right.expr));
        }
        let left_interval = left.expr.clone();
        match types {
            [left_type, right_type] if operator == Operator::Minus && is_moment(left_type) && is_moment(right_type) => {
                Ok(intervals::between(left.expr, right.expr))
            }
            [DataType::Date32, DataType::Interval(_)] if has_time(&right.expr) => {
                plan_err!("a date has no hours: cast it to a timestamp before the interval is added")
            }
            [moment, DataType::Interval(_)] | [DataType::Interval(_), moment] if is_moment(moment) => {
                let (left, right) = (with_millis(left, &right.expr), with_millis(right, &left_interval));
                Ok(engine(left, operator, right))
            }
            [DataType::Interval(_), number] if is_number(number) => {
                match moments::scaled(left.expr.clone(), operator, right.expr, true) {
                    Some(scaled) => Ok(scaled),
                    None => plan_err!("`{operator}` is not for an interval and {}", type_word(number)),
                }
            }
            [number, DataType::Interval(_)] if is_number(number) => {
                match moments::scaled(left.expr.clone(), operator, right.expr, false) {
                    Some(scaled) => Ok(scaled),
                    None => plan_err!("`{operator}` is not for {} and an interval", type_word(number)),
                }
            }
            [DataType::Interval(_), _] | [_, DataType::Interval(_)] => Ok(engine(left.expr, operator, right.expr)),
            [left_type, right_type] => plan_err!(
                "`{operator}` is not for {} and {}: cast one of them",
                type_word(left_type),
                type_word(right_type)
            ),
        }
    }

    fn compared(&self, left: Typed, right: Typed) -> Result<(Expr, Expr)> {
        let types = [&left.data_type, &right.data_type];
        if let [DataType::Timestamp(_, Some(one)), DataType::Timestamp(_, Some(other))] = types
            && one != other
        {
            return Ok((left.cast_to(&timestamptz()), right.cast_to(&timestamptz())));
        }
        let alike = types.iter().any(|data_type| data_type.is_null())
            || types.iter().all(|data_type| is_number(data_type))
            || types.iter().all(|data_type| is_text(data_type))
            || types.iter().all(|data_type| is_moment(data_type))
            || types.iter().all(|data_type| data_type.is_nested())
            || types.iter().all(|data_type| is_binary(data_type));
        if alike {
            return Ok((left.expr, right.expr));
        }
        let hint = match (types, is_text(types[0])) {
            ([DataType::Date32, text] | [text, DataType::Date32], _) if is_text(text) => "write DATE '2024-01-31'",
            ([DataType::Timestamp(..), text] | [text, DataType::Timestamp(..)], _) if is_text(text) => {
                "write TIMESTAMP '2024-01-31 12:00:00'"
            }
            _ => "cast one of them",
        };
        plan_err!("{} and {} are not compared: {hint}", type_word(types[0]), type_word(types[1]))
    }

    fn together(&self, values: Vec<Typed>) -> Result<Vec<Expr>> {
        let text = values.iter().find(|value| is_text(&value.data_type));
        let other = values.iter().find(|value| !is_text(&value.data_type) && !value.data_type.is_null());
        if let (Some(text), Some(other)) = (text, other) {
            return plan_err!(
                "the results of CASE and coalesce are of one type, not {} and {}: cast one of them",
                type_word(&text.data_type),
                type_word(&other.data_type)
            );
        }
        Ok(values.into_iter().map(|value| value.expr).collect())
    }

    fn concatenated(&self, left: &DataType, right: &DataType) -> Result<()> {
        let takes = |side: &DataType| {
            matches!(
                side,
                DataType::Utf8
                    | DataType::LargeUtf8
                    | DataType::Utf8View
                    | DataType::Binary
                    | DataType::BinaryView
                    | DataType::Null
            ) || side.is_nested()
        };
        if takes(left) && takes(right) {
            return Ok(());
        }
        plan_err!("`||` takes text, not {} and {}: cast them to VARCHAR", type_word(left), type_word(right))
    }

    fn cast(&self, value: Typed, to: &DataType, lenient: bool) -> Result<Expr> {
        if json::is_json(&value.data_type) || json::is_json(to) {
            return json::cast(value, to, if lenient { Missing::Null } else { Missing::Error });
        }
        let from = &value.data_type;
        let numbers_and_moments = (is_moment(from) && to.is_numeric()) || (from.is_numeric() && is_moment(to));
        if numbers_and_moments {
            return plan_err!("{} is not cast to {}: use to_unixtime or from_unixtime", type_word(from), type_word(to));
        }
        if from.is_nested() && is_text(to) {
            return plan_err!("{} is not cast to {} here", type_word(from), type_word(to));
        }
        let missing = if lenient { Missing::Null } else { Missing::Error };
        Ok(cast::cast(value, to, Rules::Trino, missing))
    }

    fn call(&self, mut call: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
        if !call.func.inner().as_any().is::<Function>() {
            return Ok(Expr::ScalarFunction(call));
        }
        match call.func.name() {
            "try" => call.args.pop().map_or_else(|| plan_err!("expected a value"), tried),
            "at_timezone" => zoned(call, schema, true),
            "with_timezone" => zoned(call, schema, false),
            // It told aggregates apart while names were given.
            "$typed" => Ok(call.args.swap_remove(0)),
            "typeof" => names::type_of(&call, schema),
            "round" => match rounded_decimal(&call, schema, Rules::Trino)? {
                Some(rounded) => Ok(rounded),
                None => Ok(Expr::ScalarFunction(call)),
            },
            _ => Ok(Expr::ScalarFunction(call)),
        }
    }

    fn aggregate(&self, mut call: AggregateFunction, schema: &DFSchema) -> Result<Expr> {
        if call.func.name() == "sum"
            && let [argument] = call.params.args.as_mut_slice()
        {
            let value = Typed::of(std::mem::take(argument), schema)?;
            *argument = match numbers::decimal::parts(&value.data_type) {
                // The engine's sum has ten digits more than its argument.
                Some((precision, scale)) => {
                    value.cast_to(&DataType::Decimal128(precision.max(SUM_DIGITS - ADDED_BY_ENGINE), scale))
                }
                None => value.expr,
            };
        }
        Ok(Expr::AggregateFunction(call))
    }
}

/// `at_timezone(moment, 'zone')`: the same moment on another clock; `with_timezone`: the moment at which that clock shows it.
fn zoned(call: ScalarFunction, schema: &DFSchema, same_moment: bool) -> Result<Expr> {
    let name = call.func.name().to_owned();
    let mut arguments = call.args.into_iter();
    let (Some(moment), Some(zone)) = (arguments.next(), arguments.next()) else {
        return plan_err!("`{name}` takes a timestamp and a time zone");
    };
    let Expr::Literal(ScalarValue::Utf8(Some(zone)), _) = zone else {
        return plan_err!("`{name}` takes its time zone as text that is written out, such as 'Europe/Oslo'");
    };
    if crate::engine::calendar::reading::offset_at(&zone, 0).is_none() {
        return plan_err!("'{zone}' is no time zone");
    }
    let moment = Typed::of(moment, schema)?;
    let unit = match &moment.data_type {
        DataType::Timestamp(unit, _) => *unit,
        _ => TimeUnit::Millisecond,
    };
    let on_clock = DataType::Timestamp(unit, Some(zone.into()));
    let from = if same_moment {
        match &moment.data_type {
            DataType::Timestamp(_, Some(_)) => moment.expr,
            _ => moment.cast_to(&DataType::Timestamp(unit, Some("UTC".into()))),
        }
    } else {
        moment.cast_to(&DataType::Timestamp(unit, None))
    };
    Ok(Expr::Cast(Cast::new(Box::new(from), on_clock)))
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// A moment without digits of a second has three after an interval, unless that is one of months.
fn with_millis(moment: Typed, interval: &Expr) -> Expr {
    let of_months = matches!(interval, Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(parts)), _) if parts.months != 0)
        || matches!(interval, Expr::Literal(ScalarValue::IntervalYearMonth(_), _));
    match &moment.data_type {
        DataType::Timestamp(TimeUnit::Second, zone) if !of_months => {
            let finer = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
            moment.cast_to(&finer)
        }
        _ => moment.expr,
    }
}

/// Whether an interval has a part of a day.
fn has_time(interval: &Expr) -> bool {
    match interval {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(parts)), _) => parts.nanoseconds != 0,
        Expr::Literal(ScalarValue::IntervalDayTime(Some(parts)), _) => parts.milliseconds != 0,
        _ => false,
    }
}

fn engine(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}
