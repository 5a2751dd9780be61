//! The catalog: which tables and views there are, and what the newest metadata of each one is.
//!
//! Either a file of our own or another program's, behind a URL. Both make a commit of ours all or nothing, and tell the one of
//! two that were made from the same table that it lost; how differs, and is said where each is.

mod rest;
mod sqlite;

use asgard_contract::{Result, TableName};

pub use rest::Authorization;
pub(crate) use rest::{RestCatalog, RestConfig};
pub use sqlite::Kind;
pub(crate) use sqlite::{Entry, Files, NAME, SqliteCatalog, Swap};

use crate::tables::Current;

/// The catalog of a lakehouse.
#[derive(Debug)]
pub(crate) enum Catalog {
    Sqlite(SqliteCatalog),
    Rest(Box<RestCatalog>),
}

/// A table or view of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    pub name: TableName,
    pub kind: Kind,
}

/// What a catalog has under a name.
pub(crate) enum Found {
    /// Where its metadata is.
    Entry(Entry),
    /// The metadata itself.
    Current(Current),
}

impl Catalog {
    /// Tables and views of a namespace, or of all, by name.
    pub(crate) async fn list(&self, namespace: Option<&str>) -> Result<Vec<Listed>> {
        match self {
            Self::Sqlite(catalog) => {
                let entries = catalog.entries().await?.into_iter();
                let wanted = entries.filter(|entry| namespace.is_none_or(|wanted| entry.name.namespace == wanted));
                Ok(wanted.map(|Entry { name, kind, .. }| Listed { name, kind }).collect())
            }
            Self::Rest(catalog) => match namespace {
                Some(namespace) => catalog.list(namespace).await,
                None => {
                    let mut all = Vec::new();
                    for namespace in catalog.namespaces().await? {
                        all.extend(catalog.list(&namespace).await?);
                    }
                    Ok(all)
                }
            },
        }
    }

    pub(crate) async fn find(&self, name: &TableName) -> Result<Option<Found>> {
        Ok(match self {
            Self::Sqlite(catalog) => catalog.get(name).await?.map(Found::Entry),
            Self::Rest(catalog) => catalog.find(name).await?.map(Found::Current),
        })
    }

    /// The tables that may have their files at a location. A catalog behind a URL cannot be asked for that: there the last
    /// two parts of the location are taken for a name, as all tables of ours have them.
    pub(crate) async fn candidates_at(&self, location: &str) -> Result<Vec<TableName>> {
        let folder = plain(location);
        Ok(match self {
            Self::Sqlite(catalog) => {
                let at = |entry: &Entry| {
                    let file = plain(&entry.metadata_location);
                    entry.kind == Kind::Table && file.rsplit_once("/metadata/").is_some_and(|(of, _)| of == folder)
                };
                catalog.entries().await?.into_iter().filter(at).map(|entry| entry.name).collect()
            }
            Self::Rest(_) => {
                let mut parts = folder.rsplit('/');
                match (parts.next(), parts.next()) {
                    (Some(name), Some(namespace)) => vec![TableName::new(namespace, name)],
                    _ => Vec::new(),
                }
            }
        })
    }
}

/// A location without what different writers write differently.
pub(crate) fn plain(location: &str) -> &str {
    let path = ["s3a://", "s3://", "file://", "file:"].iter().find_map(|scheme| location.strip_prefix(scheme));
    path.unwrap_or(location).trim_end_matches('/')
}
