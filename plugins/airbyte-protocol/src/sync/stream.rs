//! One stream of a sync: its rows until they are handed over, and how far it came.

use asgard_sdk::connector::{Change, Event, RowData, Rows, StreamSelection, SyncMode};
use asgard_sdk::{Error, Result};

use crate::catalog::{DELETED_AT, is_incremental};
use crate::checkpoint::{Kept, Stored};
use crate::configuration::{Definition, Mismatch, States};
use crate::host::Host;
use crate::messages::TraceError;
use crate::values::{self, Fields, Misfit};
use asgard_airbyte::shape::Shape;

/// Handed over in one go, whichever comes first.
const ROWS_BYTES: usize = 4 << 20;
const ROWS: usize = 20_000;

/// Kinds of what is wrong with values that are told one by one; the others are counted.
const MOST_TOLD: usize = 20;

pub(super) struct Stream {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) columns: Vec<(String, Shape)>,
    /// Where it goes on, then where it is.
    pub(super) state: Option<Stored>,
    /// This task has read all of it.
    pub(super) is_complete: bool,
    pub(super) has_failed: bool,
    /// The connector said that it is at its end.
    pub(super) has_ended: bool,
    pub(super) error: Option<TraceError>,
    /// Whether it may be committed at a state, before its end.
    pub(super) commits_at_states: bool,
    /// Rows and time since the last commit.
    pub(super) uncommitted: u64,
    pub(super) committed_ms: u64,
    /// Since the last state, to compare with what the connector says of it.
    pub(super) since_state: u64,
    pub(super) records: u64,
    lines: Vec<u8>,
    rows: usize,
    changes: Vec<Change>,
    tells_deletions: bool,
    nulls_misfits: bool,
    /// Places of values that did not fit and of fields that no column has, told already.
    told: Vec<String>,
    misfits: u64,
}

impl Stream {
    pub(super) fn open(selection: &StreamSelection, task: &str, definition: &Definition) -> Result<Self> {
        let columns: Vec<(String, Shape)> = selection
            .columns
            .iter()
            .map(|column| Ok((column.name.clone(), Shape::parse(&column.data_type)?)))
            .collect::<Result<_>>()?;
        let merges = selection.sync_mode == SyncMode::IncrementalMerge;
        let kept = Kept::of(selection.checkpoint.as_deref());
        let incremental = is_incremental(selection.sync_mode);
        Ok(Self {
            name: selection.name.clone(),
            namespace: selection.namespace.clone(),
            is_complete: kept.as_ref().is_some_and(|kept| kept.complete && kept.task == task),
            state: kept.and_then(|kept| kept.state).filter(|_| incremental),
            has_failed: false,
            has_ended: false,
            error: None,
            commits_at_states: match definition.states {
                States::Final => false,
                States::Repeatable => merges,
                States::Exact => incremental,
            },
            uncommitted: 0,
            committed_ms: 0,
            since_state: 0,
            records: 0,
            lines: Vec::new(),
            rows: 0,
            changes: Vec::new(),
            tells_deletions: merges && columns.iter().any(|(name, _)| name == DELETED_AT),
            nulls_misfits: definition.mismatch == Mismatch::Null,
            told: Vec::new(),
            misfits: 0,
            columns,
        })
    }

    pub(super) fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether there is something left to do for it.
    pub(super) fn is_open(&self) -> bool {
        !self.is_complete && !self.has_failed
    }

    /// Takes a record; true when there are enough of them to hand over.
    ///
    /// # Errors
    /// `invalid-input` for a value that does not fit its column, where that fails the stream.
    pub(super) fn add(&mut self, host: &dyn Host, data: &str) -> Result<bool> {
        let name = self.full_name();
        let record: Fields<'_> = values::fields(data)
            .ok_or_else(|| Error::internal(format!("{name}: record {} is no JSON object", self.records + 1)))?;
        let written = values::write_row(&self.columns, &record, &mut self.lines);
        (self.records, self.since_state, self.uncommitted) =
            (self.records + 1, self.since_state + 1, self.uncommitted + 1);
        self.rows += 1;
        if self.tells_deletions {
            let is_gone = record.get(DELETED_AT).is_some_and(|at| at.get() != "null");
            self.changes.push(if is_gone { Change::Delete } else { Change::Update });
        }
        for misfit in written.misfits {
            self.misfit(host, &name, misfit)?;
        }
        for place in written.unknown {
            if self.tell(format!("+{place}")) {
                host.warn(
                    "FieldLeftOut",
                    &format!("{name}: the connector's schema has no field `{place}`: its values are left out"),
                );
            }
        }
        Ok(self.lines.len() >= ROWS_BYTES || self.rows >= ROWS)
    }

    fn misfit(&mut self, host: &dyn Host, name: &str, misfit: Misfit) -> Result<()> {
        let Misfit { place, reason } = misfit;
        if !self.nulls_misfits {
            return Err(Error::invalid(
                "streams",
                format!(
                    "{name}: `{place}` of record {}: {reason}. The connector's schema says so: correct it, or set `mismatch = \"null\"` for the connector in the binding",
                    self.records
                ),
            ));
        }
        self.misfits += 1;
        if self.tell(format!("!{place}")) {
            host.warn("ValueLeftOut", &format!("{name}: `{place}` of record {}: {reason}: it is null", self.records));
        }
        Ok(())
    }

    /// Whether it has not been told yet.
    fn tell(&mut self, what: String) -> bool {
        if self.told.len() >= MOST_TOLD || self.told.contains(&what) {
            return false;
        }
        self.told.push(what);
        true
    }

    /// A sum of what was left out, for the log.
    pub(super) fn left_out(&self) -> Option<String> {
        (self.misfits > 0).then(|| format!("{}: {} values did not fit and are null", self.full_name(), self.misfits))
    }

    /// The rows so far as an event.
    pub(super) fn hand_over(&mut self, index: u32) -> Option<Event> {
        if self.rows == 0 {
            return None;
        }
        self.rows = 0;
        let data = RowData::JsonLines(std::mem::take(&mut self.lines));
        let changes = std::mem::take(&mut self.changes);
        Some(Event::Rows(Rows { changes, ..Rows::inserts(index, data) }))
    }

    pub(super) fn drop_rows(&mut self) {
        (self.lines, self.changes, self.rows) = (Vec::new(), Vec::new(), 0);
    }

    /// Bytes that wait to be handed over.
    pub(super) fn held(&self) -> usize {
        self.lines.len()
    }
}
