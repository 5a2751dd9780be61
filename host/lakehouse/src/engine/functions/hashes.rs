//! Spark's `hash` (Murmur3, 32 bits) and `xxhash64`, which go through all values with one seed: the hash of a value is the seed of the
//! next, and nulls are passed over. A value is hashed by its type: an `int` and a `bigint` of one number differ.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err, plan_err};

use super::type_word;

/// Of both functions.
const SEED: i32 = 42;

/// `hash(value, …)`.
pub(in crate::engine) fn murmur(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(Int32Array::from(all(arguments, SEED, &Murmur)?)))
}

/// `xxhash64(value, …)`.
pub(in crate::engine) fn xx(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    Ok(Arc::new(Int64Array::from(all(arguments, i64::from(SEED), &Xx)?)))
}

/// Refuses types that have no hash.
pub(in crate::engine) fn hashed(types: &[DataType], to: DataType) -> Result<DataType> {
    match types.iter().find(|data_type| !has_hash(data_type)) {
        Some(without) => plan_err!("{} has no hash", type_word(without)),
        None => Ok(to),
    }
}

fn has_hash(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) | DataType::Interval(_) | DataType::Duration(_) | DataType::Union(..) => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            has_hash(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| has_hash(field.data_type())),
        _ => true,
    }
}

trait Hash {
    type Value: Copy;
    fn int(&self, value: i32, seed: Self::Value) -> Self::Value;
    fn long(&self, value: i64, seed: Self::Value) -> Self::Value;
    fn bytes(&self, value: &[u8], seed: Self::Value) -> Self::Value;
}

struct Murmur;

impl Murmur {
    fn mixed(hash: u32, part: u32) -> u32 {
        let part = part.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593);
        (hash ^ part).rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64)
    }

    fn finished(hash: u32, length: u32) -> i32 {
        let hash = hash ^ length;
        let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
        let hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
        (hash ^ (hash >> 16)).cast_signed()
    }
}

impl Hash for Murmur {
    type Value = i32;

    fn int(&self, value: i32, seed: i32) -> i32 {
        Self::finished(Self::mixed(seed.cast_unsigned(), value.cast_unsigned()), 4)
    }

    fn long(&self, value: i64, seed: i32) -> i32 {
        let value = value.cast_unsigned();
        let low = Self::mixed(seed.cast_unsigned(), (value & 0xFFFF_FFFF) as u32);
        Self::finished(Self::mixed(low, (value >> 32) as u32), 8)
    }

    /// The bytes behind the last four are mixed in one by one, signed, which is Spark's own way.
    fn bytes(&self, value: &[u8], seed: i32) -> i32 {
        let (words, rest) = value.as_chunks::<4>();
        let hash = words.iter().fold(seed.cast_unsigned(), |hash, word| Self::mixed(hash, u32::from_le_bytes(*word)));
        let hash =
            rest.iter().fold(hash, |hash, byte| Self::mixed(hash, i32::from(byte.cast_signed()).cast_unsigned()));
        Self::finished(hash, u32::try_from(value.len()).unwrap_or(u32::MAX))
    }
}

/// Of bytes, with a seed.
pub(in crate::engine) fn murmur_bytes(value: &[u8], seed: i32) -> i32 {
    Murmur.bytes(value, seed)
}

struct Xx;

impl Hash for Xx {
    type Value = i64;

    fn int(&self, value: i32, seed: i64) -> i64 {
        self.bytes(&value.to_le_bytes(), seed)
    }

    fn long(&self, value: i64, seed: i64) -> i64 {
        self.bytes(&value.to_le_bytes(), seed)
    }

    fn bytes(&self, value: &[u8], seed: i64) -> i64 {
        twox_hash::XxHash64::oneshot(seed.cast_unsigned(), value).cast_signed()
    }
}

fn all<H: Hash>(arguments: &[ArrayRef], seed: H::Value, hash: &H) -> Result<Vec<H::Value>> {
    let mut hashes = vec![seed; arguments.first().map_or(1, |array| array.len())];
    for argument in arguments {
        column(argument, &mut hashes, hash)?;
    }
    Ok(hashes)
}

/// Mixes each row of a column into its hash.
fn column<H: Hash>(array: &ArrayRef, hashes: &mut [H::Value], hash: &H) -> Result<()> {
    macro_rules! each {
        ($values:expr, |$value:ident, $seed:ident| $result:expr) => {
            for ($seed, value) in hashes.iter_mut().zip($values.iter()) {
                if let Some($value) = value {
                    *$seed = $result;
                }
            }
        };
    }
    match array.data_type() {
        DataType::Null => {}
        DataType::Boolean => each!(array.as_boolean(), |value, seed| hash.int(i32::from(value), *seed)),
        DataType::Int8 => each!(array.as_primitive::<Int8Type>(), |value, seed| hash.int(i32::from(value), *seed)),
        DataType::Int16 => each!(array.as_primitive::<Int16Type>(), |value, seed| hash.int(i32::from(value), *seed)),
        DataType::Int32 => each!(array.as_primitive::<Int32Type>(), |value, seed| hash.int(value, *seed)),
        DataType::Date32 => each!(array.as_primitive::<Date32Type>(), |value, seed| hash.int(value, *seed)),
        DataType::Int64 => each!(array.as_primitive::<Int64Type>(), |value, seed| hash.long(value, *seed)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            each!(array.as_primitive::<TimestampMicrosecondType>(), |value, seed| hash.long(value, *seed));
        }
        // All that is not a number is one, and so are both zeros.
        DataType::Float32 => each!(array.as_primitive::<Float32Type>(), |value, seed| {
            let value = if value.is_nan() { f32::NAN } else { value + 0.0 };
            hash.int(value.to_bits().cast_signed(), *seed)
        }),
        DataType::Float64 => each!(array.as_primitive::<Float64Type>(), |value, seed| {
            let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
            hash.long(value.to_bits().cast_signed(), *seed)
        }),
        DataType::Decimal128(precision, _) => {
            let is_long = *precision <= 18;
            each!(array.as_primitive::<Decimal128Type>(), |value, seed| match i64::try_from(value) {
                Ok(long) if is_long => hash.long(long, *seed),
                _ => hash.bytes(&shortest(value), *seed),
            });
        }
        DataType::Utf8 => each!(array.as_string::<i32>(), |value, seed| hash.bytes(value.as_bytes(), *seed)),
        DataType::Binary => each!(array.as_binary::<i32>(), |value, seed| hash.bytes(value, *seed)),
        DataType::List(_) => {
            let lists = array.as_list::<i32>();
            for (row, seed) in hashes.iter_mut().enumerate() {
                if lists.is_valid(row) {
                    let items = lists.value(row);
                    for item in 0..items.len() {
                        column(&items.slice(item, 1), std::slice::from_mut(seed), hash)?;
                    }
                }
            }
        }
        DataType::Struct(_) => {
            let parts = array.as_struct();
            for (row, seed) in hashes.iter_mut().enumerate() {
                if parts.is_valid(row) {
                    for part in parts.columns() {
                        column(&part.slice(row, 1), std::slice::from_mut(seed), hash)?;
                    }
                }
            }
        }
        other => match plain(other) {
            Some(plain) => column(&cast(array, &plain)?, hashes, hash)?,
            None => return exec_err!("{} has no hash", type_word(other)),
        },
    }
    Ok(())
}

/// The type that values of another layout are hashed in.
fn plain(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => DataType::List(Arc::clone(item)),
        DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        _ => return None,
    })
}

/// A number's two's complement, big end first, in as few bytes as it has: Java's `BigInteger.toByteArray`.
fn shortest(value: i128) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let fill = if value < 0 { 0xFF } else { 0 };
    let mut start = 0;
    while start < 15 && bytes[start] == fill && (bytes[start + 1] ^ fill) & 0x80 == 0 {
        start += 1;
    }
    bytes[start..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_decimals_are_hashed_in_their_shortest_bytes() {
        for (value, expected) in
            [(0, vec![0]), (127, vec![127]), (128, vec![0, 128]), (-1, vec![255]), (-129, vec![255, 127])]
        {
            assert_eq!(shortest(value), expected, "{value}");
        }
    }
}
