//! Tables: listed, loaded, renamed, dropped.

use asgard_contract::TableName;

use super::wire::{Identifiers, LoadedTable, Rename};
use super::{RestError, RestResult, ServedCatalog, names};
use crate::catalog::{Entry, Files, Kind};
use crate::tables::{Current, synced};

impl ServedCatalog {
    /// # Errors
    /// [`RestError::NoSuchNamespace`].
    pub async fn tables(&self, namespace: &[String]) -> RestResult<Identifiers> {
        self.identifiers(namespace, Kind::Table).await
    }

    /// # Errors
    /// [`RestError::NoSuchTable`], for a view too.
    pub async fn table(&self, namespace: &[String], name: &str) -> RestResult<LoadedTable> {
        let table = names::known(namespace, name);
        match self.inner().current(&table).await? {
            Some(Current::Table(state)) => Ok(LoadedTable {
                config: self.file_settings(state.metadata.location()),
                metadata_location: Some(state.location),
                metadata: state.metadata,
            }),
            _ => Err(RestError::NoSuchTable(table)),
        }
    }

    /// Whether there is a table of that name, without reading it.
    ///
    /// # Errors
    /// [`RestError::NoSuchTable`].
    pub async fn table_exists(&self, namespace: &[String], name: &str) -> RestResult<()> {
        self.entry(&names::known(namespace, name), Kind::Table).await.map(|_| ())
    }

    /// Takes a table out. Its files stay, so that it can be registered again, unless they are to be purged: then they go when
    /// nobody can be reading them any more.
    ///
    /// # Errors
    /// [`RestError::NoSuchTable`].
    pub async fn drop_table(&self, namespace: &[String], name: &str, purge: bool) -> RestResult<()> {
        let files = if purge { Files::Deleted } else { Files::Kept };
        self.drop_entry(&names::known(namespace, name), Kind::Table, files).await
    }

    /// # Errors
    /// [`RestError::NoSuchTable`], [`RestError::NoSuchNamespace`], [`RestError::AlreadyExists`], and what [`synced`] refuses.
    pub async fn rename_table(&self, rename: Rename) -> RestResult<()> {
        self.rename_entry(rename, Kind::Table).await
    }

    pub(super) async fn entry(&self, name: &TableName, kind: Kind) -> RestResult<Entry> {
        let found = self.catalog.get(name).await?;
        found.filter(|entry| entry.kind == kind).ok_or_else(|| missing(name, kind))
    }

    pub(super) async fn drop_entry(&self, name: &TableName, kind: Kind, files: Files) -> RestResult<()> {
        // False: it was changed meanwhile, and the newer one is dropped.
        while !self.catalog.remove(&self.entry(name, kind).await?, files).await? {}
        self.tables.remove_dropped().await?;
        Ok(())
    }

    pub(super) async fn rename_entry(&self, rename: Rename, kind: Kind) -> RestResult<()> {
        let from = names::identified(&rename.source);
        self.entry(&from, kind).await?;
        let to = self.new_name(&rename.destination.namespace, &rename.destination.name, Some(&from)).await?;
        if to == from {
            return Ok(());
        }
        // Each time round it was changed meanwhile, and the newer one is renamed.
        loop {
            // Before what it says of itself: what becomes of the table after the check is found by the renaming.
            let entry = self.entry(&from, kind).await?;
            if let Some(Current::Table(state)) = self.inner().current(&from).await? {
                synced::check_name(&from, &state.metadata)?;
            }
            if self.catalog.rename(&entry, &to).await? {
                return Ok(());
            }
            if self.catalog.get(&to).await?.is_some() {
                return Err(RestError::AlreadyExists(format!("`{to}`")));
            }
        }
    }
}

fn missing(name: &TableName, kind: Kind) -> RestError {
    match kind {
        Kind::Table => RestError::NoSuchTable(name.clone()),
        Kind::View => RestError::NoSuchView(name.clone()),
    }
}
