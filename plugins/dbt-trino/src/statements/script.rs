//! The statements that make a table or view of a model.
//!
//! | model | target before | statements |
//! | --- | --- | --- |
//! | table | anything | `CREATE OR REPLACE TABLE … AS`: readers see the old rows or the new ones |
//! | view | nothing or a view | `CREATE OR REPLACE VIEW` |
//! | incremental | nothing or a view | `CREATE TABLE … AS` |
//! | append | a table | `INSERT` |
//! | merge | a table | `MERGE` |
//! | delete+insert | a table | one `MERGE` that deletes and inserts, so that no reader and no crash is in between |
//!
//! A view that becomes a table is dropped first. Columns that the table lacks are added first, and narrower ones widened. Rows that are
//! appended are null in columns that they lack; rows that take the place of others have all of them: as the embedded engine has it.

use asgard_dbt::Prepared;
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization};
use asgard_sdk::{Error, Result};

use super::{Kind, Statement};
use crate::configuration::Configuration;
use crate::names::{Name, quoted, text};
use crate::trino::Type;

/// Names of a merge that no model has.
const TARGET: &str = "asgard_target";
const ROWS: &str = "asgard_rows";
const ORDINAL: &str = "asgard_ordinal";
const DELETES: &str = "asgard_deletes";

type Columns<'a> = &'a [(String, Type)];

/// The statements for a model. `new` are its columns, `old` those of its table, where there is one.
///
/// # Errors
/// `invalid-input` for a column whose type does not fit the table's, or one that rows would lose.
pub fn script(
    model: &GoldModel,
    prepared: &Prepared,
    new: Columns<'_>,
    old: Columns<'_>,
    configuration: &Configuration,
) -> Result<Vec<Statement>> {
    let target = Name::from(&model.target);
    let definition =
        |what: String, sql: String| Statement { what, sql, lines_before: 0, kind: Kind::Definition, session: None };
    let mut script = Vec::new();
    if prepared.replaces_view {
        script.push(definition(format!("drop the view {target}"), format!("DROP VIEW IF EXISTS {}", target.sql())));
    }
    let (settings, query) = (&prepared.settings, prepared.sql.as_str());
    let comment = settings.description.iter().map(|said| format!("COMMENT {}\n", text(said))).collect::<String>();
    if settings.materialization == Materialization::View {
        let session = configuration.home.clone();
        let place = match session {
            Some(_) => format!("{}.{}", quoted(&configuration.catalog), target.sql()),
            None => target.sql(),
        };
        let head = format!("CREATE OR REPLACE VIEW {place}\n{comment}SECURITY DEFINER AS\n");
        script.push(Statement {
            kind: Kind::Definition,
            session,
            ..around(format!("view {target}"), &head, query, "")
        });
        return Ok(script);
    }
    if !prepared.incremental {
        let replaces = settings.materialization == Materialization::Table;
        let create = if replaces { "CREATE OR REPLACE TABLE" } else { "CREATE TABLE" };
        let with = with(&properties(model, prepared, configuration.table_properties));
        let head = format!("{create} {}\n{comment}{with}AS\n", target.sql());
        let what = if replaces { format!("replace {target}") } else { format!("make {target}") };
        script.push(around(what, &head, query, ""));
        return Ok(script);
    }
    if settings.strategy != IncrementalStrategy::Append {
        complete(new, old)?;
    }
    for change in changes(new, old)? {
        let sql = format!("ALTER TABLE {} {change}", target.sql());
        script.push(definition(format!("change the columns of {target}"), sql));
    }
    let key = settings.unique_key.join(", ");
    script.push(match settings.strategy {
        IncrementalStrategy::Append => {
            let head = format!("INSERT INTO {} ({})\n", target.sql(), listed("", new));
            around(format!("append to {target}"), &head, query, "")
        }
        IncrementalStrategy::Merge => {
            let (head, tail) = merge(&target, &settings.unique_key, new);
            around(format!("merge into {target} by {key}"), &head, query, &tail)
        }
        IncrementalStrategy::DeleteInsert => {
            let (head, tail) = delete_insert(&target, &settings.unique_key, new);
            around(format!("delete and insert in {target} by {key}"), &head, query, &tail)
        }
    });
    Ok(script)
}

/// The model's query between two parts of ours; it begins on a line of its own, so that its places are told as it has them.
fn around(what: String, head: &str, query: &str, tail: &str) -> Statement {
    let lines_before = u32::try_from(head.matches('\n').count()).unwrap_or(u32::MAX);
    Statement { what, sql: format!("{head}{query}{tail}"), lines_before, kind: Kind::Rows, session: None }
}

/// Rows that take the place of others have all columns of the table: one that they lack would lose its values.
fn complete(new: Columns<'_>, old: Columns<'_>) -> Result<()> {
    match old.iter().find(|(name, _)| !new.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))) {
        None => Ok(()),
        Some((name, _)) => Err(Error::invalid(
            "sql_query",
            format!(
                "the rows lack column `{name}` of the table, whose values would be lost where rows take the place of others: select \
                 `{name}` too, drop the column, or make the table anew"
            ),
        )),
    }
}

fn merge(target: &Name, key: &[String], new: Columns<'_>) -> (String, String) {
    let head = format!("MERGE INTO {} AS {TARGET} USING (\n", target.sql());
    let updates = new.iter().filter(|(name, _)| !has(key, name)).map(|(name, _)| {
        let name = quoted(name);
        format!("{name} = {ROWS}.{name}")
    });
    let updates: Vec<String> = updates.collect();
    let update = match updates.as_slice() {
        [] => String::new(),
        updates => format!("\nWHEN MATCHED THEN UPDATE SET {}", updates.join(", ")),
    };
    let tail = format!(
        "\n) AS {ROWS} ON {}{update}\nWHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
        same(key),
        listed("", new),
        listed(ROWS, new)
    );
    (head, tail)
}

/// Each row comes twice: once to be inserted, and the first of its key once more to delete what the table has of it.
fn delete_insert(target: &Name, key: &[String], new: Columns<'_>) -> (String, String) {
    let keys: Vec<String> = key.iter().map(|name| quoted(name)).collect();
    let head = format!(
        "MERGE INTO {} AS {TARGET} USING (SELECT {ROWS}.*, d.{DELETES} FROM (SELECT {ROWS}.*, row_number() OVER (PARTITION BY {}) AS {ORDINAL} FROM (\n",
        target.sql(),
        keys.join(", ")
    );
    let tail = format!(
        "\n) AS {ROWS}) AS {ROWS} CROSS JOIN (VALUES true, false) AS d ({DELETES}) WHERE NOT d.{DELETES} OR {ROWS}.{ORDINAL} = 1) AS {ROWS} ON {ROWS}.{DELETES} AND {}\nWHEN MATCHED THEN DELETE\nWHEN NOT MATCHED AND NOT {ROWS}.{DELETES} THEN INSERT ({}) VALUES ({})",
        same(key),
        listed("", new),
        listed(ROWS, new)
    );
    (head, tail)
}

fn same(key: &[String]) -> String {
    let same = key.iter().map(|name| format!("{TARGET}.{name} = {ROWS}.{name}", name = quoted(name)));
    same.collect::<Vec<_>>().join(" AND ")
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

fn listed(of: &str, columns: Columns<'_>) -> String {
    let dot = if of.is_empty() { "" } else { "." };
    columns.iter().map(|(name, _)| format!("{of}{dot}{}", quoted(name))).collect::<Vec<_>>().join(", ")
}

/// What has to be changed in a table before rows with these columns fit.
fn changes(new: Columns<'_>, old: Columns<'_>) -> Result<Vec<String>> {
    let mut changes = Vec::new();
    for (name, of) in new {
        let declared = of.declared().ok_or_else(|| {
            Error::invalid("sql_query", format!("the column `{name}` is of a type that Iceberg does not have: cast it"))
        })?;
        match old.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            None => changes.push(format!("ADD COLUMN IF NOT EXISTS {} {declared}", quoted(name))),
            Some((_, before)) if before.widens_to(of) => {
                changes.push(format!("ALTER COLUMN {} SET DATA TYPE {declared}", quoted(name)));
            }
            // What does not fit at all, Trino says itself.
            Some(_) => {}
        }
    }
    Ok(changes)
}

/// Properties of a new table, each with its value as an expression.
pub(crate) fn properties(model: &GoldModel, prepared: &Prepared, with_origin: bool) -> Vec<(String, String)> {
    let settings = &prepared.settings;
    let layout = settings.layout.iter().map(|(name, value)| ((*name).to_owned(), array(value)));
    let mut all: Vec<(String, String)> = layout.chain(settings.properties.iter().cloned()).collect();
    if with_origin {
        let origin = settings.origin(&model.name);
        let names: Vec<String> = origin.iter().map(|(name, _)| text(name)).collect();
        let values: Vec<String> = origin.iter().map(|(_, value)| text(value)).collect();
        let map = format!("MAP(ARRAY[{}], ARRAY[{}])", names.join(", "), values.join(", "));
        all.push(("extra_properties".to_owned(), map));
    }
    all
}

/// `day(at), status` as `ARRAY['day(at)', 'status']`; what is an expression already stays. A comma inside of parentheses, as in
/// `bucket(id, 16)`, does not divide.
fn array(layout: &str) -> String {
    let layout = layout.trim();
    if layout.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("array")) {
        return layout.to_owned();
    }
    let (mut parts, mut depth) = (vec![String::new()], 0_u32);
    for each in layout.chars() {
        match each {
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(each);
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| text(part.trim())).collect();
    format!("ARRAY[{}]", parts.join(", "))
}

fn with(properties: &[(String, String)]) -> String {
    if properties.is_empty() {
        return String::new();
    }
    let properties: Vec<String> = properties.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!("WITH ({})\n", properties.join(", "))
}
