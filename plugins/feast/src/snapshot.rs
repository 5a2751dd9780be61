//! The file of a view: its table's current snapshot as Feast needs it.
//!
//! One row for each entity and event time, so that Feast's joins have nothing left to choose: of rows that tie, the one made last, and
//! of those the greatest, as `iceberg-features` chooses. Rows that do not say whose or when they are stay out. Features have the types
//! of their dtypes. Keys are whole numbers or texts, since Feast's online stores know no other.

use std::collections::BTreeMap;

use asgard_features::columns::{as_dtype, sql_type};
use asgard_features::sql::{Source, moment, names, quoted};
use asgard_sdk::feature_source::{Dtype, FeatureView};
use asgard_sdk::{Result, lakehouse};

use crate::known::{File, Known};
use crate::writes::{Given, Write};

/// The event time of rows that have none: before all that is asked for.
pub const TIMELESS: &str = "asgard_valid_from";

/// A view's table as it is now, and what was known of its file before.
#[derive(Debug, Clone)]
pub struct Current {
    pub snapshot: Option<i64>,
    pub sql: String,
    pub types: BTreeMap<String, String>,
}

/// The column with the event time, in the file.
pub fn time_column(view: &FeatureView) -> &str {
    view.timestamp_field.as_deref().unwrap_or(TIMELESS)
}

/// The object with a view's file. It keeps its name: see the crate.
pub fn object(view: &FeatureView) -> String {
    format!("feast/views/{}.parquet", view.name)
}

/// Whether a column's values are keys as numbers; otherwise they are texts.
pub fn is_number(data_type: &str) -> bool {
    matches!(data_type, "int" | "long")
}

/// A key as Feast has it.
pub fn key(expression: &str, data_type: &str) -> String {
    match data_type {
        "long" | "string" => expression.to_owned(),
        "int" => format!("CAST({expression} AS BIGINT)"),
        _ => format!("CAST({expression} AS VARCHAR)"),
    }
}

impl Current {
    /// What the file would be now.
    ///
    /// # Errors
    /// `conflict` when the table lost a column of the view.
    pub fn of(view: &FeatureView, table: &lakehouse::Table) -> Result<Self> {
        let source = Source { view, columns: &table.columns };
        let mut types = BTreeMap::new();
        for name in view.entities.iter().chain(view.features.iter().map(|feature| &feature.name)) {
            types.insert(name.clone(), source.column(name)?.data_type.clone());
        }
        Ok(Self { snapshot: table.snapshot, sql: statement(&source, table.snapshot)?, types })
    }

    /// Whether the file that is there was written of this. That of a view without snapshots never is.
    pub fn is_written(&self, known: &Known) -> bool {
        self.snapshot.is_some() && known.file.as_ref() == Some(&self.file())
    }

    /// What is known of the file once it is written.
    pub fn file(&self) -> File {
        File { snapshot: self.snapshot, sql: self.sql.clone() }
    }

    /// Writes the file, unless it is there.
    pub fn write(&self, view: &FeatureView, known: &Known) -> Write {
        let object = object(view);
        let version = self.snapshot.map_or_else(|| "now".to_owned(), |snapshot| snapshot.to_string());
        let table = Given::Table(view.source.namespace.clone(), view.source.name.clone());
        let mut write =
            Write::new(&format!("{object}@{version}"), self.sql.clone(), vec![(NOW.to_owned(), table)], object);
        if self.is_written(known) {
            write.rows = Some(0);
        }
        write
    }
}

/// Finds the entities of a view's file: how many there are is the number of rows.
pub fn entities(view: &FeatureView, object: String) -> Write {
    let keys: Vec<String> = view.entities.iter().map(|entity| quoted(entity)).collect();
    let sql = format!("SELECT DISTINCT {} FROM written", keys.join(", "));
    let written = Given::Object(self::object(view));
    Write::new(&object, sql, vec![("written".to_owned(), written)], object.clone())
}

const NOW: &str = "source_now";

fn statement(source: &Source<'_>, snapshot: Option<i64>) -> Result<String> {
    let view = source.view;
    let mut picked: Vec<String> = Vec::new();
    for entity in &view.entities {
        let name = quoted(entity);
        picked.push(format!("{} AS {name}", key(&name, &source.column(entity)?.data_type)));
    }
    let time = source.event_time()?;
    let when = time.clone().unwrap_or_else(|| "TIMESTAMP '1970-01-01 00:00:00 UTC'".to_owned());
    picked.push(format!("{when} AS {}", quoted(time_column(view))));
    for feature in &view.features {
        let name = quoted(&feature.name);
        let data_type = &source.column(&feature.name)?.data_type;
        picked.push(format!("{} AS {name}", stored(&name, data_type, feature.dtype)));
    }
    let mut alike = source.entities();
    alike.extend(time);
    let version = snapshot.map(|snapshot| format!(" FOR VERSION AS OF {snapshot}")).unwrap_or_default();
    Ok(format!(
        "WITH source_rows AS (\n    SELECT * FROM {NOW}{version}\n), ranked AS (\n    SELECT *, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS asgard_place\n    FROM source_rows WHERE {}\n)\nSELECT {}\nFROM ranked WHERE asgard_place = 1",
        alike.join(", "),
        source.latest_first(&names(&view.features))?,
        source.complete_rows()?,
        picked.join(", "),
    ))
}

/// A feature as the file has it: in a type that Feast knows.
fn stored(expression: &str, data_type: &str, dtype: Dtype) -> String {
    match dtype {
        Dtype::UnixTimestamp => moment(expression, data_type),
        Dtype::String if data_type == "uuid" => format!("CAST({expression} AS {})", sql_type("string")),
        _ => as_dtype(expression, data_type, dtype),
    }
}
