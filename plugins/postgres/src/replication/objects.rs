//! Publication and slot of an ingestion.
//!
//! Both have one name, made of the ingestion's id, so that whatever happens between making them and noting it, `retire` finds
//! them. The publication comes first: a slot's log is decoded with the publications of then.

use asgard_sdk::connector::{Ingestion, StreamSelection, SyncMode};
use asgard_sdk::{Error, Result};
use serde::Deserialize;

use super::Lsn;
use crate::catalog::{self, ReplicaIdentity, Scope, Table};
use crate::configuration::Configuration;
use crate::session::Session;
use crate::streams::{full_name, schema_of};
use crate::wire::{Failure, quote_identifier, quote_literal};

/// Names end there, silently cut.
const LONGEST_NAME: usize = 63;

/// How often a slot is looked at until the reader of before has let go of it, a tenth of a second each.
const RELEASE_TRIES: u32 = 50;

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
    session.execute("BEGIN READ ONLY")?;
    for selection in captured(&ingestion.streams) {
        let scope = Scope::Table { schema: schema_of(selection), name: &selection.name };
        let found = catalog::read(session, scope)?.into_iter().next();
        let table = found.ok_or_else(|| Error::NotFound(format!("there is no table `{}`", full_name(selection))))?;
        check_identity(&table, &selection.primary_key)?;
        tables.push(table);
    }
    session.execute("ROLLBACK")?;
    let names = Names::of(&ingestion.id, configuration);
    make_publication(session, &names, &tables)?;
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

/// Refuses a table whose rows the log does not tell apart by the stream's key.
///
/// # Errors
/// `invalid-input` with what to do.
pub fn check_identity(table: &Table, key: &[String]) -> Result<()> {
    let name = format!("{}.{}", table.schema, table.name);
    let refused = |message: String| Err(Error::invalid("streams", message));
    if !table.is_logged() {
        return refused(format!(
            "changes of `{name}` are not in the server's log: give it a sync mode that reads it whole"
        ));
    }
    match &table.identity {
        ReplicaIdentity::Nothing => refused(format!(
            "table `{name}` has no replica identity, so its updates and deletions cannot be told from each other: give it a primary \
             key, or ALTER TABLE {}.{} REPLICA IDENTITY USING INDEX one that is unique over columns that are NOT NULL, or give the \
             stream the sync mode `full_refresh_overwrite`",
            quote_identifier(&table.schema),
            quote_identifier(&table.name)
        )),
        _ if key.is_empty() => refused(format!(
            "stream `{name}` needs a primary key for its changes: name the columns in the stream's `primaryKey`"
        )),
        ReplicaIdentity::Columns(columns) if key.iter().any(|column| !columns.contains(column)) => refused(format!(
            "the log tells rows of `{name}` by {}, and the stream's primary key is {}: leave `primaryKey` out, or ALTER TABLE {}.{} \
             REPLICA IDENTITY FULL",
            columns.join(", "),
            key.join(", "),
            quote_identifier(&table.schema),
            quote_identifier(&table.name)
        )),
        _ => Ok(()),
    }
}

/// Makes the ingestion's own publication, or looks whether somebody else's has all tables.
///
/// # Errors
/// `forbidden` for who may not publish the tables; `conflict` for a publication that lacks something.
pub fn make_publication(session: &mut Session, names: &Names, tables: &[Table]) -> Result<()> {
    if !names.foreign {
        let relations: Vec<String> = tables
            .iter()
            .map(|table| format!("{}.{}", quote_identifier(&table.schema), quote_identifier(&table.name)))
            .collect();
        let publication = quote_identifier(&names.publication);
        session.execute(&format!("DROP PUBLICATION IF EXISTS {publication}"))?;
        session
            .execute(&format!(
                "CREATE PUBLICATION {publication} FOR TABLE {} WITH (publish_via_partition_root = true)",
                relations.join(", ")
            ))
            .map_err(cannot_publish)?;
    }
    check_publication(session, names, tables)
}

/// Whether the publication has all tables and all kinds of changes.
///
/// # Errors
/// `conflict` with what it lacks.
pub fn check_publication(session: &mut Session, names: &Names, tables: &[Table]) -> Result<()> {
    let publication = quote_literal(&names.publication);
    let whole = "pubinsert AND pubupdate AND pubdelete AND pubtruncate";
    let found = session.query(&format!(
        "SELECT {whole}, pubviaroot FROM pg_catalog.pg_publication WHERE pubname OPERATOR(pg_catalog.=) {publication}"
    ))?;
    let lacks = |what: String| Err(Error::Conflict(format!("publication `{}` {what}", names.publication)));
    let Some(properties) = found.into_iter().next() else {
        return lacks(
            "is not there: POST /ingestion/{id}/reset makes it anew with the next sync, which reads all rows again"
                .to_owned(),
        );
    };
    let is = |at: usize| properties.get(at).and_then(Option::as_deref) == Some("t");
    if !is(0) {
        return lacks("leaves changes out: it must publish insert, update, delete and truncate".to_owned());
    }
    let partitioned = tables.iter().find(|table| table.kind == catalog::RelationKind::Partitioned);
    if let (false, Some(table)) = (is(1), partitioned) {
        return lacks(format!("must have publish_via_partition_root for `{}.{}`", table.schema, table.name));
    }
    let published = session.query(&format!(
        "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname OPERATOR(pg_catalog.=) {publication}"
    ))?;
    let has = |table: &&Table| {
        let row = [Some(table.schema.clone()), Some(table.name.clone())];
        published.iter().any(|published| *published == row)
    };
    match tables.iter().find(|table| !has(table)) {
        None => Ok(()),
        Some(table) => lacks(format!(
            "lacks table `{0}.{1}`: changes of it may be lost. ALTER PUBLICATION it ADD TABLE it, then POST /ingestion/{{id}}/reset",
            table.schema, table.name
        )),
    }
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

/// Makes a slot that lasts.
///
/// # Errors
/// `conflict` where the server has no room for one.
pub fn make_slot(session: &mut Session, slot: &str) -> Result<()> {
    let sql = format!("SELECT pg_catalog.pg_create_logical_replication_slot({}, 'pgoutput')", quote_literal(slot));
    session.execute(&sql).map_err(|failure| match failure {
        Failure::Statement(told) if told.code == "53400" => Error::Conflict(format!(
            "the server has no replication slot left: raise `max_replication_slots`, or drop slots that nobody reads: {told}"
        )),
        other => other.into(),
    })
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

fn cannot_publish(failure: Failure) -> Error {
    match failure {
        Failure::Statement(told) if told.code == "42501" => Error::Forbidden(format!(
            "the source's user cannot make a publication of the tables: it needs CREATE on the database and must own the tables. Or have \
             their owner make one, and name it in `config.replication_method.publication`: {told}"
        )),
        other => other.into(),
    }
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
