//! NaN and infinities in JSON, which has no numbers for them: the texts `NaN`, `Infinity` and `-Infinity`, by which Spark and Trino
//! print them and SQL reads them back. As null, which arrow's writer makes of them, they would be values that are not there.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, Float32Array, Float64Array};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder};
use arrow_schema::{ArrowError, DataType, FieldRef};

/// Writes floating point numbers, wherever they are in a row.
#[derive(Debug)]
pub(crate) struct Floats;

impl EncoderFactory for Floats {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float32 => Box::new(Singles(array.as_primitive::<Float32Type>())),
            DataType::Float64 => Box::new(Doubles(array.as_primitive::<Float64Type>())),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Singles<'a>(&'a Float32Array);

impl Encoder for Singles<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = self.0.value(row);
        match name(value.into()) {
            Some(name) => out.extend_from_slice(name),
            // The shortest digits that are this value in 32 bits; writing to memory does not fail.
            None => drop(serde_json::to_writer(out, &value)),
        }
    }
}

struct Doubles<'a>(&'a Float64Array);

impl Encoder for Doubles<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = self.0.value(row);
        match name(value) {
            Some(name) => out.extend_from_slice(name),
            None => drop(serde_json::to_writer(out, &value)),
        }
    }
}

/// As JSON; none for what is a number.
fn name(value: f64) -> Option<&'static [u8]> {
    match value {
        _ if value.is_nan() => Some(b"\"NaN\""),
        f64::INFINITY => Some(b"\"Infinity\""),
        f64::NEG_INFINITY => Some(b"\"-Infinity\""),
        _ => None,
    }
}
