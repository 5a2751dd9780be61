//! Gold: a dbt model becomes a statement and a target.

use asgard_sdk::json::{Map, Value};
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization};
use asgard_sdk::{Error, Result};

use crate::model::{Scene, Settings, render};
use crate::work::{Language, Mode, Target, Work};

/// What stands under the target's name before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Nothing,
    Table,
    View,
}

/// A model, ready to be run.
#[derive(Debug)]
pub struct Prepared {
    pub work: Work,
    /// The target is a view that must make room for a table. It holds no rows, so nothing is lost.
    pub replaces_view: bool,
    /// Things in the model's `config` that change nothing here, for the log.
    pub notes: Vec<String>,
}

/// Renders the model, settles its configuration and says what is to be run. Rendered twice when it is
/// incremental and its table exists: only the model itself tells that it is incremental.
///
/// # Errors
/// `invalid-input` for `sql_query` with the line, or for the setting that is wrong.
pub fn prepare(
    model: &GoldModel,
    existing: Existing,
    variables: &Map<String, Value>,
    environment: &str,
) -> Result<Prepared> {
    let scene = Scene { model, variables, environment, incremental: false };
    let first = render(&scene)?;
    let settings = Settings::settle(model, &first.config)?;
    let incremental = settings.materialization == Materialization::Incremental && existing == Existing::Table;
    let rendered = if incremental { render(&Scene { incremental, ..scene })? } else { first };
    if settings.materialization == Materialization::View && existing == Existing::Table {
        return Err(Error::Conflict(format!(
            "{}.{} is a table with rows of its own: delete the transformation with `drop_table=true`, then make the view",
            model.target.namespace, model.target.name
        )));
    }
    let notes = settings.notes.clone();
    let replaces_view = settings.materialization != Materialization::View && existing == Existing::View;
    let work = Work {
        language: Language::Trino,
        sql: rendered.sql,
        inputs: Vec::new(),
        target: target(model, settings),
        polls: 0,
    };
    Ok(Prepared { work, replaces_view, notes })
}

fn target(model: &GoldModel, settings: Settings) -> Target {
    let table = model.target.clone().into();
    let mode = match (settings.materialization, settings.strategy) {
        (Materialization::View, _) => return Target::View(table),
        (Materialization::Table, _) => Mode::Replace,
        (Materialization::Incremental, IncrementalStrategy::Append) => Mode::Append,
        (Materialization::Incremental, IncrementalStrategy::Merge) => Mode::Merge,
        (Materialization::Incremental, IncrementalStrategy::DeleteInsert) => Mode::DeleteInsert,
    };
    let key = if matches!(mode, Mode::Merge | Mode::DeleteInsert) { settings.unique_key.clone() } else { Vec::new() };
    Target::Table { table, mode, key, properties: properties(model, &settings) }
}

/// What the table tells about itself to every engine that reads it. `comment` is Iceberg's own name for a description.
fn properties(model: &GoldModel, settings: &Settings) -> Vec<(String, String)> {
    let mut properties = vec![
        ("asgard.model".to_owned(), model.name.clone()),
        ("asgard.owner".to_owned(), settings.owner.clone()),
        ("asgard.materialization".to_owned(), settings.materialization_name().to_owned()),
    ];
    if let Some(description) = &settings.description {
        properties.push(("comment".to_owned(), description.clone()));
    }
    if !settings.tags.is_empty() {
        properties.push(("asgard.tags".to_owned(), settings.tags.join(",")));
    }
    properties.extend(settings.layout.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    properties
}
