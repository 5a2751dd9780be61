//! The Iceberg REST catalog protocol over this lakehouse: what PyIceberg, DuckDB, Spark and Trino speak when they attach to
//! it by URL. The requests and answers are those of the protocol; turning them into HTTP is the API's work.
//!
//! # Policy
//! - A commit goes through the same compare-and-swap as our own. Its requirements are checked against the newest metadata, and
//!   when another commit comes in between they are checked again, so nobody's commit is lost: the client is told (409).
//! - What our own engine could not read afterwards is refused with the reason: another format version, another file format,
//!   a file outside of the environment's storage. See [`rules`].
//! - Files are only ever named inside of the environment's storage. Whoever may call this API may not make the host read, or
//!   on a drop delete, any other file of its machine.
//! - Credentials of storage are never handed out: a client brings its own.

mod commit;
mod create;
mod error;
mod names;
mod namespaces;
mod rules;
mod tables;
#[cfg(test)]
mod tests;
mod views;
pub mod wire;

use std::collections::BTreeMap;

pub use error::{RestError, RestResult};

use crate::Lakehouse;
use crate::catalog::{Catalog, Kind, SqliteCatalog};
use crate::tables::{Inner, Tables};

/// One lakehouse as an Iceberg REST catalog.
#[derive(Debug, Clone)]
pub struct ServedCatalog {
    tables: Tables,
    catalog: SqliteCatalog,
}

impl Lakehouse {
    /// This lakehouse as an Iceberg REST catalog.
    ///
    /// # Errors
    /// [`RestError::Unsupported`] for a lakehouse whose catalog is behind a URL of its own, which it names.
    pub fn served_catalog(&self) -> RestResult<ServedCatalog> {
        ServedCatalog::over(self.tables.clone())
    }
}

impl ServedCatalog {
    fn over(tables: Tables) -> RestResult<Self> {
        match &tables.inner.catalog {
            Catalog::Sqlite(catalog) => Ok(Self { catalog: catalog.clone(), tables }),
            Catalog::Rest(catalog) => Err(RestError::unsupported(format!(
                "the tables of this environment are listed in another catalog: attach to {}",
                catalog.uri()
            ))),
        }
    }

    fn inner(&self) -> &Inner {
        &self.tables.inner
    }

    /// What a client needs to know before anything else.
    pub fn configuration(&self) -> wire::Configuration {
        wire::Configuration {
            defaults: self.file_settings(self.inner().warehouse()),
            overrides: BTreeMap::new(),
            endpoints: wire::ENDPOINTS.iter().map(|&endpoint| endpoint.to_owned()).collect(),
        }
    }

    /// How a client reaches the files at a location; no credentials among it.
    fn file_settings(&self, location: &str) -> BTreeMap<String, String> {
        self.inner().stores.client_settings(location)
    }

    /// The names of one kind in a namespace.
    async fn identifiers(&self, namespace: &[String], kind: Kind) -> RestResult<wire::Identifiers> {
        let namespace = self.existing_namespace(namespace).await?;
        let entries = self.catalog.entries().await?;
        let found = entries.into_iter().filter(|entry| entry.kind == kind && entry.name.namespace == namespace);
        Ok(wire::Identifiers { identifiers: found.map(|entry| wire::Identifier::from(&entry.name)).collect() })
    }
}
