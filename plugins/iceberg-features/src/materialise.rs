//! Fills the online store: the latest row of each entity, one key-value bucket per view, replaced as a whole.
//!
//! | key | value |
//! | --- | --- |
//! | `["OP-1007"]`: the entities' values as texts, in the view's order | `{"at": ms, "features": {name: value}}` |
//! | `state` | [`Filled`] |
//!
//! Event times are kept, so that a row's time to live is judged when it is read.

use std::io::Cursor;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, RecordBatch, make_array};
use arrow_ipc::reader::StreamReader;
use arrow_json::WriterBuilder;
use arrow_json::writer::JsonArray;
use arrow_schema::{ArrowError, DataType, TimeUnit};
use asgard_sdk::context::Level;
use asgard_sdk::feature_source::FeatureView;
use asgard_sdk::json::{self, Map, Value};
use asgard_sdk::{Error, Result, context, key_value, lakehouse};
use serde::{Deserialize, Serialize};

use crate::historical::input_name;
use crate::sql::{Source, names};

/// Where a view's bucket tells how it was filled. No entity has it: their keys are lists.
pub const STATE: &str = "state";
/// Entities of one view. All of them pass through the plugin's memory at once, about 400 bytes each.
const ENTITIES_AT_MOST: u32 = 250_000;

/// How a bucket was filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// Of the view's table; none for a view of the lakehouse, which has none.
    pub snapshot: Option<i64>,
    pub entities: u64,
    /// When the snapshot was last seen to be the current one.
    pub checked_ms: u64,
}

/// One entity's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The event time; none: valid at all times.
    pub at: Option<i64>,
    pub features: Map<String, Value>,
}

/// A view's bucket.
pub fn bucket(view: &str) -> String {
    format!("view.{view}")
}

/// The statement that finds the latest row of each entity: entities, event time (if any), features.
///
/// # Errors
/// `conflict` when the table lost a column of the view.
pub fn statement(source: &Source<'_>) -> Result<String> {
    let features = names(&source.view.features);
    let mut picked: Vec<String> = Vec::new();
    picked.extend(source.entities().iter().enumerate().map(|(index, entity)| format!("{entity} AS k{index}")));
    picked.extend(source.event_time()?.map(|time| format!("{time} AS event_time")));
    for (index, feature) in features.iter().enumerate() {
        picked.push(format!("{} AS f{index}", source.feature(feature)?));
    }
    Ok(format!(
        "SELECT {}\nFROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS place FROM {} WHERE {}) AS ranked\nWHERE place = 1",
        picked.join(", "),
        source.entities().join(", "),
        source.latest_first(&features)?,
        input_name(0),
        source.complete_rows()?,
    ))
}

/// Fills the view's bucket from its table's current snapshot. Readers see the old rows until all new ones are there.
///
/// # Errors
/// `conflict` when table and view do not fit any more, `unsupported` for more entities than an online store takes here.
pub fn fill(view: &FeatureView) -> Result<Filled> {
    let table = lakehouse::describe(&view.source)?;
    let source = Source { view, columns: &table.columns };
    let statement = lakehouse::Statement {
        sql: statement(&source)?,
        dialect: lakehouse::Dialect::Trino,
        inputs: vec![(input_name(0), lakehouse::Input::Table(view.source.clone()))],
    };
    let rows = lakehouse::query(&statement, ENTITIES_AT_MOST + 1)?;
    let mut entries = entries(view, &rows)?;
    if entries.len() > ENTITIES_AT_MOST as usize {
        return Err(Error::Unsupported(format!(
            "feature view `{}` has more than {ENTITIES_AT_MOST} entities, which is what this online store takes",
            view.name
        )));
    }
    let filled = Filled { snapshot: table.snapshot, entities: entries.len() as u64, checked_ms: context::now_ms() };
    entries.push((STATE.to_owned(), asgard_sdk::encode(&filled)?));
    key_value::replace(&bucket(&view.name), &entries)?;
    context::log(
        Level::Info,
        &format!(
            "online store of `{}`: {} entities of {}.{}",
            view.name, filled.entities, view.source.namespace, view.source.name
        ),
    );
    Ok(filled)
}

/// Keys and values of the rows that [`statement`] found.
///
/// # Errors
/// `internal` when they are not of that shape.
pub fn entries(view: &FeatureView, ipc: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut entries = Vec::new();
    for batch in StreamReader::try_new(Cursor::new(ipc), None).map_err(unreadable)? {
        entries.extend(batch_entries(view, &batch.map_err(unreadable)?)?);
    }
    Ok(entries)
}

fn batch_entries(view: &FeatureView, batch: &RecordBatch) -> Result<Vec<(String, Vec<u8>)>> {
    let entities = view.entities.len();
    let timed = usize::from(view.timestamp_field.is_some());
    let columns = entities + timed + view.features.len();
    if batch.num_columns() != columns {
        return Err(Error::internal(format!("{} columns were read, expected {columns}", batch.num_columns())));
    }
    let times = if timed == 1 { Some(milliseconds(batch.column(entities).as_ref())?) } else { None };
    let named = rows_of(batch)?;
    let mut entries = Vec::with_capacity(named.len());
    for (row, mut values) in named.into_iter().enumerate() {
        let keys: Vec<Value> =
            (0..entities).map(|index| values.remove(&format!("k{index}")).unwrap_or_default()).collect();
        let features = view.features.iter().enumerate();
        let features = features
            .map(|(index, feature)| (feature.name.clone(), values.remove(&format!("f{index}")).unwrap_or_default()))
            .collect();
        let at = times.as_ref().and_then(|times| times.get(row).copied().flatten());
        entries.push((key(keys.iter())?, asgard_sdk::encode(&Stored { at, features })?));
    }
    Ok(entries)
}

/// An entity's key. Numbers and texts that look the same are the same.
///
/// # Errors
/// `internal` for a value that identifies nothing.
pub fn key<'a>(values: impl Iterator<Item = &'a Value>) -> Result<String> {
    let texts = values.map(key_text).collect::<Option<Vec<String>>>();
    let texts = texts.ok_or_else(|| Error::internal("an entity's value is neither text nor number nor boolean"))?;
    json::to_string(&texts).map_err(Error::internal)
}

/// A value as it stands in a key; none for null, lists and objects.
pub fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            // Some clients write whole numbers as 7.0.
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 9e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn rows_of(batch: &RecordBatch) -> Result<Vec<Map<String, Value>>> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    writer.write(&with_offsets(batch)?).map_err(unreadable)?;
    writer.finish().map_err(unreadable)?;
    let text = writer.into_inner();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    json::from_slice(&text).map_err(|error| Error::internal(format!("the rows cannot be read: {error}")))
}

/// Time zones as offsets: names such as `UTC` need a time zone database, which would double this component.
fn with_offsets(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        let DataType::Timestamp(unit, Some(_)) = field.data_type() else {
            return Ok((field.name().clone(), column.clone()));
        };
        // Iceberg's times with a zone are kept in UTC.
        let kind = DataType::Timestamp(*unit, Some("+00:00".into()));
        let data = column.to_data().into_builder().data_type(kind).build().map_err(unreadable)?;
        Ok((field.name().clone(), make_array(data)))
    });
    RecordBatch::try_from_iter_with_nullable(
        columns.collect::<Result<Vec<_>>>()?.into_iter().map(|(name, column)| (name, column, true)),
    )
    .map_err(unreadable)
}

fn milliseconds(times: &dyn Array) -> Result<Vec<Option<i64>>> {
    let DataType::Timestamp(unit, _) = times.data_type() else {
        return Err(Error::internal(format!("the event time is {}, expected a timestamp", times.data_type())));
    };
    Ok(match unit {
        TimeUnit::Second => times
            .as_primitive::<TimestampSecondType>()
            .iter()
            .map(|time| time.map(|time| time.saturating_mul(1000)))
            .collect(),
        TimeUnit::Millisecond => times.as_primitive::<TimestampMillisecondType>().iter().collect(),
        TimeUnit::Microsecond => times
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .map(|time| time.map(|time| time.div_euclid(1000)))
            .collect(),
        TimeUnit::Nanosecond => times
            .as_primitive::<TimestampNanosecondType>()
            .iter()
            .map(|time| time.map(|time| time.div_euclid(1_000_000)))
            .collect(),
    })
}

fn unreadable(error: ArrowError) -> Error {
    Error::internal(format!("the rows cannot be read: {error}"))
}
