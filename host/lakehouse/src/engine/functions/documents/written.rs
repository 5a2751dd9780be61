//! Values as documents write them: JSON whole, and single values for CSV and XML.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_err, plan_err};

use super::json::{double, write_text};
use super::options::Options;
use crate::engine::calendar::DAY;
use crate::engine::calendar::pattern::Pattern;
use crate::engine::cast::writes;
use crate::engine::functions::type_word;
use crate::engine::functions::variants::{is_variant, json_of_variant};
use crate::engine::numbers::decimal::Rules;

/// How values are written.
#[derive(Debug)]
pub(in crate::engine) struct Writer {
    dates: Pattern,
    timestamps: Pattern,
    local_timestamps: Pattern,
    /// Whether members that are null are written.
    pub(in crate::engine) keeps_nulls: bool,
}

impl Writer {
    pub(in crate::engine) fn of(options: &Options) -> Result<Self> {
        let default = |pattern: &str| match Pattern::java(pattern) {
            Ok(pattern) => Ok(pattern),
            Err(error) => exec_err!("{error}"),
        };
        let given = options.pattern("timestampFormat")?;
        Ok(Self {
            dates: match options.pattern("dateFormat")? {
                Some(pattern) => pattern,
                None => default("yyyy-MM-dd")?,
            },
            timestamps: match given {
                Some(pattern) => pattern,
                None => default("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")?,
            },
            local_timestamps: match options.pattern("timestampNTZFormat")? {
                Some(pattern) => pattern,
                None => default("yyyy-MM-dd'T'HH:mm:ss.SSS")?,
            },
            keeps_nulls: !options.truth("ignoreNullFields", true)?,
        })
    }

    /// A value that is not null and has no parts, as text. None: its type has parts.
    pub(in crate::engine) fn text(&self, array: &ArrayRef, row: usize) -> Result<Option<String>> {
        Ok(Some(match array.data_type() {
            DataType::Boolean => array.as_boolean().value(row).to_string(),
            DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
            DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
            DataType::Utf8View => array.as_string_view().value(row).to_owned(),
            whole if whole.is_integer() => {
                let whole = cast(&array.slice(row, 1), &DataType::Int64)?;
                whole.as_primitive::<Int64Type>().value(0).to_string()
            }
            DataType::Float32 => {
                let value = array.as_primitive::<Float32Type>().value(row);
                writes::number(&format!("{value:e}"), f64::from(value), Rules::Spark)
            }
            DataType::Float64 => double(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(_, scale) => decimal(array.as_primitive::<Decimal128Type>().value(row), *scale),
            DataType::Date32 => {
                let days = i64::from(array.as_primitive::<Date32Type>().value(row));
                written(&self.dates, days * DAY)
            }
            DataType::Timestamp(_, zone) => {
                let moments = cast(
                    &array.slice(row, 1),
                    &DataType::Timestamp(datafusion::arrow::datatypes::TimeUnit::Microsecond, zone.clone()),
                )?;
                let micros = moments.as_primitive::<TimestampMicrosecondType>().value(0);
                written(if zone.is_some() { &self.timestamps } else { &self.local_timestamps }, micros)
            }
            DataType::Binary => {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.encode(array.as_binary::<i32>().value(row))
            }
            _ => return Ok(None),
        }))
    }

    /// A value as JSON.
    pub(in crate::engine) fn json(&self, array: &ArrayRef, row: usize, out: &mut String) -> Result<()> {
        if array.is_null(row) {
            out.push_str("null");
            return Ok(());
        }
        match array.data_type() {
            variant if is_variant(variant) => out.push_str(&json_of_variant(array, row)),
            DataType::Struct(_) => {
                let parts = array.as_struct();
                let members = parts.fields().iter().zip(parts.columns());
                let members = members.filter(|(_, part)| self.keeps_nulls || part.is_valid(row));
                self.members(members.map(|(field, part)| (field.name().clone(), part, row)), out)?;
            }
            DataType::Map(..) => {
                let maps = array.as_map();
                let entries = maps.value(row);
                let names = (0..entries.len()).map(|entry| key(entries.column(0), entry, self));
                let names = names.collect::<Result<Vec<_>>>()?;
                let members = names.into_iter().enumerate().map(|(entry, name)| (name, entries.column(1), entry));
                self.members(members, out)?;
            }
            DataType::List(_) => self.items(&array.as_list::<i32>().value(row), out)?,
            DataType::LargeList(_) => self.items(&array.as_list::<i64>().value(row), out)?,
            DataType::FixedSizeList(..) => self.items(&array.as_fixed_size_list().value(row), out)?,
            other => match self.text(array, row)? {
                Some(text) if is_plain(other, &text) => out.push_str(&text),
                Some(text) => write_text(&text, out),
                None => return exec_err!("{} is not written as JSON", type_word(other)),
            },
        }
        Ok(())
    }

    fn items(&self, items: &ArrayRef, out: &mut String) -> Result<()> {
        out.push('[');
        for item in 0..items.len() {
            if item > 0 {
                out.push(',');
            }
            self.json(items, item, out)?;
        }
        out.push(']');
        Ok(())
    }

    fn members<'a>(
        &self,
        members: impl Iterator<Item = (String, &'a ArrayRef, usize)>,
        out: &mut String,
    ) -> Result<()> {
        out.push('{');
        for (index, (name, values, row)) in members.enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_text(&name, out);
            out.push(':');
            self.json(values, row, out)?;
        }
        out.push('}');
        Ok(())
    }
}

/// Whether a value is written without quotes: numbers that are some, and truth.
fn is_plain(data_type: &DataType, text: &str) -> bool {
    let is_number = data_type.is_numeric() && !text.ends_with(['N', 'y']);
    is_number || *data_type == DataType::Boolean
}

fn written(pattern: &Pattern, micros: i64) -> String {
    let mut out = String::new();
    pattern.write(micros, &mut out);
    out
}

/// The name that a key of a map becomes: a struct's values in brackets.
fn key(keys: &ArrayRef, row: usize, writer: &Writer) -> Result<String> {
    if keys.is_null(row) {
        return Ok("null".to_owned());
    }
    match keys.data_type() {
        DataType::Struct(_) => {
            let parts = keys.as_struct().columns().iter().map(|part| key(part, row, writer));
            Ok(format!("[{}]", parts.collect::<Result<Vec<_>>>()?.join(",")))
        }
        DataType::Boolean | DataType::Utf8 => Ok(writer.text(keys, row)?.unwrap_or_default()),
        whole if whole.is_integer() => Ok(writer.text(keys, row)?.unwrap_or_default()),
        other => exec_err!("{} is not written as the name of a member", type_word(other)),
    }
}

/// As Java's `BigDecimal` writes itself: with an exponent where it is far from its digits.
pub(in crate::engine) fn decimal(value: i128, scale: i8) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs().to_string();
    let scale = usize::try_from(scale).unwrap_or(0);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    if digits.len() + 6 > scale {
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        return format!("{sign}{whole}.{fraction}");
    }
    let exponent = scale - (digits.len() - 1);
    let (first, rest) = digits.split_at(1);
    if rest.is_empty() { format!("{sign}{first}E-{exponent}") } else { format!("{sign}{first}.{rest}E-{exponent}") }
}

/// Refuses what is no document: `to_json` takes structs, lists and maps.
pub(in crate::engine) fn writable(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Struct(_) | DataType::Map(..) => Ok(()),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Ok(()),
        other => plan_err!("to_json takes a struct, a list or a map, not {}", type_word(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_as_java_does() {
        for (value, scale, expected) in [
            (0, 0, "0"),
            (-125, 2, "-1.25"),
            (5, 2, "0.05"),
            (0, 2, "0.00"),
            (1, 7, "1E-7"),
            (12, 8, "1.2E-7"),
            (1, 6, "0.000001"),
        ] {
            assert_eq!(decimal(value, scale), expected);
        }
    }
}
