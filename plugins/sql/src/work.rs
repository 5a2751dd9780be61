//! What a request comes to: one statement and the place for its result. It is the step's state as well, so that a step
//! after a restart of the host submits exactly what the first one did: a model rendered again might see its own table and
//! take itself for an incremental run.

use asgard_sdk::{Column, Error, Result, TableName, lakehouse};
use serde::{Deserialize, Serialize};

/// The first poll comes soon, for statements over small tables; later ones leave the host in peace.
const FIRST_POLL_MS: u32 = 20;
const SLOWEST_POLL_MS: u32 = 1_000;
/// The view of a silver run that the request's `source_path` stands for.
const SOURCE_VIEW: &str = "source_data";

/// A table or view, in a form that can be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    pub namespace: String,
    pub name: String,
}

impl From<TableName> for Name {
    fn from(name: TableName) -> Self {
        Self { namespace: name.namespace, name: name.name }
    }
}

impl From<Name> for TableName {
    fn from(name: Name) -> Self {
        Self { namespace: name.namespace, name: name.name }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

/// Which engine's SQL it is, and which field of the API's request it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    Spark,
    Trino,
}

impl Language {
    /// The field that an error of the statement belongs to.
    pub fn field(self) -> &'static str {
        match self {
            Self::Spark => "sql",
            Self::Trino => "sql_query",
        }
    }
}

/// What a view of the statement stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Table(Name),
    Location(String),
}

/// How rows reach a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Replace,
    Append,
    Merge,
    DeleteInsert,
}

/// Where the result goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Table { table: Name, mode: Mode, key: Vec<String>, properties: Vec<(String, String)> },
    View(Name),
}

impl Target {
    /// The table's or view's name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Table { table, .. } => table,
            Self::View(name) => name,
        }
    }
}

/// A statement on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    pub language: Language,
    pub sql: String,
    pub inputs: Vec<(String, Source)>,
    pub target: Target,
    /// Polls so far.
    pub polls: u32,
}

impl Work {
    /// For the engine.
    pub fn statement(&self) -> lakehouse::Statement {
        let input = |source: &Source| match source {
            Source::Table(name) => lakehouse::Input::Table(name.clone().into()),
            Source::Location(location) => lakehouse::Input::Location(location.clone()),
        };
        lakehouse::Statement {
            sql: self.sql.clone(),
            dialect: match self.language {
                Language::Spark => lakehouse::Dialect::Spark,
                Language::Trino => lakehouse::Dialect::Trino,
            },
            inputs: self.inputs.iter().map(|(view, source)| (view.clone(), input(source))).collect(),
        }
    }

    /// For the engine.
    pub fn output(&self) -> lakehouse::Output {
        match &self.target {
            Target::View(name) => lakehouse::Output::View(name.clone().into()),
            Target::Table { table, mode, key, properties } => lakehouse::Output::Table(lakehouse::TableWrite {
                table: table.clone().into(),
                mode: match mode {
                    Mode::Replace => lakehouse::WriteMode::Replace,
                    Mode::Append => lakehouse::WriteMode::Append,
                    Mode::Merge => lakehouse::WriteMode::Merge,
                    Mode::DeleteInsert => lakehouse::WriteMode::DeleteInsert,
                },
                key: key.clone(),
                properties: properties.clone(),
            }),
        }
    }

    /// Milliseconds until the next poll; half as much again each time.
    pub fn poll_after_ms(&self) -> u32 {
        // Ten times half as much again is past the slowest already.
        (0..self.polls.min(10)).fold(FIRST_POLL_MS, |wait, _| (wait + wait / 2).min(SLOWEST_POLL_MS))
    }

    /// The key of a merge must be columns of the result.
    ///
    /// # Errors
    /// `invalid-input` for `unique_key`.
    pub fn check_key(&self, columns: &[Column]) -> Result<()> {
        let Target::Table { key, .. } = &self.target else { return Ok(()) };
        for name in key {
            if !columns.iter().any(|column| column.name == *name) {
                let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                return Err(Error::invalid(
                    "unique_key",
                    format!("the result has no column `{name}`: it has {}", known.join(", ")),
                ));
            }
        }
        Ok(())
    }

    /// An error of the statement, with the field of the API's request that it belongs to.
    pub fn explained(&self, error: Error) -> Error {
        let Error::InvalidInput(input) = error else { return error };
        let field = match input.field.as_deref() {
            None | Some("sql") => self.language.field().to_owned(),
            Some(field) => match field.strip_prefix("inputs.") {
                Some(SOURCE_VIEW) => "source_path".to_owned(),
                Some(view) => format!("sources.{view}"),
                None => field.to_owned(),
            },
        };
        Error::invalid(field, input.message)
    }
}
