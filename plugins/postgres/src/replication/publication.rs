//! The publication of an ingestion: which tables' changes the log tells, and that none is left out.

use asgard_sdk::{Error, Result};

use super::objects::Names;
use crate::catalog::{RelationKind, Table};
use crate::session::Session;
use crate::types::Oid;
use crate::wire::{Failure, quote_identifier, quote_literal};

/// The properties of our own.
const WHOLE: &str = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true";

/// Makes the ingestion's own publication, or looks whether somebody else's has all tables.
///
/// # Errors
/// `forbidden` for who may not publish the tables; `conflict` for a publication that lacks something.
pub fn make(session: &mut Session, names: &Names, tables: &[Table]) -> Result<()> {
    if !names.is_foreign() {
        let relations: Vec<String> = tables
            .iter()
            .map(|table| format!("{}.{}", quote_identifier(&table.schema), quote_identifier(&table.name)))
            .collect();
        let (publication, relations) = (quote_identifier(&names.publication), relations.join(", "));
        let made = if is_there(session, names)? {
            // Tables that stay are published all the while.
            format!(
                "ALTER PUBLICATION {publication} SET TABLE {relations}; ALTER PUBLICATION {publication} SET ({WHOLE})"
            )
        } else {
            format!("CREATE PUBLICATION {publication} FOR TABLE {relations} WITH ({WHOLE})")
        };
        session.execute(&made).map_err(cannot_publish)?;
    }
    check(session, names, tables)
}

fn is_there(session: &mut Session, names: &Names) -> Result<bool> {
    let publication = quote_literal(&names.publication);
    let sql = format!("SELECT 1 FROM pg_catalog.pg_publication WHERE pubname OPERATOR(pg_catalog.=) {publication}");
    Ok(!session.query(&sql)?.is_empty())
}

/// Whether the publication has all tables, whole, and all kinds of changes.
///
/// # Errors
/// `conflict` with what it lacks.
pub fn check(session: &mut Session, names: &Names, tables: &[Table]) -> Result<()> {
    let publication = quote_literal(&names.publication);
    let whole = "pubinsert AND pubupdate AND pubdelete AND pubtruncate";
    let found = session.query(&format!(
        "SELECT {whole}, pubviaroot FROM pg_catalog.pg_publication WHERE pubname OPERATOR(pg_catalog.=) {publication}"
    ))?;
    let lacks = |what: String| Err(Error::Conflict(format!("publication `{}` {what}", names.publication)));
    let Some(properties) = found.into_iter().next() else {
        let way_out = if names.is_foreign() {
            "have the owner of the tables make it, or leave `config.replication_method.publication` out"
        } else {
            "POST /ingestion/{id}/reset makes it anew with the next sync, which reads all rows again"
        };
        return lacks(format!("is not there: {way_out}"));
    };
    let is = |at: usize| properties.get(at).and_then(Option::as_deref) == Some("t");
    if !is(0) {
        return lacks("leaves changes out: it must publish insert, update, delete and truncate".to_owned());
    }
    let partitioned = tables.iter().find(|table| table.kind == RelationKind::Partitioned);
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
    if let Some(table) = tables.iter().find(|table| !has(table)) {
        return lacks(format!(
            "lacks table `{0}.{1}`: changes of it may be lost. ALTER PUBLICATION it ADD TABLE it, then POST /ingestion/{{id}}/reset",
            table.schema, table.name
        ));
    }
    // Since version 15; what earlier ones have not, is null here.
    let partly = session.query(&format!(
        "SELECT r.prrelid, pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.->>) 'prqual' IS NULL
         FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid OPERATOR(pg_catalog.=) r.prpubid
         WHERE p.pubname OPERATOR(pg_catalog.=) {publication}
           AND (pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.->>) 'prqual' IS NOT NULL
                OR pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.->>) 'prattrs' IS NOT NULL)"
    ))?;
    for row in partly {
        let of = |table: &&Table| row.first().and_then(Option::as_deref) == Some(table.oid.to_string().as_str());
        let Some(table) = tables.iter().find(of) else { continue };
        let (part, whole) = match row.get(1).and_then(Option::as_deref) {
            Some("t") => ("columns alone", "column list"),
            _ => ("rows alone", "WHERE"),
        };
        return lacks(format!(
            "has some {part} of table `{0}.{1}`, and what is left out would be missing or wrong after updates: publish it without \
             {whole}, or name another publication",
            table.schema, table.name
        ));
    }
    Ok(())
}

/// What puts the table into the publication: another number once it was taken out and put back, and changes between are missing.
///
/// # Errors
/// Those of the query.
pub fn publishing(session: &mut Session, names: &Names, table: &Table) -> Result<Option<Oid>> {
    // 6237 is pg_publication_namespace, which servers before version 15 lack: it is seen through what depends on what.
    let found = session.query(&format!(
        "SELECT COALESCE(
             (SELECT r.oid FROM pg_catalog.pg_publication_rel r
              WHERE r.prpubid OPERATOR(pg_catalog.=) p.oid AND r.prrelid OPERATOR(pg_catalog.=) {oid}),
             (SELECT d.objid FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_depend s USING (classid, objid)
              WHERE d.classid OPERATOR(pg_catalog.=) 6237 AND d.refobjid OPERATOR(pg_catalog.=) p.oid
                AND s.refobjid OPERATOR(pg_catalog.=) (SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) {oid})
              LIMIT 1),
             CASE WHEN p.puballtables THEN p.oid END)
         FROM pg_catalog.pg_publication p WHERE p.pubname OPERATOR(pg_catalog.=) {publication}",
        oid = table.oid,
        publication = quote_literal(&names.publication),
    ))?;
    Ok(found.into_iter().flatten().flatten().next().and_then(|oid| oid.parse().ok()))
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
