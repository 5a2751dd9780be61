//! Tables and views as they are now, for the engine and for answers.

use std::sync::Arc;

use asgard_contract::{Error, Result, TableName};
use chrono::{DateTime, SecondsFormat, Utc};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt as _;
use iceberg::spec::{SnapshotRef, TableMetadata};

use super::{Current, DataFile, Inner, Loaded, LoadedTable, TableState, Tables, loaded, manifests, read};
use crate::catalog::{Catalog, plain};

/// Which of a table's snapshots is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// By its id.
    Snapshot(i64),
    /// The one that was current then.
    Time(DateTime<Utc>),
}

impl AsOf {
    /// Reads a snapshot's id, or a time as RFC 3339; a date is its first moment in UTC.
    ///
    /// # Errors
    /// `invalid-input` for `as_of`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if let Ok(id) = text.parse() {
            return Ok(Self::Snapshot(id));
        }
        let time = crate::rows::time(text).and_then(DateTime::from_timestamp_micros);
        time.map(Self::Time).ok_or_else(|| {
            let expected = "expected a snapshot's id, or a time such as `2026-03-01T12:00:00Z`";
            Error::invalid("as_of", format!("`{text}`: {expected}"))
        })
    }

    /// The snapshot of a table; none = it has none yet.
    ///
    /// # Errors
    /// `invalid-input` for `as_of` when the table has no such snapshot any more, or never had.
    pub(crate) fn of(self, table: &TableName, metadata: &TableMetadata) -> Result<Option<SnapshotRef>> {
        let listed = format!("GET /lakehouse/tables/{}/{}/snapshots lists those it has", table.namespace, table.name);
        match self {
            Self::Snapshot(id) => match metadata.snapshot_by_id(id) {
                Some(snapshot) => Ok(Some(snapshot.clone())),
                None => Err(Error::invalid("as_of", format!("`{table}` has no snapshot {id}: {listed}"))),
            },
            Self::Time(time) => {
                let at = time.timestamp_millis();
                let history = metadata.history();
                let entry = history.iter().rev().find(|entry| entry.timestamp_ms() <= at);
                let snapshot = entry.and_then(|entry| metadata.snapshot_by_id(entry.snapshot_id));
                if let Some(snapshot) = snapshot {
                    return Ok(Some(snapshot.clone()));
                }
                let time = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                let oldest = history.first().and_then(|entry| DateTime::from_timestamp_millis(entry.timestamp_ms()));
                let oldest = match oldest {
                    Some(oldest) => format!("its oldest is of {}", oldest.to_rfc3339_opts(SecondsFormat::Millis, true)),
                    None => "it has none at all".to_owned(),
                };
                Err(Error::invalid(
                    "as_of",
                    format!("`{table}` has no snapshot of {time} or before: {oldest}; {listed}"),
                ))
            }
        }
    }
}

impl Tables {
    /// A table as it was, or a view as it is: what a view reads is as old as is asked for, its statement is not.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for `as_of`.
    pub(crate) async fn load_as_of(&self, table: &TableName, as_of: AsOf) -> Result<Loaded> {
        match self.inner.current(table).await? {
            None => Err(self.not_found(table).await?),
            Some(Current::View(state)) => Ok(Loaded::View(loaded::view(table, &state)?)),
            Some(Current::Table(state)) => {
                let snapshot =
                    as_of.of(table, &state.metadata).map_err(|error| match (&self.inner.catalog, error) {
                        (Catalog::Rest(_), Error::InvalidInput { field, message }) => Error::InvalidInput {
                            field,
                            message: format!(
                                "{message}. Its catalog may show the newest snapshot alone, as Nessie does"
                            ),
                        },
                        (_, error) => error,
                    })?;
                Ok(Loaded::Table(self.inner.load_snapshot(table, &state, snapshot.as_ref()).await?))
            }
        }
    }

    /// The rows of some of a table's files, or all, in order, with all columns or some by their index. Slower than the engine's
    /// scan of the files; right for every file.
    pub(crate) fn scan(
        &self,
        table: &LoadedTable,
        files: &[DataFile],
        columns: Option<&[usize]>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = match columns {
            Some(columns) => {
                Arc::new(table.schema.project(columns).map_err(|error| Error::internal(error.to_string()))?)
            }
            None => Arc::clone(&table.schema),
        };
        let files = files.iter().map(|file| file.scan.clone()).collect();
        let rows = read::rows(&self.inner.io, files, schema.fields().clone());
        let rows = rows.map_err(|error| DataFusionError::External(Box::new(error)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

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

    /// The Iceberg table at a location (`file:///…`, `s3://…`), if there is one: the catalog's if it knows one there,
    /// otherwise by its newest metadata file. None: the location holds no Iceberg table (it may hold plain Parquet files).
    ///
    /// # Errors
    /// `unsupported` and `unavailable` for a location that is in none of the lakehouse's places.
    pub(crate) async fn load_location(&self, location: &str) -> Result<Option<LoadedTable>> {
        let folder = location.trim_end_matches('/');
        for name in self.inner.catalog.candidates_at(folder).await? {
            if self.inner.current(&name).await?.is_none() {
                continue;
            }
            let Loaded::Table(table) = self.load(&name).await? else { continue };
            if plain(&table.location) == plain(folder) {
                return Ok(Some(table));
            }
        }
        let names = self.inner.stores.names(&format!("{folder}/metadata")).await?;
        let Some(newest) = newest_metadata(&names) else { return Ok(None) };
        let state = self.inner.read_table(&format!("{folder}/metadata/{newest}")).await?;
        let name = folder.rsplit('/').next().unwrap_or_default();
        Ok(Some(self.inner.load_table(&TableName::new("location", name), &state).await?))
    }

    /// The error for a table that is not there, naming the nearest that is.
    pub(super) async fn not_found(&self, table: &TableName) -> Result<Error> {
        let entries = self.inner.catalog.list(None).await?;
        let distance = datafusion::common::utils::datafusion_strsim::levenshtein;
        let near = entries
            .iter()
            .map(|entry| (distance(&entry.name.to_string(), &table.to_string()), &entry.name))
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
        self.load_snapshot(table, state, state.metadata.current_snapshot()).await
    }

    async fn load_snapshot(
        &self,
        table: &TableName,
        state: &TableState,
        snapshot: Option<&SnapshotRef>,
    ) -> Result<LoadedTable> {
        let live = match snapshot {
            Some(snapshot) => {
                let manifests = manifests::of_snapshot(&self.io, &state.metadata, snapshot).await?;
                manifests::live(&self.io, manifests).await?
            }
            None => Vec::new(),
        };
        loaded::table(table, state, snapshot, &live)
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

/// The newest metadata file of a table that no catalog of ours knows: versions count up in the files' names.
fn newest_metadata(names: &[String]) -> Option<&str> {
    let versions = names.iter().filter(|name| name.ends_with(".metadata.json")).map(|name| {
        // `00012-….metadata.json`, or a Hadoop table's `v12.metadata.json`.
        let digits: String = name.trim_start_matches('v').chars().take_while(char::is_ascii_digit).collect();
        (digits.parse::<u64>().unwrap_or(0), name.as_str())
    });
    versions.max_by_key(|(version, _)| *version).map(|(_, name)| name)
}
