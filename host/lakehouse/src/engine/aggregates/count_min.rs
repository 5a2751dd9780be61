//! `count_min_sketch`, as Spark writes it: version 1, big end first.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::{Call, Fold};
use crate::engine::functions::hashes::murmur_bytes;
use crate::engine::functions::type_word;

const PRIME: i64 = (1 << 31) - 1;
/// The table of a sketch has no more counts than this.
const COUNTS_AT_MOST: usize = 1 << 24;

/// `(value, error, confidence, seed)`.
pub(in crate::engine) fn types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let value = match given.first() {
        Some(whole) if whole.is_integer() => DataType::Int64,
        Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => DataType::Utf8,
        Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => DataType::Binary,
        Some(other) => {
            return plan_err!("count_min_sketch takes whole numbers, text or binary, not {}", type_word(other));
        }
        None => return plan_err!("expected a value"),
    };
    Ok((vec![value, DataType::Float64, DataType::Float64, DataType::Int64], DataType::Binary))
}

#[derive(Debug)]
struct CountMin {
    total: i64,
    width: usize,
    factors: Vec<i64>,
    /// By row of the table.
    counts: Vec<i64>,
}

pub(in crate::engine) fn start(call: &Call) -> Result<Box<dyn Fold>> {
    let double = |index: usize, what: &str| -> Result<f64> {
        match call.constant(index, what)? {
            Some(ScalarValue::Float64(Some(value))) => Ok(*value),
            _ => exec_err!("count_min_sketch takes {what} as a number"),
        }
    };
    let (error, confidence) = (double(1, "the error")?, double(2, "the confidence")?);
    let Some(seed) = call.whole(3, "the seed")? else { return exec_err!("count_min_sketch takes a seed") };
    if !(error > 0.0 && confidence > 0.0 && confidence < 1.0) {
        return exec_err!("the error of a sketch is above 0, and its confidence between 0 and 1");
    }
    let width = (2.0 / error).ceil() as usize;
    let depth = (-(-confidence).ln_1p() / 2.0_f64.ln()).ceil() as usize;
    if width.saturating_mul(depth) > COUNTS_AT_MOST {
        return exec_err!("a sketch of {depth} times {width} counts is too large");
    }
    // Spark's seed is 32 bits wide.
    let mut random = JavaRandom::new(i64::from(seed as i32));
    let factors = (0..depth).map(|_| random.below(i32::MAX)).collect();
    Ok(Box::new(CountMin { total: 0, width, factors, counts: vec![0; depth * width] }))
}

impl CountMin {
    fn add_long(&mut self, value: i64) -> Option<()> {
        for (row, factor) in self.factors.iter().enumerate() {
            let hash = factor.wrapping_mul(value);
            let hash = hash.wrapping_add(hash >> 32) & PRIME;
            *self.counts.get_mut(row * self.width + usize::try_from(hash).ok()? % self.width)? += 1;
        }
        self.total += 1;
        Some(())
    }

    fn add_bytes(&mut self, value: &[u8]) -> Option<()> {
        let first = murmur_bytes(value, 0);
        let second = murmur_bytes(value, first);
        let width = i32::try_from(self.width).ok()?;
        for row in 0..self.factors.len() {
            let mixed = first.wrapping_add(i32::try_from(row).ok()?.wrapping_mul(second));
            let place = usize::try_from((mixed % width).unsigned_abs()).ok()?;
            *self.counts.get_mut(row * self.width + place)? += 1;
        }
        self.total += 1;
        Some(())
    }
}

impl Fold for CountMin {
    fn update(&mut self, values: &[ArrayRef]) -> Result<()> {
        let added: Option<()> = match values[0].data_type() {
            DataType::Int64 => {
                values[0].as_primitive::<Int64Type>().iter().flatten().try_for_each(|value| self.add_long(value))
            }
            _ => {
                let bytes = cast(&values[0], &DataType::Binary)?;
                bytes.as_binary::<i32>().iter().flatten().try_for_each(|value| self.add_bytes(value))
            }
        };
        added.map_or_else(|| exec_err!("a value has no place in the sketch"), Ok)
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let (numbers, _) = state.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| i64::from_be_bytes(*number));
        self.total += numbers.next().unwrap_or(0);
        self.counts.iter_mut().zip(numbers).for_each(|(count, other)| *count += other);
        Ok(())
    }

    fn state(&self) -> Result<Vec<u8>> {
        Ok([self.total].iter().chain(&self.counts).flat_map(|number| number.to_be_bytes()).collect())
    }

    fn value(&self) -> Result<ScalarValue> {
        let size = |size: usize| i32::try_from(size).unwrap_or(i32::MAX).to_be_bytes();
        let mut out = 1_i32.to_be_bytes().to_vec();
        out.extend(self.total.to_be_bytes());
        out.extend(size(self.factors.len()));
        out.extend(size(self.width));
        out.extend(self.factors.iter().chain(&self.counts).flat_map(|number| number.to_be_bytes()));
        Ok(ScalarValue::Binary(Some(out)))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.counts.capacity() * 8
    }
}

/// `java.util.Random`, which the factors of a sketch are drawn from.
struct JavaRandom(i64);

impl JavaRandom {
    const MULTIPLIER: i64 = 0x5_DEEC_E66D;
    const MASK: i64 = (1 << 48) - 1;

    fn new(seed: i64) -> Self {
        Self((seed ^ Self::MULTIPLIER) & Self::MASK)
    }

    fn bits(&mut self) -> i64 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xB) & Self::MASK;
        self.0 >> 17
    }

    /// From 0 to a bound that is no power of two.
    fn below(&mut self, bound: i32) -> i64 {
        let bound = i64::from(bound);
        loop {
            let bits = self.bits();
            let value = bits % bound;
            // Java looks for an overflow of 32 bits.
            if bits - value + (bound - 1) <= i64::from(i32::MAX) {
                return value;
            }
        }
    }
}
