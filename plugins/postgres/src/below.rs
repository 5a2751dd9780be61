//! Tables below a table: its partitions, and tables that inherit from it.
//!
//! The log tells a partition's changes as its root's, and PostgreSQL refuses them unless the partition itself can tell its rows
//! apart. It does not tell that a partition came with rows, went, or was emptied by itself: [`Partition::mark`] does, compared
//! from one sync to the next.

use asgard_sdk::connector::StreamSelection;

use crate::catalog::{self, Fields, IDENTITY, ReplicaIdentity, Scope, Table};
use crate::session::Session;
use crate::streams::schema_of;
use crate::types::Oid;
use crate::wire::{Failure, quote_identifier};

/// What is below a table.
#[derive(Debug, Clone, Default)]
pub struct Below {
    /// A table that inherits from it without being a partition.
    pub inheriting: Option<String>,
    /// Those that have rows: not partitioned themselves.
    pub partitions: Vec<Partition>,
}

/// A partition that has rows.
#[derive(Debug, Clone)]
pub struct Partition {
    pub oid: Oid,
    /// `schema.table`.
    pub name: String,
    /// The same, for statements.
    pub relation: String,
    pub identity: ReplicaIdentity,
    /// The log has its changes: it is no foreign table and not unlogged.
    pub logged: bool,
    /// Another one when the partition was taken off and put back, or was truncated or written anew.
    pub mark: String,
    /// The user may read it by itself.
    readable: bool,
    has_pages: bool,
    /// So many transactions ago it became a part of the table.
    attached: i64,
}

impl Partition {
    /// Whether it may have rows that were in it before it became a part of the table. Rows of the same transaction count: nobody
    /// knows which came first. One that cannot be read by itself may have some as soon as it has any.
    ///
    /// # Errors
    /// Those of the query.
    pub fn brought_rows(&self, session: &mut Session) -> Result<bool, Failure> {
        if !self.readable {
            return Ok(self.has_pages);
        }
        let found = session.query(&format!(
            "SELECT 1 FROM ONLY {} WHERE pg_catalog.age(xmin) OPERATOR(pg_catalog.>=) {} LIMIT 1",
            self.relation, self.attached
        ))?;
        Ok(!found.is_empty())
    }
}

/// The table that a stream is of, with what is below it; none where there is none.
///
/// # Errors
/// Those of the queries.
pub(crate) fn find(session: &mut Session, selection: &StreamSelection) -> Result<Option<(Table, Below)>, Failure> {
    session.execute("BEGIN READ ONLY")?;
    let scope = Scope::Table { schema: schema_of(selection), name: &selection.name };
    let found = match catalog::read(session, scope)?.into_iter().next() {
        Some(table) => {
            let below = read(session, table.oid)?;
            Some((table, below))
        }
        None => None,
    };
    session.execute("ROLLBACK")?;
    Ok(found)
}

/// Looks below the table. The system's names alone have to be in sight, as after [`catalog::read`].
///
/// # Errors
/// Those of the query.
fn read(session: &mut Session, table: Oid) -> Result<Below, Failure> {
    let mut below = Below::default();
    for entry in catalog::rows(session, &query(table), entry)? {
        match entry {
            Entry::Inheriting(name) => below.inheriting = Some(name),
            Entry::Partitioned => {}
            Entry::Partition(partition) => below.partitions.push(partition),
        }
    }
    Ok(below)
}

enum Entry {
    Inheriting(String),
    Partitioned,
    Partition(Partition),
}

/// A partition of a partition came when the first one on the way up did.
fn query(table: Oid) -> String {
    format!(
        "WITH RECURSIVE below(oid, attachments, attached) AS (
             SELECT i.inhrelid, i.xmin::text, age(i.xmin) FROM pg_inherits i WHERE i.inhparent = {table}
             UNION ALL
             SELECT i.inhrelid, b.attachments || '.' || i.xmin::text, least(b.attached, age(i.xmin))
             FROM below b JOIN pg_inherits i ON i.inhparent = b.oid)
         SELECT c.relispartition, c.relkind, c.oid, n.nspname, c.relname, c.relkind <> 'f' AND c.relpersistence <> 'u',
                b.attachments || '/' || coalesce(pg_relation_filenode(c.oid), 0),
                has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
                coalesce(pg_relation_size(c.oid), 0) > 0, b.attached, {IDENTITY}
         FROM below b JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace
         ORDER BY c.oid"
    )
}

fn entry(row: &mut Fields) -> Option<Entry> {
    let (is_partition, kind): (bool, char) = (row.flag()?, row.parsed()?);
    let (oid, schema, table) = (row.parsed()?, row.text()?, row.text()?);
    let name = format!("{schema}.{table}");
    if !is_partition {
        return Some(Entry::Inheriting(name));
    }
    if kind == 'p' {
        return Some(Entry::Partitioned);
    }
    Some(Entry::Partition(Partition {
        oid,
        name,
        relation: format!("{}.{}", quote_identifier(&schema), quote_identifier(&table)),
        logged: row.flag()?,
        mark: row.text()?,
        readable: row.flag()?,
        has_pages: row.flag()?,
        attached: row.parsed()?,
        identity: ReplicaIdentity::parse(row)?,
    }))
}
