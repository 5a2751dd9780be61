//! Tables and views as they are now, for the engine and for answers.

use std::path::Path;

use asgard_contract::{Error, Result, TableName};

use super::{Current, Inner, Loaded, LoadedTable, TableState, Tables, loaded, manifests};
use crate::catalog::Kind;
use crate::storage;

impl Tables {
    /// A table or view as it is now.
    ///
    /// # Errors
    /// `not-found`, naming the nearest that there is.
    pub(crate) async fn load(&self, table: &TableName) -> Result<Loaded> {
        let Some(current) = self.inner.current(table).await? else { return Err(self.not_found(table).await?) };
        if let Some(loaded) = self.inner.loaded(table, current.location()) {
            return Ok(loaded);
        }
        let loaded = match &current {
            Current::Table(state) => Loaded::Table(self.inner.load_table(table, state).await?),
            Current::View(state) => Loaded::View(loaded::view(table, state)?),
        };
        self.inner.remember_loaded(table, current.location(), &loaded);
        Ok(loaded)
    }

    /// The Iceberg table at a location (`file:///…`), if there is one: the catalog's if it knows one there, otherwise by its
    /// newest metadata file. None: the location holds no Iceberg table (it may hold plain Parquet files).
    ///
    /// # Errors
    /// `unsupported` for storage that is not this machine's.
    pub(crate) async fn load_location(&self, location: &str) -> Result<Option<LoadedTable>> {
        let folder = storage::path_of(location)?;
        for entry in self.inner.catalog.entries().await? {
            if entry.kind == Kind::Table && table_folder(&entry.metadata_location) == Some(folder) {
                let Loaded::Table(table) = self.load(&entry.name).await? else { continue };
                return Ok(Some(table));
            }
        }
        let Some(newest) = newest_metadata(folder).await else { return Ok(None) };
        let location = format!("file://{}", newest.display());
        let state = self.inner.read_table(&location).await?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Some(self.inner.load_table(&TableName::new("location", name), &state).await?))
    }

    async fn not_found(&self, table: &TableName) -> Result<Error> {
        let entries = self.inner.catalog.entries().await?;
        let near = entries
            .iter()
            .map(|entry| {
                (
                    datafusion::common::utils::datafusion_strsim::levenshtein(
                        &entry.name.to_string(),
                        &table.to_string(),
                    ),
                    &entry.name,
                )
            })
            .filter(|(distance, name)| *distance <= 3 || name.name == table.name)
            .min_by_key(|(distance, _)| *distance);
        Ok(Error::not_found(match near {
            Some((_, name)) => format!("there is no table `{table}`: did you mean `{name}`?"),
            None => format!("there is no table `{table}`"),
        }))
    }
}

impl Inner {
    pub(crate) async fn load_table(&self, table: &TableName, state: &TableState) -> Result<LoadedTable> {
        let live = match state.metadata.current_snapshot() {
            Some(snapshot) => {
                let manifests = manifests::of_snapshot(&self.io, &state.metadata, snapshot).await?;
                manifests::live(&self.io, manifests).await?
            }
            None => Vec::new(),
        };
        loaded::table(table, state, &live)
    }

    fn loaded(&self, table: &TableName, location: &str) -> Option<Loaded> {
        let cache = self.lock();
        let cached = cache.get(table).filter(|cached| cached.current.location() == location)?;
        cached.loaded.clone()
    }

    fn remember_loaded(&self, table: &TableName, location: &str, loaded: &Loaded) {
        if let Some(cached) = self.lock().get_mut(table)
            && cached.current.location() == location
        {
            cached.loaded = Some(loaded.clone());
        }
    }
}

/// The folder of the table that a metadata file belongs to.
fn table_folder(metadata_location: &str) -> Option<&Path> {
    storage::path_of(metadata_location).ok()?.parent()?.parent()
}

/// The newest metadata file of a table that no catalog of ours knows: versions count up in the files' names.
async fn newest_metadata(folder: &Path) -> Option<std::path::PathBuf> {
    let mut entries = tokio::fs::read_dir(folder.join("metadata")).await.ok()?;
    let mut newest: Option<(u64, std::path::PathBuf)> = None;
    while let Ok(Some(entry)) = entries.next_entry().await {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(".metadata.json")) else { continue };
        // `00012-….metadata.json`, or a Hadoop table's `v12.metadata.json`.
        let digits: String = name.trim_start_matches('v').chars().take_while(char::is_ascii_digit).collect();
        let version = digits.parse().unwrap_or(0);
        if newest.as_ref().is_none_or(|(known, _)| version >= *known) {
            newest = Some((version, entry.path()));
        }
    }
    newest.map(|(_, path)| path)
}
