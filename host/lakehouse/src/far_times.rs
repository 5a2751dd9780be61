//! Times beyond the years that `chrono` has (-262143 to 262142), for JSON: PostgreSQL and Iceberg have dates up to the year
//! 5874897 and timestamps up to 294247, and arrow's writer fails on those or writes an error into the value.
//!
//! A column that has one is written as texts of ours, in the same form: RFC 3339, and years of more than four digits with a sign
//! (ISO 8601's expanded form), which is how `chrono` writes them.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StringArray, StructArray};
use arrow_schema::{ArrowError, DataType, FieldRef, TimeUnit};

use crate::engine::calendar::{DAY, Date};

/// From 1970: the first day of the year -262142 and the last one of 262141, a year within `chrono`'s.
const NEAR_DAYS: std::ops::RangeInclusive<i64> = -96_464_927..=95_025_871;

/// The column with texts where there are such times, in it or in what it is made of.
pub(crate) fn as_texts(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match column.data_type() {
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>();
            texts(column, days.iter().map(|day| day.map(i64::from)), |day, text| date(*day, text), |day| *day)
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let zone = if zone.is_some() { "Z" } else { "" };
            let micros = column.as_primitive::<TimestampMicrosecondType>();
            texts(column, micros.iter(), |at, text| timestamp(*at, zone, text), |at| at.div_euclid(DAY))
        }
        DataType::List(field) => {
            let list = column.as_list::<i32>();
            let values = as_texts(list.values())?;
            let field = typed(field, &values);
            Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?)
        }
        DataType::Struct(_) => Arc::new(structure(column.as_struct())?),
        DataType::Map(field, sorted) => {
            let map = column.as_map();
            let entries = structure(map.entries())?;
            let field = Arc::new(field.as_ref().clone().with_data_type(entries.data_type().clone()));
            Arc::new(MapArray::try_new(field, map.offsets().clone(), entries, map.nulls().cloned(), *sorted)?)
        }
        _ => Arc::clone(column),
    })
}

fn structure(of: &StructArray) -> Result<StructArray, ArrowError> {
    let columns = of.columns().iter().map(as_texts).collect::<Result<Vec<_>, _>>()?;
    let fields = of.fields().iter().zip(&columns).map(|(field, column)| typed(field, column)).collect();
    StructArray::try_new(fields, columns, of.nulls().cloned())
}

fn typed(field: &FieldRef, column: &ArrayRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone()))
}

fn texts<T>(
    column: &ArrayRef,
    values: impl Iterator<Item = Option<T>> + Clone,
    write: impl Fn(&T, &mut String),
    day: impl Fn(&T) -> i64,
) -> ArrayRef {
    if values.clone().flatten().all(|value| NEAR_DAYS.contains(&day(&value))) {
        return Arc::clone(column);
    }
    let written = values.map(|value| {
        value.map(|value| {
            let mut text = String::new();
            write(&value, &mut text);
            text
        })
    });
    Arc::new(written.collect::<StringArray>())
}

fn date(days: i64, text: &mut String) {
    let Date { year, month, day } = Date::of_days(days);
    // Writing to a text cannot fail.
    let _ = match year {
        0..=9999 => write!(text, "{year:04}-{month:02}-{day:02}"),
        _ => write!(text, "{year:+05}-{month:02}-{day:02}"),
    };
}

fn timestamp(micros: i64, zone: &str, text: &mut String) {
    date(micros.div_euclid(DAY), text);
    let time = micros.rem_euclid(DAY);
    let (seconds, fraction) = (time / 1_000_000, time % 1_000_000);
    let _ = write!(text, "T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = match fraction {
        0 => Ok(()),
        _ if fraction % 1000 == 0 => write!(text, ".{:03}", fraction / 1000),
        _ => write!(text, ".{fraction:06}"),
    };
    text.push_str(zone);
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate};

    use super::*;

    fn civil(days: i64) -> (i64, i64, i64) {
        let Date { year, month, day } = Date::of_days(days);
        (year, month, day)
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        let first = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for days in (*NEAR_DAYS.start()..=*NEAR_DAYS.end()).step_by(9973).chain([*NEAR_DAYS.end(), -1, 0, 59]) {
            let date = first.checked_add_signed(chrono::TimeDelta::days(days)).unwrap();
            assert_eq!(civil(days), (date.year().into(), date.month().into(), date.day().into()), "{days}");
        }
        assert_eq!(civil(*NEAR_DAYS.start()), (-262_142, 1, 1));
        assert_eq!(civil(*NEAR_DAYS.end()), (262_141, 12, 31));
    }
}
