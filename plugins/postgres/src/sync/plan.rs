//! How a stream is read: checked against the table as it is now, then written as SQL.
//!
//! A binary COPY does not tell types, so that a column of another type than discovered would be read as garbage or refused
//! far from its cause. Types and nullability are compared before.

use asgard_sdk::connector::{StreamSelection, SyncMode};
use asgard_sdk::{Error, Result};

use super::checkpoint::{Cursor, State};
use super::{full_name, schema_of};
use crate::catalog::{Column, Table};
use crate::rows::ColumnPlan;
use crate::wire::{quote_identifier, quote_literal};

/// A stream's columns and statements.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) columns: Vec<ColumnPlan>,
    /// `COPY … TO STDOUT`.
    pub(super) copy: String,
    /// Finds the largest value of the cursor column.
    pub(super) cursor: Option<CursorPlan>,
    /// Whether the table was written anew since the snapshot: one row, `t` or `f`.
    pub(super) rewritten: String,
    /// Columns that the table has and the stream has not.
    pub(super) unread: Vec<String>,
}

#[derive(Debug)]
pub(super) struct CursorPlan {
    pub(super) column: String,
    pub(super) query: String,
}

/// Plans the stream.
///
/// # Errors
/// `not-found` for a table that is gone; `conflict` for columns that are not what they were; `invalid-input` for a cursor
/// that is none.
pub(super) fn plan(selection: &StreamSelection, table: Option<&Table>, state: Option<&State>) -> Result<Plan> {
    let name = full_name(selection);
    let table = table.ok_or_else(|| {
        Error::NotFound(format!(
            "table `{name}` is not there any more: restore it, or take the stream out of the ingestion"
        ))
    })?;
    if !table.readable {
        return Err(Error::Forbidden(format!("the source's user may not read `{name}`: GRANT SELECT on it")));
    }
    let mut columns = Vec::with_capacity(selection.columns.len());
    let mut selected = Vec::with_capacity(selection.columns.len());
    for wanted in &selection.columns {
        let found = table.columns.iter().find(|column| column.name == wanted.name);
        let Some(column) = found else { return Err(changed(&name, &format!("column `{}` is gone", wanted.name))) };
        let data_type = column.mapping.kind.to_string();
        if data_type != normalised(&wanted.data_type) {
            let change =
                format!("column `{}` is {data_type} ({}) and was {}", wanted.name, column.declared, wanted.data_type);
            return Err(changed(&name, &change));
        }
        if column.nullable && !wanted.nullable {
            return Err(changed(&name, &format!("column `{}` may be null now", wanted.name)));
        }
        selected.push(expression(column));
        columns.push(ColumnPlan {
            name: column.name.clone(),
            kind: column.mapping.kind.clone(),
            nullable: wanted.nullable,
        });
    }
    let known = |column: &&Column| selection.columns.iter().all(|wanted| wanted.name != column.name);
    let unread = table.columns.iter().filter(known).map(|column| column.name.clone()).collect();

    let relation = format!("{}.{}", quote_identifier(schema_of(selection)), quote_identifier(&selection.name));
    let (cursor, condition) = match selection.sync_mode {
        SyncMode::FullRefreshOverwrite | SyncMode::FullRefreshAppend => (None, String::new()),
        SyncMode::IncrementalMerge => {
            let (cursor, since) = incremental(selection, table, &relation, state)?;
            (Some(cursor), since)
        }
        SyncMode::IncrementalAppend | SyncMode::ChangeDataCapture => {
            return Err(Error::Unsupported(format!(
                "`{name}` cannot be read this way: use `full_refresh_overwrite`, `full_refresh_append` or `incremental_merge`"
            )));
        }
    };
    Ok(Plan {
        columns,
        copy: format!("COPY (SELECT {} FROM {relation}{condition}) TO STDOUT (FORMAT binary)", selected.join(", ")),
        cursor,
        rewritten: rewritten(table),
        unread,
    })
}

/// Rows with the checkpoint's cursor value are read again, and so are those without a value: merging takes them once.
fn incremental(
    selection: &StreamSelection,
    table: &Table,
    relation: &str,
    state: Option<&State>,
) -> Result<(CursorPlan, String)> {
    let name = full_name(selection);
    let wanted = selection.cursor.as_deref().unwrap_or_default();
    let column = table.columns.iter().find(|column| column.name == wanted && column.mapping.kind.is_cursor());
    let column = column.ok_or_else(|| {
        Error::invalid(
            "cursor",
            format!("`{wanted}` is no cursor of `{name}`: it takes an integer, date or timestamp column"),
        )
    })?;
    let quoted = quote_identifier(&column.name);
    let finite = if column.mapping.kind.has_infinities() {
        format!(" WHERE pg_catalog.isfinite({quoted})")
    } else {
        String::new()
    };
    let query = format!("SELECT pg_catalog.max({quoted})::pg_catalog.text FROM {relation}{finite}");
    let condition = state
        .and_then(|state| state.cursor(&column.name))
        .map(|Cursor { value, .. }| format!(" WHERE {quoted} >= {} OR {quoted} IS NULL", quote_literal(value)))
        .unwrap_or_default();
    Ok((CursorPlan { column: column.name.clone(), query }, condition))
}

fn expression(column: &Column) -> String {
    let name = quote_identifier(&column.name);
    column.mapping.cast.map_or(name.clone(), |cast| format!("{name}::{cast}"))
}

/// The snapshot's row of `pg_class` tells the file that the snapshot knows, the function the one of now. A partitioned table
/// has those of its partitions; a view has none that could be told.
fn rewritten(table: &Table) -> String {
    format!(
        "SELECT EXISTS (
             SELECT FROM pg_catalog.pg_class c
             WHERE c.relkind IN ('r', 'm')
               AND c.oid IN (SELECT {oid} UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree({oid}))
               AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid))",
        oid = table.oid
    )
}

fn changed(name: &str, change: &str) -> Error {
    Error::Conflict(format!(
        "`{name}` is not what it was when the ingestion was made: {change}. Make the ingestion anew to take the change over, or undo \
         it in the source"
    ))
}

/// Iceberg's own writing of types has a space after the comma.
fn normalised(data_type: &str) -> String {
    data_type.replace(' ', "")
}

#[cfg(test)]
mod tests {
    use asgard_sdk::Column as StreamColumn;

    use super::*;
    use crate::types::{Kind, Mapping};

    fn column(name: &str, kind: Kind, nullable: bool) -> Column {
        Column {
            name: name.to_owned(),
            mapping: Mapping { cast: (kind == Kind::Text).then_some("pg_catalog.text"), kind },
            nullable,
            comment: None,
            declared: "as declared".to_owned(),
        }
    }

    fn orders() -> Table {
        Table {
            oid: 16_384,
            schema: "production".to_owned(),
            name: "Order".to_owned(),
            estimated_rows: None,
            readable: true,
            primary_key: vec!["id".to_owned()],
            columns: vec![
                column("id", Kind::Int64, false),
                column("select", Kind::Text, true),
                column("changed_at", Kind::TimestampTz, true),
            ],
        }
    }

    fn selection(columns: &[(&str, &str, bool)], sync_mode: SyncMode) -> StreamSelection {
        let columns = columns.iter().map(|(name, data_type, nullable)| StreamColumn {
            name: (*name).to_owned(),
            data_type: (*data_type).to_owned(),
            nullable: *nullable,
            doc: None,
        });
        StreamSelection {
            namespace: Some("production".to_owned()),
            name: "Order".to_owned(),
            sync_mode,
            cursor: Some("changed_at".to_owned()),
            primary_key: vec!["id".to_owned()],
            columns: columns.collect(),
            table: "order".to_owned(),
            checkpoint: None,
        }
    }

    #[test]
    fn names_are_quoted_and_others_types_are_cast() {
        let wanted = selection(&[("select", "string", true), ("id", "long", false)], SyncMode::FullRefreshOverwrite);
        let plan = plan(&wanted, Some(&orders()), None).unwrap();
        assert_eq!(
            plan.copy,
            "COPY (SELECT \"select\"::pg_catalog.text, \"id\" FROM \"production\".\"Order\") TO STDOUT (FORMAT binary)"
        );
        assert_eq!(plan.unread, ["changed_at"]);
    }

    #[test]
    fn an_incremental_read_goes_on_from_its_checkpoint_ties_included() {
        let wanted = selection(&[("id", "long", false)], SyncMode::IncrementalMerge);
        let state =
            State::read(br#"{"task": "t", "cursor": {"column": "changed_at", "value": "2026-01-02 03:04:05+00"}}"#);
        let plan = plan(&wanted, Some(&orders()), state.as_ref()).unwrap();
        assert!(plan.copy.contains("WHERE \"changed_at\" >= '2026-01-02 03:04:05+00' OR \"changed_at\" IS NULL)"));
        assert!(plan.cursor.unwrap().query.contains("max(\"changed_at\")"));
    }

    #[test]
    fn a_table_that_changed_is_refused_with_what_changed() {
        let cases = [
            (vec![("id", "int", false)], "column `id` is long (as declared) and was int"),
            (vec![("price", "double", true)], "column `price` is gone"),
            (vec![("changed_at", "timestamptz", false)], "column `changed_at` may be null now"),
        ];
        for (columns, words) in cases {
            let error = plan(&selection(&columns, SyncMode::FullRefreshOverwrite), Some(&orders()), None).unwrap_err();
            let Error::Conflict(text) = error else { panic!("{error:?}") };
            assert!(text.contains(words), "{text}");
        }
        let gone = plan(&selection(&[], SyncMode::FullRefreshOverwrite), None, None).unwrap_err();
        assert!(matches!(gone, Error::NotFound(_)));
    }
}
