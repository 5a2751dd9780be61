//! Whether the log tells a table's rows apart.
//!
//! A table that is published without that is worse than one that is not: PostgreSQL refuses the updates and deletions of the
//! applications that write it. So this is settled before anything is published.

use asgard_sdk::{Error, Result};

use crate::below::Below;
use crate::catalog::{ReplicaIdentity, Table};
use crate::wire::quote_identifier;

/// Refuses a table whose rows the log does not tell apart by the stream's key, in itself or in a partition, and one whose rows it
/// does not tell.
///
/// # Errors
/// `invalid-input` with what to do.
pub fn check(table: &Table, below: &Below, key: &[String]) -> Result<()> {
    let name = format!("{}.{}", table.schema, table.name);
    if !table.is_logged() {
        return refused(format!(
            "changes of `{name}` are not in the server's log: give it a sync mode that reads it whole"
        ));
    }
    if table.filtered {
        return refused(format!(
            "row-level security shows the source's user some rows of `{name}` alone, and the log has all of them: ALTER ROLE it \
             BYPASSRLS, or give the stream a sync mode that reads by queries"
        ));
    }
    let alter = format!("{}.{}", quote_identifier(&table.schema), quote_identifier(&table.name));
    check_rows("table", &name, &alter, &table.identity, key)?;
    if key.is_empty() {
        return refused(format!(
            "stream `{name}` needs a primary key for its changes: name the columns in the stream's `primaryKey`"
        ));
    }
    if let Some(child) = &below.inheriting {
        return refused(format!(
            "table `{child}` inherits from `{name}`, and the log tells changes of its rows as those of another table: give the stream a \
             sync mode that reads by queries"
        ));
    }
    for partition in &below.partitions {
        let name = &partition.name;
        if !partition.logged {
            return refused(format!(
                "changes of partition `{name}` are not in the server's log, since it is a foreign table or unlogged: give the stream a \
                 sync mode that reads by queries"
            ));
        }
        check_rows("partition", name, &partition.relation, &partition.identity, key)?;
    }
    Ok(())
}

fn check_rows(what: &str, name: &str, alter: &str, identity: &ReplicaIdentity, key: &[String]) -> Result<()> {
    match identity {
        ReplicaIdentity::Nothing => refused(format!(
            "{what} `{name}` has no replica identity (a primary key that is DEFERRABLE is none), so PostgreSQL would refuse its updates \
             and deletions: give it a primary key, or ALTER TABLE {alter} REPLICA IDENTITY USING INDEX one that is unique over columns \
             that are NOT NULL, or REPLICA IDENTITY FULL, or give the stream the sync mode `full_refresh_overwrite`"
        )),
        ReplicaIdentity::Columns(columns) if key.iter().any(|column| !columns.contains(column)) => refused(format!(
            "the log tells rows of {what} `{name}` by {}, and the stream's primary key is {}: leave `primaryKey` out, or ALTER TABLE \
             {alter} REPLICA IDENTITY FULL",
            columns.join(", "),
            key.join(", "),
        )),
        ReplicaIdentity::Columns(_) | ReplicaIdentity::Full => Ok(()),
    }
}

fn refused(message: String) -> Result<()> {
    Err(Error::invalid("streams", message))
}
