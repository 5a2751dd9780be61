//! What a table must be for our own engine to read it, and where its files may be.
//!
//! Checked when a client makes, changes or registers a table, so that a table that cannot be read is refused with the reason
//! then and there, and not by every statement afterwards. Of a commit only the snapshots that are new are looked at: the
//! manifests that they add are read, which costs what one reader would pay.

use std::collections::HashSet;
use std::path::{Component, Path};

use asgard_contract::table::differing_in_case;
use iceberg::spec::{DataFileFormat, FormatVersion, Schema, Snapshot, TableMetadata};

use super::{RestError, RestResult};
use crate::tables::{Inner, TableState, manifests, properties, synced};

/// Checks new metadata. `before` = the table as it is now, whose files have been looked at.
pub(super) async fn check(inner: &Inner, metadata: &TableMetadata, before: Option<&TableState>) -> RestResult<()> {
    version(metadata)?;
    columns_of(metadata.current_schema())?;
    synced::check_change(before.map(|before| before.metadata.as_ref()), metadata)?;
    for (name, value) in metadata.properties() {
        let known = before.and_then(|before| before.metadata.properties().get(name));
        if known != Some(value) {
            properties::check(name, value).map_err(|error| RestError::unsupported(error.to_string()))?;
        }
    }
    let places = Places::of(inner, before);
    places.check("the table's location", metadata.location())?;
    for property in ["write.data.path", "write.metadata.path", "write.folder-storage.path", "write.object-storage.path"]
    {
        if let Some(path) = metadata.properties().get(property) {
            places.check(&format!("property `{property}`"), path)?;
        }
    }
    for file in metadata.statistics_iter() {
        places.check("a statistics file", &file.statistics_path)?;
    }
    for file in metadata.partition_statistics_iter() {
        places.check("a statistics file", &file.statistics_path)?;
    }
    for entry in metadata.metadata_log() {
        places.check("an earlier metadata file", &entry.metadata_file)?;
    }
    let known: HashSet<i64> = before
        .map(|before| before.metadata.snapshots().map(|snapshot| snapshot.snapshot_id()).collect())
        .unwrap_or_default();
    let mut seen = HashSet::new();
    for snapshot in metadata.snapshots().filter(|snapshot| !known.contains(&snapshot.snapshot_id())) {
        files(inner, metadata, snapshot, &places, before.is_none(), &mut seen).await?;
    }
    Ok(())
}

fn version(metadata: &TableMetadata) -> RestResult<()> {
    if metadata.format_version() <= FormatVersion::V2 {
        return Ok(());
    }
    Err(RestError::unsupported(format!(
        "format-version {} is not read here: make the table with format-version 2",
        metadata.format_version()
    )))
}

/// SQL does not tell names by their case.
pub(super) fn columns_of(schema: &Schema) -> RestResult<()> {
    match differing_in_case(schema.as_struct().fields().iter().map(|field| field.name.as_str())) {
        None => Ok(()),
        Some((_, other)) => Err(RestError::unsupported(format!(
            "two columns differ only in case, which SQL does not tell apart here: `{other}`"
        ))),
    }
}

/// `all`: manifests that earlier snapshots added are looked at too, since nobody has yet.
async fn files(
    inner: &Inner,
    metadata: &TableMetadata,
    snapshot: &Snapshot,
    places: &Places,
    all: bool,
    seen: &mut HashSet<String>,
) -> RestResult<()> {
    places.check("a manifest list", snapshot.manifest_list())?;
    let unreadable = |error: asgard_contract::Error| match error {
        asgard_contract::Error::Internal { message } => RestError::BadRequest(message),
        other => other.into(),
    };
    let listed = manifests::of_snapshot(&inner.io, metadata, snapshot).await.map_err(unreadable)?;
    let mut added = Vec::new();
    for manifest in listed {
        places.check("a manifest", &manifest.manifest_path)?;
        if (all || manifest.added_snapshot_id == snapshot.snapshot_id()) && seen.insert(manifest.manifest_path.clone())
        {
            added.push(manifest);
        }
    }
    for live in manifests::live(&inner.io, added).await.map_err(unreadable)? {
        for entry in live.entries {
            let file = entry.data_file();
            places.check("a data file", file.file_path())?;
            if file.file_format() != DataFileFormat::Parquet {
                return Err(RestError::unsupported(format!(
                    "`{}` is of format {}: only Parquet is read here",
                    file.file_path(),
                    file.file_format()
                )));
            }
        }
    }
    Ok(())
}

/// Where a table's files may be: in the environment's storage, and where the table has been until now (a sink of its own).
pub(super) struct Places(Vec<String>);

impl Places {
    pub(super) fn of(inner: &Inner, before: Option<&TableState>) -> Self {
        let own = before.map(|before| before.metadata.location());
        Self([inner.warehouse()].into_iter().chain(own).map(|place| plain(place).to_owned()).collect())
    }

    pub(super) fn check(&self, what: &str, location: &str) -> RestResult<()> {
        let found = plain(location);
        let climbs = Path::new(found).components().any(|part| part == Component::ParentDir);
        if !climbs && self.0.iter().any(|place| within(place, found)) {
            return Ok(());
        }
        Err(RestError::bad(format!(
            "{what} is outside of the environment's storage: `{location}` is not below `{}`",
            self.0.join("` or `")
        )))
    }
}

/// A location without what different writers write differently.
pub(super) fn plain(location: &str) -> &str {
    let path = location.strip_prefix("file://").or_else(|| location.strip_prefix("file:")).unwrap_or(location);
    path.trim_end_matches('/')
}

/// Whether a location is a folder or something in it.
pub(super) fn within(folder: &str, location: &str) -> bool {
    location.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
