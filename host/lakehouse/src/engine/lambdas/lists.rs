//! Lambdas over the elements of lists. Elements of lists that are null are never given to a body: it might fail on them.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Int32Array, ListArray, UInt32Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, exec_err};

use super::function::Ready;
use crate::engine::functions::lists::{bounds, narrow};

/// The elements of many lists in a row.
struct Elements {
    /// Where each element is in the lists' values.
    places: UInt32Array,
    /// Of which row it is.
    rows: UInt32Array,
    /// Which of its list's it is, from 0.
    counts: Int32Array,
    /// How many each row has.
    lengths: Vec<usize>,
}

fn elements(lists: &ListArray) -> Elements {
    let (mut places, mut rows, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    let mut lengths = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        let (start, length) = bounds(lists, row);
        lengths.push(length);
        for index in 0..length {
            places.push(narrow(start + index));
            rows.push(narrow(row));
            counts.push(i32::try_from(index).unwrap_or(i32::MAX));
        }
    }
    Elements { places: places.into(), rows: rows.into(), counts: counts.into(), lengths }
}

fn list(values: ArrayRef, lengths: Vec<usize>, of: &ListArray) -> Result<ArrayRef> {
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, of.nulls().cloned())?))
}

fn parameters(lists: &ListArray, elements: &Elements, count: usize) -> Result<Vec<ArrayRef>> {
    let mut parameters = vec![take(lists.values(), &elements.places, None)?];
    if count == 2 {
        parameters.push(Arc::new(elements.counts.clone()));
    }
    Ok(parameters)
}

pub(super) fn transformed(values: &[ArrayRef], body: &Ready, count: usize) -> Result<ArrayRef> {
    let lists = values[0].as_list::<i32>();
    let elements = elements(lists);
    let given = body.values(parameters(lists, &elements, count)?, &elements.rows)?;
    list(given, elements.lengths, lists)
}

pub(super) fn filtered(values: &[ArrayRef], body: &Ready, count: usize) -> Result<ArrayRef> {
    let lists = values[0].as_list::<i32>();
    let elements = elements(lists);
    let kept = body.truths(parameters(lists, &elements, count)?, &elements.rows)?;
    let (mut places, mut lengths) = (Vec::new(), vec![0; lists.len()]);
    for (index, keep) in kept.iter().enumerate() {
        if keep == Some(true) {
            places.push(elements.places.value(index));
            lengths[elements.rows.value(index) as usize] += 1;
        }
    }
    let DataType::List(item) = lists.data_type() else { return exec_err!("expected a list") };
    let kept = take(lists.values(), &UInt32Array::from(places), None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, kept, lists.nulls().cloned())?))
}

/// Whether one element decides: the first that is `deciding` makes the answer `then`; without one, a null makes it null.
pub(super) fn matched(values: &[ArrayRef], body: &Ready, deciding: bool, then: bool) -> Result<ArrayRef> {
    let lists = values[0].as_list::<i32>();
    let elements = elements(lists);
    let truths = body.truths(parameters(lists, &elements, 1)?, &elements.rows)?;
    let mut answers = BooleanBuilder::with_capacity(lists.len());
    let mut from = 0;
    for (row, length) in elements.lengths.iter().enumerate() {
        let mine = truths.slice(from, *length);
        from += length;
        let decided = mine.iter().any(|truth| truth == Some(deciding));
        answers.append_option(if lists.is_null(row) || (!decided && mine.null_count() > 0) {
            None
        } else if decided {
            Some(then)
        } else {
            Some(!then)
        });
    }
    Ok(Arc::new(answers.finish()))
}

/// One element of every list after the other; the lists that are at an end keep their state.
pub(super) fn reduced(values: &[ArrayRef], merge: &Ready, finish: Option<&Ready>) -> Result<ArrayRef> {
    let lists = values[0].as_list::<i32>();
    let mut states = Arc::clone(&values[1]);
    let data_type = states.data_type().clone();
    if merge.body.data_type != data_type && !merge.body.data_type.is_null() {
        return exec_err!(
            "the start of the reduction is {data_type} and its lambda gives {}: cast the start",
            merge.body.data_type
        );
    }
    let all: UInt32Array = (0..narrow(lists.len())).collect();
    let longest = (0..lists.len()).map(|row| bounds(lists, row).1).max().unwrap_or_default();
    for index in 0..longest {
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        for row in 0..lists.len() {
            let (start, length) = bounds(lists, row);
            if index < length {
                rows.push(narrow(row));
                places.push(narrow(start + index));
            }
        }
        let rows = UInt32Array::from(rows);
        let items = take(lists.values(), &UInt32Array::from(places), None)?;
        let merged = cast(&merge.values(vec![take(&states, &rows, None)?, items], &rows)?, &data_type)?;
        if rows.len() == lists.len() {
            states = merged;
            continue;
        }
        let (mut from, mut active) = (vec![None; lists.len()], vec![false; lists.len()]);
        for (index, row) in rows.values().iter().enumerate() {
            from[*row as usize] = Some(narrow(index));
            active[*row as usize] = true;
        }
        let spread = take(&merged, &UInt32Array::from(from), None)?;
        states = zip(&BooleanArray::from(active), &spread, &states)?;
    }
    let finished = match finish {
        Some(finish) => finish.values(vec![states], &all)?,
        None => states,
    };
    // Of a list that is null there is no result.
    let known: UInt32Array = all.iter().enumerate().map(|(row, place)| place.filter(|_| lists.is_valid(row))).collect();
    Ok(take(&finished, &known, None)?)
}

/// The shorter list is filled up with nulls.
pub(super) fn zipped(values: &[ArrayRef], body: &Ready) -> Result<ArrayRef> {
    let (left, right) = (values[0].as_list::<i32>(), values[1].as_list::<i32>());
    let (mut lefts, mut rights, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lengths, mut known) = (Vec::new(), Vec::new());
    for row in 0..left.len() {
        let valid = left.is_valid(row) && right.is_valid(row);
        known.push(valid);
        let ((left_start, left_length), (right_start, right_length)) = (bounds(left, row), bounds(right, row));
        let length = if valid { left_length.max(right_length) } else { 0 };
        lengths.push(length);
        for index in 0..length {
            lefts.push((index < left_length).then(|| narrow(left_start + index)));
            rights.push((index < right_length).then(|| narrow(right_start + index)));
            rows.push(narrow(row));
        }
    }
    let parameters = vec![
        take(left.values(), &UInt32Array::from(lefts), None)?,
        take(right.values(), &UInt32Array::from(rights), None)?,
    ];
    let given = body.values(parameters, &UInt32Array::from(rows))?;
    let item = Arc::new(Field::new_list_field(given.data_type().clone(), true));
    let nulls = known.into();
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), given, Some(nulls))?))
}

/// By merging: a comparison that contradicts itself gives some order, and no failure.
pub(super) fn sorted(values: &[ArrayRef], body: &Ready) -> Result<ArrayRef> {
    let lists = values[0].as_list::<i32>();
    let (mut places, mut lengths) = (Vec::new(), Vec::new());
    for row in 0..lists.len() {
        let (start, length) = bounds(lists, row);
        lengths.push(length);
        let mut mine: Vec<u32> = (start..start + length).map(narrow).collect();
        merge_sort(&mut mine, &mut |left, right| compared(lists, body, row, left, right))?;
        places.extend(mine);
    }
    let DataType::List(item) = lists.data_type() else { return exec_err!("expected a list") };
    let sorted = take(lists.values(), &UInt32Array::from(places), None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, sorted, lists.nulls().cloned())?))
}

/// Whether the right one comes before the left one.
fn compared(lists: &ListArray, body: &Ready, row: usize, left: u32, right: u32) -> Result<bool> {
    let item = |place: u32| lists.values().slice(place as usize, 1);
    let order = body.values(vec![item(left), item(right)], &UInt32Array::from(vec![narrow(row)]))?;
    let order = cast(&order, &DataType::Int64)?;
    if order.is_null(0) {
        return exec_err!("the lambda of `array_sort` gives null: it must give -1, 0 or 1");
    }
    Ok(order.as_primitive::<Int64Type>().value(0) > 0)
}

fn merge_sort(places: &mut Vec<u32>, swapped: &mut dyn FnMut(u32, u32) -> Result<bool>) -> Result<()> {
    if places.len() < 2 {
        return Ok(());
    }
    let mut right = places.split_off(places.len() / 2);
    merge_sort(places, swapped)?;
    merge_sort(&mut right, swapped)?;
    let mut merged = Vec::with_capacity(places.len() + right.len());
    let (mut lefts, mut rights) = (places.iter().copied().peekable(), right.into_iter().peekable());
    while let (Some(left), Some(right)) = (lefts.peek().copied(), rights.peek().copied()) {
        if swapped(left, right)? {
            merged.extend(rights.next());
        } else {
            merged.extend(lefts.next());
        }
    }
    merged.extend(lefts);
    merged.extend(rights);
    *places = merged;
    Ok(())
}
