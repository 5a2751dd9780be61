//! Casts whose meaning differs from the engine's own: everything from and to text, rounding to whole numbers, moments and
//! numbers. All others are the engine's: an error where a value does not fit, null for `TRY_CAST`.

pub(super) mod reads;
pub(super) mod writes;

use std::any::Any;
use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType, i256,
};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::expr::{Cast as EngineCast, ScalarFunction, TryCast};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::calendar::SECOND;
use super::functions::{over_rows, type_word};
use super::meaning::Typed;
use super::numbers::Missing;
use super::numbers::decimal::{self, Rules};

/// The expression for a cast in a dialect.
pub(super) fn cast(value: Typed, to: &DataType, rules: Rules, missing: Missing) -> Expr {
    if is_own(&value.data_type, to, rules) {
        let cast = Cast { to: to.clone(), rules, missing, signature: Signature::any(1, Volatility::Immutable) };
        let function = Arc::new(ScalarUDF::new_from_impl(cast));
        return Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![value.expr]));
    }
    if missing == Missing::Null {
        return Expr::TryCast(TryCast::new(Box::new(value.expr), to.clone()));
    }
    Expr::Cast(EngineCast::new(Box::new(value.expr), to.clone()))
}

/// The same cast with nulls in the place of errors, if it is one of this module.
pub(super) fn lenient(call: &ScalarFunction) -> Option<Expr> {
    let cast = call.func.inner().as_any().downcast_ref::<Cast>()?;
    let lenient = Cast {
        to: cast.to.clone(),
        rules: cast.rules,
        missing: Missing::Null,
        signature: Signature::any(1, Volatility::Immutable),
    };
    let function = Arc::new(ScalarUDF::new_from_impl(lenient));
    Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, call.args.clone())))
}

/// A double as Java writes it.
pub(super) fn java_double(value: f64) -> String {
    writes::number(&format!("{value:e}"), value, Rules::Spark)
}

/// Values as their text in a dialect.
pub(super) fn text_of(values: &ArrayRef, rules: Rules) -> Result<ArrayRef> {
    let cast = Cast {
        to: DataType::Utf8,
        rules,
        missing: Missing::Error,
        signature: Signature::any(1, Volatility::Immutable),
    };
    if is_own(values.data_type(), &cast.to, rules) {
        return cast.evaluate(values);
    }
    cast.plainly(values, &cast.to)
}

/// Texts read as a type; null where one is none.
pub(super) fn read_text(texts: &ArrayRef, to: &DataType, rules: Rules) -> Result<ArrayRef> {
    reads::read(texts.as_string(), to, rules, Missing::Null)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_own(from: &DataType, to: &DataType, rules: Rules) -> bool {
    match (from, to) {
        (from, to) if is_text(from) => {
            to.is_numeric() || matches!(to, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..))
        }
        (DataType::Timestamp(..) | DataType::Float32 | DataType::Float64, to) if is_text(to) => true,
        (DataType::Float32 | DataType::Float64 | DataType::Decimal128(..), to) if rules == Rules::Trino => {
            to.is_integer()
        }
        (
            DataType::Timestamp(TimeUnit::Microsecond, _),
            DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Second, _),
        ) => true,
        (DataType::Timestamp(..), to) if rules == Rules::Spark => to.is_numeric(),
        (from, DataType::Timestamp(..)) if rules == Rules::Spark => from.is_integer(),
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    to: DataType,
    rules: Rules,
    missing: Missing,
    signature: Signature,
}

impl ScalarUDFImpl for Cast {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "$cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_rows(&args, |operands| match operands {
            [values] => self.evaluate(values),
            _ => internal_err!("a cast has one operand"),
        })
    }
}

impl Cast {
    fn evaluate(&self, values: &ArrayRef) -> Result<ArrayRef> {
        match values.data_type() {
            from if is_text(from) => {
                let texts = self.plainly(values, &DataType::Utf8)?;
                reads::read(texts.as_string(), &self.to, self.rules, self.missing)
            }
            DataType::Timestamp(unit, zone) if is_text(&self.to) => {
                let moments = self.plainly(values, &micros(zone.clone()))?;
                let digits = writes::Digits::of(*unit, self.rules);
                self.plainly(&writes::moments(moments.as_primitive(), zone.as_deref(), digits), &self.to)
            }
            DataType::Float32 if is_text(&self.to) => {
                self.plainly(&writes::reals(values.as_primitive(), self.rules), &self.to)
            }
            DataType::Float64 if is_text(&self.to) => {
                self.plainly(&writes::doubles(values.as_primitive(), self.rules), &self.to)
            }
            DataType::Float32 | DataType::Float64 => self.rounded(&self.plainly(values, &DataType::Float64)?),
            DataType::Decimal128(_, scale) => self.whole_decimals(values.as_primitive(), *scale),
            DataType::Timestamp(_, zone) => self.moments_cast(values, zone.clone()),
            _ => self.seconds_cast(values),
        }
    }

    /// As the engine casts.
    fn plainly(&self, values: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let options = CastOptions { safe: self.missing == Missing::Null, ..CastOptions::default() };
        Ok(cast_with_options(values, to, &options)?)
    }

    /// To whole numbers, from a half on away from zero.
    fn rounded(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let values = values.as_primitive::<Float64Type>();
        let rounded: PrimitiveArray<Float64Type> = values.unary(f64::round);
        let rounded: ArrayRef = Arc::new(rounded);
        self.plainly(&rounded, &self.to)
    }

    fn whole_decimals(&self, values: &PrimitiveArray<Decimal128Type>, scale: i8) -> Result<ArrayRef> {
        let rounded = values.iter().map(|value| {
            let rounded = decimal::rescaled(i256::from_i128(value?), i32::from(scale), 0)?;
            rounded.to_i128()
        });
        let rounded = PrimitiveArray::<Decimal128Type>::from_iter(rounded).with_precision_and_scale(38, 0)?;
        let rounded: ArrayRef = Arc::new(rounded);
        self.plainly(&rounded, &self.to)
    }

    /// To coarser moments, or to Spark's seconds.
    fn moments_cast(&self, values: &ArrayRef, zone: Option<Arc<str>>) -> Result<ArrayRef> {
        let moments = self.plainly(values, &micros(zone))?;
        let moments = moments.as_primitive::<TimestampMicrosecondType>();
        match &self.to {
            DataType::Timestamp(unit, _) => {
                let length = if *unit == TimeUnit::Second { SECOND } else { 1_000 };
                let rounded: PrimitiveArray<TimestampMicrosecondType> =
                    moments.unary(|moment| (moment + length / 2).div_euclid(length) * length);
                let rounded: ArrayRef = Arc::new(rounded.with_timezone_opt(moments.timezone()));
                self.plainly(&rounded, &self.to)
            }
            to if to.is_integer() => {
                let seconds: PrimitiveArray<Int64Type> = moments.unary(|moment| moment.div_euclid(SECOND));
                let seconds: ArrayRef = Arc::new(seconds);
                self.plainly(&seconds, to)
            }
            to => {
                let seconds: PrimitiveArray<Float64Type> = moments.unary(|moment| moment as f64 / SECOND as f64);
                let seconds: ArrayRef = Arc::new(seconds);
                self.plainly(&seconds, to)
            }
        }
    }

    /// Spark: a whole number counts seconds.
    fn seconds_cast(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let seconds = self.plainly(values, &DataType::Int64)?;
        let mut moments = Vec::with_capacity(seconds.len());
        for value in seconds.as_primitive::<Int64Type>() {
            let moment = value.map(|value| value.checked_mul(SECOND));
            match (moment, self.missing) {
                (Some(None), Missing::Error) => {
                    return exec_err!("a number of seconds is too large for {}", type_word(&self.to));
                }
                (moment, _) => moments.push(moment.flatten()),
            }
        }
        let moments: ArrayRef = Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from_iter(moments));
        self.plainly(&moments, &self.to)
    }
}

fn micros(zone: Option<Arc<str>>) -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, zone)
}
