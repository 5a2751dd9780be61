//! What a manifest says about a data file's columns, from the file's own footer; and the same for the SQL engine.
//!
//! Bounds are what engines skip files by, so a wrong one loses rows. A column has bounds only if every row group that has
//! values has them; long text is cut short, downwards for the lower bound and upwards for the upper one.

use std::collections::{HashMap, HashSet};

use arrow_schema::{DataType, SchemaRef, TimeUnit};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use iceberg::spec::{
    DataFile, DataFileBuilder, Datum, Literal, PartitionSpec, PrimitiveLiteral, PrimitiveType, Schema, Transform, Type,
};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics as ParquetStatistics;

/// Iceberg's default for text in manifests: enough to tell files apart.
const BOUND_CHARACTERS: usize = 16;

/// Puts counts, sizes and bounds into a data file's entry.
pub(crate) fn describe(footer: &ParquetMetaData, schema: &Schema, entry: &mut DataFileBuilder) {
    let mut sizes: HashMap<i32, u64> = HashMap::new();
    let mut values: HashMap<i32, u64> = HashMap::new();
    let mut nulls: HashMap<i32, u64> = HashMap::new();
    let mut bounds = Bounds::default();
    for group in footer.row_groups() {
        for chunk in group.columns() {
            let basics = chunk.column_descr().self_type().get_basic_info();
            if !basics.has_id() {
                continue;
            }
            let id = basics.id();
            *sizes.entry(id).or_default() += u64::try_from(chunk.compressed_size()).unwrap_or(0);
            let count = u64::try_from(chunk.num_values()).unwrap_or(0);
            *values.entry(id).or_default() += count;
            let null_count = chunk.statistics().and_then(ParquetStatistics::null_count_opt);
            if let Some(count) = null_count {
                *nulls.entry(id).or_default() += count;
            }
            if null_count == Some(count) {
                continue;
            }
            let primitive = schema.field_by_id(id).and_then(|field| field.field_type.as_primitive_type());
            let range = primitive.and_then(|primitive| range(chunk.statistics()?, primitive));
            bounds.add(id, range);
        }
    }
    let offsets = footer.row_groups().iter().filter_map(|group| group.file_offset()).collect();
    entry
        .record_count(u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0))
        .column_sizes(sizes)
        .value_counts(values)
        .null_value_counts(nulls)
        .lower_bounds(bounds.lower)
        .upper_bounds(bounds.upper)
        .split_offsets(Some(offsets));
}

#[derive(Default)]
struct Bounds {
    lower: HashMap<i32, Datum>,
    upper: HashMap<i32, Datum>,
    unknown: HashSet<i32>,
}

impl Bounds {
    fn add(&mut self, id: i32, range: Option<(Datum, Datum)>) {
        if self.unknown.contains(&id) {
            return;
        }
        let Some((lower, upper)) = range else {
            self.unknown.insert(id);
            self.lower.remove(&id);
            self.upper.remove(&id);
            return;
        };
        match self.lower.get(&id) {
            Some(known) if *known <= lower => {}
            _ => {
                self.lower.insert(id, lower);
            }
        }
        match self.upper.get(&id) {
            Some(known) if *known >= upper => {}
            _ => {
                self.upper.insert(id, upper);
            }
        }
    }
}

fn range(statistics: &ParquetStatistics, primitive: &PrimitiveType) -> Option<(Datum, Datum)> {
    let (lower, upper) = (statistics.min_bytes_opt()?, statistics.max_bytes_opt()?);
    match primitive {
        PrimitiveType::Decimal { .. } => {
            // Small decimals are numbers of Parquet's own byte order; manifests have the other one.
            let bytes = |bytes: &[u8]| -> Vec<u8> {
                match statistics {
                    ParquetStatistics::Int32(_) | ParquetStatistics::Int64(_) => bytes.iter().rev().copied().collect(),
                    _ => bytes.to_vec(),
                }
            };
            Some((datum(&bytes(lower), primitive)?, datum(&bytes(upper), primitive)?))
        }
        PrimitiveType::String => {
            let (lower, upper) = (std::str::from_utf8(lower).ok()?, std::str::from_utf8(upper).ok()?);
            Some((Datum::string(cut(lower)), Datum::string(cut_up(upper)?)))
        }
        // Nobody looks for a range of bytes, and they may be megabytes.
        PrimitiveType::Binary | PrimitiveType::Fixed(_) => None,
        _ => Some((datum(lower, primitive)?, datum(upper, primitive)?)),
    }
}

fn datum(bytes: &[u8], primitive: &PrimitiveType) -> Option<Datum> {
    Datum::try_from_bytes(bytes, primitive.clone()).ok()
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(BOUND_CHARACTERS).map_or(text, |(end, _)| &text[..end])
}

/// The shortest text that is not below any text that starts like this one; none = there is none.
fn cut_up(text: &str) -> Option<String> {
    let short = cut(text);
    if short.len() == text.len() {
        return Some(text.to_owned());
    }
    let mut characters: Vec<char> = short.chars().collect();
    while let Some(last) = characters.pop() {
        // Between the two halves lie the surrogates, which are no characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// What the SQL engine knows of a file before it opens it. Bounds count as inexact: another writer's may be loose. Where a
/// manifest has none, the partition says them: its value, or the years, days, … that it stands for.
pub(crate) fn statistics(
    file: &DataFile,
    spec: &PartitionSpec,
    schema: &Schema,
    arrow: &SchemaRef,
    exact_rows: bool,
) -> Statistics {
    let partition = partition_bounds(file, spec, schema);
    let rows = usize::try_from(file.record_count()).unwrap_or(usize::MAX);
    let columns = schema.as_struct().fields().iter().zip(arrow.fields());
    Statistics {
        num_rows: if exact_rows { Precision::Exact(rows) } else { Precision::Inexact(rows) },
        total_byte_size: Precision::Absent,
        column_statistics: columns
            .map(|(field, arrow)| {
                let mut column = ColumnStatistics::new_unknown();
                let Type::Primitive(primitive) = field.field_type.as_ref() else { return column };
                if let Some(nulls) = file.null_value_counts().get(&field.id) {
                    column.null_count = Precision::Inexact(usize::try_from(*nulls).unwrap_or(usize::MAX));
                }
                // NaN is outside of Iceberg's bounds and inside of the engine's order.
                if matches!(primitive, PrimitiveType::Float | PrimitiveType::Double) {
                    return column;
                }
                let bound = |bounds: &HashMap<i32, Datum>, otherwise: Option<&PrimitiveLiteral>| {
                    let bound = bounds.get(&field.id).map(Datum::literal).or(otherwise);
                    bound.and_then(|bound| value(bound, arrow.data_type())).map(Precision::Inexact)
                };
                let (lower, upper) =
                    partition.get(&field.id).map_or((None, None), |(low, high)| (Some(low), Some(high)));
                column.min_value = bound(file.lower_bounds(), lower).filter(counts).unwrap_or(Precision::Absent);
                column.max_value = bound(file.upper_bounds(), upper).unwrap_or(Precision::Absent);
                column
            })
            .collect(),
    }
}

/// The engine counts the values between two bounds in 64 bits, where from the smallest number to the largest there is one too many:
/// it takes that for none and divides by it. A lower bound that no number is below leaves out no file.
fn counts(lower: &Precision<ScalarValue>) -> bool {
    lower.get_value() != Some(&ScalarValue::Int64(Some(i64::MIN)))
}

/// Bounds of columns by the partition that a file is in.
fn partition_bounds(
    file: &DataFile,
    spec: &PartitionSpec,
    schema: &Schema,
) -> HashMap<i32, (PrimitiveLiteral, PrimitiveLiteral)> {
    let mut bounds = HashMap::new();
    for (field, value) in spec.fields().iter().zip(file.partition().fields()) {
        let Some(Literal::Primitive(value)) = value else { continue };
        let column = schema.field_by_id(field.source_id).and_then(|column| column.field_type.as_primitive_type());
        let Some(primitive) = column else { continue };
        let range = match (field.transform, value) {
            (Transform::Identity, value) => Some((value.clone(), value.clone())),
            (Transform::Year | Transform::Month | Transform::Day | Transform::Hour, PrimitiveLiteral::Int(ordinal)) => {
                times(field.transform, *ordinal, primitive)
            }
            _ => None,
        };
        if let Some(range) = range {
            bounds.insert(field.source_id, range);
        }
    }
    bounds
}

/// The first and the last moment of a year, month, day or hour, counted from 1970.
fn times(
    transform: Transform,
    ordinal: i32,
    primitive: &PrimitiveType,
) -> Option<(PrimitiveLiteral, PrimitiveLiteral)> {
    const HOUR: i64 = 3_600_000_000;
    let first_day = |months: i32| {
        let month = u32::try_from(months.rem_euclid(12)).ok()? + 1;
        let date = chrono::NaiveDate::from_ymd_opt(1970 + months.div_euclid(12), month, 1)?;
        Some(date.signed_duration_since(chrono::NaiveDate::default()).num_days())
    };
    let next = ordinal.checked_add(1)?;
    let (from, until) = match transform {
        Transform::Year => (first_day(ordinal.checked_mul(12)?)? * 24, first_day(next.checked_mul(12)?)? * 24),
        Transform::Month => (first_day(ordinal)? * 24, first_day(next)? * 24),
        Transform::Day => (i64::from(ordinal) * 24, i64::from(next) * 24),
        Transform::Hour => (i64::from(ordinal), i64::from(next)),
        _ => return None,
    };
    let date = |hours: i64| i32::try_from(hours.div_euclid(24)).ok();
    let micros = |hours: i64| hours.checked_mul(HOUR);
    Some(match primitive {
        PrimitiveType::Date => (PrimitiveLiteral::Int(date(from)?), PrimitiveLiteral::Int(date(until)? - 1)),
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => {
            (PrimitiveLiteral::Long(micros(from)?), PrimitiveLiteral::Long(micros(until)? - 1))
        }
        _ => return None,
    })
}

/// A bound as the engine's value, where the types agree.
pub(crate) fn scalar(datum: &Datum, wanted: &DataType) -> Option<ScalarValue> {
    value(datum.literal(), wanted)
}

/// A plain value as the engine's, where the types agree.
pub(crate) fn value(literal: &PrimitiveLiteral, wanted: &DataType) -> Option<ScalarValue> {
    Some(match (literal, wanted) {
        (PrimitiveLiteral::Boolean(value), DataType::Boolean) => ScalarValue::Boolean(Some(*value)),
        (PrimitiveLiteral::Int(value), DataType::Int32) => ScalarValue::Int32(Some(*value)),
        (PrimitiveLiteral::Int(value), DataType::Int64) => ScalarValue::Int64(Some(i64::from(*value))),
        (PrimitiveLiteral::Int(value), DataType::Date32) => ScalarValue::Date32(Some(*value)),
        (PrimitiveLiteral::Long(value), DataType::Int64) => ScalarValue::Int64(Some(*value)),
        (PrimitiveLiteral::Long(value), DataType::Time64(TimeUnit::Microsecond)) => {
            ScalarValue::Time64Microsecond(Some(*value))
        }
        (PrimitiveLiteral::Long(value), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
            ScalarValue::TimestampMicrosecond(Some(*value), zone.clone())
        }
        (PrimitiveLiteral::String(value), DataType::Utf8) => ScalarValue::Utf8(Some(value.clone())),
        (PrimitiveLiteral::Int128(value), DataType::Decimal128(precision, scale)) => {
            ScalarValue::Decimal128(Some(*value), *precision, *scale)
        }
        (PrimitiveLiteral::UInt128(value), DataType::FixedSizeBinary(16)) => {
            ScalarValue::FixedSizeBinary(16, Some(value.to_be_bytes().to_vec()))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_so_that_the_bounds_still_hold() {
        let text = "abcdefghijklmnopqrstuvwxyz";
        assert_eq!(cut(text), "abcdefghijklmnop");
        assert_eq!(cut_up(text).unwrap(), "abcdefghijklmnoq");
        assert_eq!(cut_up("short").unwrap(), "short");
        let highest = "\u{10ffff}".repeat(20);
        assert_eq!(cut_up(&highest), None);
        assert_eq!(cut_up(&format!("a{highest}")).unwrap(), "b");
        let text = "ä".repeat(20);
        assert!(cut(&text) <= text.as_str() && cut_up(&text).unwrap() >= text);
    }

    #[test]
    fn a_row_group_without_bounds_leaves_the_column_without_any() {
        let mut bounds = Bounds::default();
        bounds.add(1, Some((Datum::long(5), Datum::long(9))));
        bounds.add(1, Some((Datum::long(1), Datum::long(7))));
        assert_eq!((bounds.lower[&1].clone(), bounds.upper[&1].clone()), (Datum::long(1), Datum::long(9)));
        bounds.add(1, None);
        bounds.add(1, Some((Datum::long(1), Datum::long(7))));
        assert!(bounds.lower.is_empty() && bounds.upper.is_empty());
    }
}
