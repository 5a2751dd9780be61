//! A model that is ready to be run.

use asgard_sdk::json::{Map, Value};
use asgard_sdk::transform::{GoldModel, Materialization};
use asgard_sdk::{Error, Result, TableName};

use crate::{Scene, Settings, render};

/// What stands under the target's name before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Nothing,
    Table,
    View,
}

/// What an engine renders models with.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// For `var`.
    pub variables: &'a Map<String, Value>,
    /// `target.name`.
    pub environment: &'a str,
    /// `target.type`.
    pub engine: &'a str,
}

/// A model, rendered and settled.
#[derive(Debug)]
pub struct Prepared {
    pub sql: String,
    pub settings: Settings,
    /// Whether rows are added to a table that exists.
    pub incremental: bool,
    /// The target is a view that must make room for a table. It holds no rows, so nothing is lost.
    pub replaces_view: bool,
    /// Tables that the model names by `ref` and `source`, in either rendering.
    pub tables: Vec<TableName>,
    /// What the model's own `config` says.
    pub config: Map<String, Value>,
}

impl Prepared {
    /// Renders the model, settles its configuration and says what is to be made. Rendered twice when it is incremental and
    /// its table exists: only the model itself tells that it is incremental.
    ///
    /// # Errors
    /// `invalid-input` for `sql_query` with the line, or for the setting that is wrong; `conflict` for a view in the place of a
    /// table.
    pub fn new(model: &GoldModel, existing: Existing, surroundings: Surroundings<'_>) -> Result<Self> {
        let Surroundings { variables, environment, engine } = surroundings;
        let scene = Scene { model, variables, environment, engine, incremental: false };
        let first = render(&scene)?;
        let settings = Settings::settle(model, &first.config)?;
        let incremental = settings.materialization == Materialization::Incremental && existing == Existing::Table;
        let mut tables = first.tables;
        let mut sql = first.sql;
        if incremental {
            let again = render(&Scene { incremental, ..scene })?;
            tables.extend(again.tables.into_iter().filter(|table| !tables.contains(table)).collect::<Vec<_>>());
            sql = again.sql;
        }
        if settings.materialization == Materialization::View && existing == Existing::Table {
            return Err(Error::Conflict(format!(
                "{}.{} is a table with rows of its own: delete the transformation with `drop_table=true`, then make the view",
                model.target.namespace, model.target.name
            )));
        }
        let replaces_view = settings.materialization != Materialization::View && existing == Existing::View;
        Ok(Self { sql, settings, incremental, replaces_view, tables, config: first.config })
    }
}
