//! What operators, casts and calls mean in Spark SQL in ANSI mode.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::engine::cast;
use crate::engine::functions::dates::timestamptz;
use crate::engine::functions::{Function, Kind, intervals, is_simple, type_word};
use crate::engine::meaning::{Meaning, Typed, rounded_decimal, tried};
use crate::engine::numbers::decimal::Rules;
use crate::engine::numbers::{self, Missing};

#[derive(Debug)]
pub(super) struct SparkMeaning;

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_moment(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

impl SparkMeaning {
    fn read(value: Typed, to: &DataType) -> Expr {
        cast::cast(value, to, Rules::Spark, Missing::Error)
    }

    /// Text beside a number is read as a number: a bigint beside whole numbers, else a double.
    fn number(value: Typed, beside: &DataType) -> Typed {
        if !is_text(&value.data_type) {
            return value;
        }
        let to = if beside.is_integer() { DataType::Int64 } else { DataType::Float64 };
        Typed { expr: Self::read(value, &to), data_type: to }
    }
}

impl Meaning for SparkMeaning {
    fn arithmetic(&self, left: Typed, operator: Operator, right: Typed) -> Result<Expr> {
        let (left_type, right_type) = (left.data_type.clone(), right.data_type.clone());
        let (left, right) = (Self::number(left, &right_type), Self::number(right, &left_type));
        let types = [&left.data_type, &right.data_type];
        if types.iter().any(|data_type| matches!(data_type, DataType::Boolean)) {
            return plan_err!("no arithmetic on {} and {}", type_word(types[0]), type_word(types[1]));
        }
        if operator == Operator::Minus && types.iter().all(|data_type| is_moment(data_type)) {
            return Ok(intervals::between(left.expr, right.expr));
        }
        let numbers = types.iter().all(|data_type| data_type.is_numeric() || data_type.is_null());
        if !numbers {
            return Ok(engine(left, operator, right));
        }
        let has_decimal = types.iter().any(|data_type| numbers::decimal::parts(data_type).is_some());
        match operator {
            Operator::IntegerDivide => {
                let (left, right) = (left.cast_to(&DataType::Int64), right.cast_to(&DataType::Int64));
                let (left, right) = (
                    Typed { expr: left, data_type: DataType::Int64 },
                    Typed { expr: right, data_type: DataType::Int64 },
                );
                numbers::exact(&left, Operator::Divide, &right, Rules::Spark, Missing::Error)
                    .unwrap_or_else(|| plan_err!("DIV takes whole numbers"))
            }
            // `/` of whole numbers is of doubles.
            Operator::Divide if !has_decimal => {
                Ok(numbers::checked_doubles(left, Operator::Divide, right, Rules::Spark, Missing::Error))
            }
            _ => match numbers::exact(&left, operator, &right, Rules::Spark, Missing::Error) {
                Some(expr) => expr,
                None if matches!(operator, Operator::Divide | Operator::Modulo) => {
                    Ok(numbers::checked_doubles(left, operator, right, Rules::Spark, Missing::Error))
                }
                // A decimal beside a float is a double.
                None if has_decimal => {
                    let left = Typed { expr: left.cast_to(&DataType::Float64), data_type: DataType::Float64 };
                    let right = Typed { expr: right.cast_to(&DataType::Float64), data_type: DataType::Float64 };
                    Ok(engine(left, operator, right))
                }
                None => Ok(engine(left, operator, right)),
            },
        }
    }

    fn compared(&self, left: Typed, right: Typed) -> Result<(Expr, Expr)> {
        let side = |value: Typed, beside: &DataType| match beside {
            _ if !is_text(&value.data_type) => value.expr,
            beside if beside.is_numeric() => Self::number(value, beside).expr,
            DataType::Boolean | DataType::Date32 | DataType::Timestamp(..) => Self::read(value, beside),
            _ => value.expr,
        };
        let (left_type, right_type) = (left.data_type.clone(), right.data_type.clone());
        Ok((side(left, &right_type), side(right, &left_type)))
    }

    /// Text beside numbers, moments and truths is read as one of them.
    fn together(&self, values: Vec<Typed>) -> Result<Vec<Expr>> {
        let others = || values.iter().map(|value| &value.data_type).filter(|each| !is_text(each) && !each.is_null());
        let to = match others().next() {
            Some(_) if others().all(DataType::is_integer) => DataType::Int64,
            Some(_) if others().all(DataType::is_numeric) => DataType::Float64,
            Some(other) if is_moment(other) || matches!(other, DataType::Boolean) => other.clone(),
            _ => return Ok(values.into_iter().map(|value| value.expr).collect()),
        };
        let read = |value: Typed| if is_text(&value.data_type) { Self::read(value, &to) } else { value.expr };
        Ok(values.into_iter().map(read).collect())
    }

    fn cast(&self, value: Typed, to: &DataType, lenient: bool) -> Result<Expr> {
        let from = &value.data_type;
        let refused = matches!(
            (from, to),
            (DataType::Date32, to) if to.is_numeric() || matches!(to, DataType::Boolean)
        ) || (is_nested(from) && is_text(to));
        if refused {
            return plan_err!("{} is not cast to {} here", type_word(from), type_word(to));
        }
        let missing = if lenient { Missing::Null } else { Missing::Error };
        Ok(cast::cast(value, to, Rules::Spark, missing))
    }

    fn call(&self, mut call: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
        let name = call.func.name().to_owned();
        if name == "try" && call.func.inner().as_any().is::<Function>() {
            return call.args.pop().map_or_else(|| plan_err!("expected a value"), tried);
        }
        let is_cut = matches!(name.as_str(), "ceil" | "floor") && call.args.len() == 2;
        if is_cut && let Some(value) = call.args.first_mut() {
            *value = decimal_of_number(Typed::of(value.clone(), schema)?);
        }
        if (is_cut || matches!(name.as_str(), "round" | "bround"))
            && let Some(rounded) = rounded_decimal(&call, schema, Rules::Spark)?
        {
            return Ok(rounded);
        }
        let Some(function) = call.func.inner().as_any().downcast_ref::<Function>() else {
            return Ok(Expr::ScalarFunction(call));
        };
        let values =
            call.args.iter().map(|argument| Typed::of(argument.clone(), schema)).collect::<Result<Vec<_>>>()?;
        let types: Vec<DataType> = values.iter().map(|value| value.data_type.clone()).collect();
        let converted = values.into_iter().enumerate().map(|(index, value)| match function.kind(index) {
            Some(kind) => converted(value, kind),
            None => Some(value.expr),
        });
        match converted.collect::<Option<Vec<_>>>() {
            Some(arguments) => {
                call.args = arguments;
                Ok(Expr::ScalarFunction(call))
            }
            None => function.refused(&types),
        }
    }

    fn aggregate(&self, call: AggregateFunction, _schema: &DFSchema) -> Result<Expr> {
        Ok(Expr::AggregateFunction(call))
    }
}

/// A number as the decimal that Spark makes of its type, where it takes decimals only.
fn decimal_of_number(value: Typed) -> Expr {
    let to = match value.data_type {
        DataType::Int8 => DataType::Decimal128(3, 0),
        DataType::Int16 => DataType::Decimal128(5, 0),
        DataType::Int32 => DataType::Decimal128(10, 0),
        DataType::Int64 => DataType::Decimal128(20, 0),
        DataType::Float32 => DataType::Decimal128(14, 7),
        DataType::Float64 => DataType::Decimal128(30, 15),
        _ => return value.expr,
    };
    SparkMeaning::read(value, &to)
}

/// Spark's silent conversions of arguments; none: there is none.
fn converted(value: Typed, kind: Kind) -> Option<Expr> {
    let from = &value.data_type;
    let to = match kind {
        Kind::Text | Kind::TextOrBytes | Kind::TextOrList if is_simple(from) && !is_text(from) => DataType::Utf8,
        Kind::Text | Kind::TextOrList
            if matches!(from, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) =>
        {
            DataType::Utf8
        }
        Kind::Moment | Kind::MomentOrInterval | Kind::MomentOrTime
            if is_text(from) || matches!(from, DataType::Date32) =>
        {
            timestamptz()
        }
        Kind::Day if is_text(from) => DataType::Date32,
        Kind::Number if is_text(from) => DataType::Float64,
        Kind::Whole if is_text(from) => DataType::Int64,
        kind => return kind.arrives(from).map(|_| value.expr),
    };
    Some(SparkMeaning::read(value, &to))
}

fn is_nested(data_type: &DataType) -> bool {
    data_type.is_nested()
}

fn engine(left: Typed, operator: Operator, right: Typed) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left.expr), operator, Box::new(right.expr)))
}
