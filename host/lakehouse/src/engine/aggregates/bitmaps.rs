//! `bitmap_construct_agg`, `bitmap_or_agg` and `bitmap_and_agg`: bitmaps of 4096 bytes, the first bit of a byte its lowest.

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::{Call, Fold};
use crate::engine::functions::type_word;

const BYTES: usize = 4096;

/// Positions in.
pub(in crate::engine) fn position_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [position] if position.is_integer() || position.is_null() => Ok((vec![DataType::Int64], DataType::Binary)),
        _ => plan_err!("expected a position: a whole number"),
    }
}

/// Bitmaps in.
pub(in crate::engine) fn bitmap_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match given {
        [DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null] => {
            Ok((vec![DataType::Binary], DataType::Binary))
        }
        [other, ..] => plan_err!("expected a bitmap: binary, not {}", type_word(other)),
        [] => plan_err!("expected a bitmap"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Positions,
    Or,
    And,
}

#[derive(Debug)]
struct Bitmap {
    kind: Kind,
    bits: Vec<u8>,
}

pub(in crate::engine) fn construct(_call: &Call) -> Result<Box<dyn Fold>> {
    Ok(Box::new(Bitmap { kind: Kind::Positions, bits: vec![0; BYTES] }))
}

pub(in crate::engine) fn or(_call: &Call) -> Result<Box<dyn Fold>> {
    Ok(Box::new(Bitmap { kind: Kind::Or, bits: vec![0; BYTES] }))
}

/// Of nothing: all bits.
pub(in crate::engine) fn and(_call: &Call) -> Result<Box<dyn Fold>> {
    Ok(Box::new(Bitmap { kind: Kind::And, bits: vec![0xFF; BYTES] }))
}

impl Bitmap {
    /// A shorter bitmap has zeros behind its end.
    fn mix(&mut self, other: &[u8]) {
        for (index, bits) in self.bits.iter_mut().enumerate() {
            let other = other.get(index).copied().unwrap_or(0);
            if self.kind == Kind::And { *bits &= other } else { *bits |= other }
        }
    }
}

impl Fold for Bitmap {
    fn update(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.kind != Kind::Positions {
            values[0].as_binary::<i32>().iter().flatten().for_each(|bitmap| self.mix(bitmap));
            return Ok(());
        }
        for position in values[0].as_primitive::<Int64Type>().iter().flatten() {
            let byte = usize::try_from(position / 8).ok().filter(|_| position >= 0);
            match byte.and_then(|byte| self.bits.get_mut(byte)) {
                Some(bits) => *bits |= 1 << (position % 8),
                None => return exec_err!("a bitmap has the positions 0 to {}, not {position}", BYTES * 8 - 1),
            }
        }
        Ok(())
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        self.mix(state);
        Ok(())
    }

    fn state(&self) -> Result<Vec<u8>> {
        Ok(self.bits.clone())
    }

    fn value(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(Some(self.bits.clone())))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bits.capacity()
    }
}
