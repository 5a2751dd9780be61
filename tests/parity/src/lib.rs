//! Statements that a real engine was asked, asked of the embedded engine, and the answers compared: values and types.
//!
//! What the real engine says is data in `ENGINE/cases.jsonl`, with the script that makes it beside it.

#![recursion_limit = "256"]

mod kinds;
mod values;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use asgard_contract::environment::Limits;
use asgard_contract::lakehouse::{Dialect, Statement};
use asgard_contract::{Column, Error};
use asgard_lakehouse::{CatalogConfig, Lakehouse, LakehouseConfig, Query, rows_to_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::kinds::kind;
use crate::values::is;

/// A real engine whose answers are at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The worked examples of Spark's own functions.
    Spark,
    /// What feature engineering uses of Trino.
    Trino,
}

/// A statement with what the real engine answers.
#[derive(Debug, Deserialize)]
struct Case {
    sql: String,
    /// Whose worked example it is; none = of the language.
    #[serde(default)]
    function: String,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
    /// It refuses the statement.
    error: Option<String>,
}

/// How the embedded engine did with one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Same,
    /// It says that it cannot: in its words.
    Refused(String),
    /// It answers something else: the first difference.
    Wrong(String),
}

/// The figures of one comparison.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Report {
    pub engine: Engine,
    pub cases: usize,
    #[serde(flatten)]
    pub all: Figures,
    /// Of those that are the same: the real engine refuses them too, with whatever reason.
    pub refused_by_both: usize,
    /// Of worked examples of functions, those that the real engine answers.
    pub examples: Figures,
}

/// How many there are of each outcome.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Figures {
    pub same: usize,
    pub refused: usize,
    pub wrong: usize,
}

impl Figures {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Same => self.same += 1,
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Wrong(_) => self.wrong += 1,
        }
    }
}

/// Asks the embedded engine every statement that holds `only`, and tells each outcome as it comes.
///
/// # Errors
/// Where the cases cannot be read, or a lakehouse cannot be made.
pub async fn compare(engine: Engine, only: Option<&str>, told: &mut dyn FnMut(&str, &Outcome)) -> Result<Report> {
    let (folder, dialect) = match engine {
        Engine::Spark => ("spark", Dialect::Spark),
        Engine::Trino => ("trino", Dialect::Trino),
    };
    let cases = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("cases.jsonl"))?;
    let scratch = tempfile::tempdir()?;
    let lakehouse = Lakehouse::open(LakehouseConfig {
        folder: scratch.path().join("lakehouse"),
        catalog: CatalogConfig::Sqlite,
        storage: None,
        limits: Limits::default(),
    })
    .await?;
    let (all, examples) = (Figures::default(), Figures::default());
    let mut report = Report { engine, cases: 0, all, refused_by_both: 0, examples };
    for case in cases.iter().filter(|case| only.is_none_or(|only| case.sql.contains(only))) {
        let outcome = ask(&lakehouse, dialect, case).await;
        report.cases += 1;
        report.all.count(&outcome);
        if case.error.is_some() {
            report.refused_by_both += usize::from(outcome == Outcome::Same);
        } else if !case.function.is_empty() {
            report.examples.count(&outcome);
        }
        told(&case.sql, &outcome);
    }
    Ok(report)
}

fn cases(file: &Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let lines = text.lines().filter(|line| !line.is_empty());
    let cases: Vec<Case> = lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("no case: {line}")))
        .collect::<Result<_>>()?;
    ensure!(!cases.is_empty(), "{} is empty", file.display());
    Ok(cases)
}

async fn ask(lakehouse: &Arc<Lakehouse>, dialect: Dialect, case: &Case) -> Outcome {
    let query = Query {
        statement: Statement { sql: case.sql.clone(), dialect, inputs: Vec::new() },
        as_of: None,
        offset: 0,
        max_rows: 10_000,
        time: None,
        memory_bytes: None,
    };
    let answer = match lakehouse.ask(&query).await {
        Ok(answer) => answer,
        Err(Error::InvalidInput { .. } | Error::Unsupported { .. }) if case.error.is_some() => return Outcome::Same,
        Err(Error::InvalidInput { message, .. } | Error::Unsupported { message }) => return Outcome::Refused(message),
        Err(other) => return Outcome::Wrong(other.to_string()),
    };
    if let Some(error) = &case.error {
        return Outcome::Wrong(format!("an answer, where {error} is right"));
    }
    match rows_to_json(&answer.rows) {
        Ok(rows) => difference(case, &answer.columns, &rows).map_or(Outcome::Same, Outcome::Wrong),
        Err(error) => Outcome::Wrong(error.to_string()),
    }
}

/// Whether the whole result has an order: an ORDER BY inside of parentheses gives it none.
fn is_ordered(sql: &str) -> bool {
    let sql = sql.to_ascii_uppercase();
    sql.match_indices("ORDER BY").any(|(at, _)| {
        let before = &sql.as_bytes()[..at];
        let count = |parenthesis| before.iter().filter(|&&byte| byte == parenthesis).count();
        count(b'(') == count(b')')
    })
}

/// The first difference.
fn difference(case: &Case, columns: &[Column], rows: &[Map<String, Value>]) -> Option<String> {
    if columns.len() != case.types.len() {
        return Some(format!("{} columns, where {} are right", columns.len(), case.types.len()));
    }
    for (column, right) in columns.iter().zip(&case.types) {
        let (ours, right) = (&column.data_type, kind(right));
        if *ours != right {
            return Some(format!("type {ours}, where {right} is right"));
        }
    }
    if rows.len() != case.rows.len() {
        return Some(format!("{} rows, where {} are right", rows.len(), case.rows.len()));
    }
    // Rows are objects, whose members have no order.
    let mut rows: Vec<Vec<&Value>> =
        rows.iter().map(|row| columns.iter().map(|column| &row[&column.name]).collect()).collect();
    let is_ordered = is_ordered(&case.sql);
    for right in &case.rows {
        let among = if is_ordered { &rows[..1] } else { &rows[..] };
        let found = among.iter().position(|ours| {
            let mut cells = columns.iter().zip(ours).zip(right);
            cells.all(|((column, ours), right)| is(ours, right, &column.data_type))
        });
        match found {
            Some(found) => drop(rows.remove(found)),
            None => return Some(format!("{}, where {} is right", json!(rows), json!(right))),
        }
    }
    None
}
