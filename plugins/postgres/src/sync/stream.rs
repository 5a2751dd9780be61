//! One stream of a sync: begun, read batch by batch, and proven whole.

use asgard_sdk::connector::StreamSelection;
use asgard_sdk::{Column, Error};

use super::checkpoint::{Cursor, State};
use super::incremental;
use super::plan::plan;
use super::source::Source;
use super::unique::{self, Key};
use super::{ROLL_BACK, Trouble, full_name, schema_of};
use crate::catalog::{self, Scope};
use crate::rows::{Batch, ColumnFault, CopyReader};
use crate::session::Session;
use crate::types::Oid;
use crate::wire::Failure;

/// What a stream gives.
#[derive(Debug)]
pub(super) enum Piece {
    /// An Arrow IPC stream.
    Rows(Vec<u8>),
    /// It was whole.
    End,
}

/// A stream that is being read.
pub(super) struct StreamReader {
    index: usize,
    name: String,
    copy: CopyReader,
    batch: Batch,
    rows: u64,
    cursor: Option<Cursor>,
    source: Option<Source>,
    table: Oid,
    evolved: Option<Vec<Column>>,
    rewritten: String,
    /// Row-level security leaves rows out.
    filtered: bool,
    key: Key,
    /// The server is still sending.
    copying: bool,
}

impl StreamReader {
    /// Looks at the table, then lets the server send. `index` is the stream's place among those of the sync.
    pub(super) fn begin(
        session: &mut Session,
        index: usize,
        selection: &StreamSelection,
        state: Option<&State>,
    ) -> Result<Self, Trouble> {
        let name = full_name(selection);
        let tables = catalog::read(session, Scope::Table { schema: schema_of(selection), name: &selection.name })?;
        // The search path of before is back: functions in views may count on it.
        session.execute(ROLL_BACK)?;
        let plan = plan(selection, tables.first(), state).map_err(Trouble::Stream)?;
        let cursor = match &plan.cursor {
            None => None,
            Some(cursor) => incremental::reached(session, cursor, state, &name)?,
        };
        let table = tables.first().map_or(0, |table| table.oid);
        let key = unique::check(session, selection, table, state)?;
        session.copy_out(&plan.copy)?;
        Ok(Self {
            index,
            name,
            copy: CopyReader::default(),
            batch: Batch::new(plan.columns),
            rows: 0,
            cursor,
            source: plan.source,
            table,
            key,
            evolved: plan.evolved,
            rewritten: plan.rewritten,
            filtered: tables.first().is_some_and(|table| table.filtered),
            copying: true,
        })
    }

    /// Its place among the streams of the sync.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// The table that is read.
    pub(super) fn table(&self) -> Oid {
        self.table
    }

    /// The stream's columns from now on, where they changed; told once.
    pub(super) fn evolved(&mut self) -> Option<Vec<Column>> {
        self.evolved.take()
    }

    /// The server is still sending, so that nothing can be asked.
    pub(super) fn is_copying(&self) -> bool {
        self.copying
    }

    /// Policies of row-level security choose the rows that the source's user gets.
    pub(super) fn is_filtered(&self) -> bool {
        self.filtered
    }

    /// What keeps its rows apart.
    pub(super) fn key(&self) -> Key {
        self.key
    }

    /// How many rows came.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// How far the stream came.
    pub(super) fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// What the table is, for a stream that goes on from here next time.
    pub(super) fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Columns with values that became null.
    pub(super) fn lost(&self) -> impl Iterator<Item = (&str, u64)> {
        self.batch.lost()
    }

    /// The next rows.
    pub(super) fn next(&mut self, session: &mut Session) -> Result<Piece, Trouble> {
        while self.copying && !self.batch.is_full() {
            match session.copied() {
                Ok(Some(data)) => self.copy.feed(data, &mut self.batch).map_err(|fault| self.fault(&fault))?,
                Ok(None) => self.copying = false,
                Err(failure) => {
                    // After a refused statement the server is ready for the next one.
                    self.copying = matches!(failure, Failure::Session(_));
                    return Err(failure.into());
                }
            }
        }
        if self.batch.rows() > 0 {
            self.rows += self.batch.rows() as u64;
            if self.batch.is_large() {
                session.forget_message();
            }
            return self.batch.take().map(Piece::Rows).map_err(|fault| self.fault(&fault));
        }
        self.prove_whole(session)?;
        Ok(Piece::End)
    }

    fn prove_whole(&self, session: &mut Session) -> Result<(), Trouble> {
        if !self.copy.is_complete() {
            return Err(Trouble::Sync(Error::unavailable(format!(
                "{}: the rows ended before their end mark",
                self.name
            ))));
        }
        let rewritten = session.query(&self.rewritten)?.into_iter().flatten().flatten().any(|answer| answer == "t");
        if rewritten {
            return Err(Trouble::Sync(Error::unavailable(format!(
                "{} was truncated or written anew while the sync was under way: it is read again",
                self.name
            ))));
        }
        Ok(())
    }

    fn fault(&self, fault: &ColumnFault) -> Trouble {
        Trouble::Stream(Error::internal(format!("{}: {fault}", self.name)))
    }
}
