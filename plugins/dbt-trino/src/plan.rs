//! What a model will be, found without running it.

use asgard_dbt::Prepared;
use asgard_sdk::json::{self, Value};
use asgard_sdk::transform::QueryPlan;
use asgard_sdk::{Column, Error, Result, TableName};

use crate::model;
use crate::trino::{Client, Type};

/// The columns of a rendered model.
///
/// # Errors
/// `invalid-input` for `sql_query` with line and column.
pub fn columns(client: &Client<'_>, sql: &str) -> Result<Vec<(String, Type)>> {
    // Trino makes an empty result of it before anything is read.
    let result = client.query_after(&format!("SELECT * FROM (\n{sql}\n) LIMIT 0"), 1)?;
    for (index, (name, of)) in result.columns.iter().enumerate() {
        let wrong = |message: String| Err(Error::invalid("sql_query", message));
        if is_made_up(name) {
            return wrong(format!("column {} has no name: add `AS name` to it", index + 1));
        }
        if let Some(before) = result.columns.iter().take(index).position(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            return wrong(format!(
                "columns {} and {} are both called `{name}`: name one of them differently",
                before + 1,
                index + 1
            ));
        }
        if let Some(foreign) = of.foreign() {
            return wrong(format!("the column `{name}` is of type {foreign}, which Iceberg does not have: cast it"));
        }
    }
    Ok(result.columns)
}

/// Trino's own names of columns without one.
fn is_made_up(name: &str) -> bool {
    name.strip_prefix("_col").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Columns, tables and statement.
///
/// # Errors
/// As [`columns`].
pub fn plan(client: &Client<'_>, prepared: Prepared, catalog: &str) -> Result<QueryPlan> {
    let columns: Vec<Column> = columns(client, &prepared.sql)?
        .into_iter()
        .map(|(name, of)| Column { name, data_type: of.iceberg().unwrap_or_default(), nullable: true, doc: None })
        .collect();
    model::check_key(&prepared, &columns)?;
    let explained = client.query_after(&format!("EXPLAIN (TYPE IO, FORMAT JSON)\n{}", prepared.sql), 1)?;
    let tables = tables(explained.value()?.as_str().unwrap_or_default(), catalog)?;
    Ok(QueryPlan { columns, tables, compiled_sql: prepared.sql })
}

/// How Trino would run a rendered model, as it tells it.
///
/// # Errors
/// `invalid-input` for `sql_query` with line and column; Trino's own.
pub fn explained(client: &Client<'_>, sql: &str) -> Result<String> {
    let explained = client.query_after(&format!("EXPLAIN\n{sql}"), 1)?;
    Ok(explained.value()?.as_str().unwrap_or_default().to_owned())
}

/// The lakehouse's tables that a plan reads, each once. Views are not among them: their tables are.
fn tables(plan: &str, catalog: &str) -> Result<Vec<TableName>> {
    let plan: Value = json::from_str(plan)
        .map_err(|error| Error::internal(format!("Trino's plan is not what was expected ({error})")))?;
    let mut tables: Vec<TableName> = Vec::new();
    for input in plan["inputTableColumnInfos"].as_array().into_iter().flatten() {
        let table = &input["table"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = &table["schemaTable"];
        let name = TableName { namespace: text(&name["schema"]), name: text(&name["table"]) };
        if table["catalog"].as_str() == Some(catalog) && !tables.contains(&name) {
            tables.push(name);
        }
    }
    Ok(tables)
}
