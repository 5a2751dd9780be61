//! Gold: a dbt model becomes a statement and a target.

use asgard_dbt::{Existing, Settings, Surroundings};
use asgard_sdk::Result;
use asgard_sdk::json::{Map, Value};
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization};

use crate::work::{Language, Mode, Target, Work};

/// What `target.type` is in a model.
const ENGINE: &str = "asgard";

/// A model, ready to be run.
#[derive(Debug)]
pub struct Prepared {
    pub work: Work,
    /// The target is a view that must make room for a table. It holds no rows, so nothing is lost.
    pub replaces_view: bool,
    /// Things in the model's `config` that change nothing here, for the log.
    pub notes: Vec<String>,
}

/// Renders the model, settles its configuration and says what is to be run.
///
/// # Errors
/// `invalid-input` for `sql_query` with the line, or for the setting that is wrong.
pub fn prepare(
    model: &GoldModel,
    existing: Existing,
    variables: &Map<String, Value>,
    environment: &str,
) -> Result<Prepared> {
    let surroundings = Surroundings { variables, environment, engine: ENGINE };
    let prepared = asgard_dbt::Prepared::new(model, existing, surroundings)?;
    let work = Work {
        language: Language::Trino,
        sql: prepared.sql,
        inputs: Vec::new(),
        target: target(model, &prepared.settings),
        polls: 0,
    };
    Ok(Prepared { work, replaces_view: prepared.replaces_view, notes: notes(&prepared.settings) })
}

fn notes(settings: &Settings) -> Vec<String> {
    let properties = settings.properties.iter().map(|(name, _)| format!("properties.{name}"));
    let unknown = settings.unknown.iter().cloned().chain(properties);
    unknown.map(|name| format!("config `{name}` changes nothing on the embedded engine")).collect()
}

fn target(model: &GoldModel, settings: &Settings) -> Target {
    let table = model.target.clone().into();
    let mode = match (settings.materialization, settings.strategy) {
        (Materialization::View, _) => return Target::View(table),
        (Materialization::Table, _) => Mode::Replace,
        (Materialization::Incremental, IncrementalStrategy::Append) => Mode::Append,
        (Materialization::Incremental, IncrementalStrategy::Merge) => Mode::Merge,
        (Materialization::Incremental, IncrementalStrategy::DeleteInsert) => Mode::DeleteInsert,
    };
    let key = if matches!(mode, Mode::Merge | Mode::DeleteInsert) { settings.unique_key.clone() } else { Vec::new() };
    Target::Table { table, mode, key, properties: properties(model, settings) }
}

/// What the table tells about itself to every engine that reads it. `comment` is Iceberg's own name for a description.
fn properties(model: &GoldModel, settings: &Settings) -> Vec<(String, String)> {
    let comment = settings.description.iter().map(|description| ("comment", description.clone()));
    let layout = settings.layout.iter().cloned();
    let all = settings.origin(&model.name).into_iter().chain(comment).chain(layout);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}
