//! The start of a sync with captured streams: the slot is there and whole, and streams that were never read get a snapshot whose
//! place in the log is known.
//!
//! A slot alone does not prove that no change is missing: it may have been dropped and made anew. So it must not have been
//! acknowledged further than the furthest stream has come, which is what an acknowledgement always is.

use asgard_sdk::connector::{Event, StreamSelection};
use asgard_sdk::context::Level;
use asgard_sdk::{Error, Result};

use super::checkpoint::LogPosition;
use super::plan::changed;
use super::source::Source;
use super::{BEGIN, Phase, Run, SETTINGS, full_name, number};
use crate::below::{self, Below};
use crate::catalog::Table;
use crate::replication::objects::{self, Names, one};
use crate::replication::{Lsn, feed, identity, publication};
use crate::session::Session;
use crate::wire::quote_literal;

/// Where changes come from, and how far they are followed.
#[derive(Debug, Clone)]
pub(super) struct Capture {
    pub(super) names: Names,
    pub(super) system: u64,
    /// All that had committed when the sync began is before it.
    pub(super) target: Lsn,
    /// Of streams that are read whole in this sync.
    pub(super) snapshot: Lsn,
}

impl Run {
    pub(super) fn start(&mut self) -> Result<Event> {
        let captured: Vec<usize> = (0..self.streams.len()).filter(|index| self.is_captured(*index)).collect();
        if !captured.is_empty() {
            self.start_capture(&captured)?;
        }
        self.phase = Phase::Between;
        match self.divide()? {
            Some(divided) => Ok(divided),
            None => self.next_event(),
        }
    }

    fn start_capture(&mut self, captured: &[usize]) -> Result<()> {
        if !self.configuration.captures_changes() {
            return Err(Error::invalid(
                "config.replication_method",
                "the ingestion has streams of sync mode `change_data_capture`, and the source reads by queries now: set `{\"method\": \
                 \"CDC\"}` again, or make the ingestion anew",
            ));
        }
        let mut session = Session::open(self.capabilities.as_ref(), &self.configuration)?;
        objects::check_server(&mut session)?;
        let names = Names::of(&self.ingestion, &self.configuration);
        let tables = self.find_tables(&mut session, captured)?;
        let system = system(&mut session)?;
        let positions: Vec<LogPosition> = captured.iter().filter_map(|index| self.position(*index)).collect();
        if positions.is_empty() {
            prepare_anew(&mut session, &names, &tables)?;
        } else {
            check_whole(&mut session, &names, &tables, system, &positions)?;
        }
        self.note_publishing(&mut session, &names, &tables)?;
        objects::release(&mut session, &names.slot)?;
        let target = target(&mut session)?;
        let mut snapshot = Lsn(0);
        session.execute(BEGIN)?;
        if captured.iter().any(|index| !self.failed[*index] && self.position(*index).is_none()) {
            let Some(taken) = feed::snapshot(self.capabilities.as_ref(), &self.configuration, &names.passing())? else {
                session.execute("ROLLBACK")?;
                return Err(objects::held_up(&mut session)?);
            };
            session.execute(&format!("SET TRANSACTION SNAPSHOT {}", quote_literal(&taken.name)))?;
            snapshot = taken.position;
        }
        session.execute(SETTINGS)?;
        self.session = Some(session);
        self.capture = Some(Capture { names, system, target, snapshot });
        Ok(())
    }

    pub(super) fn position(&self, index: usize) -> Option<LogPosition> {
        self.states[index].as_ref().and_then(super::State::log)
    }

    /// The tables of captured streams. A stream without one fails. So does one whose table goes by another name now, or is not what it
    /// was: the server keeps its changes for it, until it is mended or taken out.
    fn find_tables(&mut self, session: &mut Session, captured: &[usize]) -> Result<Vec<Table>> {
        let mut tables = Vec::with_capacity(captured.len());
        for index in captured {
            let selection = &self.streams[*index];
            let found = below::find(session, selection)?;
            let usable = match self.position(*index) {
                None => unread(selection, found),
                Some(position) => match followed(session, selection, position, found) {
                    Err(error) => {
                        self.hold(*index, error)?;
                        continue;
                    }
                    Ok(usable) => usable,
                },
            };
            let (table, below) = match usable {
                Ok(usable) => usable,
                Err(error) => {
                    self.leave_out(*index, error);
                    continue;
                }
            };
            let source = Source::captured(&table, &below);
            match self.compare(session, *index, source, &below) {
                Ok(source) => self.sources[*index] = Some(source),
                Err(error) => {
                    self.hold(*index, error)?;
                    continue;
                }
            }
            tables.push(table);
        }
        Ok(tables)
    }

    /// Fails a stream whose changes there are none of any more, or not yet.
    fn leave_out(&mut self, index: usize, error: Error) {
        self.failed[index] = true;
        self.pending.push_back(Event::StreamFailed((number(index), error)));
    }

    /// Fails a stream whose changes the server has to keep.
    ///
    /// # Errors
    /// The error itself, where it is none of the stream's own.
    fn hold(&mut self, index: usize, error: Error) -> Result<()> {
        if !matches!(error, Error::Conflict(_)) {
            return Err(error);
        }
        self.held = true;
        self.leave_out(index, error);
        Ok(())
    }

    /// Notes what puts the tables into the publication, and refuses one that was not in it all the while.
    fn note_publishing(&mut self, session: &mut Session, names: &Names, tables: &[Table]) -> Result<()> {
        let (streams, states) = (&self.streams, &self.states);
        let found = self.sources.iter_mut().enumerate().filter_map(|(index, source)| Some((index, source.as_mut()?)));
        for ((index, source), table) in found.zip(tables) {
            let before = states[index].as_ref().and_then(super::State::source);
            if !source.published_by(publication::publishing(session, names, table)?, before) {
                let name = full_name(&streams[index]);
                return missing(format!("table `{name}` was taken out of the publication and put back"));
            }
        }
        Ok(())
    }

    /// What the stream's table is now, if the log goes on from what it was.
    fn compare(&mut self, session: &mut Session, index: usize, now: Source, below: &Below) -> Result<Source> {
        let Some(before) = self.states[index].as_ref().and_then(super::State::source) else { return Ok(now) };
        let name = full_name(&self.streams[index]);
        if let Some(change) = now.differs(before) {
            return Err(changed(&name, &change));
        }
        let Some(partition) = now.changed_partition(before, below, session)? else {
            return Ok(now.after(Some(before)));
        };
        self.capabilities.log(Level::Warn, &format!("{name} is read again whole, since {partition}"));
        self.states[index] = None;
        self.emptied[index] = true;
        Ok(now)
    }
}

/// A table that may be used, or why its stream fails.
type Usable = std::result::Result<(Table, Below), Error>;

fn unread(selection: &StreamSelection, found: Option<(Table, Below)>) -> Usable {
    let Some((table, below)) = found else {
        return Err(Error::NotFound(format!(
            "table `{}` is not there any more: restore it, or take the stream out of the ingestion",
            full_name(selection)
        )));
    };
    identity::check(&table, &below, &selection.primary_key)?;
    Ok((table, below))
}

fn followed(
    session: &mut Session,
    selection: &StreamSelection,
    position: LogPosition,
    found: Option<(Table, Below)>,
) -> Result<Usable> {
    let name = full_name(selection);
    if let Some((table, below)) = found.filter(|(table, _)| table.oid == position.table) {
        return match &below.inheriting {
            None => Ok(Ok((table, below))),
            Some(child) => Err(Error::Conflict(format!(
                "table `{child}` inherits from `{name}` now, and the log tells changes of its rows as those of another table: take the \
                 stream out of the ingestion, and read it by queries in another one"
            ))),
        };
    }
    let query = format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {}",
        position.table
    );
    match session.query(&query)?.into_iter().next().as_deref() {
        Some([Some(schema), Some(now)]) => Err(Error::Conflict(format!(
            "table `{name}` is called `{schema}.{now}` now: give it its name back, or make the ingestion anew"
        ))),
        _ => Ok(Err(Error::NotFound(format!(
            "table `{name}` was dropped, and what has its name now is another one: POST /ingestion/{{id}}/reset reads it anew, or take \
             the stream out of the ingestion"
        )))),
    }
}

/// No stream has been read yet: whatever is in the way goes.
fn prepare_anew(session: &mut Session, names: &Names, tables: &[Table]) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let slot = objects::find_slot(session, &names.slot)?;
    let published = match publication::check(session, names, tables) {
        Ok(()) => true,
        Err(Error::Conflict(_)) if !names.is_foreign() => false,
        Err(error) => return Err(error),
    };
    if published && slot.as_ref().is_some_and(|slot| slot.lost().is_none()) {
        return Ok(());
    }
    if slot.is_some() {
        objects::release(session, &names.slot)?;
        objects::drop_slot(session, &names.slot)?;
    }
    if !published {
        publication::make(session, names, tables)?;
    }
    objects::make_slot(session, &names.slot)
}

/// Streams have been read: no change since then may be missing.
fn check_whole(
    session: &mut Session,
    names: &Names,
    tables: &[Table],
    system: u64,
    positions: &[LogPosition],
) -> Result<()> {
    if positions.iter().any(|position| position.system != system) {
        return missing("the source is another database server than at the last sync".to_owned());
    }
    let Some(slot) = objects::find_slot(session, &names.slot)? else {
        return missing(format!("replication slot `{}` is gone", names.slot));
    };
    if let Some(why) = slot.lost() {
        return missing(format!("replication slot `{}` is lost: {why}", names.slot));
    }
    let furthest = positions.iter().map(|position| position.lsn).max();
    if slot.confirmed_flush_lsn > furthest {
        return missing(format!("replication slot `{}` was made anew or read by somebody else", names.slot));
    }
    publication::check(session, names, tables)
}

fn missing<T>(why: String) -> Result<T> {
    Err(Error::Conflict(format!(
        "{why}, so that changes are missing: POST /ingestion/{{id}}/reset, and the next sync makes the slot anew and reads all rows"
    )))
}

fn system(session: &mut Session) -> Result<u64> {
    let text = one(session, "SELECT system_identifier FROM pg_catalog.pg_control_system()")?;
    let number: i64 = text.parse().map_err(|_| Error::internal(format!("`{text}` is no system identifier")))?;
    Ok(number.cast_unsigned())
}

/// The end of the log now. A transaction of our own that is flushed after it makes sure that the server's reader gets there,
/// even where others commit without waiting for the disk and then nothing more happens.
fn target(session: &mut Session) -> Result<Lsn> {
    let target = one(session, "SELECT pg_catalog.pg_current_wal_insert_lsn()")?;
    session.execute("BEGIN READ WRITE")?;
    session.execute("SET LOCAL synchronous_commit TO local")?;
    session.execute("SELECT pg_catalog.txid_current()")?;
    session.execute("COMMIT")?;
    target.parse().map_err(Error::internal)
}
