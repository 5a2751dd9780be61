//! What the database holds: tables, partitioned tables, views and materialized views with their columns and keys.
//!
//! The queries see system names alone (`search_path`), so that an object that a user of the database named like a system
//! function is never called.

use std::collections::HashMap;

use asgard_sdk::Error;

use crate::session::{Session, TextRow};
use crate::types::{Mapping, Oid, TypeEntries, TypeEntry, mapping};
use crate::wire::{Failure, quote_literal};

/// Which tables to look at.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// All of these schemas; without any, all that are not the system's.
    Schemas(&'a [String]),
    /// One.
    Table { schema: &'a str, name: &'a str },
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    Partitioned,
    View,
    MaterializedView,
}

/// By which columns the log tells the row that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key's or an index's.
    Columns(Vec<String>),
    Full,
    Nothing,
}

/// A table, or what reads like one.
#[derive(Debug, Clone)]
pub struct Table {
    pub oid: Oid,
    pub schema: String,
    pub name: String,
    /// The planner's estimate; none for views and for what was never analysed.
    pub estimated_rows: Option<u64>,
    /// The user may read all of it.
    pub readable: bool,
    pub primary_key: Vec<String>,
    pub columns: Vec<Column>,
    pub kind: RelationKind,
    /// Changes are not in the log.
    pub unlogged: bool,
    /// Row-level security leaves out rows that the user may not see.
    pub filtered: bool,
    pub identity: ReplicaIdentity,
}

impl Table {
    /// The log has its changes.
    pub fn is_logged(&self) -> bool {
        matches!(self.kind, RelationKind::Table | RelationKind::Partitioned) && !self.unlogged
    }
}

/// A column as it is read.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    /// No other column of the table ever has it, also when this one is gone.
    pub number: i16,
    pub mapping: Mapping,
    pub nullable: bool,
    pub comment: Option<String>,
    /// PostgreSQL's words for the type: `numeric(10,2)`.
    pub declared: String,
    /// Computed by the server: the log leaves it out.
    pub generated: bool,
}

/// In a query over `pg_class c`: what [`ReplicaIdentity::parse`] reads. An index that may be checked at the transaction's end
/// tells no rows apart.
pub(crate) const IDENTITY: &str = "c.relreplident,
                (SELECT json_agg(a.attname ORDER BY k.place)
                 FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                 WHERE i.indrelid = c.oid AND k.place <= i.indnkeyatts AND i.indimmediate
                   AND (c.relreplident = 'i' AND i.indisreplident OR c.relreplident = 'd' AND i.indisprimary))";

impl ReplicaIdentity {
    pub(crate) fn parse(row: &mut Fields) -> Option<Self> {
        Some(match (row.parsed()?, names(row)?) {
            ('f', _) => Self::Full,
            (_, columns) if columns.is_empty() => Self::Nothing,
            (_, columns) => Self::Columns(columns),
        })
    }
}

/// Reads the catalog.
///
/// # Errors
/// Those of the queries.
pub fn read(session: &mut Session, scope: Scope<'_>) -> Result<Vec<Table>, Failure> {
    session.execute("SET LOCAL search_path TO pg_catalog")?;
    let mut tables = rows(session, &tables_query(scope), table)?;
    if tables.is_empty() {
        return Ok(tables);
    }
    let oids: Vec<String> = tables.iter().map(|table| table.oid.to_string()).collect();
    let oids = oids.join(",");
    let types: TypeEntries = rows(session, &types_query(&oids), type_entry)?.into_iter().collect();
    let mut columns: HashMap<Oid, Vec<Column>> = HashMap::new();
    for (table, column) in rows(session, &columns_query(&oids), |row| column(row, &types))? {
        columns.entry(table).or_default().push(column);
    }
    for table in &mut tables {
        table.columns = columns.remove(&table.oid).unwrap_or_default();
        for column in &mut table.columns {
            column.nullable |= column.mapping.kind.is_lossy() && !table.primary_key.contains(&column.name);
        }
    }
    Ok(tables)
}

/// The types by number, and those that they are made of.
///
/// # Errors
/// Those of the query.
pub fn types(session: &mut Session, numbers: &[Oid]) -> Result<TypeEntries, Failure> {
    let numbers: Vec<String> = numbers.iter().map(Oid::to_string).collect();
    let sql = made_of(&format!("SELECT unnest('{{{}}}'::oid[])", numbers.join(",")));
    session.execute("SET search_path TO pg_catalog")?;
    Ok(rows(session, &sql, type_entry)?.into_iter().collect())
}

/// All schemas that are not the system's.
///
/// # Errors
/// Those of the query.
pub fn schemas(session: &mut Session) -> Result<Vec<String>, Failure> {
    let sql = "SELECT nspname FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.!~) '^pg_' \
               AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema' ORDER BY 1";
    rows(session, sql, Fields::text)
}

/// The rows of a query. One that has another form than asked for is a defect: leaving it out would hide a column.
pub(crate) fn rows<T>(
    session: &mut Session,
    sql: &str,
    parse: impl Fn(&mut Fields) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let parsed: Option<Vec<T>> = session.query(sql)?.into_iter().map(|row| parse(&mut Fields::of(row))).collect();
    parsed.ok_or_else(|| Error::internal("the server's catalog answered in a form that nobody expected").into())
}

/// Tables of extensions are left out: they hold settings and statistics. So are partitions, whose rows come with their
/// parent, and other sessions' temporary tables.
fn tables_query(scope: Scope<'_>) -> String {
    let chosen = match scope {
        Scope::Schemas([]) => "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'".to_owned(),
        Scope::Schemas(names) => {
            let names: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
            format!("n.nspname IN ({})", names.join(", "))
        }
        Scope::Table { schema, name } => {
            format!("n.nspname = {} AND c.relname = {}", quote_literal(schema), quote_literal(name))
        }
    };
    format!(
        "SELECT c.oid, n.nspname, c.relname,
                CASE WHEN c.relkind IN ('r', 'm') AND c.reltuples >= 0 THEN c.reltuples::int8
                     WHEN c.relkind = 'p' THEN (
                         SELECT sum(l.reltuples)::int8 FROM pg_partition_tree(c.oid) t JOIN pg_class l ON l.oid = t.relid
                         WHERE t.isleaf AND l.reltuples >= 0)
                END,
                has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
                (SELECT json_agg(a.attname ORDER BY k.place)
                 FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, place)
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                 WHERE i.indrelid = c.oid AND i.indisprimary AND k.place <= i.indnkeyatts),
                c.relkind, c.relpersistence = 'u', row_security_active(c.oid), {IDENTITY}
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition AND c.relpersistence <> 't' AND {chosen}
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
         ORDER BY n.nspname, c.relname"
    )
}

/// Columns in their order. Dropped ones are gone; generated ones are like others.
fn columns_query(tables: &str) -> String {
    format!(
        "SELECT a.attrelid, a.attname, a.attnum, a.atttypid, a.atttypmod, a.attndims, a.attnotnull,
                col_description(a.attrelid, a.attnum), format_type(a.atttypid, a.atttypmod),
                to_jsonb(a) ->> 'attgenerated' <> ''
         FROM pg_attribute a
         WHERE a.attrelid IN ({tables}) AND a.attnum > 0 AND NOT a.attisdropped
         ORDER BY a.attrelid, a.attnum"
    )
}

/// The types of the columns, and those that these are made of.
fn types_query(tables: &str) -> String {
    made_of(&format!(
        "SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid IN ({tables}) AND a.attnum > 0 AND NOT a.attisdropped"
    ))
}

fn made_of(types: &str) -> String {
    format!(
        "WITH RECURSIVE used(oid) AS (
             {types}
             UNION
             SELECT part.oid FROM used JOIN pg_type t ON t.oid = used.oid
             CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) part(oid) WHERE part.oid <> 0)
         SELECT t.oid, t.typtype, t.typcategory, t.typbasetype, t.typtypmod, t.typelem, t.typndims
         FROM used JOIN pg_type t ON t.oid = used.oid"
    )
}

fn names(row: &mut Fields) -> Option<Vec<String>> {
    match row.optional()? {
        Some(names) => serde_json::from_str(&names).ok(),
        None => Some(Vec::new()),
    }
}

fn table(row: &mut Fields) -> Option<Table> {
    Some(Table {
        oid: row.parsed()?,
        schema: row.text()?,
        name: row.text()?,
        estimated_rows: row.optional()?.and_then(|rows| rows.parse().ok()),
        readable: row.flag()?,
        primary_key: names(row)?,
        columns: Vec::new(),
        kind: match row.parsed()? {
            'r' => RelationKind::Table,
            'p' => RelationKind::Partitioned,
            'v' => RelationKind::View,
            _ => RelationKind::MaterializedView,
        },
        unlogged: row.flag()?,
        filtered: row.flag()?,
        identity: ReplicaIdentity::parse(row)?,
    })
}

fn type_entry(row: &mut Fields) -> Option<(Oid, TypeEntry)> {
    Some((
        row.parsed()?,
        TypeEntry {
            class: row.parsed()?,
            category: row.parsed()?,
            base: row.parsed()?,
            modifier: row.parsed()?,
            element: row.parsed()?,
            dimensions: row.parsed()?,
        },
    ))
}

fn column(row: &mut Fields, types: &TypeEntries) -> Option<(Oid, Column)> {
    let table = row.parsed()?;
    let (name, number) = (row.text()?, row.parsed()?);
    let (oid, modifier, dimensions) = (row.parsed()?, row.parsed()?, row.parsed()?);
    Some((
        table,
        Column {
            name,
            number,
            mapping: mapping(types, oid, modifier, dimensions),
            nullable: !row.flag()?,
            comment: row.optional()?,
            declared: row.text()?,
            // Columns of servers before version 12 have no such property.
            generated: row.optional()?.as_deref() == Some("t"),
        },
    ))
}

/// The values of a row, one after the other.
pub(crate) struct Fields(std::vec::IntoIter<Option<String>>);

impl Fields {
    fn of(row: TextRow) -> Self {
        Self(row.into_iter())
    }

    pub(crate) fn optional(&mut self) -> Option<Option<String>> {
        self.0.next()
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        self.0.next()?
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.text()?.parse().ok()
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.text().map(|text| text == "t")
    }
}
