//! Functions of bits, and of numbers in other bases.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType::{self, Int64, Utf8};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::{Result, exec_err, plan_err};

use crate::engine::dialect::Functions;
use crate::engine::functions::Kind::{Any, Text, Whole};
use crate::engine::functions::Returns::{Always, By};
use crate::engine::functions::{Function, Rows, type_word};

/// Registers the functions.
pub(super) fn register(all: &mut Functions) {
    let of_two: [(&'static str, Rows); 3] = [
        ("bitwise_and", |arguments, _| two(arguments, |left, right| Ok(left & right))),
        ("bitwise_or", |arguments, _| two(arguments, |left, right| Ok(left | right))),
        ("bitwise_xor", |arguments, _| two(arguments, |left, right| Ok(left ^ right))),
    ];
    for (name, rows) in of_two {
        all.scalar(&[name], &Function::new(name, &[Whole, Whole], Always(Int64), rows).build());
    }
    let shifts: [(&'static str, Rows); 3] = [
        ("bitwise_left_shift", |arguments, to| shifted(arguments, to, left)),
        ("bitwise_right_shift", |arguments, to| shifted(arguments, to, right)),
        ("bitwise_right_shift_arithmetic", |arguments, to| shifted(arguments, to, right_signed)),
    ];
    for (name, rows) in shifts {
        all.scalar(&[name], &Function::new(name, &[Any, Whole], By(whole), rows).build());
    }
    let not: Rows = |arguments, _| {
        let flipped: Int64Array = arguments[0].as_primitive::<Int64Type>().unary(|value| !value);
        Ok(Arc::new(flipped))
    };
    all.scalar(&["bitwise_not"], &Function::new("bitwise_not", &[Whole], Always(Int64), not).build());
    let count: Rows = |arguments, _| two(arguments, bit_count);
    all.scalar(&["bit_count"], &Function::new("bit_count", &[Whole, Whole], Always(Int64), count).build());
    all.scalar(&["from_base"], &Function::new("from_base", &[Text, Whole], Always(Int64), of_base).build());
    all.scalar(&["to_base"], &Function::new("to_base", &[Whole, Whole], Always(Utf8), to_base).build());
}

fn two(arguments: &[ArrayRef], result: impl Fn(i64, i64) -> Result<i64>) -> Result<ArrayRef> {
    let pairs = arguments[0].as_primitive::<Int64Type>().iter().zip(arguments[1].as_primitive::<Int64Type>());
    let mut values = Vec::with_capacity(arguments[0].len());
    for pair in pairs {
        values.push(match pair {
            (Some(left), Some(right)) => Some(result(left, right)?),
            _ => None,
        });
    }
    Ok(Arc::new(Int64Array::from(values)))
}

fn whole(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(DataType::Null) => Ok(Int64),
        Some(number) if number.is_signed_integer() => Ok(number.clone()),
        Some(other) => plan_err!("expected a whole number, not {}", type_word(other)),
        None => plan_err!("expected a whole number"),
    }
}

/// Bits beyond the type's width are lost: a shift by more than it leaves nothing.
fn shifted(arguments: &[ArrayRef], to: &DataType, shift: fn(i64, u32, u32) -> i64) -> Result<ArrayRef> {
    let width = match to {
        DataType::Int8 => 8,
        DataType::Int16 => 16,
        DataType::Int32 => 32,
        _ => 64,
    };
    let wide = [cast(&arguments[0], &Int64)?, Arc::clone(&arguments[1])];
    let values = two(&wide, |value, by| match u32::try_from(by) {
        Ok(by) => Ok(shift(value, by, width)),
        Err(_) if by < 0 => exec_err!("a shift is by 0 or more bits, not {by}"),
        Err(_) => Ok(shift(value, 64, width)),
    })?;
    Ok(cast(&values, to)?)
}

/// The lowest bits of a number, as the signed number of that width.
fn cut(value: i64, width: u32) -> i64 {
    let unused = 64 - width;
    (value << unused) >> unused
}

fn left(value: i64, by: u32, width: u32) -> i64 {
    if by >= width { 0 } else { cut(value << by, width) }
}

fn right(value: i64, by: u32, width: u32) -> i64 {
    if by >= width {
        return 0;
    }
    let bits = value.cast_unsigned() << (64 - width) >> (64 - width);
    cut((bits >> by).cast_signed(), width)
}

fn right_signed(value: i64, by: u32, _width: u32) -> i64 {
    value >> by.min(63)
}

fn bit_count(value: i64, bits: i64) -> Result<i64> {
    let Some(width) = u32::try_from(bits).ok().filter(|width| (2..=64).contains(width)) else {
        return exec_err!("bit_count takes 2 to 64 bits, not {bits}");
    };
    if cut(value, width) != value {
        return exec_err!("{value} has more than {bits} bits");
    }
    let kept = value.cast_unsigned() << (64 - width);
    Ok(i64::from(kept.count_ones()))
}

fn base(base: i64) -> Result<u32> {
    match u32::try_from(base) {
        Ok(base @ 2..=36) => Ok(base),
        _ => exec_err!("a base is from 2 to 36, not {base}"),
    }
}

fn of_base(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let pairs = arguments[0].as_string::<i32>().iter().zip(arguments[1].as_primitive::<Int64Type>());
    let mut values = Vec::with_capacity(arguments[0].len());
    for pair in pairs {
        let (Some(text), Some(radix)) = pair else {
            values.push(None);
            continue;
        };
        match i64::from_str_radix(text, base(radix)?) {
            Ok(value) => values.push(Some(value)),
            Err(_) => return exec_err!("the text '{text}' is no bigint in base {radix}"),
        }
    }
    Ok(Arc::new(Int64Array::from(values)))
}

fn to_base(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let pairs = arguments[0].as_primitive::<Int64Type>().iter().zip(arguments[1].as_primitive::<Int64Type>());
    let mut texts = Vec::with_capacity(arguments[0].len());
    for pair in pairs {
        let (Some(value), Some(radix)) = pair else {
            texts.push(None);
            continue;
        };
        let radix = base(radix)?;
        let (mut rest, mut digits) = (value.unsigned_abs(), Vec::new());
        loop {
            digits.push(u32::try_from(rest % u64::from(radix)).ok().and_then(|digit| char::from_digit(digit, radix)));
            rest /= u64::from(radix);
            if rest == 0 {
                break;
            }
        }
        let sign = if value < 0 { "-" } else { "" };
        texts.push(Some(format!("{sign}{}", digits.into_iter().rev().flatten().collect::<String>())));
    }
    Ok(Arc::new(StringArray::from(texts)))
}
