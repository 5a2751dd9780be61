//! Fills the online store: the latest row of each entity, one key-value bucket per view, replaced as a whole.
//!
//! | key | value |
//! | --- | --- |
//! | `["OP-1007"]`: the entities' values as texts, in the view's order | [`Stored`] |
//! | `state` | [`Filled`] |
//! | `pushed`, `unpushed` | see [`push`](crate::push) |
//!
//! Event times are kept, so that a row's time to live is judged when it is read, and rows that are pushed are compared with it.

use std::io::Cursor;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use asgard_features::sql::{Source, names};
use asgard_sdk::context::Level;
use asgard_sdk::feature_source::FeatureView;
use asgard_sdk::json::{self, Map, Value};
use asgard_sdk::{Error, Result, context, key_value, lakehouse};
use serde::{Deserialize, Serialize};

use crate::historical::input_name;
use crate::values;

/// Where a view's bucket tells how it was filled. No entity has such a key: theirs are lists.
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
    /// When it was filled. None that is known: by a version that did not keep it.
    #[serde(default)]
    pub filled_ms: u64,
}

/// One entity's row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The event time in milliseconds since 1970; none: valid at all times.
    pub at: Option<i64>,
    /// Of the event time, the microseconds that `at` leaves over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub micros: u16,
    /// When it was created, in microseconds since 1970, where the view has that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<i64>,
    pub features: Map<String, Value>,
}

fn is_zero(micros: &u16) -> bool {
    *micros == 0
}

impl Stored {
    /// A row with its event time in microseconds since 1970.
    pub fn new(at: Option<i64>, made: Option<i64>, features: Map<String, Value>) -> Self {
        let micros = at.map_or(0, |time| time.rem_euclid(1000));
        Self { at: at.map(|time| time.div_euclid(1000)), micros: u16::try_from(micros).unwrap_or(0), made, features }
    }

    /// The event time in microseconds since 1970.
    pub fn event_time(&self) -> Option<i64> {
        self.at.map(|time| time.saturating_mul(1000).saturating_add(self.micros.into()))
    }
}

/// A view's bucket.
pub fn bucket(view: &str) -> String {
    format!("view.{view}")
}

/// The statement that finds the latest row of each entity: entities, event time (if any), created timestamp (if any), features.
///
/// # Errors
/// `conflict` when the table lost a column of the view.
pub fn statement(source: &Source<'_>) -> Result<String> {
    let features = names(&source.view.features);
    let mut picked: Vec<String> = Vec::new();
    picked.extend(
        source.entities().iter().enumerate().map(|(index, entity)| format!("CAST({entity} AS VARCHAR) AS k{index}")),
    );
    picked.extend(source.event_time()?.map(|time| format!("{time} AS event_time")));
    picked.extend(source.created()?.map(|time| format!("{time} AS created")));
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
    let now = context::now_ms();
    let filled = Filled { snapshot: table.snapshot, entities: entries.len() as u64, checked_ms: now, filled_ms: now };
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
    let has = |column: &Option<String>| usize::from(column.is_some());
    let expected =
        view.entities.len() + has(&view.timestamp_field) + has(&view.created_timestamp_column) + view.features.len();
    if batch.num_columns() != expected {
        return Err(Error::internal(format!("{} columns were read, expected {expected}", batch.num_columns())));
    }
    let (keys, rest) = batch.columns().split_at(view.entities.len());
    let (times, features) = rest.split_at(rest.len() - view.features.len());
    let (event_times, created) = times.split_at(has(&view.timestamp_field));
    let mut entries = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let texts = keys.iter().map(|column| values::text(column.as_ref(), row)).collect::<Result<Vec<_>>>()?;
        let time = |column: Option<&ArrayRef>| match column {
            Some(times) => values::microseconds(times.as_ref(), row),
            None => Ok(None),
        };
        let (at, made) = (time(event_times.first())?, time(created.first())?);
        let features = view
            .features
            .iter()
            .zip(features)
            .map(|(feature, column)| Ok((feature.name.clone(), values::json(column.as_ref(), row)?)));
        let stored = Stored::new(at, made, features.collect::<Result<_>>()?);
        entries.push((key(&texts)?, asgard_sdk::encode(&stored)?));
    }
    Ok(entries)
}

/// An entity's key, of its values as texts.
///
/// # Errors
/// `internal` when they have no JSON form.
pub fn key(texts: &[impl Serialize]) -> Result<String> {
    json::to_string(texts).map_err(Error::internal)
}

fn unreadable(error: ArrowError) -> Error {
    Error::internal(format!("the rows cannot be read: {error}"))
}
