//! Lambdas over the entries of maps.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, MapArray, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::common::Result;

use super::function::Ready;
use crate::engine::functions::lists::narrow;
use crate::engine::functions::maps::{bounds, made, same_rows};
pub(super) use crate::engine::functions::maps::{map_of, parts};

struct Entries {
    places: UInt32Array,
    rows: UInt32Array,
    lengths: Vec<usize>,
}

fn entries(maps: &MapArray) -> Entries {
    let (mut places, mut rows, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..maps.len() {
        let (start, length) = bounds(maps, row);
        lengths.push(length);
        for index in 0..length {
            places.push(narrow(start + index));
            rows.push(narrow(row));
        }
    }
    Entries { places: places.into(), rows: rows.into(), lengths }
}

fn taken(maps: &MapArray, entries: &Entries) -> Result<(ArrayRef, ArrayRef)> {
    Ok((take(maps.keys(), &entries.places, None)?, take(maps.values(), &entries.places, None)?))
}

pub(super) fn filtered(values: &[ArrayRef], body: &Ready) -> Result<ArrayRef> {
    let maps = values[0].as_map();
    let entries = entries(maps);
    let (keys, given) = taken(maps, &entries)?;
    let truths = body.truths(vec![keys, given], &entries.rows)?;
    let (mut places, mut lengths) = (Vec::new(), vec![0; maps.len()]);
    for (index, keep) in truths.iter().enumerate() {
        if keep == Some(true) {
            places.push(entries.places.value(index));
            lengths[entries.rows.value(index) as usize] += 1;
        }
    }
    let places = UInt32Array::from(places);
    made(take(maps.keys(), &places, None)?, take(maps.values(), &places, None)?, lengths, maps.nulls().cloned())
}

pub(super) fn with_keys(values: &[ArrayRef], body: &Ready) -> Result<ArrayRef> {
    let maps = values[0].as_map();
    let entries = entries(maps);
    let (keys, given) = taken(maps, &entries)?;
    let changed = body.values(vec![keys, given.clone()], &entries.rows)?;
    made(changed, given, entries.lengths, maps.nulls().cloned())
}

pub(super) fn with_values(values: &[ArrayRef], body: &Ready) -> Result<ArrayRef> {
    let maps = values[0].as_map();
    let entries = entries(maps);
    let (keys, given) = taken(maps, &entries)?;
    let changed = body.values(vec![keys.clone(), given], &entries.rows)?;
    made(keys, changed, entries.lengths, maps.nulls().cloned())
}

/// All keys of both maps: those of the first, then the second's others.
pub(super) fn zipped(values: &[ArrayRef], body: &Ready) -> Result<ArrayRef> {
    let (left, right) = (values[0].as_map(), values[1].as_map());
    let (left_keys, right_keys) = same_rows(left.keys(), right.keys())?;
    let all = datafusion::arrow::compute::concat(&[left.keys().as_ref(), right.keys().as_ref()])?;
    let (mut lefts, mut rights, mut keys, mut rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut lengths, mut known) = (Vec::new(), Vec::new());
    for row in 0..left.len() {
        let valid = left.is_valid(row) && right.is_valid(row);
        known.push(valid);
        let ((left_start, left_length), (right_start, right_length)) = (bounds(left, row), bounds(right, row));
        let before = keys.len();
        if valid {
            let mut others = vec![true; right_length];
            for place in left_start..left_start + left_length {
                let found = (0..right_length).find(|index| left_keys.row(place) == right_keys.row(right_start + index));
                if let Some(found) = found {
                    others[found] = false;
                }
                keys.push(narrow(place));
                lefts.push(Some(narrow(place)));
                rights.push(found.map(|index| narrow(right_start + index)));
            }
            for index in (0..right_length).filter(|index| others[*index]) {
                keys.push(narrow(left.keys().len() + right_start + index));
                lefts.push(None);
                rights.push(Some(narrow(right_start + index)));
            }
        }
        lengths.push(keys.len() - before);
        rows.extend(std::iter::repeat_n(narrow(row), keys.len() - before));
    }
    let keys = take(&all, &UInt32Array::from(keys), None)?;
    let parameters = vec![
        keys.clone(),
        take(left.values(), &UInt32Array::from(lefts), None)?,
        take(right.values(), &UInt32Array::from(rights), None)?,
    ];
    let given = body.values(parameters, &UInt32Array::from(rows))?;
    made(keys, given, lengths, Some(known.into()))
}
