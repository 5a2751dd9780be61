//! HyperLogLog and theta sketches: how many different values there are, about. They are Apache DataSketches', as Spark's are; either
//! reads the other's, and their estimates have the same bounds.

use std::hash::Hash;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datasketches::hash::value::{canonical_float, raw_bytes};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::theta::{
    CompactThetaSketch, ThetaANotB, ThetaIntersection, ThetaSketch, ThetaSketchBuilder, ThetaUnionBuilder,
};

use super::{Call, Fold};
use crate::engine::functions::bytes::bytes_at;
use crate::engine::functions::type_word;

/// Of both kinds, where the statement does not say: 4096 places.
const LG_K: i64 = 12;
/// Of all theta sketches that are not told otherwise, in every language.
const THETA_SEED: u64 = 9001;

/// `(value[, lg of how many places])`.
pub(in crate::engine) fn hll_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    hashed(given, false)
}

pub(in crate::engine) fn theta_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    hashed(given, true)
}

fn hashed(given: &[DataType], takes_doubles: bool) -> Result<(Vec<DataType>, DataType)> {
    let value = match given.first() {
        Some(DataType::Null | DataType::Int32 | DataType::Int64) => DataType::Int64,
        Some(DataType::Float32 | DataType::Float64) if takes_doubles => DataType::Float64,
        Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => DataType::Utf8,
        Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => DataType::Binary,
        Some(other) => return plan_err!("a sketch takes whole numbers, text or binary, not {}", type_word(other)),
        None => return plan_err!("a sketch takes a value"),
    };
    Ok((with_size(value, given), DataType::Binary))
}

fn with_size(value: DataType, given: &[DataType]) -> Vec<DataType> {
    let mut types = vec![value];
    types.resize(given.len(), DataType::Int64);
    types
}

/// `(sketch[, lg of how many places])`.
pub(in crate::engine) fn theta_merge_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    sketch_given(given)?;
    Ok((with_size(DataType::Binary, given), DataType::Binary))
}

/// `(sketch[, whether they may have different numbers of places])`.
pub(in crate::engine) fn hll_merge_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    sketch_given(given)?;
    let mut types = vec![DataType::Binary];
    types.resize(given.len(), DataType::Boolean);
    Ok((types, DataType::Binary))
}

pub(super) fn sketch_given(given: &[DataType]) -> Result<()> {
    match given.first() {
        Some(DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null) => Ok(()),
        Some(other) => plan_err!("expected a sketch: binary, not {}", type_word(other)),
        None => plan_err!("expected a sketch"),
    }
}

fn places(call: &Call, from: i64, to: i64) -> Result<u8> {
    let given = call.whole(1, "the size of a sketch")?.unwrap_or(LG_K);
    match u8::try_from(given).ok().filter(|_| (from..=to).contains(&given)) {
        Some(given) => Ok(given),
        None => exec_err!("the size of a sketch is a number from {from} to {to}, not {given}"),
    }
}

fn made<T>(sketch: std::result::Result<T, datasketches::error::Error>) -> Result<T> {
    sketch.or_else(|error| exec_err!("the sketch cannot be used: {error}"))
}

/// A sketch that takes values one by one.
trait Takes {
    fn add(&mut self, value: impl Hash);
}

impl Takes for HllSketch {
    fn add(&mut self, value: impl Hash) {
        self.update(value);
    }
}

impl Takes for ThetaSketch {
    fn add(&mut self, value: impl Hash) {
        self.update(value);
    }
}

/// Gives each value to a sketch. Empty text is no value to a sketch.
fn feed(values: &ArrayRef, sketch: &mut impl Takes) {
    match values.data_type() {
        DataType::Int64 => {
            values.as_primitive::<Int64Type>().iter().flatten().for_each(|value| sketch.add(value));
        }
        DataType::Float64 => {
            let doubles = values.as_primitive::<Float64Type>().iter().flatten();
            doubles.for_each(|value| sketch.add(canonical_float::from_f64(value)));
        }
        _ => (0..values.len())
            .filter_map(|row| bytes_at(values, row))
            .filter(|value| !value.is_empty())
            .for_each(|value| sketch.add(raw_bytes::from_slice(value))),
    }
}

#[derive(Debug)]
struct Hll {
    sketch: HllSketch,
    /// Of sketches, and whether they may differ in size; none: of values.
    merges: Option<bool>,
    started: bool,
}

pub(in crate::engine) fn hll(call: &Call) -> Result<Box<dyn Fold>> {
    let sketch = made(HllSketch::new(places(call, 4, 21)?, HllType::Hll8))?;
    Ok(Box::new(Hll { sketch, merges: None, started: true }))
}

pub(in crate::engine) fn hll_merge(call: &Call) -> Result<Box<dyn Fold>> {
    let may_differ = call.constant(1, "whether sketches may differ in size")?;
    let may_differ = matches!(may_differ, Some(ScalarValue::Boolean(Some(true))));
    let sketch = made(HllSketch::new(12, HllType::Hll8))?;
    Ok(Box::new(Hll { sketch, merges: Some(may_differ), started: false }))
}

fn hll_union(left: &HllSketch, right: &HllSketch, may_differ: bool) -> Result<HllSketch> {
    let (left_size, right_size) = (left.lg_config_k(), right.lg_config_k());
    if left_size != right_size && !may_differ {
        return exec_err!("the sketches have different sizes, {left_size} and {right_size}: say `true` to allow it");
    }
    let mut union = made(HllUnion::new(left_size.min(right_size)))?;
    union.update(left);
    union.update(right);
    Ok(union.to_sketch(HllType::Hll8))
}

impl Hll {
    fn take(&mut self, bytes: &[u8], may_differ: bool) -> Result<()> {
        let other = made(HllSketch::deserialize(bytes))?;
        self.sketch = if self.started { hll_union(&self.sketch, &other, may_differ)? } else { other };
        self.started = true;
        Ok(())
    }
}

impl Fold for Hll {
    fn update(&mut self, values: &[ArrayRef]) -> Result<()> {
        if let Some(may_differ) = self.merges {
            return values[0].as_binary::<i32>().iter().flatten().try_for_each(|bytes| self.take(bytes, may_differ));
        }
        feed(&values[0], &mut self.sketch);
        Ok(())
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        if state.is_empty() { Ok(()) } else { self.take(state, self.merges.unwrap_or(false)) }
    }

    fn state(&self) -> Result<Vec<u8>> {
        Ok(if self.started { self.sketch.serialize() } else { Vec::new() })
    }

    fn value(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(Some(self.sketch.serialize())))
    }

    fn size(&self) -> usize {
        self.sketch.estimated_size()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sets {
    Union,
    Intersection,
}

#[derive(Debug)]
struct Theta {
    lg_k: u8,
    values: ThetaSketch,
    /// What was merged in so far; none: nothing.
    merged: Option<CompactThetaSketch>,
    sets: Sets,
    /// Of sketches, not of values.
    merges: bool,
}

fn theta_start(call: &Call, sets: Sets, merges: bool) -> Result<Box<dyn Fold>> {
    let lg_k = places(call, 4, 26)?;
    let values = made(ThetaSketchBuilder::default().lg_k(lg_k).build())?;
    Ok(Box::new(Theta { lg_k, values, merged: None, sets, merges }))
}

pub(in crate::engine) fn theta(call: &Call) -> Result<Box<dyn Fold>> {
    theta_start(call, Sets::Union, false)
}

pub(in crate::engine) fn theta_union_of_all(call: &Call) -> Result<Box<dyn Fold>> {
    theta_start(call, Sets::Union, true)
}

pub(in crate::engine) fn theta_intersection_of_all(call: &Call) -> Result<Box<dyn Fold>> {
    theta_start(call, Sets::Intersection, true)
}

fn theta_union(left: &CompactThetaSketch, right: &CompactThetaSketch, lg_k: u8) -> Result<CompactThetaSketch> {
    let mut union = made(ThetaUnionBuilder::default().lg_k(lg_k).build())?;
    made(union.update(left))?;
    made(union.update(right))?;
    Ok(union.to_sketch(true))
}

fn theta_intersection(left: &CompactThetaSketch, right: &CompactThetaSketch) -> Result<CompactThetaSketch> {
    let mut intersection = made(ThetaIntersection::with_seed(THETA_SEED))?;
    made(intersection.update(left))?;
    made(intersection.update(right))?;
    intersection.to_sketch(true).map_or_else(|| exec_err!("the sketches have no intersection"), Ok)
}

impl Theta {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let other = made(CompactThetaSketch::deserialize(bytes))?;
        self.merged = Some(match (&self.merged, self.sets) {
            (None, Sets::Intersection) => other,
            (None, Sets::Union) => theta_union(&other, &other, self.lg_k)?,
            (Some(merged), Sets::Union) => theta_union(merged, &other, self.lg_k)?,
            (Some(merged), Sets::Intersection) => theta_intersection(merged, &other)?,
        });
        Ok(())
    }

    fn sketch(&self) -> Result<CompactThetaSketch> {
        let values = self.values.compact(true);
        match &self.merged {
            Some(merged) if self.merges => Ok(merged.clone()),
            Some(merged) => theta_union(merged, &values, self.lg_k),
            None => Ok(values),
        }
    }
}

impl Fold for Theta {
    fn update(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.merges {
            return values[0].as_binary::<i32>().iter().flatten().try_for_each(|bytes| self.take(bytes));
        }
        feed(&values[0], &mut self.values);
        Ok(())
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        if state.is_empty() { Ok(()) } else { self.take(state) }
    }

    fn state(&self) -> Result<Vec<u8>> {
        if self.merges && self.merged.is_none() {
            return Ok(Vec::new());
        }
        Ok(self.sketch()?.serialize())
    }

    fn value(&self) -> Result<ScalarValue> {
        if self.sets == Sets::Intersection && self.merged.is_none() {
            return exec_err!("there is no intersection of no sketches");
        }
        Ok(ScalarValue::Binary(Some(self.sketch()?.serialize())))
    }

    fn size(&self) -> usize {
        self.values.estimated_size() + self.merged.as_ref().map_or(0, CompactThetaSketch::estimated_size)
    }
}

fn estimates(argument: &ArrayRef, estimate: impl Fn(&[u8]) -> Result<f64>) -> Result<ArrayRef> {
    let argument = cast(argument, &DataType::Binary)?;
    let mut out = Vec::with_capacity(argument.len());
    for bytes in argument.as_binary::<i32>() {
        out.push(bytes.map(&estimate).transpose()?.map(|estimate| (estimate + 0.5).floor() as i64));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

/// `hll_sketch_estimate(sketch)`.
pub(in crate::engine) fn hll_estimate(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    estimates(&arguments[0], |bytes| Ok(made(HllSketch::deserialize(bytes))?.estimate()))
}

/// `theta_sketch_estimate(sketch)`.
pub(in crate::engine) fn theta_estimate(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    estimates(&arguments[0], |bytes| Ok(made(CompactThetaSketch::deserialize(bytes))?.estimate()))
}

fn pairs(arguments: &[ArrayRef], merge: impl Fn(&[u8], &[u8], usize) -> Result<Vec<u8>>) -> Result<ArrayRef> {
    let mut out = BinaryBuilder::new();
    for row in 0..arguments[0].len() {
        match (bytes_at(&arguments[0], row), bytes_at(&arguments[1], row)) {
            (Some(left), Some(right)) => out.append_value(merge(left, right, row)?),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// `hll_union(sketch, sketch[, whether they may differ in size])`.
pub(in crate::engine) fn hll_pair(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let may_differ = match arguments.get(2) {
        Some(flags) => Some(cast(flags, &DataType::Boolean)?),
        None => None,
    };
    pairs(arguments, |left, right, row| {
        let may_differ = may_differ.as_ref().map(AsArray::as_boolean);
        let may_differ = may_differ.is_some_and(|flags| flags.is_valid(row) && flags.value(row));
        let (left, right) = (made(HllSketch::deserialize(left))?, made(HllSketch::deserialize(right))?);
        Ok(hll_union(&left, &right, may_differ)?.serialize())
    })
}

fn both(left: &[u8], right: &[u8]) -> Result<(CompactThetaSketch, CompactThetaSketch)> {
    Ok((made(CompactThetaSketch::deserialize(left))?, made(CompactThetaSketch::deserialize(right))?))
}

/// `theta_union(sketch, sketch[, lg of how many places])`.
pub(in crate::engine) fn theta_pair_union(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let sizes = arguments.get(2).map(|sizes| sizes.as_primitive::<Int64Type>());
    pairs(arguments, |left, right, row| {
        let size = sizes.filter(|sizes| sizes.is_valid(row)).map_or(LG_K, |sizes| sizes.value(row));
        let Ok(size) = u8::try_from(size) else { return exec_err!("the size of a sketch is a number from 4 to 26") };
        let (left, right) = both(left, right)?;
        Ok(theta_union(&left, &right, size)?.serialize())
    })
}

/// `theta_intersection(sketch, sketch)`.
pub(in crate::engine) fn theta_pair_intersection(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    pairs(arguments, |left, right, _| {
        let (left, right) = both(left, right)?;
        Ok(theta_intersection(&left, &right)?.serialize())
    })
}

/// `theta_difference(sketch, sketch)`: what is in the first alone.
pub(in crate::engine) fn theta_pair_difference(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let difference = made(ThetaANotB::with_seed(THETA_SEED))?;
    pairs(arguments, |left, right, _| {
        let (left, right) = both(left, right)?;
        Ok(made(difference.compute(&left, &right, true))?.serialize())
    })
}
