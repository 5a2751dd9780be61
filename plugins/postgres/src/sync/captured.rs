//! One captured stream: its changes, as rows of the table's columns.
//!
//! The log tells what a table looked like when a change was made, which need not be what it looks like now or what the stream
//! has. Columns are found by name. One that the stream lacks is new, one of a wider type widens the stream's, one that is
//! missing was dropped and stays null from there on; a column of another type ends the sync.
//!
//! A batch has rows of one shape: with the same columns left alone by their updates, and with or without a change of key.

use std::collections::{BTreeMap, VecDeque};

use asgard_sdk::connector::{Change, Event, Evolution, RowData, Rows, StreamSelection};
use asgard_sdk::{Column, Error, Result};

use super::plan::{changed, kind_of};
use super::source::Source;
use super::{full_name, number};
use crate::catalog;
use crate::replication::Lsn;
use crate::replication::messages::{Relation, RelationColumn, Value};
use crate::rows::{Batch, ColumnFault, ColumnPlan, TextForm, TextValue};
use crate::session::Session;
use crate::types::{Kind, Oid, Taking, TypeEntries, mapping};

/// Many streams may have a batch under way, most of them a small one.
const ROOM: usize = 64;

/// A stream whose changes are followed.
pub(super) struct Captured {
    /// Among the streams of the sync.
    pub(super) index: usize,
    /// Changes of transactions that committed before are in the table.
    pub(super) from: Lsn,
    /// There are changes that no checkpoint has.
    pub(super) dirty: bool,
    pub(super) changes: u64,
    /// What its table is, for its checkpoints.
    pub(super) source: Option<Source>,
    name: String,
    key: Vec<String>,
    columns: Vec<StreamColumn>,
    /// The columns fit what the log tells now.
    adapted: bool,
    batch: Option<ChangeBatch>,
    events: VecDeque<Event>,
    lost: BTreeMap<String, u64>,
}

struct StreamColumn {
    plan: ColumnPlan,
    /// Where it is in the log's rows, and in which form; none where they lack it.
    source: Option<(usize, TextForm)>,
}

struct ChangeBatch {
    /// Columns that the rows leave alone.
    kept: Vec<usize>,
    rows: Batch,
    changes: Vec<Change>,
    /// The keys before.
    previous: Option<Batch>,
}

impl Captured {
    pub(super) fn new(index: usize, selection: &StreamSelection, from: Lsn, source: Option<Source>) -> Self {
        Self {
            index,
            source,
            from,
            dirty: false,
            changes: 0,
            name: full_name(selection),
            key: selection.primary_key.clone(),
            columns: Vec::new(),
            adapted: false,
            batch: None,
            events: VecDeque::new(),
            lost: BTreeMap::new(),
        }
    }

    pub(super) fn is_adapted(&self) -> bool {
        self.adapted
    }

    pub(super) fn relation_changed(&mut self) {
        self.adapted = false;
    }

    /// Brings the stream's columns to what the log tells from here on.
    pub(super) fn adapt(
        &mut self,
        relation: &Relation,
        session: &mut Session,
        types: &mut TypeEntries,
        selection: &mut StreamSelection,
    ) -> Result<()> {
        learn(relation, session, types)?;
        let dimensions = dimensions(relation.table, session)?;
        let kind = |column: &RelationColumn| {
            let declared = dimensions.get(&column.name).copied().unwrap_or(0);
            mapping(types, column.data_type, column.modifier, declared).kind
        };
        let mut now: Vec<Column> = selection.columns.clone();
        for column in &mut now {
            match relation.columns.iter().find(|found| found.name == column.name) {
                Some(found) => self.take_type(column, &kind(found))?,
                None if self.key.contains(&column.name) => {
                    return Err(changed(&self.name, &format!("column `{}` of the key is gone", column.name)));
                }
                None => column.nullable = true,
            }
        }
        for found in &relation.columns {
            if now.iter().all(|column| column.name != found.name) {
                let data_type = kind(found).to_string();
                now.push(Column { name: found.name.clone(), data_type, nullable: true, doc: None });
            }
        }
        self.flush_batch()?;
        if now != selection.columns {
            selection.columns.clone_from(&now);
            self.events.push_back(Event::Evolved(Evolution { stream: number(self.index), columns: now.clone() }));
        }
        self.columns = now.iter().map(|column| self.source(column, relation)).collect::<Result<_>>()?;
        self.adapted = true;
        Ok(())
    }

    fn take_type(&self, column: &mut Column, found: &Kind) -> Result<()> {
        let wanted = kind_of(column).map_err(|change| changed(&self.name, &change))?;
        match wanted.taking(found) {
            Taking::Same => {}
            Taking::Widened => column.data_type = found.to_string(),
            // An array that is declared with several dimensions is a text, and the log does not tell the declaration.
            Taking::Another if wanted == Kind::Text && matches!(found, Kind::List(_)) => {}
            Taking::Another => {
                let change = format!("column `{}` is {found} and was {}", column.name, column.data_type);
                return Err(changed(&self.name, &change));
            }
        }
        Ok(())
    }

    /// Values are read as the table's type has them. A row that is deleted has its key alone, so all others may be null.
    fn source(&self, column: &Column, relation: &Relation) -> Result<StreamColumn> {
        let kind = kind_of(column).map_err(|change| changed(&self.name, &change))?;
        let key = self.key.contains(&column.name);
        let position = relation.columns.iter().position(|found| found.name == column.name);
        let source = position.map(|at| (at, TextForm::of(relation.columns[at].data_type)));
        Ok(StreamColumn { plan: ColumnPlan { name: column.name.clone(), kind, nullable: !key, key }, source })
    }

    pub(super) fn insert(&mut self, new: &[Value<'_>]) -> Result<()> {
        self.push(Change::Insert, self.row(new), None)
    }

    pub(super) fn update(&mut self, old: Option<&[Value<'_>]>, new: &[Value<'_>]) -> Result<()> {
        let mut row = self.row(new);
        let old = old.map(|old| self.row(old));
        if let Some(old) = &old {
            for (value, before) in row.iter_mut().zip(old) {
                if *value == Value::Unchanged && matches!(before, Value::Text(_)) {
                    *value = *before;
                }
            }
        }
        let moved = old.filter(|old| self.of_key(old) != self.of_key(&row));
        self.push(Change::Update, row, moved)
    }

    pub(super) fn delete(&mut self, old: &[Value<'_>]) -> Result<()> {
        let mut row = self.row(old);
        for (value, column) in row.iter_mut().zip(&self.columns) {
            if !column.plan.key {
                *value = Value::Null;
            }
        }
        self.push(Change::Delete, row, None)
    }

    /// All rows are gone, those with them that have not been handed over.
    pub(super) fn truncate(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.count_lost(&batch.rows);
        }
        self.events.push_back(Event::Truncated(number(self.index)));
        (self.dirty, self.changes) = (true, self.changes + 1);
    }

    pub(super) fn take_events(&mut self) -> VecDeque<Event> {
        std::mem::take(&mut self.events)
    }

    /// What has been collected.
    pub(super) fn flush(&mut self) -> Result<VecDeque<Event>> {
        self.flush_batch()?;
        Ok(self.take_events())
    }

    /// Columns with values that became something else.
    pub(super) fn lost(&self) -> impl Iterator<Item = (&str, u64)> {
        self.lost.iter().map(|(column, count)| (column.as_str(), *count))
    }

    /// The values of the stream's columns.
    fn row<'a>(&self, tuple: &[Value<'a>]) -> Vec<Value<'a>> {
        let value =
            |column: &StreamColumn| column.source.and_then(|(at, _)| tuple.get(at)).copied().unwrap_or(Value::Null);
        self.columns.iter().map(value).collect()
    }

    fn of_key<'a>(&self, row: &[Value<'a>]) -> Vec<Value<'a>> {
        row.iter().zip(&self.columns).filter(|(_, column)| column.plan.key).map(|(value, _)| *value).collect()
    }

    fn null_in_key(&self, row: &[Value<'_>]) -> Option<&str> {
        let of_key = row.iter().zip(&self.columns).filter(|(_, column)| column.plan.key);
        let mut nulls = of_key.filter(|(value, _)| **value == Value::Null);
        nulls.next().map(|(_, column)| column.plan.name.as_str())
    }

    fn push(&mut self, change: Change, row: Vec<Value<'_>>, old: Option<Vec<Value<'_>>>) -> Result<()> {
        // Only a row that was written is told whole.
        let written = (change != Change::Delete).then_some(&row);
        if let Some(column) = written.and_then(|row| self.null_in_key(row)) {
            return Err(Error::Conflict(format!(
                "a row of `{}` was written whose column `{column}` is null, and rows are found by it: take columns that are NOT NULL as \
                 the stream's `primaryKey`, with PATCH /ingestion/{{id}}, or delete such rows and POST /ingestion/{{id}}/reset",
                self.name
            )));
        }
        for row in [Some(&row), old.as_ref()].into_iter().flatten() {
            if self.of_key(row).iter().any(|value| !matches!(value, Value::Text(_))) {
                return Err(Error::Conflict(format!(
                    "the log tells a row of `{}` without its key {}: its replica identity was changed. POST /ingestion/{{id}}/reset, or \
                     set the replica identity back",
                    self.name,
                    self.key.join(", ")
                )));
            }
        }
        let kept: Vec<usize> =
            row.iter().enumerate().filter(|(_, value)| **value == Value::Unchanged).map(|(index, _)| index).collect();
        let fits = |batch: &ChangeBatch| batch.kept == kept && batch.previous.is_some() == old.is_some();
        if self.batch.as_ref().is_some_and(|batch| !fits(batch)) {
            self.flush_batch()?;
        }
        let columns = &self.columns;
        let batch = self.batch.get_or_insert_with(|| ChangeBatch {
            rows: plans(columns, |index, _| !kept.contains(&index)),
            changes: Vec::new(),
            previous: old.as_ref().map(|_| plans(columns, |_, column| column.plan.key)),
            kept,
        });
        let fault = |fault: ColumnFault| Error::internal(format!("{}: {fault}", self.name));
        let kept = &batch.kept;
        batch.rows.push_texts(&texts(&row, columns, |index, _| !kept.contains(&index))).map_err(fault)?;
        if let (Some(previous), Some(old)) = (&mut batch.previous, &old) {
            previous.push_texts(&texts(old, columns, |_, column| column.plan.key)).map_err(fault)?;
        }
        batch.changes.push(change);
        (self.dirty, self.changes) = (true, self.changes + 1);
        if batch.rows.is_full() {
            self.flush_batch()?;
        }
        Ok(())
    }

    fn flush_batch(&mut self) -> Result<()> {
        let Some(mut batch) = self.batch.take() else { return Ok(()) };
        let fault = |fault: ColumnFault| Error::internal(format!("{}: {fault}", self.name));
        let data = RowData::ArrowIpc(batch.rows.take().map_err(fault)?);
        let previous =
            batch.previous.as_mut().map(|keys| keys.take().map(RowData::ArrowIpc).map_err(fault)).transpose()?;
        self.count_lost(&batch.rows);
        let kept = batch.kept.iter().map(|index| self.columns[*index].plan.name.clone()).collect();
        let stream = number(self.index);
        self.events.push_back(Event::Rows(Rows {
            stream,
            data,
            changes: batch.changes,
            kept,
            previous_keys: previous,
        }));
        Ok(())
    }

    fn count_lost(&mut self, batch: &Batch) {
        for (column, count) in batch.lost() {
            *self.lost.entry(column.to_owned()).or_default() += count;
        }
    }
}

fn plans(columns: &[StreamColumn], chosen: impl Fn(usize, &StreamColumn) -> bool) -> Batch {
    let chosen = columns.iter().enumerate().filter(|(index, column)| chosen(*index, column));
    Batch::with_room(chosen.map(|(_, column)| column.plan.clone()).collect(), ROOM)
}

fn texts<'a>(
    row: &[Value<'a>],
    columns: &[StreamColumn],
    chosen: impl Fn(usize, &StreamColumn) -> bool,
) -> Vec<TextValue<'a>> {
    let chosen = row.iter().zip(columns).enumerate().filter(|(index, (_, column))| chosen(*index, column));
    let text = |(value, column): (&Value<'a>, &StreamColumn)| match (value, column.source) {
        (Value::Text(text), Some((_, form))) => TextValue::Text(text, form),
        _ => TextValue::Null,
    };
    chosen.map(|(_, value)| text(value)).collect()
}

/// Looks up the types that have not been met.
fn learn(relation: &Relation, session: &mut Session, types: &mut TypeEntries) -> Result<()> {
    let unknown: Vec<Oid> =
        relation.columns.iter().map(|column| column.data_type).filter(|oid| !types.contains_key(oid)).collect();
    if !unknown.is_empty() {
        types.extend(catalog::types(session, &unknown)?);
    }
    Ok(())
}

/// How many dimensions the table's columns are declared with now, by name.
fn dimensions(table: Oid, session: &mut Session) -> Result<BTreeMap<String, i32>> {
    let sql = format!("SELECT attname, attndims FROM pg_catalog.pg_attribute WHERE attrelid = {table} AND attnum > 0");
    let rows = session.query(&sql)?;
    let column = |row: Vec<Option<String>>| match <[Option<String>; 2]>::try_from(row) {
        Ok([Some(name), Some(dimensions)]) => Some((name, dimensions.parse().ok()?)),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(column).collect())
}
