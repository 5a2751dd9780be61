//! Statements around Feast's join: the rows to join to before it, the answer after it.
//!
//! Feast gets, for each view, the keys and times that are asked for, each once and complete, with a number. It may answer in any
//! order and leave rows out: its features come back to the rows by that number. All other columns stay here and keep their types.
//!
//! Inside, columns are `p0, p1, …` (passed through), `k0_0, …` (keys of a view, as Feast has them) and `s0, …` (the number of the row
//! that asks a view for this one's keys and time), so that no name of a user meets one of ours.

use asgard_features::columns::{EVENT_TIMESTAMP, event_timestamp, is_ordered, sql_type, type_of_answer};
use asgard_features::names;
use asgard_features::sql::{Source, moment, quoted};
use asgard_sdk::feature_source::Selection;
use asgard_sdk::{Column, Error, Result};

use crate::snapshot::key;

/// The input with the rows to join to, as they were given.
pub const GIVEN: &str = "entity_rows";
/// The input with the rows as [`Rows::statement`] left them.
pub const JOINED: &str = "joined_rows";
/// The number of a row that Feast is asked for.
pub const ROW: &str = "asgard_row";

/// The input with Feast's answer about the view at that index.
pub fn answer_name(view: usize) -> String {
    format!("features_{view}")
}

/// The rows to join to.
#[derive(Debug)]
pub struct Rows {
    /// Name and type of what is passed through.
    passed: Vec<(String, String)>,
    /// The query that gives it, with `row_id` and `event_time`.
    query: String,
}

impl Rows {
    /// Rows that were given. Those of a table get an order of their values, since engines read them in any.
    ///
    /// # Errors
    /// `invalid-input` for `entities` when they have no time.
    pub fn given(columns: &[Column], in_order: bool) -> Result<Self> {
        let time = event_timestamp(columns)?;
        let picked: Vec<String> =
            columns.iter().enumerate().map(|(index, column)| format!("{} AS p{index}", quoted(&column.name))).collect();
        let ordered = columns.iter().filter(|column| is_ordered(&column.data_type));
        let order: Vec<String> = ordered.map(|column| quoted(&column.name)).collect();
        let order = if in_order { String::new() } else { format!("ORDER BY {}", order.join(", ")) };
        Ok(Self {
            passed: columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect(),
            query: format!(
                "SELECT {}, {} AS event_time, ROW_NUMBER() OVER ({order}) AS row_id FROM {GIVEN}",
                picked.join(", "),
                moment(&quoted(EVENT_TIMESTAMP), &time.data_type),
            ),
        })
    }

    /// The latest row of each entity of a view, by entity; the input [`GIVEN`] is its table.
    ///
    /// # Errors
    /// `conflict` when the table lost a column of the view.
    pub fn latest(source: &Source<'_>, snapshot: Option<i64>) -> Result<Self> {
        let mut passed = Vec::new();
        let mut picked = Vec::new();
        let mut order = Vec::new();
        for (index, entity) in source.view.entities.iter().enumerate() {
            passed.push((entity.clone(), source.column(entity)?.data_type.clone()));
            picked.push(format!("{} AS p{index}", quoted(entity)));
            order.push(format!("p{index}"));
        }
        let time =
            source.event_time()?.unwrap_or_else(|| "CAST(CURRENT_TIMESTAMP AS TIMESTAMP(6) WITH TIME ZONE)".to_owned());
        picked.push(format!("{time} AS p{}", passed.len()));
        passed.push((EVENT_TIMESTAMP.to_owned(), "timestamptz".to_owned()));
        let version = snapshot.map(|snapshot| format!(" FOR VERSION AS OF {snapshot}")).unwrap_or_default();
        let query = format!(
            "SELECT *, p{} AS event_time, ROW_NUMBER() OVER (ORDER BY {}) AS row_id FROM (\n    SELECT {}, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS place FROM {GIVEN}{version} WHERE {}\n) AS ranked WHERE place = 1",
            passed.len() - 1,
            order.join(", "),
            picked.join(", "),
            source.entities().join(", "),
            source.latest_first(&[])?,
            source.complete_rows()?,
        );
        Ok(Self { passed, query })
    }

    /// The rows with what each view is asked for them.
    ///
    /// # Errors
    /// `invalid-input` when they lack an entity of a view, or have a column that an answer needs; `conflict` when a table lost a
    /// column.
    pub fn statement(&self, views: &[Source<'_>], outputs: &[String]) -> Result<String> {
        names::beside(outputs, self.passed.iter().map(|(name, _)| name.as_str()))?;
        let passed: Vec<String> = (0..self.passed.len()).map(|index| format!("p{index}")).collect();
        let mut keys = Vec::new();
        let mut firsts = Vec::new();
        for (index, source) in views.iter().enumerate() {
            let mut alike = Vec::new();
            for (place, key) in self.keys(source)?.into_iter().enumerate() {
                keys.push(format!("{key} AS k{index}_{place}"));
                alike.push(format!("k{index}_{place}"));
            }
            firsts.push(format!("MIN(row_id) OVER (PARTITION BY {}, event_time) AS s{index}", alike.join(", ")));
        }
        Ok(format!(
            "WITH given AS (\n{}\n), keyed AS (\n    SELECT {}, event_time, row_id, {} FROM given\n)\nSELECT *, {} FROM keyed",
            self.query,
            passed.join(", "),
            keys.join(", "),
            firsts.join(", "),
        ))
    }

    /// The view's entities in the rows: as values of its table's types, then of Feast's.
    fn keys(&self, source: &Source<'_>) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        for entity in &source.view.entities {
            let Some(place) = self.passed.iter().position(|(name, _)| name == entity) else {
                return Err(Error::invalid(
                    "entities",
                    format!("the rows have no column `{entity}`, an entity of feature view `{}`", source.view.name),
                ));
            };
            let wanted = &source.column(entity)?.data_type;
            let value = if self.passed[place].1 == *wanted {
                format!("p{place}")
            } else {
                format!("CAST(p{place} AS {})", sql_type(wanted))
            };
            keys.push(key(&value, wanted));
        }
        Ok(keys)
    }

    /// The answer: the rows in their order, with the features that Feast found.
    ///
    /// # Errors
    /// `conflict` when a table lost a column.
    pub fn answer(&self, selections: &[(&Selection, Source<'_>)], outputs: &[String]) -> Result<String> {
        let mut picked: Vec<String> =
            self.passed.iter().enumerate().map(|(index, (name, _))| format!("p{index} AS {}", quoted(name))).collect();
        let mut outputs = outputs.iter();
        let mut joins = String::new();
        for (index, (selection, source)) in selections.iter().enumerate() {
            let answer = answer_name(index);
            for (feature, output) in selection.features.iter().zip(outputs.by_ref()) {
                let found = format!("{answer}.{}", quoted(&full_name(source, feature)));
                picked.push(format!("{} AS {}", in_answer(&found, source, feature)?, quoted(output)));
            }
            joins.push_str(&format!("\n    LEFT JOIN {answer} ON {answer}.{ROW} = {JOINED}.s{index}"));
        }
        Ok(format!("SELECT {}\nFROM {JOINED}{joins}\nORDER BY row_id", picked.join(", ")))
    }
}

/// What stands for Feast's answer about a view that no row asks for.
///
/// # Errors
/// `conflict` when its table lost a column.
pub fn nothing(selection: &Selection, source: &Source<'_>) -> Result<String> {
    let mut picked = vec![format!("row_id AS {ROW}")];
    for feature in &selection.features {
        picked.push(format!("{} AS {}", in_answer("NULL", source, feature)?, quoted(&full_name(source, feature))));
    }
    Ok(format!("SELECT {}\nFROM {JOINED} WHERE row_id < 0", picked.join(", ")))
}

/// How Feast calls a feature with full names.
fn full_name(source: &Source<'_>, feature: &str) -> String {
    format!("{}__{feature}", source.view.name)
}

/// What Feast is asked about the view at that index.
pub fn asking(index: usize, entities: &[String]) -> String {
    let place = |place: usize| format!("k{index}_{place}");
    let picked: Vec<String> =
        entities.iter().enumerate().map(|(at, entity)| format!("{} AS {}", place(at), quoted(entity))).collect();
    let complete: Vec<String> = (0..entities.len()).map(|at| format!("{} IS NOT NULL", place(at))).collect();
    format!(
        "SELECT {}, event_time AS {EVENT_TIMESTAMP}, row_id AS {ROW}\nFROM {JOINED} WHERE row_id = s{index} AND event_time IS NOT NULL AND {}",
        picked.join(", "),
        complete.join(" AND "),
    )
}

/// A feature as Feast gave it, in the type of an answer.
fn in_answer(expression: &str, source: &Source<'_>, feature: &str) -> Result<String> {
    let data_type = &source.column(feature)?.data_type;
    let dtype = source.view.features.iter().find(|known| known.name == feature).map(|known| known.dtype);
    Ok(match dtype.map_or(data_type.as_str(), |dtype| type_of_answer(data_type, dtype)) {
        "date" => format!("CAST(CAST({expression} AS TIMESTAMP(6)) AS DATE)"),
        // Of a length, which SQL has no word for.
        fixed if fixed.starts_with("fixed[") => format!("CAST({expression} AS VARBINARY)"),
        other => format!("CAST({expression} AS {})", sql_type(other)),
    })
}
