//! Arithmetic on whole numbers and decimals, as both dialects have it: exact, or an error. The engine's own wraps around
//! where a number is too large, and has other rules for the scale of decimals.

pub(super) mod decimal;

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use datafusion::arrow::error::ArrowError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use self::decimal::Rules;
use super::functions::{over_rows, type_word};
use super::meaning::Typed;

/// What becomes of a result that does not exist: too large a number, a division by zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Missing {
    /// The statement fails.
    Error,
    /// `try_add`, `TRY`: the value is null.
    Null,
}

/// `left operator right` for numbers of which neither is a float: none where this module has nothing to add to the engine's
/// own arithmetic.
pub(super) fn exact(
    left: &Typed,
    operator: Operator,
    right: &Typed,
    rules: Rules,
    missing: Missing,
) -> Option<Result<Expr>> {
    let both = [&left.data_type, &right.data_type];
    if !both.iter().all(|data_type| is_exact(data_type)) {
        return None;
    }
    let (left_type, right_type) = match both {
        [DataType::Null, other] | [other, DataType::Null] => (widened(other), widened(other)),
        _ if both.iter().any(|data_type| decimal::parts(data_type).is_some()) => {
            (decimal_of(left, rules), decimal_of(right, rules))
        }
        // Whole numbers of two widths meet when they are computed: those that fit become narrower until then.
        _ if both.iter().all(|data_type| data_type.is_signed_integer()) => {
            (left.data_type.clone(), right.data_type.clone())
        }
        _ => {
            let wider = wider(&widened(&left.data_type), &widened(&right.data_type));
            (wider.clone(), wider)
        }
    };
    let arguments = vec![left.clone().cast_to(&left_type), right.clone().cast_to(&right_type)];
    Some(Ok(call(Arithmetic::new(operator, rules, missing), arguments)))
}

/// `left operator right` for doubles, where a zero on the right is an error.
pub(super) fn checked_doubles(left: Typed, operator: Operator, right: Typed, rules: Rules, missing: Missing) -> Expr {
    let arguments = vec![left.cast_to(&DataType::Float64), right.cast_to(&DataType::Float64)];
    call(Arithmetic::new(operator, rules, missing), arguments)
}

/// The same call with nulls in the place of errors, if it is a call of this module.
pub(super) fn lenient(call: &ScalarFunction) -> Option<Expr> {
    let arithmetic = call.func.inner().as_any().downcast_ref::<Arithmetic>()?;
    let lenient = Arithmetic::new(arithmetic.operator, arithmetic.rules, Missing::Null);
    Some(self::call(lenient, call.args.clone()))
}

fn call(arithmetic: Arithmetic, arguments: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(ScalarUDF::new_from_impl(arithmetic)), arguments))
}

/// Whole numbers, decimals, and NULL.
fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_null() || decimal::parts(data_type).is_some()
}

/// Unsigned numbers come from foreign files only: as the signed number that holds them.
fn widened(data_type: &DataType) -> DataType {
    match data_type {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Null => DataType::Int32,
        other => other.clone(),
    }
}

fn wider(left: &DataType, right: &DataType) -> DataType {
    let rank = |data_type: &DataType| match data_type {
        DataType::Int8 => 0,
        DataType::Int16 => 1,
        DataType::Int32 => 2,
        _ => 3,
    };
    if rank(left) >= rank(right) { left.clone() } else { right.clone() }
}

/// The decimal that stands for a number beside a decimal.
fn decimal_of(number: &Typed, rules: Rules) -> DataType {
    if let (Rules::Spark, Expr::Literal(value, _)) = (rules, &number.expr)
        && let Some(digits) = literal_digits(value)
    {
        return DataType::Decimal128(digits, 0);
    }
    match widened(&number.data_type) {
        DataType::Int8 => DataType::Decimal128(3, 0),
        DataType::Int16 => DataType::Decimal128(5, 0),
        DataType::Int32 => DataType::Decimal128(10, 0),
        DataType::Int64 => DataType::Decimal128(if rules == Rules::Spark { 20 } else { 19 }, 0),
        other => other,
    }
}

fn literal_digits(value: &ScalarValue) -> Option<u8> {
    let number = match value {
        ScalarValue::Int32(Some(number)) => i64::from(*number),
        ScalarValue::Int64(Some(number)) => *number,
        _ => return None,
    };
    let digits = number.unsigned_abs().checked_ilog10().map_or(1, |digits| digits + 1);
    u8::try_from(digits).ok()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Arithmetic {
    operator: Operator,
    rules: Rules,
    missing: Missing,
    signature: Signature,
}

impl Arithmetic {
    fn new(operator: Operator, rules: Rules, missing: Missing) -> Self {
        Self { operator, rules, missing, signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        match self.operator {
            Operator::Plus => "$add",
            Operator::Minus => "$subtract",
            Operator::Multiply => "$multiply",
            Operator::Divide => "$divide",
            _ => "$remainder",
        }
    }

    /// The engine asks for names of every part of an expression, again and again: a long sum's whole text each time would
    /// take the cube of its length.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        if is_large(arguments)? {
            let mut hasher = DefaultHasher::new();
            arguments.hash(&mut hasher);
            return Ok(format!("{}#{:016x}", self.name(), hasher.finish()));
        }
        let names: Vec<String> = arguments.iter().map(|argument| argument.schema_name().to_string()).collect();
        Ok(format!("{}({})", self.name(), names.join(",")))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            // The optimizer puts NULL in the place of an aggregate, to learn what a subquery makes of no rows.
            [DataType::Null, other] | [other, DataType::Null] => self.return_type(&[other.clone(), other.clone()]),
            [left, right] => match (decimal::parts(left), decimal::parts(right)) {
                (Some(left), Some(right)) => decimal::result(self.operator, left, right, self.rules),
                _ if left == right => Ok(left.clone()),
                // Whole numbers are 64 bits wide while the plan is made, and those that fit become narrower afterwards.
                _ if left.is_integer() && right.is_integer() => Ok(wider(&widened(left), &widened(right))),
                _ => plan_err!("no arithmetic on {} and {}", type_word(left), type_word(right)),
            },
            _ => internal_err!("arithmetic has two operands"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        over_rows(&args, |operands| {
            let [left, right] = operands else { return internal_err!("arithmetic has two operands") };
            let to = args.return_field.data_type();
            let (left, right) = alike(Arc::clone(left), Arc::clone(right))?;
            if left.data_type().is_null() || right.data_type().is_null() {
                return Ok(new_null_array(to, left.len()));
            }
            self.evaluate(&left, &right, to)
        })
    }
}

/// Whole numbers of two widths as those of the wider one; everything else as it is.
fn alike(left: ArrayRef, right: ArrayRef) -> Result<(ArrayRef, ArrayRef)> {
    let (left_type, right_type) = (left.data_type(), right.data_type());
    if left_type == right_type || !left_type.is_integer() || !right_type.is_integer() {
        return Ok((left, right));
    }
    let wider = wider(&widened(left_type), &widened(right_type));
    Ok((cast(&left, &wider)?, cast(&right, &wider)?))
}

/// Whether expressions have more parts than a name should show.
fn is_large(arguments: &[Expr]) -> Result<bool> {
    const PARTS_AT_MOST: usize = 24;
    let mut parts = 0;
    for argument in arguments {
        argument.apply(|_| {
            parts += 1;
            Ok(if parts > PARTS_AT_MOST { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
    }
    Ok(parts > PARTS_AT_MOST)
}

impl Arithmetic {
    fn evaluate(&self, left: &ArrayRef, right: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        match (left.data_type(), self.missing) {
            (DataType::Decimal128(..), _) => {
                decimal::evaluate(self.operator, left.as_primitive(), right.as_primitive(), to, self.missing)
            }
            (DataType::Float64, _) => self.doubles(left.as_primitive(), right.as_primitive()),
            (_, Missing::Error) => self.whole(left, right),
            (DataType::Int8, Missing::Null) => Ok(self.lenient_whole::<Int8Type>(left, right)),
            (DataType::Int16, Missing::Null) => Ok(self.lenient_whole::<Int16Type>(left, right)),
            (DataType::Int32, Missing::Null) => Ok(self.lenient_whole::<Int32Type>(left, right)),
            (_, Missing::Null) => Ok(self.lenient_whole::<Int64Type>(left, right)),
        }
    }

    fn whole(&self, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
        let result = match self.operator {
            Operator::Plus => numeric::add(left, right),
            Operator::Minus => numeric::sub(left, right),
            Operator::Multiply => numeric::mul(left, right),
            Operator::Divide => numeric::div(left, right),
            _ => numeric::rem(left, right),
        };
        match result {
            Ok(values) => Ok(values),
            Err(ArrowError::DivideByZero) => zero(),
            Err(ArrowError::ArithmeticOverflow(what)) => {
                exec_err!("a number is too large for {}: {what}", type_word(left.data_type()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn lenient_whole<T: ArrowPrimitiveType>(&self, left: &ArrayRef, right: &ArrayRef) -> ArrayRef
    where
        T::Native: TryFrom<i128> + Into<i128>,
    {
        let pairs = left.as_primitive::<T>().iter().zip(right.as_primitive::<T>());
        // No two 64-bit numbers overflow 128 bits in one operation.
        let values = pairs.map(|(left, right)| {
            let (left, right): (i128, i128) = (left?.into(), right?.into());
            let value = match self.operator {
                Operator::Plus => left + right,
                Operator::Minus => left - right,
                Operator::Multiply => left * right,
                Operator::Divide => left.checked_div(right)?,
                _ => left.checked_rem(right)?,
            };
            T::Native::try_from(value).ok()
        });
        Arc::new(values.collect::<PrimitiveArray<T>>())
    }

    fn doubles(&self, left: &PrimitiveArray<Float64Type>, right: &PrimitiveArray<Float64Type>) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(left.len());
        for (left, right) in left.iter().zip(right) {
            values.push(match (left, right) {
                (Some(_), Some(0.0)) if self.missing == Missing::Error => return zero(),
                (Some(_), Some(0.0)) => None,
                (Some(left), Some(right)) => {
                    Some(if self.operator == Operator::Divide { left / right } else { left % right })
                }
                _ => None,
            });
        }
        Ok(Arc::new(PrimitiveArray::<Float64Type>::from_iter(values)))
    }
}

/// The message of a division by zero.
pub(super) fn zero<T>() -> Result<T> {
    exec_err!("division by zero: use NULLIF on the divisor")
}
