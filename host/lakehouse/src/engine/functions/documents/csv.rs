//! Spark's functions of CSV: one record in one text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};

use super::json::{Kind, Node};
use super::json_functions::nothing;
use super::options::Options;
use super::schema::{self, Shape};
use super::values::{Leaves, Source, cast_text, column, readable, refused};
use super::written::Writer;
use crate::engine::functions::type_word;

const READING: [&str; 10] = [
    "sep",
    "delimiter",
    "quote",
    "escape",
    "nullValue",
    "mode",
    "dateFormat",
    "timestampFormat",
    "ignoreLeadingWhiteSpace",
    "ignoreTrailingWhiteSpace",
];

const WRITING: [&str; 8] =
    ["sep", "delimiter", "quote", "escape", "nullValue", "dateFormat", "timestampFormat", "timestampNTZFormat"];

/// How a record is written.
struct Format {
    separator: char,
    quote: char,
    escape: char,
    null: String,
}

impl Format {
    fn of(options: &Options) -> Result<Self> {
        let letter = |names: [&str; 2], default: char| -> Result<char> {
            let Some(text) = names.iter().find_map(|name| options.text(name)) else { return Ok(default) };
            let mut letters = if text == "\\t" { "\t" } else { text }.chars();
            match (letters.next(), letters.next()) {
                (Some(letter), None) => Ok(letter),
                _ => exec_err!("the option `{}` is one letter, not '{text}'", names[0]),
            }
        };
        Ok(Self {
            separator: letter(["sep", "delimiter"], ',')?,
            quote: letter(["quote", "quote"], '"')?,
            escape: letter(["escape", "escape"], '\\')?,
            null: options.text("nullValue").unwrap_or_default().to_owned(),
        })
    }

    /// The parts of the first line; none: it is null. A part in quotes is never null.
    fn parts(&self, line: &str) -> Vec<Option<String>> {
        let mut parts = Vec::new();
        let mut letters = line.chars().peekable();
        loop {
            let mut part = String::new();
            let mut is_quoted = letters.next_if_eq(&self.quote).is_some();
            let was_quoted = is_quoted;
            let more = loop {
                match letters.next() {
                    None | Some('\n') if !is_quoted => break false,
                    None => break false,
                    Some(letter) if is_quoted && letter == self.escape && self.escape != self.quote => {
                        match letters.next_if(|next| *next == self.quote || *next == self.escape) {
                            Some(escaped) => part.push(escaped),
                            None => part.push(letter),
                        }
                    }
                    Some(letter) if is_quoted && letter == self.quote => {
                        // A quote that nothing ends behind is one of the text's.
                        match letters.peek() {
                            Some(next) if *next == self.quote && self.escape == self.quote => {
                                letters.next();
                                part.push(letter);
                            }
                            Some(next) if *next != self.separator && *next != '\n' => part.push(letter),
                            _ => is_quoted = false,
                        }
                    }
                    Some(letter) if !is_quoted && letter == self.separator => break true,
                    Some(letter) => part.push(letter),
                }
            };
            parts.push((was_quoted || part != self.null).then_some(part));
            if !more {
                return parts;
            }
        }
    }

    fn write(&self, text: &str, out: &mut String) {
        let text = text.trim_matches(|letter| letter <= ' ');
        if text.is_empty() {
            out.extend([self.quote, self.quote]);
            return;
        }
        if !text.contains([self.separator, self.quote, '\n', '\r']) {
            out.push_str(text);
            return;
        }
        out.push(self.quote);
        for letter in text.chars() {
            if letter == self.quote || letter == self.escape {
                out.push(self.escape);
            }
            out.push(letter);
        }
        out.push(self.quote);
    }
}

/// The type of `from_csv(record, schema[, options])`: columns, without parts.
pub(in crate::engine) fn read_type(_types: &[DataType], values: &[Option<&ScalarValue>]) -> Result<DataType> {
    let found = schema::written_out(values, 1)?;
    readable(&found)?;
    match &found {
        DataType::Struct(fields) => match fields.iter().find(|field| field.data_type().is_nested()) {
            Some(field) => {
                plan_err!("the column `{}` of CSV has parts: {}", field.name(), type_word(field.data_type()))
            }
            None => Ok(found),
        },
        other => refused(other, "columns"),
    }
}

/// `from_csv(record, schema[, options])`.
pub(in crate::engine) fn read(arguments: &[ArrayRef], to: &DataType) -> Result<ArrayRef> {
    let options = Options::of(arguments.get(2), &READING)?;
    let (format, fails_fast) = (Format::of(&options)?, options.fails_fast()?);
    let (leading, trailing) =
        (options.truth("ignoreLeadingWhiteSpace", false)?, options.truth("ignoreTrailingWhiteSpace", false)?);
    let leaves = Leaves {
        dates: options.pattern("dateFormat")?,
        timestamps: options.pattern("timestampFormat")?,
        ..Leaves::new(Source::Text)
    };
    let DataType::Struct(fields) = to else { return exec_err!("expected columns") };
    let mut nodes: Vec<Option<Node<'_>>> = Vec::new();
    for text in arguments[0].as_string::<i32>() {
        let Some(text) = text else {
            nodes.push(None);
            continue;
        };
        if text.is_empty() {
            leaves.failed.set(true);
            nodes.push(nothing(to));
            continue;
        }
        let parts = format.parts(text);
        if parts.len() != fields.len() {
            leaves.failed.set(true);
        }
        let members = fields.iter().zip(parts).filter_map(|(field, part)| {
            let mut part = part?;
            if leading {
                part = part.trim_start().to_owned();
            }
            if trailing {
                part = part.trim_end().to_owned();
            }
            Some((field.name().clone(), Node { raw: "", kind: Kind::Text(part) }))
        });
        nodes.push(Some(Node { raw: "", kind: Kind::Object(members.collect()) }));
    }
    let nodes: Vec<Option<&Node<'_>>> = nodes.iter().map(Option::as_ref).collect();
    let values = column(&nodes, to, &leaves)?;
    if fails_fast && leaves.failed.get() {
        return exec_err!("from_csv: a record does not have the schema");
    }
    Ok(values)
}

/// `to_csv` takes a struct of values without parts.
pub(in crate::engine) fn written_type(types: &[DataType]) -> Result<DataType> {
    match types.first() {
        Some(DataType::Struct(fields)) => {
            match fields.iter().find(|field| field.data_type().is_nested() || *field.data_type() == DataType::Binary) {
                Some(field) => plan_err!("to_csv does not write {}", type_word(field.data_type())),
                None => Ok(DataType::Utf8),
            }
        }
        Some(other) => plan_err!("to_csv takes a struct, not {}", type_word(other)),
        None => plan_err!("to_csv takes a struct"),
    }
}

/// `to_csv(struct[, options])`.
pub(in crate::engine) fn written(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let options = Options::of(arguments.get(1), &WRITING)?;
    let (format, writer) = (Format::of(&options)?, Writer::of(&options)?);
    let parts = arguments[0].as_struct();
    let mut out = StringBuilder::new();
    let mut record = String::new();
    for row in 0..parts.len() {
        if parts.is_null(row) {
            out.append_null();
            continue;
        }
        record.clear();
        for (index, part) in parts.columns().iter().enumerate() {
            if index > 0 {
                record.push(format.separator);
            }
            if part.is_null(row) {
                record.push_str(&format.null);
            } else if let Some(text) = writer.text(part, row)? {
                format.write(&text, &mut record);
            }
        }
        out.append_value(&record);
    }
    Ok(Arc::new(out.finish()))
}

/// `schema_of_csv(record[, options])`.
pub(in crate::engine) fn found_schema(arguments: &[ArrayRef], _to: &DataType) -> Result<ArrayRef> {
    let format = Format::of(&Options::of(arguments.get(1), &READING)?)?;
    let mut out = StringBuilder::new();
    for text in arguments[0].as_string::<i32>() {
        out.append_option(text.map(|text| {
            let parts = format.parts(text).into_iter().enumerate();
            let fields = parts.map(|(index, part)| (format!("_c{index}"), shape(part.as_deref())));
            let fields: Vec<String> =
                fields.filter_map(|(name, shape)| Some(format!("{name}: {}", shape.sql()?))).collect();
            format!("STRUCT<{}>", fields.join(", "))
        }));
    }
    Ok(Arc::new(out.finish()))
}

/// The narrowest type that a text is a value of.
fn shape(text: Option<&str>) -> Shape {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Shape::Nothing };
    let digits = text.trim_start_matches(['-', '+']);
    let is_whole = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if text.parse::<i32>().is_ok() {
        return Shape::Other("INT");
    }
    if text.parse::<i64>().is_ok() {
        return Shape::Long;
    }
    if is_whole && digits.len() <= 38 {
        return Shape::Decimal(digits.trim_start_matches('0').len().max(1), 0);
    }
    let reads_as = |to: &DataType| cast_text(text, to).is_some();
    if reads_as(&DataType::Float64) || matches!(text, "Inf" | "-Inf") {
        return Shape::Double;
    }
    let is_date = text.len() == 10 && reads_as(&DataType::Date32);
    if is_date {
        return Shape::Other("DATE");
    }
    // A clock without a day, or a year alone, is no timestamp to Spark.
    if text.len() > 10
        && text.as_bytes().get(4) == Some(&b'-')
        && reads_as(&crate::engine::functions::dates::timestamptz())
    {
        return Shape::Other("TIMESTAMP");
    }
    match text.to_ascii_lowercase().as_str() {
        "true" | "false" => Shape::Truth,
        _ => Shape::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_apart_and_put_together() {
        let format = Format::of(&Options::default()).unwrap();
        let parts = |line: &str| {
            format.parts(line).into_iter().map(|part| part.unwrap_or("NULL".to_owned())).collect::<Vec<_>>()
        };
        for (line, expected) in [
            ("1, 0.8", vec!["1", " 0.8"]),
            (r#""a,b","c\"d","#, vec!["a,b", "c\"d", "NULL"]),
            (r#""",x"#, vec!["", "x"]),
            ("a\"b,c", vec!["a\"b", "c"]),
        ] {
            assert_eq!(parts(line), expected, "{line}");
        }
        let mut out = String::new();
        for text in ["plain", "a,b", "q\"q", ""] {
            format.write(text, &mut out);
            out.push('|');
        }
        assert_eq!(out, r#"plain|"a,b"|"q\"q"|""|"#);
    }
}
