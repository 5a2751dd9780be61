//! Precision and scale of decimal arithmetic in Spark and in Trino, and the arithmetic itself, rounded half up.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, PrimitiveArray};
use datafusion::arrow::compute::kernels::arity::try_binary;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use datafusion::logical_expr::Operator;

use super::{Missing, zero};

/// Digits that a decimal has at most, in both dialects and in Iceberg.
const DIGITS: i32 = 38;

/// Digits behind the point that Spark keeps when a result is cut to 38.
const KEPT_BY_SPARK: i32 = 6;

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::engine) enum Rules {
    Spark,
    Trino,
}

/// Precision and scale of a decimal type.
pub(in crate::engine) fn parts(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

/// The type of `left operator right`.
pub(super) fn result(operator: Operator, left: (u8, i8), right: (u8, i8), rules: Rules) -> Result<DataType> {
    let (p1, s1) = (i32::from(left.0), i32::from(left.1));
    let (p2, s2) = (i32::from(right.0), i32::from(right.1));
    let (precision, scale) = match (operator, rules) {
        (Operator::Plus | Operator::Minus, _) => {
            let scale = s1.max(s2);
            ((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        (Operator::Multiply, Rules::Spark) => (p1 + p2 + 1, s1 + s2),
        (Operator::Multiply, Rules::Trino) => (p1 + p2, s1 + s2),
        (Operator::Divide, Rules::Spark) => {
            let scale = (s1 + p2 + 1).max(KEPT_BY_SPARK);
            (p1 - s1 + s2 + scale, scale)
        }
        (Operator::Divide, Rules::Trino) => (p1 + s2 + (s2 - s1).max(0), s1.max(s2)),
        (_, _) => {
            let scale = s1.max(s2);
            ((p1 - s1).min(p2 - s2) + scale, scale)
        }
    };
    let (precision, scale) = match rules {
        Rules::Spark if precision > DIGITS => {
            let whole = precision - scale;
            (DIGITS, (DIGITS - whole).max(scale.min(KEPT_BY_SPARK)))
        }
        Rules::Trino if scale > DIGITS => {
            return plan_err!("the result would have {scale} digits behind the point: at most {DIGITS} are possible");
        }
        _ => (precision.min(DIGITS), scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) => Ok(DataType::Decimal128(precision, scale)),
        _ => internal_err!("decimal({precision},{scale})"),
    }
}

/// `left operator right`, row by row.
pub(super) fn evaluate(
    operator: Operator,
    left: &PrimitiveArray<Decimal128Type>,
    right: &PrimitiveArray<Decimal128Type>,
    to: &DataType,
    missing: Missing,
) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *to else { return internal_err!("decimals make decimals") };
    let sum = Sum::new(operator, left.scale(), right.scale(), scale);
    // 10^38 is less than 2^127.
    let most = 10_u128.pow(u32::from(precision));
    let of = |left: i128, right: i128| {
        let wide = || sum.of(i256::from_i128(left), i256::from_i128(right)).and_then(i256::to_i128);
        sum.narrow(left, right).or_else(wide).filter(|value| value.unsigned_abs() < most)
    };
    let divides = matches!(operator, Operator::Divide | Operator::Modulo);
    let values: PrimitiveArray<Decimal128Type> = match missing {
        Missing::Null => {
            left.iter().zip(right).map(|(left, right)| of(left?, right?)).collect::<PrimitiveArray<Decimal128Type>>()
        }
        Missing::Error => {
            let found = try_binary(left, right, |left, right| match of(left, right) {
                Some(value) => Ok(value),
                None if divides && right == 0 => Err(ArrowError::DivideByZero),
                None => Err(ArrowError::ArithmeticOverflow(String::new())),
            });
            match found {
                Ok(values) => values,
                Err(ArrowError::DivideByZero) => return zero(),
                Err(ArrowError::ArithmeticOverflow(_)) => {
                    return exec_err!("a number is too large for decimal({precision},{scale})");
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

/// One operation on unscaled numbers.
struct Sum {
    operator: Operator,
    left: i8,
    right: i8,
    to: i8,
    /// What makes each operand's scale the wider of the two; none where it is no 128-bit number.
    factors: Option<(i128, i128)>,
}

impl Sum {
    fn new(operator: Operator, left: i8, right: i8, to: i8) -> Self {
        let common = left.max(right);
        let factor = |scale: i8| 10_i128.checked_pow(u32::try_from(common.checked_sub(scale)?).ok()?);
        let factors = factor(left).zip(factor(right));
        Self { operator, left, right, to, factors }
    }

    /// The most frequent operations, where all of it fits in 128 bits: several times as fast as 256. None: it does not.
    fn narrow(&self, left: i128, right: i128) -> Option<i128> {
        match self.operator {
            Operator::Multiply if self.left.checked_add(self.right)? == self.to => product(left, right),
            Operator::Plus | Operator::Minus if self.left.max(self.right) == self.to => {
                let (by_left, by_right) = self.factors?;
                let (left, right) = (product(left, by_left)?, product(right, by_right)?);
                if self.operator == Operator::Plus { left.checked_add(right) } else { left.checked_sub(right) }
            }
            _ => None,
        }
    }

    /// None: too large, or a division by zero.
    fn of(&self, left: i256, right: i256) -> Option<i256> {
        let (s1, s2, to) = (i32::from(self.left), i32::from(self.right), i32::from(self.to));
        let common = s1.max(s2);
        match self.operator {
            Operator::Plus => {
                rescaled(scaled(left, common - s1)?.checked_add(scaled(right, common - s2)?)?, common, to)
            }
            Operator::Minus => {
                rescaled(scaled(left, common - s1)?.checked_sub(scaled(right, common - s2)?)?, common, to)
            }
            Operator::Multiply => rescaled(left.checked_mul(right)?, s1 + s2, to),
            Operator::Divide => {
                let shift = to + s2 - s1;
                let (left, right) =
                    if shift >= 0 { (scaled(left, shift)?, right) } else { (left, scaled(right, -shift)?) };
                quotient(left, right)
            }
            _ => rescaled(scaled(left, common - s1)?.checked_rem(scaled(right, common - s2)?)?, common, to),
        }
    }
}

/// Most numbers have 64 bits, and the product of such is one instruction.
fn product(left: i128, right: i128) -> Option<i128> {
    match (i64::try_from(left), i64::try_from(right)) {
        (Ok(left), Ok(right)) => Some(i128::from(left) * i128::from(right)),
        _ => left.checked_mul(right),
    }
}

/// 10 to some power.
pub(in crate::engine) fn power(digits: u32) -> i256 {
    i256::from_i128(10).wrapping_pow(digits)
}

fn scaled(value: i256, digits: i32) -> Option<i256> {
    value.checked_mul(power(u32::try_from(digits).ok()?))
}

/// From one scale to another.
pub(in crate::engine) fn rescaled(value: i256, from: i32, to: i32) -> Option<i256> {
    if to >= from { scaled(value, to - from) } else { quotient(value, power(u32::try_from(from - to).ok()?)) }
}

/// The quotient, rounded away from zero from a half on.
pub(in crate::engine) fn quotient(value: i256, by: i256) -> Option<i256> {
    let quotient = value.checked_div(by)?;
    let rest = value.checked_rem(by)?;
    if rest.wrapping_abs().checked_mul(i256::from_i128(2))? < by.wrapping_abs() {
        return Some(quotient);
    }
    let away = if value.is_negative() == by.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    quotient.checked_add(away)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_precision_and_scale_of_each_dialect() {
        let cases = [
            // 3 * 1.0 / 4 in Trino: bigint * decimal(2,1), then by a bigint.
            (Operator::Multiply, (19, 0), (2, 1), Rules::Trino, (21, 1)),
            (Operator::Divide, (21, 1), (19, 0), Rules::Trino, (21, 1)),
            (Operator::Divide, (10, 2), (10, 2), Rules::Trino, (12, 2)),
            (Operator::Divide, (10, 2), (10, 2), Rules::Spark, (23, 13)),
            (Operator::Divide, (38, 10), (38, 10), Rules::Spark, (38, 6)),
            (Operator::Multiply, (38, 10), (38, 10), Rules::Spark, (38, 6)),
            (Operator::Plus, (10, 2), (12, 4), Rules::Spark, (13, 4)),
            (Operator::Modulo, (10, 2), (5, 1), Rules::Trino, (6, 2)),
        ];
        for (operator, left, right, rules, (precision, scale)) in cases {
            let found = result(operator, left, right, rules).unwrap();
            assert_eq!(found, DataType::Decimal128(precision, scale), "{left:?} {operator} {right:?} {rules:?}");
        }
    }

    #[test]
    fn quotients_are_rounded_half_away_from_zero() {
        let divide = Sum::new(Operator::Divide, 1, 0, 1);
        let by =
            |left: i128, right: i128| divide.of(i256::from_i128(left), i256::from_i128(right)).and_then(i256::to_i128);
        assert_eq!(by(30, 4), Some(8));
        assert_eq!(by(-30, 4), Some(-8));
        assert_eq!(by(10, 4), Some(3));
        assert_eq!(by(10, 0), None);
    }

    #[test]
    fn narrow_and_wide_arithmetic_agree() {
        let numbers =
            [0, 1, -1, 7, -995, i128::from(i64::MAX), i128::from(i64::MIN), 10_i128.pow(37), -(10_i128.pow(37))];
        let mut narrow = 0;
        for (operator, scales) in [
            (Operator::Plus, (2, 5, 5)),
            (Operator::Minus, (5, 2, 5)),
            (Operator::Plus, (5, 5, 4)),
            (Operator::Multiply, (2, 3, 5)),
            (Operator::Multiply, (2, 3, 4)),
        ] {
            let sum = Sum::new(operator, scales.0, scales.1, scales.2);
            for (left, right) in numbers.iter().flat_map(|left| numbers.map(|right| (*left, right))) {
                let Some(value) = sum.narrow(left, right) else { continue };
                narrow += 1;
                let wide = sum.of(i256::from_i128(left), i256::from_i128(right));
                assert_eq!(wide, Some(i256::from_i128(value)), "{left} {operator} {right} {scales:?}");
            }
        }
        assert!(narrow > 100, "{narrow}");
    }
}
