//! KLL sketches: quantiles and ranks of many numbers, about; exact while there are fewer numbers than the sketch has places. They are
//! Apache DataSketches', as Spark's are, one kind for each type of number.

use std::fmt::Debug;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, Float32Array, Float64Array, Int64Array, ListArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datasketches::common::SearchCriteria::Inclusive;
use datasketches::kll::{KllFloat, KllSketch, KllValue};

use super::percentiles::item;
use super::sketches::sketch_given;
use super::{Call, Fold};
use crate::engine::functions::bytes::bytes_at;
use crate::engine::functions::type_word;

/// Places that a sketch has where the statement does not say.
const K: i64 = 200;

/// A type of number that there are sketches of.
pub(in crate::engine) trait Number: KllValue + Ord + Debug + Send + Sync + 'static {
    const TYPE: DataType;
    /// As items of a sketch; what is no number is passed over.
    fn read(values: &ArrayRef) -> Result<Vec<Option<Self>>>;
    fn array(values: Vec<Option<Self>>) -> ArrayRef;
}

impl Number for i64 {
    const TYPE: DataType = DataType::Int64;

    fn read(values: &ArrayRef) -> Result<Vec<Option<Self>>> {
        Ok(cast(values, &Self::TYPE)?.as_primitive::<Int64Type>().iter().collect())
    }

    fn array(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(Int64Array::from(values))
    }
}

impl Number for KllFloat<f32> {
    const TYPE: DataType = DataType::Float32;

    fn read(values: &ArrayRef) -> Result<Vec<Option<Self>>> {
        let values = cast(values, &Self::TYPE)?;
        Ok(values.as_primitive::<Float32Type>().iter().map(|value| Self::new(value?).ok()).collect())
    }

    fn array(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(values.into_iter().map(|value| value.map(Self::into_inner)).collect::<Float32Array>())
    }
}

impl Number for KllFloat<f64> {
    const TYPE: DataType = DataType::Float64;

    fn read(values: &ArrayRef) -> Result<Vec<Option<Self>>> {
        let values = cast(values, &Self::TYPE)?;
        Ok(values.as_primitive::<Float64Type>().iter().map(|value| Self::new(value?).ok()).collect())
    }

    fn array(values: Vec<Option<Self>>) -> ArrayRef {
        Arc::new(values.into_iter().map(|value| value.map(Self::into_inner)).collect::<Float64Array>())
    }
}

fn made<T>(sketch: std::result::Result<T, datasketches::error::Error>) -> Result<T> {
    sketch.or_else(|error| exec_err!("the sketch cannot be used: {error}"))
}

/// `(number[, places])`.
pub(in crate::engine) fn value_types<T: Number>(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let fits = match (given.first(), T::TYPE) {
        (Some(DataType::Null), _) => true,
        (Some(value), DataType::Int64) => value.is_integer(),
        (Some(value), DataType::Float32) => *value == DataType::Float32,
        (Some(value), _) => value.is_floating(),
        (None, _) => false,
    };
    if !fits {
        let given = given.first().map_or_else(|| "nothing".to_owned(), type_word);
        return plan_err!("this sketch is of {}s, not of {given}: cast it", type_word(&T::TYPE));
    }
    Ok((with_places(T::TYPE, given), DataType::Binary))
}

/// `(sketch[, places])`.
pub(in crate::engine) fn merge_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    sketch_given(given)?;
    Ok((with_places(DataType::Binary, given), DataType::Binary))
}

fn with_places(value: DataType, given: &[DataType]) -> Vec<DataType> {
    let mut types = vec![value];
    types.resize(given.len(), DataType::Int64);
    types
}

#[derive(Debug)]
struct Kll<T> {
    sketch: KllSketch<T>,
    /// Of sketches, not of numbers.
    merges: bool,
}

fn start<T: Number>(call: &Call, merges: bool) -> Result<Box<dyn Fold>> {
    let given = call.whole(1, "the size of a sketch")?.unwrap_or(K);
    let Some(k) = u16::try_from(given).ok().filter(|k| *k >= 8) else {
        return exec_err!("the size of a sketch is a number from 8 to 65535, not {given}");
    };
    Ok(Box::new(Kll::<T> { sketch: made(KllSketch::new(k))?, merges }))
}

pub(in crate::engine) fn of_values<T: Number>(call: &Call) -> Result<Box<dyn Fold>> {
    start::<T>(call, false)
}

pub(in crate::engine) fn of_sketches<T: Number>(call: &Call) -> Result<Box<dyn Fold>> {
    start::<T>(call, true)
}

impl<T: Number> Fold for Kll<T> {
    fn update(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.merges {
            return values[0].as_binary::<i32>().iter().flatten().try_for_each(|bytes| self.merge(bytes));
        }
        T::read(&values[0])?.into_iter().flatten().for_each(|value| self.sketch.update(value));
        Ok(())
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let other = made(KllSketch::deserialize(state))?;
        made(self.sketch.merge(&other))
    }

    fn state(&self) -> Result<Vec<u8>> {
        Ok(self.sketch.serialize())
    }

    fn value(&self) -> Result<ScalarValue> {
        Ok(ScalarValue::Binary(Some(self.sketch.serialize())))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sketch.num_retained() * size_of::<T>()
    }
}

/// `kll_sketch_get_n_…(sketch)`: how many numbers there were.
pub(in crate::engine) fn count<T: Number>(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(arguments[0].len());
    for row in 0..arguments[0].len() {
        let sketch = bytes_at(&arguments[0], row).map(|bytes| made(KllSketch::<T>::deserialize(bytes))).transpose()?;
        out.push(sketch.and_then(|sketch| i64::try_from(sketch.n()).ok()));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

/// `kll_sketch_merge_…(sketch, sketch)`.
pub(in crate::engine) fn merged<T: Number>(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let mut out = BinaryBuilder::new();
    for row in 0..arguments[0].len() {
        let (Some(left), Some(right)) = (bytes_at(&arguments[0], row), bytes_at(&arguments[1], row)) else {
            out.append_null();
            continue;
        };
        let mut left = made(KllSketch::<T>::deserialize(left))?;
        made(left.merge(&made(KllSketch::deserialize(right))?))?;
        out.append_value(left.serialize());
    }
    Ok(Arc::new(out.finish()))
}

fn is_list(data_type: &DataType) -> bool {
    matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
}

fn one_or_list(asked: Option<&DataType>, one: DataType) -> DataType {
    if asked.is_some_and(is_list) { DataType::new_list(one, true) } else { one }
}

/// The type of `kll_sketch_get_quantile_…(sketch, rank or list of ranks)`.
pub(in crate::engine) fn quantile_type<T: Number>(given: &[DataType]) -> Result<DataType> {
    Ok(one_or_list(given.get(1), T::TYPE))
}

/// The type of `kll_sketch_get_rank_…(sketch, number or list of numbers)`.
pub(in crate::engine) fn rank_type(given: &[DataType]) -> Result<DataType> {
    Ok(one_or_list(given.get(1), DataType::Float64))
}

pub(in crate::engine) fn quantiles<T: Number>(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    asked::<T, T>(arguments, T::array, |sketch, ranks| {
        let ranks = cast(ranks, &DataType::Float64)?;
        let ranks = ranks.as_primitive::<Float64Type>();
        ranks
            .iter()
            .map(|rank| match rank {
                Some(rank) if !(0.0..=1.0).contains(&rank) => exec_err!("a rank is a number from 0 to 1, not {rank}"),
                Some(_) if sketch.is_empty() => exec_err!("an empty sketch has no quantiles"),
                Some(rank) => made(sketch.quantile(rank, Inclusive)),
                None => Ok(None),
            })
            .collect()
    })
}

pub(in crate::engine) fn ranks<T: Number>(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let array = |values: Vec<Option<f64>>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    asked::<T, f64>(arguments, array, |sketch, numbers| {
        let numbers = T::read(numbers)?;
        numbers
            .into_iter()
            .map(|number| match number {
                Some(_) if sketch.is_empty() => exec_err!("an empty sketch has no ranks"),
                Some(number) => Ok(sketch.rank(&number, Inclusive)),
                None => Ok(None),
            })
            .collect()
    })
}

/// Asks each sketch about one thing, or about a list of them.
fn asked<T: Number, V>(
    arguments: &[ArrayRef],
    array: impl Fn(Vec<Option<V>>) -> ArrayRef,
    answers: impl Fn(&KllSketch<T>, &ArrayRef) -> Result<Vec<Option<V>>>,
) -> Result<ArrayRef> {
    let [sketches, questions] = arguments else { return exec_err!("expected a sketch and what is asked of it") };
    let lists = match questions.data_type() {
        list if is_list(list) => {
            let (DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)) = list else {
                return exec_err!("expected a list");
            };
            Some(cast(questions, &DataType::List(Arc::clone(item)))?)
        }
        _ => None,
    };
    let (mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..sketches.len() {
        let question = match &lists {
            Some(lists) => lists.as_list::<i32>().is_valid(row).then(|| lists.as_list::<i32>().value(row)),
            None => Some(questions.slice(row, 1)),
        };
        let (Some(bytes), Some(question)) = (bytes_at(sketches, row), question) else {
            if lists.is_none() {
                values.push(None);
            }
            lengths.push(0);
            valid.push(false);
            continue;
        };
        let sketch = made(KllSketch::<T>::deserialize(bytes))?;
        let found = answers(&sketch, &question)?;
        lengths.push(found.len());
        valid.push(true);
        values.extend(found);
    }
    let values = array(values);
    if lists.is_none() {
        return Ok(values);
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    let list = ListArray::try_new(item(values.data_type().clone()), offsets, values, Some(NullBuffer::from(valid)))?;
    Ok(Arc::new(list))
}
