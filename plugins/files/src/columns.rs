//! Rows of text files on their way into one Arrow IPC stream.
//!
//! A column that the stream does not know yet is kept aside until the batch is whole: its type is that of all of its values there.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int32Builder,
    Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, NullArray, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use asgard_sdk::Column;

use crate::configuration::{FILE_COLUMN, LINE_COLUMN, Stream};
use crate::fault::Fault;
use crate::inference::Inferred;
use crate::text::Value;
use crate::values::{self, Kind, Reading};

/// A batch is full with so many rows or bytes: its fixed costs vanish, and a handful of them fits in a sandbox.
const FULL_ROWS: usize = 16_384;
const FULL_BYTES: usize = 4 << 20;

/// Rows under construction.
pub struct Batch {
    columns: Vec<Building>,
    places: HashMap<String, usize>,
    /// Columns that the stream does not know yet.
    pending: Vec<Pending>,
    file_columns: bool,
    rows: usize,
    bytes: usize,
}

struct Building {
    column: Column,
    values: Values,
    reading: Reading,
    /// Part of the primary key.
    key: bool,
}

struct Pending {
    name: String,
    inferred: Inferred,
    values: Vec<(usize, Owned)>,
    /// From the configuration.
    kind: Option<Kind>,
}

/// A batch that is whole.
pub struct Taken {
    /// All columns of the stream, where some are new.
    pub evolved: Option<Vec<Column>>,
    /// An Arrow IPC stream.
    pub data: Vec<u8>,
}

impl Batch {
    /// An empty one. `columns` are the stream's.
    pub fn new(columns: &[Column], stream: &Stream, primary_key: &[String]) -> Self {
        let mut batch = Self {
            columns: Vec::with_capacity(columns.len()),
            places: HashMap::new(),
            pending: Vec::new(),
            file_columns: stream.file_columns,
            rows: 0,
            bytes: 0,
        };
        for column in columns {
            // A type of a Parquet file that the stream had before: such a column of a text file is text.
            let kind = Kind::parse(&column.data_type).unwrap_or(Kind::String);
            let reading = match stream.kind_of(&column.name) {
                Some(_) => Reading::Lenient,
                None => Reading::Strict,
            };
            batch.places.insert(column.name.clone(), batch.columns.len());
            batch.columns.push(Building {
                values: Values::new(kind),
                reading,
                key: primary_key.contains(&column.name),
                column: column.clone(),
            });
        }
        batch
    }

    /// It should be taken.
    pub fn is_full(&self) -> bool {
        self.rows >= FULL_ROWS || self.bytes >= FULL_BYTES
    }

    /// How many rows are in it.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the values in it.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the values of a column go.
    ///
    /// # Errors
    /// A file that has one of the columns that tell where a row comes from.
    pub fn slot(&mut self, name: &str, stream: &Stream) -> Result<Slot, Fault> {
        if self.file_columns && (name == FILE_COLUMN || name == LINE_COLUMN) {
            return Err(Fault::content(format!(
                "it has a column `{name}` itself: set the stream's `file_columns` to false"
            )));
        }
        if let Some(place) = self.places.get(name) {
            return Ok(Slot::Known(*place));
        }
        if let Some(place) = self.pending.iter().position(|pending| pending.name == name) {
            return Ok(Slot::New(place));
        }
        self.pending.push(Pending {
            name: name.to_owned(),
            inferred: Inferred::default(),
            values: Vec::new(),
            kind: stream.kind_of(name),
        });
        Ok(Slot::New(self.pending.len() - 1))
    }

    /// Gives the row under construction a value. What does not fit is an answer in words, without its place.
    pub fn set(&mut self, slot: Slot, value: &Value<'_>) -> Result<(), String> {
        match slot {
            Slot::Known(place) => {
                let Some(building) = self.columns.get_mut(place) else { return Ok(()) };
                self.bytes += building.values.push(value, building.reading).map_err(|text| building.unfit(&text))?;
            }
            Slot::New(place) => {
                let Some(pending) = self.pending.get_mut(place) else { return Ok(()) };
                pending.inferred = pending.inferred.with(Inferred::of(value));
                if *value != Value::Null {
                    let owned = Owned::of(value);
                    self.bytes += owned.size();
                    pending.values.push((self.rows, owned));
                }
            }
        }
        Ok(())
    }

    /// Ends the row under construction: columns without a value have null.
    ///
    /// # Errors
    /// In words: a primary key without a value.
    pub fn end_row(&mut self, file: &str, line: u64) -> Result<(), String> {
        for building in &mut self.columns {
            if building.values.len() > self.rows {
                continue;
            }
            let name = building.column.name.as_str();
            if self.file_columns && name == FILE_COLUMN {
                building.values.push(&Value::Text(file), Reading::Lenient)?;
            } else if self.file_columns && name == LINE_COLUMN {
                building.values.push(&Value::Text(&line.to_string()), Reading::Lenient)?;
            } else {
                building.values.push_null();
            }
        }
        if let Some(lacking) = self.columns.iter().find(|building| building.key && building.values.ends_with_null()) {
            return Err(format!(
                "column `{}` is part of the primary key and has no value: give it one, or choose another `primary_key`",
                lacking.column.name
            ));
        }
        self.rows += 1;
        self.bytes += 8 * self.columns.len();
        Ok(())
    }

    /// The rows so far; the batch is empty again, and knows the columns that were new.
    ///
    /// # Errors
    /// In words: a value that does not have the type that the configuration gives its column.
    pub fn take(&mut self) -> Result<Taken, String> {
        let mut evolved = false;
        for pending in std::mem::take(&mut self.pending) {
            // Nothing but nulls: there is nothing to lose.
            if pending.values.is_empty() {
                continue;
            }
            let kind = pending.kind.unwrap_or_else(|| pending.inferred.kind());
            let reading = if pending.kind.is_some() { Reading::Lenient } else { Reading::Strict };
            let column = Column::new(&pending.name, kind.to_string());
            let mut building = Building { column, values: Values::new(kind), reading, key: false };
            for (row, value) in &pending.values {
                while building.values.len() < *row {
                    building.values.push_null();
                }
                building.values.push(&value.as_value(), reading).map_err(|text| building.unfit(&text))?;
            }
            while building.values.len() < self.rows {
                building.values.push_null();
            }
            self.places.insert(pending.name, self.columns.len());
            self.columns.push(building);
            evolved = true;
        }
        let names = self.columns.iter().map(|building| building.column.name.clone()).collect::<Vec<_>>();
        let arrays: Vec<ArrayRef> = self.columns.iter_mut().map(|building| building.values.finish()).collect();
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let data = write(names.into_iter().zip(arrays).collect(), rows).map_err(|error| error.to_string())?;
        let columns = || self.columns.iter().map(|building| building.column.clone()).collect();
        Ok(Taken { evolved: evolved.then(columns), data })
    }
}

/// Where a column's values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Known(usize),
    New(usize),
}

impl Building {
    fn unfit(&self, text: &str) -> String {
        let shown: String = text.chars().take(60).collect();
        let (name, data_type) = (&self.column.name, &self.column.data_type);
        format!(
            "column `{name}`: `{}` is no {data_type}, which the column was found or configured to be: mend the file, or give the \
             column another type in the stream's `columns` (`\"{name}\": \"string\"` takes everything) and \
             POST /ingestion/{{id}}/reset",
            shown.escape_debug()
        )
    }
}

/// Columns by name as an Arrow IPC stream of one batch.
///
/// # Errors
/// Columns of different lengths.
pub fn write(columns: Vec<(String, ArrayRef)>, rows: usize) -> Result<Vec<u8>, ArrowError> {
    let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)?;
    let mut writer = StreamWriter::try_new(Vec::with_capacity(batch.get_array_memory_size() + 4096), &schema)?;
    writer.write(&batch)?;
    writer.into_inner()
}

/// A column of which a file has nothing.
pub fn nothing(rows: usize) -> ArrayRef {
    Arc::new(NullArray::new(rows))
}

/// A value that is kept aside.
enum Owned {
    Text(String),
    JsonString(String),
    JsonNumber(String),
    JsonBoolean(bool),
    JsonNested(String),
}

impl Owned {
    fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::Text(String::new()),
            Value::Text(text) => Self::Text((*text).to_owned()),
            Value::JsonString(text) => Self::JsonString(text.clone().into_owned()),
            Value::JsonNumber(text) => Self::JsonNumber((*text).to_owned()),
            Value::JsonBoolean(value) => Self::JsonBoolean(*value),
            Value::JsonNested(text) => Self::JsonNested((*text).to_owned()),
        }
    }

    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::JsonString(text) => Value::JsonString(text.as_str().into()),
            Self::JsonNumber(text) => Value::JsonNumber(text),
            Self::JsonBoolean(value) => Value::JsonBoolean(*value),
            Self::JsonNested(text) => Value::JsonNested(text),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::JsonString(text) | Self::JsonNumber(text) | Self::JsonNested(text) => {
                text.len() + 32
            }
            Self::JsonBoolean(_) => 32,
        }
    }
}

/// The values of a column.
enum Values {
    Boolean(BooleanBuilder),
    Int(Int32Builder),
    Long(Int64Builder),
    Float(Float32Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder, u8, u8),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Timestamptz(TimestampMicrosecondBuilder),
    String(StringBuilder),
}

macro_rules! each {
    ($values:expr, $builder:ident => $do:expr) => {
        match $values {
            Values::Boolean($builder) => $do,
            Values::Int($builder) => $do,
            Values::Long($builder) => $do,
            Values::Float($builder) => $do,
            Values::Double($builder) => $do,
            Values::Decimal($builder, ..) => $do,
            Values::Date($builder) => $do,
            Values::Time($builder) => $do,
            Values::Timestamp($builder) => $do,
            Values::Timestamptz($builder) => $do,
            Values::String($builder) => $do,
        }
    };
}

impl Values {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Boolean => Self::Boolean(BooleanBuilder::new()),
            Kind::Int => Self::Int(Int32Builder::new()),
            Kind::Long => Self::Long(Int64Builder::new()),
            Kind::Float => Self::Float(Float32Builder::new()),
            Kind::Double => Self::Double(Float64Builder::new()),
            Kind::Decimal { precision, scale } => Self::Decimal(
                Decimal128Builder::new().with_data_type(DataType::Decimal128(precision, scale.cast_signed())),
                precision,
                scale,
            ),
            Kind::Date => Self::Date(Date32Builder::new()),
            Kind::Time => Self::Time(Time64MicrosecondBuilder::new()),
            Kind::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new()),
            Kind::Timestamptz => Self::Timestamptz(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::String => Self::String(StringBuilder::new()),
        }
    }

    fn len(&self) -> usize {
        each!(self, builder => builder.len())
    }

    fn push_null(&mut self) {
        each!(self, builder => builder.append_null());
    }

    fn ends_with_null(&self) -> bool {
        let last = self.len().saturating_sub(1);
        each!(self, builder => builder.validity_slice().is_some_and(|bits| bits.get(last / 8).is_some_and(|byte| byte >> (last % 8) & 1 == 0)))
    }

    fn finish(&mut self) -> ArrayRef {
        each!(self, builder => ArrayBuilder::finish(builder))
    }

    /// Appends a value; answers with its bytes, or with its text where it does not fit.
    fn push(&mut self, value: &Value<'_>, reading: Reading) -> Result<usize, String> {
        let text = match value {
            Value::Null => {
                self.push_null();
                return Ok(0);
            }
            Value::JsonBoolean(value) => {
                let text = if *value { "true" } else { "false" };
                match self {
                    Self::Boolean(builder) => builder.append_value(*value),
                    Self::String(builder) => builder.append_value(text),
                    _ => return Err(text.to_owned()),
                }
                return Ok(1);
            }
            Value::JsonNested(text) => {
                let Self::String(builder) = self else { return Err((*text).to_owned()) };
                builder.append_value(text);
                return Ok(text.len());
            }
            Value::Text(text) | Value::JsonNumber(text) => *text,
            Value::JsonString(text) => text.as_ref(),
        };
        let read = if reading == Reading::Lenient { text.trim() } else { text };
        let unfit = || text.to_owned();
        match self {
            Self::String(builder) => builder.append_value(text),
            Self::Boolean(builder) => builder.append_value(values::boolean(read, reading).ok_or_else(unfit)?),
            Self::Long(builder) => builder.append_value(values::long(read, reading).ok_or_else(unfit)?),
            Self::Int(builder) => {
                let value = values::long(read, reading).and_then(|value| i32::try_from(value).ok());
                builder.append_value(value.ok_or_else(unfit)?);
            }
            Self::Double(builder) => builder.append_value(values::double(read, reading).ok_or_else(unfit)?),
            Self::Float(builder) => {
                // Somebody chose the type: what it rounds to is what they want.
                let value = values::double(read, reading).ok_or_else(unfit)?;
                #[expect(clippy::cast_possible_truncation, reason = "the nearest float")]
                let rounded = value as f32;
                if rounded.is_infinite() && value.is_finite() {
                    return Err(unfit());
                }
                builder.append_value(rounded);
            }
            Self::Decimal(builder, precision, scale) => {
                builder.append_value(values::decimal(read, *precision, *scale, reading).ok_or_else(unfit)?);
            }
            Self::Date(builder) => builder.append_value(values::date(read).ok_or_else(unfit)?),
            Self::Time(builder) => builder.append_value(values::time(read).ok_or_else(unfit)?),
            Self::Timestamp(builder) => builder.append_value(values::timestamp(read).ok_or_else(unfit)?),
            Self::Timestamptz(builder) => builder.append_value(values::timestamptz(read).ok_or_else(unfit)?),
        }
        Ok(text.len())
    }
}

/// The columns that tell where a row comes from.
pub fn file_columns() -> [Column; 2] {
    [
        Column { nullable: true, ..Column::new(FILE_COLUMN, "string") },
        Column { nullable: true, ..Column::new(LINE_COLUMN, "long") },
    ]
}
