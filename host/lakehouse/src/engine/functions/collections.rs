//! Functions that make lists of lists: elements put in, left out, put in order, found.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, StringArray, StructArray, UInt32Array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortOptions, cast, concat, take};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int64Type};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, exec_err, plan_err};

use super::lists::{bounds, narrow};
use super::maps::{common, same_rows};
use super::type_word;

/// A list may have this many elements that a statement only counts out.
const ELEMENTS_AT_MOST: i64 = 10_000_000;

fn item(list: &DataType) -> Result<DataType> {
    match list {
        DataType::List(item) => Ok(item.data_type().clone()),
        DataType::Null => Ok(DataType::Null),
        other => plan_err!("expected a list, not {}", type_word(other)),
    }
}

fn list_of(item: &DataType) -> DataType {
    DataType::new_list(item.clone(), true)
}

/// Lists of elements from one array: for each row its places in it, or no list.
fn picked(values: &ArrayRef, rows: Vec<Option<Vec<Option<u32>>>>) -> Result<ArrayRef> {
    let known: Vec<bool> = rows.iter().map(Option::is_some).collect();
    let lengths: Vec<usize> = rows.iter().map(|row| row.as_ref().map_or(0, Vec::len)).collect();
    let places: UInt32Array = rows.into_iter().flatten().flatten().collect();
    let values = take(values, &places, None)?;
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), values, Some(known.into()))?))
}

fn places(lists: &ListArray, row: usize) -> Vec<Option<u32>> {
    let (start, length) = bounds(lists, row);
    (start..start + length).map(|place| Some(narrow(place))).collect()
}

/// The list's elements and one value for each row, in one array of the result's elements: the lists, their values with the
/// other ones behind them, and where those begin.
fn with_values(lists: &ArrayRef, others: &ArrayRef, to: &DataType) -> Result<(ListArray, ArrayRef, u32)> {
    let lists = cast(lists, to)?.as_list::<i32>().clone();
    let others = cast(others, &item(to)?)?;
    let all = concat(&[lists.values().as_ref(), others.as_ref()])?;
    let begins = narrow(lists.values().len());
    Ok((lists, all, begins))
}

/// Of a list and an element: the list's type with the element in it.
pub(in crate::engine) fn list_and_element(arguments: &[DataType]) -> Result<DataType> {
    match arguments {
        [list, element] => Ok(list_of(&common([&item(list)?, element])?)),
        _ => plan_err!("expected a list and an element"),
    }
}

/// `array_prepend(list, element)`.
pub(in crate::engine) fn prepended(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let (lists, all, begins) = with_values(&arguments[0], &arguments[1], to)?;
    let rows = (0..lists.len()).map(|row| {
        lists.is_valid(row).then(|| {
            let mut mine = vec![Some(begins + narrow(row))];
            mine.extend(places(&lists, row));
            mine
        })
    });
    picked(&all, rows.collect())
}

/// `array_insert(list, position, element)`: the type.
pub(in crate::engine) fn inserted_type(arguments: &[DataType]) -> Result<DataType> {
    match arguments {
        [list, _, element] => list_and_element(&[list.clone(), element.clone()]),
        _ => plan_err!("expected a list, a position and an element"),
    }
}

/// Positions are counted from 1, or from the end by -1, which appends; nulls fill a gap.
pub(in crate::engine) fn inserted(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let (lists, all, begins) = with_values(&arguments[0], &arguments[2], to)?;
    let positions = arguments[1].as_primitive::<Int64Type>();
    let mut rows = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        if lists.is_null(row) || positions.is_null(row) {
            rows.push(None);
            continue;
        }
        let mut mine = places(&lists, row);
        let (position, length) = (positions.value(row), i64::try_from(mine.len()).unwrap_or(i64::MAX));
        if position == 0 {
            return exec_err!("positions are counted from 1, not 0");
        }
        if position.abs() > ELEMENTS_AT_MOST {
            return exec_err!("a list of {position} elements is too long");
        }
        let element = Some(begins + narrow(row));
        if position < 0 && -position > length {
            let gap = usize::try_from(-position - length - 1).unwrap_or_default();
            let mut longer = vec![element];
            longer.extend(std::iter::repeat_n(None, gap));
            longer.extend(mine);
            mine = longer;
        } else {
            let at = if position > 0 { position - 1 } else { length + position + 1 };
            let at = usize::try_from(at).unwrap_or_default();
            if at > mine.len() {
                mine.resize(at, None);
            }
            mine.insert(at, element);
        }
        rows.push(Some(mine));
    }
    picked(&all, rows)
}

/// `array_compact(list)`: without its nulls.
pub(in crate::engine) fn without_nulls(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let lists = arguments[0].as_list::<i32>();
    let values = lists.values();
    let rows = (0..lists.len()).map(|row| {
        let known = |place: &Option<u32>| place.is_some_and(|place| values.is_valid(place as usize));
        lists.is_valid(row).then(|| places(lists, row).into_iter().filter(known).collect())
    });
    picked(values, rows.collect())
}

/// Where an element is for the first time, from 1; 0: it is not there.
pub(in crate::engine) fn position(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let found = places_of(&arguments[0], &arguments[1])?;
    let found: Int64Array = found
        .into_iter()
        .map(|found| found.map(|(place, _)| place.map_or(0, |place| i64::try_from(place + 1).unwrap_or(i64::MAX))))
        .collect();
    Ok(Arc::new(found))
}

/// Whether an element is there: null if it is not and there are nulls.
pub(in crate::engine) fn contains(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let found = places_of(&arguments[0], &arguments[1])?;
    let found: BooleanArray = found
        .into_iter()
        .map(|found| match found {
            Some((None, true)) | None => None,
            Some((place, _)) => Some(place.is_some()),
        })
        .collect();
    Ok(Arc::new(found))
}

/// Where an element is in a list, if it is, and whether the list has nulls.
type Place = (Option<usize>, bool);

/// Of each row; none: the list or the element is null.
fn places_of(lists: &ArrayRef, elements: &ArrayRef) -> Result<Vec<Option<Place>>> {
    let to = common([&item(lists.data_type())?, elements.data_type()])?;
    let (lists, elements) = (cast(lists, &list_of(&to))?, cast(elements, &to)?);
    let lists = lists.as_list::<i32>();
    let (rows, wanted) = same_rows(lists.values(), &elements)?;
    Ok((0..lists.len())
        .map(|row| {
            if lists.is_null(row) || elements.is_null(row) {
                return None;
            }
            let (start, length) = bounds(lists, row);
            let found = (0..length).find(|index| rows.row(start + index) == wanted.row(row));
            let nulls = (start..start + length).any(|place| lists.values().is_null(place));
            Some((found, nulls))
        })
        .collect())
}

/// Whether two lists have an element in common: null if they have not and one of them has nulls.
pub(in crate::engine) fn overlap(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let to = list_of(&common([&item(arguments[0].data_type())?, &item(arguments[1].data_type())?])?);
    let (left, right) = (cast(&arguments[0], &to)?, cast(&arguments[1], &to)?);
    let (left, right) = (left.as_list::<i32>(), right.as_list::<i32>());
    let (lefts, rights) = same_rows(left.values(), right.values())?;
    let known = |lists: &ListArray, row: usize| -> Vec<usize> {
        let (start, length) = bounds(lists, row);
        (start..start + length).filter(|place| lists.values().is_valid(*place)).collect()
    };
    let found: BooleanArray = (0..left.len())
        .map(|row| {
            if left.is_null(row) || right.is_null(row) {
                return None;
            }
            let (mine, others) = (known(left, row), known(right, row));
            let (length, other_length) = (bounds(left, row).1, bounds(right, row).1);
            if mine.iter().any(|place| others.iter().any(|other| lefts.row(*place) == rights.row(*other))) {
                return Some(true);
            }
            let nulls = mine.len() < length || others.len() < other_length;
            if nulls && length > 0 && other_length > 0 { None } else { Some(false) }
        })
        .collect();
    Ok(Arc::new(found))
}

/// A list as text: elements that are null are left out, or written as the third argument says.
pub(in crate::engine) fn joined(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let lists = arguments[0].as_list::<i32>();
    let values = cast(lists.values(), &DataType::Utf8)?;
    let values = values.as_string::<i32>();
    let between = arguments[1].as_string::<i32>();
    let instead = arguments.get(2).map(|instead| instead.as_string::<i32>());
    let joined: StringArray = (0..lists.len())
        .map(|row| {
            if lists.is_null(row) || between.is_null(row) || instead.is_some_and(|instead| instead.is_null(row)) {
                return None;
            }
            let (start, length) = bounds(lists, row);
            let words = (start..start + length).filter_map(|place| {
                let instead = instead.map(|instead| instead.value(row));
                if values.is_valid(place) { Some(values.value(place)) } else { instead }
            });
            Some(words.collect::<Vec<_>>().join(between.value(row)))
        })
        .collect();
    Ok(Arc::new(joined))
}

/// Only elements that both dialects write the same way.
pub(in crate::engine) fn joined_type(arguments: &[DataType]) -> Result<DataType> {
    let of = item(arguments.first().unwrap_or(&DataType::Null))?;
    let writes = of.is_integer()
        || matches!(of, DataType::Utf8 | DataType::LargeUtf8 | DataType::Boolean | DataType::Date32 | DataType::Null);
    if writes {
        return Ok(DataType::Utf8);
    }
    plan_err!("`array_join` takes a list of text, whole numbers, dates or booleans here, not of {}", type_word(&of))
}

/// `sort_array(list[, ascending])` of Spark: nulls are the smallest.
pub(in crate::engine) fn sorted_nulls_smallest(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let lists = arguments[0].as_list::<i32>();
    let Some(ascending) = arguments.get(1) else {
        return ordered(lists, |_| Some(false), true);
    };
    let ascending = cast(ascending, &DataType::Boolean)?;
    let ascending = ascending.as_boolean();
    ordered(lists, |row| ascending.is_valid(row).then(|| !ascending.value(row)), true)
}

/// `array_sort(list)`: nulls come last.
pub(in crate::engine) fn sorted_nulls_last(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    ordered(arguments[0].as_list::<i32>(), |_| Some(false), false)
}

fn ordered(lists: &ListArray, descending: impl Fn(usize) -> Option<bool>, nulls_first: bool) -> Result<ArrayRef> {
    let options = SortOptions { descending: false, nulls_first };
    let field = SortField::new_with_options(lists.value_type(), options);
    let keys = RowConverter::new(vec![field])?.convert_columns(&[Arc::clone(lists.values())])?;
    let rows = (0..lists.len()).map(|row| {
        let descending = descending(row).filter(|_| lists.is_valid(row))?;
        let (start, length) = bounds(lists, row);
        let mut mine: Vec<usize> = (start..start + length).collect();
        mine.sort_by(|left, right| {
            let order = keys.row(*left).cmp(&keys.row(*right));
            if descending { order.reverse() } else { order }
        });
        Some(mine.into_iter().map(|place| Some(narrow(place))).collect())
    });
    picked(lists.values(), rows.collect())
}

/// Lists one after the other, or texts: the type.
pub(in crate::engine) fn together_type(arguments: &[DataType]) -> Result<DataType> {
    if !arguments.iter().any(DataType::is_nested) {
        return Ok(DataType::Utf8);
    }
    let items = arguments.iter().map(item).collect::<Result<Vec<_>>>()?;
    Ok(list_of(&common(&items)?))
}

pub(in crate::engine) fn together(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    if !to.is_nested() {
        return super::text::concatenated(arguments, to);
    }
    let lists = arguments.iter().map(|list| cast(list, to)).collect::<std::result::Result<Vec<_>, _>>()?;
    let lists: Vec<&ListArray> = lists.iter().map(|list| list.as_list::<i32>()).collect();
    let all = concat(&lists.iter().map(|list| list.values().as_ref()).collect::<Vec<_>>())?;
    let rows = (0..lists[0].len()).map(|row| {
        let (mut mine, mut before) = (Vec::new(), 0);
        for list in &lists {
            if list.is_null(row) {
                return None;
            }
            mine.extend(places(list, row).into_iter().map(|place| place.map(|place| place + before)));
            before += narrow(list.values().len());
        }
        Some(mine)
    });
    picked(&all, rows.collect())
}

/// Lists side by side, given as one struct of them: a list of structs with its names.
pub(in crate::engine) fn zipped_type(arguments: &[DataType]) -> Result<DataType> {
    let [DataType::Struct(lists)] = arguments else { return plan_err!("expected lists") };
    let fields = lists.iter().map(|list| Ok(Field::new(list.name(), item(list.data_type())?, true)));
    Ok(list_of(&DataType::Struct(fields.collect::<Result<Fields>>()?)))
}

pub(in crate::engine) fn zipped(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let given = arguments[0].as_struct();
    let (DataType::List(field), Ok(DataType::Struct(fields))) = (to, item(to)) else {
        return plan_err!("expected lists");
    };
    let lists = given.columns().iter().zip(&fields).map(|(list, field)| cast(list, &list_of(field.data_type())));
    let lists = lists.collect::<std::result::Result<Vec<_>, _>>()?;
    let lists: Vec<&ListArray> = lists.iter().map(|list| list.as_list::<i32>()).collect();
    let known: Vec<bool> = (0..given.len()).map(|row| lists.iter().all(|list| list.is_valid(row))).collect();
    let longest = |row: usize| lists.iter().map(|list| bounds(list, row).1).max().unwrap_or_default();
    let lengths: Vec<usize> =
        known.iter().enumerate().map(|(row, known)| if *known { longest(row) } else { 0 }).collect();
    let columns = lists.iter().map(|list| {
        let places = lengths.iter().enumerate().flat_map(|(row, length)| {
            let (start, mine) = bounds(list, row);
            (0..*length).map(move |index| (index < mine).then(|| narrow(start + index)))
        });
        take(list.values(), &places.collect::<UInt32Array>(), None)
    });
    let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
    let structs = StructArray::try_new_with_length(fields, columns, None, lengths.iter().sum())?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::clone(field), offsets, Arc::new(structs), Some(known.into()))?))
}

/// `slice(list, start, length)` of Trino.
pub(in crate::engine) fn slice(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let lists = arguments[0].as_list::<i32>();
    let (starts, lengths) = (arguments[1].as_primitive::<Int64Type>(), arguments[2].as_primitive::<Int64Type>());
    let mut rows = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        if lists.is_null(row) || starts.is_null(row) || lengths.is_null(row) {
            rows.push(None);
            continue;
        }
        let (start, length) = (starts.value(row), lengths.value(row));
        if start == 0 {
            return exec_err!("elements are counted from 1, not 0");
        }
        if length < 0 {
            return exec_err!("the length of a slice cannot be {length}");
        }
        let mine = places(lists, row);
        let from = if start > 0 { Some(start - 1) } else { Some(i64::try_from(mine.len()).unwrap_or(0) + start) };
        let from = from.filter(|from| *from >= 0).and_then(|from| usize::try_from(from).ok());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        rows.push(Some(match from {
            Some(from) => mine.into_iter().skip(from).take(length).collect(),
            None => Vec::new(),
        }));
    }
    picked(lists.values(), rows)
}

/// `trim_array(list, count)`: without its last ones.
pub(in crate::engine) fn without_last(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let lists = arguments[0].as_list::<i32>();
    let counts = arguments[1].as_primitive::<Int64Type>();
    let mut rows = Vec::with_capacity(lists.len());
    for row in 0..lists.len() {
        if lists.is_null(row) || counts.is_null(row) {
            rows.push(None);
            continue;
        }
        let mut mine = places(lists, row);
        match usize::try_from(counts.value(row)).ok().and_then(|count| mine.len().checked_sub(count)) {
            Some(kept) => mine.truncate(kept),
            None => return exec_err!("a list of {} cannot be shorter by {}", mine.len(), counts.value(row)),
        }
        rows.push(Some(mine));
    }
    picked(lists.values(), rows)
}

/// `repeat(element, count)`: the type.
pub(in crate::engine) fn repeated_type(arguments: &[DataType]) -> Result<DataType> {
    match arguments.first() {
        Some(element) => Ok(list_of(element)),
        None => plan_err!("expected an element and a count"),
    }
}

pub(in crate::engine) fn repeated(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let counts = arguments[1].as_primitive::<Int64Type>();
    let mut rows = Vec::with_capacity(counts.len());
    for row in 0..counts.len() {
        if counts.is_valid(row) && counts.value(row) > 10_000 {
            return exec_err!("`repeat` makes 10000 elements at most, not {}", counts.value(row));
        }
        let count = usize::try_from(counts.value(row)).unwrap_or_default();
        rows.push(counts.is_valid(row).then(|| vec![Some(narrow(row)); count]));
    }
    picked(&arguments[0], rows)
}

/// Lists of lists: the type.
pub(in crate::engine) fn list_of_lists(arguments: &[DataType]) -> Result<DataType> {
    match arguments.first() {
        Some(list @ DataType::List(_)) => Ok(list_of(list)),
        _ => plan_err!("expected a list"),
    }
}

/// `ngrams(list, n)`: each run of n elements; the whole list if it has no more.
pub(in crate::engine) fn ngrams(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    nested(arguments, to, |mine, count| {
        if count < 1 {
            return exec_err!("`ngrams` takes a count above 0, not {count}");
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if mine.len() <= count {
            return Ok(vec![mine]);
        }
        Ok(mine.windows(count).map(<[_]>::to_vec).collect())
    })
}

/// `combinations(list, n)`: each choice of n elements, up to 5 of them and 100 000 choices.
pub(in crate::engine) fn combinations(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    nested(arguments, to, |mine, count| {
        let Some(count) = usize::try_from(count).ok().filter(|count| *count <= 5) else {
            return exec_err!("`combinations` takes a count from 0 to 5, not {count}");
        };
        let mut chosen: Vec<Vec<usize>> = vec![Vec::new()];
        for _ in 0..count {
            let longer = chosen.iter().flat_map(|choice| {
                let next = choice.last().map_or(0, |last| last + 1);
                (next..mine.len()).map(move |place| choice.iter().copied().chain([place]).collect())
            });
            chosen = longer.collect();
            if chosen.len() > 100_000 {
                return exec_err!("`combinations` makes 100000 choices at most");
            }
        }
        // The last element changes slowest.
        chosen.sort_by(|left, right| left.iter().rev().cmp(right.iter().rev()));
        Ok(chosen.into_iter().map(|choice| choice.into_iter().map(|place| mine[place]).collect()).collect())
    })
}

type Places = Vec<Option<u32>>;

fn nested(
    arguments: &[ArrayRef],
    to: &DataType,
    made: impl Fn(Places, i64) -> Result<Vec<Places>>,
) -> Result<ArrayRef> {
    let lists = arguments[0].as_list::<i32>();
    let counts = arguments[1].as_primitive::<Int64Type>();
    let (mut inner, mut lengths, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..lists.len() {
        let valid = lists.is_valid(row) && counts.is_valid(row);
        known.push(valid);
        let mine = if valid { made(places(lists, row), counts.value(row))? } else { Vec::new() };
        lengths.push(mine.len());
        inner.extend(mine.into_iter().map(Some));
    }
    let inner = picked(lists.values(), inner)?;
    let DataType::List(item) = to else { return plan_err!("expected a list") };
    let inner = cast(&inner, item.data_type())?;
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), OffsetBuffer::from_lengths(lengths), inner, Some(known.into()))?))
}
