//! The point-in-time join as one statement.
//!
//! Joining each entity row with all earlier rows of its entity and keeping the last would make the product of both. Here
//! both are laid into one sequence instead, ordered by time within each entity: every feature row opens a stretch, and an
//! entity row belongs to the stretch that it falls into, whose first row has its features. So each view costs one pass over
//! its rows and no product. Views are done one after the other, each adding its features to the rows of before.
//!
//! Feature rows of entities that nobody asked for are left out before they are sorted.

use asgard_features::columns::{EVENT_TIMESTAMP, event_timestamp, is_ordered, sql_type};
use asgard_features::names;
use asgard_features::sql::{Source, moment, quoted, time_to_live};
use asgard_sdk::feature_source::Selection;
use asgard_sdk::{Column, Error, Result};

/// The input with the rows to join to.
pub const ROWS: &str = "entity_rows";

/// The rows to join to.
#[derive(Debug, Clone, Copy)]
pub enum Spine<'a> {
    /// The input [`ROWS`] with these columns.
    Rows { columns: &'a [Column], in_order: bool },
    /// The latest row of each entity of the first view, by entity.
    Latest,
}

/// The input with the table of the view at that index.
pub fn input_name(index: usize) -> String {
    format!("view_{index}")
}

/// What a table is called, as it is now, where [`input_name`] stands for one snapshot of it.
pub fn current_name(index: usize) -> String {
    format!("{}_now", input_name(index))
}

/// A statement over snapshots of its tables, by their index; none = as the table is (a view, or one without rows).
pub fn pinned(statement: &str, versions: &[Option<i64>]) -> String {
    let tables: Vec<String> = versions
        .iter()
        .enumerate()
        .map(|(index, version)| {
            let version = version.map(|snapshot| format!(" FOR VERSION AS OF {snapshot}")).unwrap_or_default();
            format!("{} AS (\n    SELECT * FROM {}{version}\n)", input_name(index), current_name(index))
        })
        .collect();
    match statement.strip_prefix("WITH ") {
        Some(rest) => format!("WITH {},\n{rest}", tables.join(",\n")),
        None => format!("WITH {}\n{statement}", tables.join(",\n")),
    }
}

/// The statement, in Trino's SQL. Each selection with its table's columns, in order.
///
/// # Errors
/// `invalid-input` for `entities` or `full_feature_names`, `conflict` when a table lost a column of its view.
pub fn statement(spine: Spine<'_>, selections: &[(&Selection, &[Column])], full_names: bool) -> Result<String> {
    names::outputs(selections.iter().map(|(selection, _)| *selection), full_names)?;
    let Some((first, rest)) = selections.split_first() else {
        return Err(Error::internal("features of no view"));
    };
    let mut join = Join { full_names, ..Join::default() };
    match spine {
        Spine::Latest => {
            join.latest(first)?;
            for (index, selection) in (1..).zip(rest) {
                join.add(index, selection)?;
            }
        }
        Spine::Rows { columns, in_order } => {
            join.rows(columns, in_order)?;
            for (index, selection) in selections.iter().enumerate() {
                join.add(index, selection)?;
            }
        }
    }
    join.finish()
}

/// A column of the rows to join to.
struct Passed {
    name: String,
    data_type: String,
}

/// The statement so far. Inside, columns are `p0, p1, …` (passed through) and `o0, o1, …` (features), so that no name of
/// a user meets one of ours.
#[derive(Default)]
struct Join {
    full_names: bool,
    clauses: Vec<String>,
    /// The clause with the rows so far.
    rows: String,
    passed: Vec<Passed>,
    /// Names of features in the result.
    outputs: Vec<String>,
}

impl Join {
    fn clause(&mut self, name: &str, query: &str) {
        self.clauses.push(format!("{name} AS (\n{query}\n)"));
        name.clone_into(&mut self.rows);
    }

    /// The rows as they were given. An engine reads a table's rows in any order, so those of a table get one from their
    /// values, and those of a request keep their own.
    fn rows(&mut self, columns: &[Column], in_order: bool) -> Result<()> {
        let time = event_timestamp(columns)?;
        let passed: Vec<String> =
            columns.iter().enumerate().map(|(index, column)| format!("{} AS p{index}", quoted(&column.name))).collect();
        let order = if in_order {
            String::new()
        } else {
            let keys: Vec<String> = columns
                .iter()
                .filter(|column| is_ordered(&column.data_type))
                .map(|column| quoted(&column.name))
                .collect();
            format!("ORDER BY {}", keys.join(", "))
        };
        let query = format!(
            "    SELECT {}, {} AS event_time, ROW_NUMBER() OVER ({order}) AS row_id FROM {ROWS}",
            passed.join(", "),
            moment(&quoted(EVENT_TIMESTAMP), &time.data_type),
        );
        self.passed = columns
            .iter()
            .map(|column| Passed { name: column.name.clone(), data_type: column.data_type.clone() })
            .collect();
        self.clause("spine", &query);
        Ok(())
    }

    /// The latest rows of the first view are the rows to join to, with their features.
    fn latest(&mut self, (selection, columns): &(&Selection, &[Column])) -> Result<()> {
        let source = Source { view: &selection.view, columns };
        let mut picked: Vec<String> = Vec::new();
        for (index, entity) in source.view.entities.iter().enumerate() {
            picked.push(format!("{} AS p{index}", quoted(entity)));
            let data_type = source.column(entity)?.data_type.clone();
            self.passed.push(Passed { name: entity.clone(), data_type });
        }
        let time =
            source.event_time()?.unwrap_or_else(|| "CAST(CURRENT_TIMESTAMP AS TIMESTAMP(6) WITH TIME ZONE)".to_owned());
        picked.push(format!("{time} AS p{}", self.passed.len()));
        picked.push(format!("{time} AS event_time"));
        self.passed.push(Passed { name: EVENT_TIMESTAMP.to_owned(), data_type: "timestamptz".to_owned() });
        for (index, feature) in selection.features.iter().enumerate() {
            picked.push(format!("{} AS o{index}", source.feature(feature)?));
        }
        let query = format!(
            "    SELECT {}, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS place\n    FROM {} WHERE {}",
            picked.join(", "),
            source.entities().join(", "),
            source.latest_first(&selection.features)?,
            input_name(0),
            source.complete_rows()?,
        );
        self.clause("ranked", &query);
        self.take(selection);
        let by: Vec<String> = (0..source.view.entities.len()).map(|index| format!("p{index}")).collect();
        let query = format!(
            "    SELECT {}, event_time, ROW_NUMBER() OVER (ORDER BY {}) AS row_id FROM ranked WHERE place = 1",
            self.carried().join(", "),
            by.join(", "),
        );
        self.clause("spine", &query);
        Ok(())
    }

    /// Features of one more view.
    fn add(&mut self, index: usize, (selection, columns): &(&Selection, &[Column])) -> Result<()> {
        let source = Source { view: &selection.view, columns };
        let keys = self.keys(&source)?;
        match source.event_time()? {
            Some(time) => self.add_timed(index, selection, &source, &keys, &time),
            None => self.add_timeless(index, selection, &source, &keys),
        }
    }

    /// The view's entities in the rows, as values of its table's types.
    fn keys(&self, source: &Source<'_>) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        for entity in &source.view.entities {
            let Some(place) = self.passed.iter().position(|passed| passed.name == *entity) else {
                return Err(Error::invalid(
                    "entities",
                    format!("the rows have no column `{entity}`, an entity of feature view `{}`", source.view.name),
                ));
            };
            let wanted = &source.column(entity)?.data_type;
            let known = &self.passed[place].data_type;
            keys.push(if known == wanted {
                format!("p{place}")
            } else {
                format!("CAST(p{place} AS {})", sql_type(wanted))
            });
        }
        Ok(keys)
    }

    fn add_timed(
        &mut self,
        index: usize,
        selection: &Selection,
        source: &Source<'_>,
        keys: &[String],
        time: &str,
    ) -> Result<()> {
        let carried = self.carried();
        let first = self.outputs.len();
        let outputs: Vec<String> =
            (first..first + selection.features.len()).map(|output| format!("o{output}")).collect();
        let key_names: Vec<String> = (0..keys.len()).map(|key| format!("k{key}")).collect();
        let named = |expressions: &[String], names: &[String]| -> Vec<String> {
            expressions.iter().zip(names).map(|(expression, name)| format!("{expression} AS {name}")).collect()
        };
        let nulls = |names: &[String]| -> Vec<String> { names.iter().map(|name| format!("NULL AS {name}")).collect() };

        let mut asking = carried.clone();
        asking.extend(named(keys, &key_names));
        let created = source.created()?;
        asking.extend(created.iter().map(|_| "NULL AS created".to_owned()));
        asking.extend(nulls(&outputs));
        let features = selection.features.iter().map(|name| source.feature(name)).collect::<Result<Vec<_>>>()?;
        let mut telling = nulls(&carried);
        telling.extend(named(&source.entities(), &key_names));
        telling.extend(created.iter().map(|created| format!("{created} AS created")));
        telling.extend(named(&features, &outputs));
        let asked_for: Vec<String> =
            keys.iter().zip(source.entities()).map(|(key, entity)| format!("{key} = told.{entity}")).collect();
        let events = format!(
            "    SELECT row_id, event_time, 1 AS kind, {}\n    FROM {}\n    UNION ALL\n    SELECT NULL AS row_id, {time} AS event_time, 0 AS kind, {}\n    FROM {} AS told\n    WHERE {} AND EXISTS (SELECT 1 FROM spine WHERE {})",
            asking.join(", "),
            self.rows,
            telling.join(", "),
            input_name(index),
            source.complete_rows()?,
            asked_for.join(" AND "),
        );
        let by_key = key_names.join(", ");
        let mut order = vec!["event_time".to_owned(), "kind".to_owned()];
        order.extend(created.iter().map(|_| "created NULLS FIRST".to_owned()));
        for (name, output) in selection.features.iter().zip(&outputs) {
            if is_ordered(&source.column(name)?.data_type) {
                order.push(format!("{output} NULLS FIRST"));
            }
        }
        let stretches = format!(
            "    SELECT *, SUM(1 - kind) OVER (PARTITION BY {by_key} ORDER BY {} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS stretch\n    FROM events_{index}",
            order.join(", ")
        );
        let mut found: Vec<String> = vec!["row_id".to_owned(), "event_time".to_owned(), "kind".to_owned()];
        found.extend(carried.iter().cloned());
        let window = format!(
            "OVER (PARTITION BY {by_key}, stretch ORDER BY kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        );
        found.push(format!("FIRST_VALUE(CASE WHEN kind = 0 THEN event_time END) {window} AS feature_time"));
        found.extend(outputs.iter().map(|output| format!("FIRST_VALUE({output}) {window} AS {output}")));
        let found = format!("    SELECT {}\n    FROM stretches_{index}", found.join(", "));

        let mut kept = vec!["row_id".to_owned(), "event_time".to_owned()];
        kept.extend(carried);
        kept.extend(outputs.into_iter().map(|output| match time_to_live(source.view) {
            Some(seconds) => format!(
                "CASE WHEN feature_time >= event_time - INTERVAL '{seconds}' SECOND THEN {output} END AS {output}"
            ),
            None => output,
        }));
        let kept = format!("    SELECT {} FROM found_{index} WHERE kind = 1", kept.join(", "));

        self.clause(&format!("events_{index}"), &events);
        self.clause(&format!("stretches_{index}"), &stretches);
        self.clause(&format!("found_{index}"), &found);
        self.clause(&format!("rows_{index}"), &kept);
        self.take(selection);
        Ok(())
    }

    /// Rows without a time are valid at all times: the latest made of each entity.
    fn add_timeless(
        &mut self,
        index: usize,
        selection: &Selection,
        source: &Source<'_>,
        keys: &[String],
    ) -> Result<()> {
        let first = self.outputs.len();
        let mut picked: Vec<String> = Vec::new();
        picked.extend(source.entities().iter().enumerate().map(|(key, entity)| format!("{entity} AS k{key}")));
        for (place, feature) in (first..).zip(&selection.features) {
            picked.push(format!("{} AS o{place}", source.feature(feature)?));
        }
        let ranked = format!(
            "    SELECT {}, ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {}) AS place\n    FROM {} WHERE {}",
            picked.join(", "),
            source.entities().join(", "),
            source.latest_first(&selection.features)?,
            input_name(index),
            source.complete_rows()?,
        );
        let same: Vec<String> = keys.iter().enumerate().map(|(key, value)| format!("{value} = k{key}")).collect();
        let mut kept = vec!["row_id".to_owned(), "event_time".to_owned()];
        kept.extend(self.carried());
        kept.extend((first..first + selection.features.len()).map(|output| format!("o{output}")));
        let joined = format!(
            "    SELECT {} FROM {} LEFT JOIN (SELECT * FROM ranked_{index} WHERE place = 1) AS told ON {}",
            kept.join(", "),
            self.rows,
            same.join(" AND "),
        );
        self.clause(&format!("ranked_{index}"), &ranked);
        self.clause(&format!("rows_{index}"), &joined);
        self.take(selection);
        Ok(())
    }

    /// All columns so far, as they are called inside.
    fn carried(&self) -> Vec<String> {
        let passed = (0..self.passed.len()).map(|index| format!("p{index}"));
        passed.chain((0..self.outputs.len()).map(|index| format!("o{index}"))).collect()
    }

    fn take(&mut self, selection: &Selection) {
        let full_names = self.full_names;
        self.outputs.extend(selection.features.iter().map(|feature| names::output(selection, feature, full_names)));
    }

    fn finish(self) -> Result<String> {
        names::beside(&self.outputs, self.passed.iter().map(|passed| passed.name.as_str()))?;
        let passed =
            self.passed.iter().enumerate().map(|(index, passed)| format!("p{index} AS {}", quoted(&passed.name)));
        let outputs = self.outputs.iter().enumerate().map(|(index, output)| format!("o{index} AS {}", quoted(output)));
        let columns: Vec<String> = passed.chain(outputs).collect();
        Ok(format!(
            "WITH {}\nSELECT {}\nFROM {}\nORDER BY row_id",
            self.clauses.join(",\n"),
            columns.join(", "),
            self.rows
        ))
    }
}
