//! `approx_top_k` and its parts. All values are counted here, which is within what it promises.
//!
//! Values of one count come in the order of the table that Spark's sketch (DataSketches' of frequent items) keeps: so the order is
//! Spark's too, as long as its table has not thrown any away.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StructArray, UInt32Array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, concat, take};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Field, Fields, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::Call;
use super::percentiles::item;
use crate::engine::functions::type_word;

/// The field of a state: no table keeps what has such a name in it.
const STATE: &str = "$top_k";
const K: i64 = 5;
const ITEMS: i64 = 10_000;
const ITEMS_AT_MOST: i64 = 1_000_000;

fn counted(value: &DataType) -> Fields {
    Fields::from(vec![Field::new("item", value.clone(), true), Field::new("count", DataType::Int64, true)])
}

fn counts_type(value: &DataType) -> DataType {
    DataType::new_list(DataType::Struct(counted(value)), true)
}

fn state_type(value: &DataType) -> DataType {
    DataType::Struct(Fields::from(vec![Field::new(STATE, counts_type(value), true)]))
}

fn value_type(given: &[DataType]) -> Result<DataType> {
    match given.first() {
        Some(
            value @ (DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Utf8
            | DataType::Date32
            | DataType::Timestamp(..)),
        ) => Ok(value.clone()),
        Some(other) => plan_err!("approx_top_k does not take {}", type_word(other)),
        None => plan_err!("expected a value"),
    }
}

fn with_numbers(value: DataType, given: &[DataType]) -> Vec<DataType> {
    let mut types = vec![value];
    types.resize(given.len(), DataType::Int64);
    types
}

/// `(value[, how many[, items tracked]])`.
pub(in crate::engine) fn types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let value = value_type(given)?;
    Ok((with_numbers(value.clone(), given), counts_type(&value)))
}

/// `(value[, items tracked])`, to a state.
pub(in crate::engine) fn accumulate_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let value = value_type(given)?;
    Ok((with_numbers(value.clone(), given), state_type(&value)))
}

/// `(state[, items tracked])`.
pub(in crate::engine) fn combine_types(given: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let Some(state) = given.first() else { return plan_err!("expected a state of approx_top_k_accumulate") };
    item_of_state(state)?;
    Ok((with_numbers(state.clone(), given), state.clone()))
}

fn item_of_state(state: &DataType) -> Result<DataType> {
    if let DataType::Struct(fields) = state
        && let [field] = fields.as_ref()
        && field.name() == STATE
        && let DataType::List(list) = field.data_type()
        && let DataType::Struct(parts) = list.data_type()
        && let Some(part) = parts.first()
    {
        return Ok(part.data_type().clone());
    }
    plan_err!("expected a state of approx_top_k_accumulate, not {}", type_word(state))
}

/// The type of `approx_top_k_estimate(state[, how many])`.
pub(in crate::engine) fn estimate_type(given: &[DataType]) -> Result<DataType> {
    match given.first() {
        Some(state) => Ok(counts_type(&item_of_state(state)?)),
        None => plan_err!("expected a state of approx_top_k_accumulate"),
    }
}

fn tracked(call: &Call, index: usize) -> Result<i64> {
    let items = call.whole(index, "how many items are tracked")?.unwrap_or(ITEMS);
    if !(1..=ITEMS_AT_MOST).contains(&items) {
        return exec_err!("approx_top_k tracks 1 to {ITEMS_AT_MOST} items, not {items}");
    }
    Ok(items)
}

/// `approx_top_k`.
pub(in crate::engine) fn top(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    let (k, items) = (call.whole(1, "how many items")?.unwrap_or(K), tracked(call, 2)?);
    if !(1..=items).contains(&k) {
        return exec_err!("approx_top_k gives 1 to {items} items, as many as are tracked, not {k}");
    }
    let counts = count(&columns[0], None)?;
    Ok(ScalarValue::List(Arc::new(one_list(&largest(&counts, k)?)?)))
}

/// `approx_top_k_accumulate`.
pub(in crate::engine) fn accumulated(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    tracked(call, 1)?;
    state(&count(&columns[0], None)?)
}

/// `approx_top_k_combine`.
pub(in crate::engine) fn combined(columns: &[ArrayRef], call: &Call) -> Result<ScalarValue> {
    tracked(call, 1)?;
    let lists = columns[0].as_struct().column(0).as_list::<i32>().clone();
    let parts: Vec<ArrayRef> = lists.iter().flatten().collect();
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    let all = match parts.as_slice() {
        [] => lists.values().slice(0, 0),
        parts => concat(parts)?,
    };
    let all = all.as_struct();
    state(&count(all.column(0), Some(all.column(1)))?)
}

/// `approx_top_k_estimate`.
pub(in crate::engine) fn estimated(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let states = arguments[0].as_struct();
    let lists = states.column(0).as_list::<i32>();
    let wanted = match arguments.get(1) {
        Some(wanted) => Some(cast(wanted, &DataType::Int64)?),
        None => None,
    };
    let (mut parts, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..states.len() {
        let k = match &wanted {
            Some(wanted) => wanted.as_primitive::<Int64Type>().value(row),
            None => K,
        };
        if k < 1 {
            return exec_err!("approx_top_k_estimate gives 1 item or more, not {k}");
        }
        let is_valid = states.is_valid(row) && lists.is_valid(row);
        valid.push(is_valid);
        if is_valid {
            let found = largest(lists.value(row).as_struct(), k)?;
            lengths.push(found.len());
            parts.push(found);
        } else {
            lengths.push(0);
        }
    }
    let parts: Vec<&dyn Array> = parts.iter().map(|part| part as &dyn Array).collect();
    let values = if parts.is_empty() { lists.values().slice(0, 0) } else { concat(&parts)? };
    let DataType::List(item) = to else { return exec_err!("expected a list") };
    let list = ListArray::try_new(
        Arc::clone(item),
        OffsetBuffer::from_lengths(lengths),
        values,
        Some(NullBuffer::from(valid)),
    )?;
    Ok(Arc::new(list))
}

fn one_list(counts: &StructArray) -> Result<ListArray> {
    let offsets = OffsetBuffer::from_lengths([counts.len()]);
    Ok(ListArray::try_new(item(counts.data_type().clone()), offsets, Arc::new(counts.clone()), None)?)
}

fn state(counts: &StructArray) -> Result<ScalarValue> {
    let list: ArrayRef = Arc::new(one_list(counts)?);
    let fields = Fields::from(vec![Field::new(STATE, list.data_type().clone(), true)]);
    Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(fields, vec![list], None)?)))
}

/// Those with the largest counts; of equal ones, those that come first.
fn largest(counts: &StructArray, k: i64) -> Result<StructArray> {
    let numbers = counts.column(1).as_primitive::<Int64Type>();
    let mut order: Vec<u32> = (0..counts.len()).filter_map(|row| u32::try_from(row).ok()).collect();
    order.sort_by_key(|row| std::cmp::Reverse(numbers.value(*row as usize)));
    order.truncate(usize::try_from(k).unwrap_or(usize::MAX));
    Ok(take(counts, &UInt32Array::from(order), None)?.as_struct().clone())
}

/// Each value with its count, in the order of the sketch's table.
fn count(values: &ArrayRef, weights: Option<&ArrayRef>) -> Result<StructArray> {
    let weights = weights.map(|weights| weights.as_primitive::<Int64Type>());
    let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
    let rows = converter.convert_columns(std::slice::from_ref(values))?;
    let mut seen: HashMap<_, usize> = HashMap::new();
    let (mut firsts, mut counts): (Vec<usize>, Vec<i64>) = (Vec::new(), Vec::new());
    for row in (0..values.len()).filter(|row| values.is_valid(*row)) {
        let weight = weights.map_or(1, |weights| weights.value(row));
        let index = *seen.entry(rows.row(row).owned()).or_insert_with(|| {
            firsts.push(row);
            counts.push(0);
            firsts.len() - 1
        });
        counts[index] += weight;
    }
    let mut table = Table::new();
    for (index, first) in firsts.iter().enumerate() {
        table.insert(index, java_hash(values, *first));
    }
    let order = table.order();
    let taken: UInt32Array = order.iter().map(|index| u32::try_from(firsts[*index]).ok()).collect();
    let counts: Int64Array = order.iter().map(|index| Some(counts[*index])).collect();
    let items = take(values, &taken, None)?;
    Ok(StructArray::try_new(counted(values.data_type()), vec![items, Arc::new(counts)], None)?)
}

/// An open table of a power of two places, three quarters full at most.
struct Table {
    places: Vec<Option<(usize, i32)>>,
    used: usize,
}

impl Table {
    fn new() -> Self {
        Self { places: vec![None; 8], used: 0 }
    }

    fn insert(&mut self, index: usize, hash: i32) {
        self.put(index, hash);
        self.used += 1;
        if self.used * 4 > self.places.len() * 3 {
            let larger = vec![None; self.places.len() * 2];
            for (index, hash) in std::mem::replace(&mut self.places, larger).into_iter().flatten() {
                self.put(index, hash);
            }
        }
    }

    fn put(&mut self, index: usize, hash: i32) {
        let mask = self.places.len() - 1;
        let mut place = (mixed(hash) & mask as u64) as usize;
        while self.places[place].is_some() {
            place = (place + 1) & mask;
        }
        self.places[place] = Some((index, hash));
    }

    /// Every place once, in steps of the golden ratio.
    fn order(&self) -> Vec<usize> {
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        let (length, mask) = (self.places.len(), self.places.len() - 1);
        let step = (length as f64 * GOLDEN) as usize | 1;
        (0..length).filter_map(|at| self.places[(at * step) & mask].map(|(index, _)| index)).collect()
    }
}

fn mixed(hash: i32) -> u64 {
    let mut key = i64::from(hash).cast_unsigned();
    key ^= key >> 33;
    key = key.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    key ^= key >> 33;
    key = key.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    key ^ (key >> 33)
}

/// Java's hash of a value.
fn java_hash(values: &ArrayRef, row: usize) -> i32 {
    let long = |value: i64| (value ^ (value.cast_unsigned() >> 32).cast_signed()) as i32;
    match values.data_type() {
        DataType::Boolean => {
            if values.as_boolean().value(row) {
                1231
            } else {
                1237
            }
        }
        DataType::Int32 => values.as_primitive::<Int32Type>().value(row),
        DataType::Date32 => values.as_primitive::<Date32Type>().value(row),
        DataType::Int64 => long(values.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(..) => {
            values.as_primitive_opt::<TimestampMicrosecondType>().map_or(0, |moments| long(moments.value(row)))
        }
        DataType::Float32 => values.as_primitive::<Float32Type>().value(row).to_bits().cast_signed(),
        DataType::Float64 => long(values.as_primitive::<Float64Type>().value(row).to_bits().cast_signed()),
        DataType::Utf8 => values
            .as_string::<i32>()
            .value(row)
            .encode_utf16()
            .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit))),
        _ => cast(&values.slice(row, 1), &DataType::Int32)
            .map_or(0, |whole| whole.as_primitive_opt::<Int32Type>().map_or(0, |whole| whole.value(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_count_come_as_in_spark_s_table() {
        let mut table = Table::new();
        for value in 0..5 {
            table.insert(value, i32::try_from(value).unwrap());
        }
        assert_eq!(table.order(), vec![0, 4, 2, 1, 3]);
    }
}
