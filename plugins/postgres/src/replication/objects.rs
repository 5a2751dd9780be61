//! Publication and slot of an ingestion.
//!
//! Both have one name, made of the ingestion's id, so that whatever happens between making them and noting it, `retire` finds
//! them. The publication comes first: a slot's log is decoded with the publications of then.

use asgard_sdk::connector::{Ingestion, StreamSelection, SyncMode};
use asgard_sdk::{Error, Result};
use serde::Deserialize;

use super::{Lsn, identity, publication};
use crate::below;
use crate::configuration::Configuration;
use crate::session::Session;
use crate::streams::full_name;
use crate::wire::{Failure, quote_identifier, quote_literal};

/// Names end there, silently cut.
const LONGEST_NAME: usize = 63;

/// How often a slot is looked at until the reader of before has let go of it, a tenth of a second each.
const RELEASE_TRIES: u32 = 50;

/// So long transactions that write in the database may hold up a slot or a snapshot. Requests wait for it.
pub const WAIT_SECONDS: u32 = 30;

/// What the server answers when that has passed.
pub const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The names of an ingestion's publication and slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub publication: String,
    pub slot: String,
    /// Somebody else keeps the publication.
    foreign: bool,
}

impl Names {
    /// Slots take lower-case letters, digits and underscores alone.
    pub fn of(ingestion: &str, configuration: &Configuration) -> Self {
        let id =
            ingestion.chars().map(|c| c.to_ascii_lowercase()).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
        let slot: String = "asgard_".chars().chain(id).take(LONGEST_NAME).collect();
        match &configuration.replication_method.publication {
            Some(publication) => Self { publication: publication.clone(), slot, foreign: true },
            None => Self { publication: slot.clone(), slot, foreign: false },
        }
    }

    /// Somebody else keeps the publication.
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Of a slot that lasts as long as its connection.
    pub fn passing(&self) -> String {
        let mut name: String = self.slot.chars().take(LONGEST_NAME - 9).collect();
        name.push_str("_snapshot");
        name
    }
}

/// A slot as the server shows it; servers differ in what they tell.
#[derive(Debug, Clone, Deserialize)]
pub struct Slot {
    /// All before it has been acknowledged.
    pub confirmed_flush_lsn: Option<Lsn>,
    active_pid: Option<i64>,
    /// Since version 13.
    wal_status: Option<String>,
    /// Since version 17.
    invalidation_reason: Option<String>,
}

impl Slot {
    /// Why nothing can be read from it any more.
    pub fn lost(&self) -> Option<String> {
        let reason = self.invalidation_reason.as_deref().unwrap_or("max_slot_wal_keep_size");
        (self.wal_status.as_deref() == Some("lost") || self.invalidation_reason.is_some())
            .then(|| format!("the server has invalidated it ({reason})"))
    }
}

/// Refuses a server whose log cannot be decoded.
///
/// # Errors
/// `invalid-input` for the setting, `unsupported` for a standby.
pub fn check_server(session: &mut Session) -> Result<()> {
    let level = one(session, "SHOW wal_level")?;
    if level != "logical" {
        return Err(Error::invalid(
            "config.replication_method",
            format!(
                "the server's `wal_level` is `{level}`, and change data capture needs `logical`: set it in postgresql.conf (on managed \
                 servers by a parameter, such as `rds.logical_replication`) and restart the server, or set `{{\"method\": \
                 \"Standard\"}}`"
            ),
        ));
    }
    if one(session, "SELECT pg_catalog.pg_is_in_recovery()")? == "t" {
        return Err(Error::invalid(
            "config.host",
            "the server is a standby: change data capture makes a publication and a replication slot on the primary",
        ));
    }
    Ok(())
}

/// Makes publication and slot of an ingestion, which has captured streams.
///
/// # Errors
/// Those of [`check_server`]; `invalid-input` for a table whose rows the log does not tell apart.
pub fn provision(session: &mut Session, configuration: &Configuration, ingestion: &Ingestion) -> Result<()> {
    check_server(session)?;
    let mut tables = Vec::new();
    for selection in captured(&ingestion.streams) {
        let (table, below) = below::find(session, selection)?
            .ok_or_else(|| Error::NotFound(format!("there is no table `{}`", full_name(selection))))?;
        identity::check(&table, &below, &selection.primary_key)?;
        tables.push(table);
    }
    let names = Names::of(&ingestion.id, configuration);
    publication::make(session, &names, &tables)?;
    if find_slot(session, &names.slot)?.is_none() {
        make_slot(session, &names.slot)?;
    }
    Ok(())
}

/// Removes both again.
///
/// # Errors
/// `unavailable` while somebody reads the slot.
pub fn retire(session: &mut Session, configuration: &Configuration, ingestion: &Ingestion) -> Result<()> {
    let names = Names::of(&ingestion.id, configuration);
    if find_slot(session, &names.slot)?.is_some() {
        release(session, &names.slot)?;
        drop_slot(session, &names.slot)?;
    }
    if !names.foreign {
        session.execute(&format!("DROP PUBLICATION IF EXISTS {}", quote_identifier(&names.publication)))?;
    }
    Ok(())
}

/// The streams whose changes are captured.
pub fn captured(streams: &[StreamSelection]) -> impl Iterator<Item = &StreamSelection> {
    streams.iter().filter(|stream| stream.sync_mode == SyncMode::ChangeDataCapture)
}

/// The slot, if it is there.
///
/// # Errors
/// Those of the query.
pub fn find_slot(session: &mut Session, slot: &str) -> Result<Option<Slot>> {
    let found = session.query(&format!(
        "SELECT pg_catalog.row_to_json(s) FROM pg_catalog.pg_replication_slots s WHERE s.slot_name OPERATOR(pg_catalog.=) {}",
        quote_literal(slot)
    ))?;
    let Some(text) = found.into_iter().flatten().flatten().next() else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| Error::internal(format!("a slot cannot be read: {error}")))
}

/// Makes a slot that lasts. It waits for transactions that write in the database, for [`WAIT_SECONDS`].
///
/// # Errors
/// `conflict` where the server has no room for one, or transactions do not end.
pub fn make_slot(session: &mut Session, slot: &str) -> Result<()> {
    session.execute(&format!("SET lock_timeout TO '{WAIT_SECONDS}s'"))?;
    let sql = format!("SELECT pg_catalog.pg_create_logical_replication_slot({}, 'pgoutput')", quote_literal(slot));
    let made = session.execute(&sql);
    if let Err(Failure::Session(error)) = made {
        return Err(error);
    }
    session.execute("RESET lock_timeout")?;
    match made {
        Err(Failure::Statement(told)) if told.code == "53400" => Err(Error::Conflict(format!(
            "the server has no replication slot left: raise `max_replication_slots`, or drop slots that nobody reads: {told}"
        ))),
        Err(Failure::Statement(told)) if told.code == LOCK_NOT_AVAILABLE => Err(held_up(session)?),
        made => Ok(made?),
    }
}

/// What to do about transactions that a slot or a snapshot has waited for in vain.
///
/// # Errors
/// Those of the query.
pub fn held_up(session: &mut Session) -> Result<Error> {
    let writing = session.query(
        "SELECT pg_catalog.format('%s of %s in %s, for %s', pid, usename, datname, pg_catalog.date_trunc('second', pg_catalog.now() \
         OPERATOR(pg_catalog.-) xact_start)) FROM pg_catalog.pg_stat_activity \
         WHERE backend_xid IS NOT NULL ORDER BY xact_start LIMIT 3",
    )?;
    let writing: Vec<String> = writing.into_iter().flatten().flatten().collect();
    Ok(Error::Conflict(format!(
        "change data capture begins when transactions that write in any database of the server have ended, and some did not within {WAIT_SECONDS} s: \
         process {}. Wait for them, or end them with pg_terminate_backend, and try again",
        if writing.is_empty() {
            "unknown (see pg_stat_activity and pg_prepared_xacts)".to_owned()
        } else {
            writing.join("; ")
        }
    )))
}

/// # Errors
/// Those of the server.
pub fn drop_slot(session: &mut Session, slot: &str) -> Result<()> {
    Ok(session.execute(&format!("SELECT pg_catalog.pg_drop_replication_slot({})", quote_literal(slot)))?)
}

/// Ends whoever reads the slot: a sync of ours that lost its host, and whose connection the server still believes in. The
/// newest opening of a sync is the one that goes on.
///
/// # Errors
/// `unavailable` when it does not let go.
pub fn release(session: &mut Session, slot: &str) -> Result<()> {
    for _ in 0..RELEASE_TRIES {
        let Some(reader) = find_slot(session, slot)?.and_then(|slot| slot.active_pid) else { return Ok(()) };
        session.execute(&format!("SELECT pg_catalog.pg_terminate_backend({reader}), pg_catalog.pg_sleep(0.1)"))?;
    }
    Err(Error::unavailable(format!("replication slot `{slot}` is read by another session that does not end")))
}

/// The one value of a query.
pub(crate) fn one(session: &mut Session, sql: &str) -> Result<String> {
    let value = session.query(sql)?.into_iter().flatten().flatten().next();
    value.ok_or_else(|| Error::internal("the server answered a question with nothing"))
}

#[cfg(test)]
mod tests {
    use asgard_sdk::json;

    use super::*;

    #[test]
    fn names_are_what_slots_take() {
        let configuration: Configuration =
            json::from_value(json::json!({"host": "h", "database": "d", "username": "u"})).unwrap();
        let names = Names::of("01JK-Ab.c\"", &configuration);
        assert_eq!(names.slot, "asgard_01jk_ab_c_");
        assert_eq!(
            (names.publication.as_str(), names.passing().as_str()),
            ("asgard_01jk_ab_c_", "asgard_01jk_ab_c__snapshot")
        );
        let long = Names::of(&"x".repeat(200), &configuration);
        assert!(long.slot.len() == 63 && long.passing().len() == 63);
    }
}
