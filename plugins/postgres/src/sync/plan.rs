//! How a stream is read: checked against the table as it is now, then written as SQL.
//!
//! A binary COPY does not tell types, so that a column of another type than known would be read as garbage or refused far from
//! its cause. What the table has is compared before: columns that are new, wider or nullable now are taken over, anything else
//! stops the stream.

use asgard_sdk::connector::{StreamSelection, SyncMode};
use asgard_sdk::{Column as StreamColumn, Error, Result};

use super::checkpoint::State;
use super::incremental::{self, CursorPlan};
use super::source::Source;
use super::{full_name, schema_of};
use crate::catalog::{Column, Table};
use crate::rows::ColumnPlan;
use crate::types::{Kind, Taking};
use crate::wire::quote_identifier;

/// A stream's columns and statements.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) columns: Vec<ColumnPlan>,
    /// `COPY … TO STDOUT`.
    pub(super) copy: String,
    /// Finds how far an incremental stream comes.
    pub(super) cursor: Option<CursorPlan>,
    /// What the table is, of an incremental stream.
    pub(super) source: Option<Source>,
    /// Whether the table was written anew since the snapshot: one row, `t` or `f`.
    pub(super) rewritten: String,
    /// The stream's columns from now on, where they are others than before.
    pub(super) evolved: Option<Vec<StreamColumn>>,
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
    let mut columns = Vec::with_capacity(table.columns.len());
    let mut selected = Vec::with_capacity(table.columns.len());
    let mut now = Vec::with_capacity(table.columns.len());
    for wanted in &selection.columns {
        let found = table.columns.iter().find(|column| column.name == wanted.name);
        let Some(column) = found else { return Err(changed(&name, &format!("column `{}` is gone", wanted.name))) };
        let taken = taken(column, wanted).map_err(|change| changed(&name, &change))?;
        selected.push(expression(column));
        columns.push(read_as(column, &taken, selection));
        now.push(taken);
    }
    let captured = selection.sync_mode == SyncMode::ChangeDataCapture;
    let known = |column: &&Column| selection.columns.iter().any(|wanted| wanted.name == column.name);
    // The log has no values of generated columns.
    let told = |column: &&Column| !(captured && column.generated);
    for column in table.columns.iter().filter(|column| !known(column)).filter(told) {
        let added = StreamColumn {
            name: column.name.clone(),
            data_type: column.mapping.kind.to_string(),
            // Rows of before have no value for it.
            nullable: column.nullable || selection.sync_mode != SyncMode::FullRefreshOverwrite,
            doc: column.comment.clone(),
        };
        selected.push(expression(column));
        columns.push(read_as(column, &added, selection));
        now.push(added);
    }

    let relation = format!("{}.{}", quote_identifier(schema_of(selection)), quote_identifier(&selection.name));
    let (cursor, condition, source) = match selection.sync_mode {
        SyncMode::FullRefreshOverwrite | SyncMode::FullRefreshAppend | SyncMode::ChangeDataCapture => {
            (None, String::new(), None)
        }
        SyncMode::IncrementalMerge | SyncMode::IncrementalAppend => {
            let source = Source::of(table);
            if let Some(change) = state.and_then(State::source).and_then(|before| source.differs(before)) {
                return Err(changed(&name, &change));
            }
            let (cursor, since) = incremental::plan(selection, table, &relation, state)?;
            (Some(cursor), since, Some(source))
        }
    };
    Ok(Plan {
        columns,
        copy: format!("COPY (SELECT {} FROM {relation}{condition}) TO STDOUT (FORMAT binary)", selected.join(", ")),
        cursor,
        source,
        rewritten: rewritten(table),
        evolved: (now != selection.columns).then_some(now),
    })
}

/// What a stream's column is from now on, given the table's; or what is wrong with that.
pub(super) fn taken(column: &Column, wanted: &StreamColumn) -> std::result::Result<StreamColumn, String> {
    let found = &column.mapping.kind;
    let mut taken = wanted.clone();
    match kind_of(wanted)?.taking(found) {
        Taking::Same => {}
        Taking::Widened => taken.data_type = found.to_string(),
        Taking::Another => {
            return Err(format!(
                "column `{}` is {found} ({}) and was {}",
                wanted.name, column.declared, wanted.data_type
            ));
        }
    }
    taken.nullable |= column.nullable;
    Ok(taken)
}

/// The host may write types with spaces.
pub(super) fn kind_of(column: &StreamColumn) -> std::result::Result<Kind, String> {
    let written = column.data_type.replace(' ', "");
    Kind::of_iceberg(&written)
        .ok_or_else(|| format!("column `{}` has type {written}, which is none of this connector's", column.name))
}

/// A narrower type than the table's is read as it is: the host widens it. Where rows are merged by the key, it has a value in each.
fn read_as(column: &Column, taken: &StreamColumn, selection: &StreamSelection) -> ColumnPlan {
    let key = selection.primary_key.contains(&column.name);
    let merges = matches!(selection.sync_mode, SyncMode::IncrementalMerge | SyncMode::ChangeDataCapture);
    ColumnPlan {
        name: column.name.clone(),
        kind: column.mapping.kind.clone(),
        nullable: taken.nullable && !(key && merges),
        key,
    }
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

pub(super) fn changed(name: &str, change: &str) -> Error {
    Error::Conflict(format!(
        "`{name}` is not what it was when it was last synced: {change}. POST /ingestion/{{id}}/reset takes the table as it is now and \
         reads it anew, or undo the change in the source, or make an ingestion without this stream"
    ))
}

#[cfg(test)]
mod tests {
    use asgard_sdk::Column as StreamColumn;

    use super::*;
    use crate::catalog::{RelationKind, ReplicaIdentity};
    use crate::types::{Kind, Mapping};

    fn column(name: &str, kind: Kind, nullable: bool) -> Column {
        Column {
            name: name.to_owned(),
            mapping: Mapping { cast: (kind == Kind::Text).then_some("pg_catalog.text"), kind },
            number: 1,
            generated: false,
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
            kind: RelationKind::Table,
            unlogged: false,
            filtered: false,
            identity: ReplicaIdentity::Columns(vec!["id".to_owned()]),
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
            "COPY (SELECT \"select\"::pg_catalog.text, \"id\", \"changed_at\" FROM \"production\".\"Order\") TO STDOUT (FORMAT binary)"
        );
        let evolved = plan.evolved.unwrap();
        assert_eq!((evolved[2].name.as_str(), evolved[2].nullable), ("changed_at", true));
    }

    #[test]
    fn an_incremental_read_goes_on_from_its_checkpoint_ties_included() {
        let wanted = selection(&[("id", "long", false)], SyncMode::IncrementalMerge);
        let state =
            State::read(br#"{"task": "t", "cursor": {"column": "changed_at", "value": "2026-01-02 03:04:05+00"}}"#);
        let plan = plan(&wanted, Some(&orders()), state.as_ref()).unwrap();
        assert!(plan.copy.contains("WHERE (\"changed_at\" >= '2026-01-02 03:04:05+00' OR \"changed_at\" IS NULL))"));
        assert!(plan.cursor.unwrap().query.contains("max(\"changed_at\")"));
    }

    #[test]
    fn a_table_that_changed_is_refused_with_what_changed() {
        let cases = [
            (vec![("id", "string", false)], "column `id` is long (as declared) and was string"),
            (vec![("price", "double", true)], "column `price` is gone"),
        ];
        for (columns, words) in cases {
            let error = plan(&selection(&columns, SyncMode::FullRefreshOverwrite), Some(&orders()), None).unwrap_err();
            let Error::Conflict(text) = error else { panic!("{error:?}") };
            assert!(text.contains(words) && text.contains("reset"), "{text}");
        }
        let wider = [("id", "int", false), ("select", "string", false), ("changed_at", "timestamptz", false)];
        let taken =
            plan(&selection(&wider, SyncMode::FullRefreshOverwrite), Some(&orders()), None).unwrap().evolved.unwrap();
        let shown: Vec<_> = taken.iter().map(|column| (column.data_type.as_str(), column.nullable)).collect();
        assert_eq!(shown, [("long", false), ("string", true), ("timestamptz", true)]);
        let gone = plan(&selection(&[], SyncMode::FullRefreshOverwrite), None, None).unwrap_err();
        assert!(matches!(gone, Error::NotFound(_)));
    }
}
