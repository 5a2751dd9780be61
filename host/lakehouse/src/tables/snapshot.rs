//! A new snapshot: from the one before, files that go, and files that come.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use asgard_contract::{Error, Result};
use iceberg::io::FileIO;
use iceberg::spec::{
    DataContentType, DataFile, ManifestContentType, ManifestEntry, ManifestFile, ManifestListWriter, ManifestWriter,
    ManifestWriterBuilder, Operation, PartitionSpec, PartitionSpecRef, SchemaRef, Snapshot, SnapshotSummaryCollector,
    Summary, TableMetadata,
};

use super::manifests::{self, Live};
use super::undo::Uncommitted;
use crate::error;

/// So many small manifests are made one: reading a table opens each of them.
const MANIFESTS_TO_MERGE: usize = 100;

/// Which files of the snapshot before are no part of the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Removed {
    Nothing,
    Everything,
    /// By location.
    Files(HashSet<String>),
}

/// Files that come, all written by one partition specification.
#[derive(Debug, Clone)]
pub(crate) struct Added<'a> {
    pub(crate) files: &'a [DataFile],
    pub(crate) spec: PartitionSpecRef,
}

/// What the new snapshot is to be.
pub(crate) struct Plan<'a> {
    pub(crate) base: &'a TableMetadata,
    /// The schema of the table with this snapshot.
    pub(crate) schema: SchemaRef,
    pub(crate) added: Added<'a>,
    pub(crate) removed: Removed,
    /// Whether the rows are the same in other files.
    pub(crate) same_rows: bool,
    /// Goes into the snapshot's summary.
    pub(crate) notes: HashMap<String, String>,
}

/// Writes the snapshot's manifests; `undo` gets their locations.
pub(crate) async fn write(io: &FileIO, plan: Plan<'_>, undo: &Uncommitted) -> Result<Snapshot> {
    let base = plan.base;
    let parent = base.current_snapshot();
    let before = match parent {
        Some(parent) => manifests::of_snapshot(io, base, parent).await?,
        None => Vec::new(),
    };
    let writer = Writer { io, plan: &plan, snapshot_id: new_snapshot_id(base), undo, commit: uuid::Uuid::now_v7() };

    // Counts by partition are not asked for. The collector writes the values' texts for them all the same, and panics over values
    // of another specification than the one it is given; files that are removed may have any that the table ever had.
    let unpartitioned = Arc::new(PartitionSpec::unpartition_spec());
    let mut summary = SnapshotSummaryCollector::default();
    for file in plan.added.files {
        summary.add_file(file, plan.schema.clone(), Arc::clone(&unpartitioned));
    }
    let (mut kept, removed) = writer.carry_over(before).await?;
    for file in &removed {
        summary.remove_file(file, plan.schema.clone(), Arc::clone(&unpartitioned));
    }
    if !plan.added.files.is_empty() {
        let mut manifest = writer.manifest(&plan.schema, &plan.added.spec, ManifestContentType::Data)?;
        for file in plan.added.files {
            manifest.add_file(file.clone(), -1).map_err(error::iceberg("writing a manifest"))?;
        }
        kept.insert(0, manifest.write_manifest_file().await.map_err(error::iceberg("writing a manifest"))?);
    }

    let location = format!("{}/metadata/snap-{}-1-{}.avro", base.location(), writer.snapshot_id, writer.commit);
    undo.add(io, location.clone());
    let output = io.new_output(&location).map_err(error::iceberg("writing a manifest list"))?;
    let output = output.writer().await.map_err(error::iceberg("writing a manifest list"))?;
    let sequence = base.next_sequence_number();
    let parent_id = parent.map(|parent| parent.snapshot_id());
    let mut list = ManifestListWriter::v2(output, writer.snapshot_id, parent_id, sequence);
    list.add_manifests(kept.into_iter()).map_err(error::iceberg("writing a manifest list"))?;
    list.close().await.map_err(error::iceberg("writing a manifest list"))?;

    let mut properties = summary.build();
    properties.extend(totals(parent.map(|parent| &parent.summary().additional_properties), &plan, &removed));
    properties.extend(plan.notes.clone());
    let operation = match (&plan.removed, plan.added.files.is_empty()) {
        _ if plan.same_rows => Operation::Replace,
        (Removed::Nothing, _) => Operation::Append,
        (_, true) if !removed.is_empty() => Operation::Delete,
        _ => Operation::Overwrite,
    };
    Ok(Snapshot::builder()
        .with_snapshot_id(writer.snapshot_id)
        .with_parent_snapshot_id(parent_id)
        .with_sequence_number(sequence)
        .with_timestamp_ms(not_before(base))
        .with_manifest_list(location)
        .with_summary(Summary { operation, additional_properties: properties })
        .with_schema_id(plan.schema.schema_id())
        .build())
}

/// A clock that was put back must not stop commits: time in a table never goes backwards.
fn not_before(base: &TableMetadata) -> i64 {
    chrono::Utc::now().timestamp_millis().max(base.last_updated_ms())
}

fn new_snapshot_id(base: &TableMetadata) -> i64 {
    loop {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        let id = i64::try_from((high ^ low) >> 1).unwrap_or(i64::MAX);
        if id > 0 && base.snapshot_by_id(id).is_none() {
            return id;
        }
    }
}

struct Writer<'a> {
    io: &'a FileIO,
    plan: &'a Plan<'a>,
    snapshot_id: i64,
    undo: &'a Uncommitted,
    commit: uuid::Uuid,
}

impl Writer<'_> {
    /// The manifests that the new snapshot keeps, rewritten where files go, and the files that go.
    async fn carry_over(&self, before: Vec<ManifestFile>) -> Result<(Vec<ManifestFile>, Vec<DataFile>)> {
        let before: Vec<ManifestFile> =
            before.into_iter().filter(|manifest| manifest.has_added_files() || manifest.has_existing_files()).collect();
        if self.plan.removed == Removed::Nothing {
            return Ok((self.merged(before).await?, Vec::new()));
        }
        let (mut kept, mut removed) = (Vec::new(), Vec::new());
        for Live { manifest, entries } in manifests::live(self.io, before).await? {
            if !manifests::holds_data(&manifest) && self.plan.removed == Removed::Everything {
                // Deletions of rows of files that are all gone.
                continue;
            }
            let goes = |entry: &ManifestEntry| match &self.plan.removed {
                Removed::Nothing => false,
                Removed::Everything => true,
                Removed::Files(files) => files.contains(entry.file_path()),
            };
            if !entries.iter().any(|entry| goes(entry)) {
                kept.push(manifest);
                continue;
            }
            let mut rewritten = self.manifest_like(&manifest)?;
            for entry in &entries {
                if goes(entry) {
                    removed.push(entry.data_file().clone());
                    delete(&mut rewritten, entry)?;
                } else {
                    keep(&mut rewritten, entry)?;
                }
            }
            kept.push(rewritten.write_manifest_file().await.map_err(error::iceberg("writing a manifest"))?);
        }
        Ok((kept, removed))
    }

    async fn merged(&self, manifests: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        let spec = &self.plan.added.spec;
        let (small, mut others): (Vec<_>, Vec<_>) = manifests
            .into_iter()
            .partition(|manifest| manifests::holds_data(manifest) && manifest.partition_spec_id == spec.spec_id());
        if small.len() < MANIFESTS_TO_MERGE {
            others.splice(0..0, small);
            return Ok(others);
        }
        let mut merged = self.manifest(self.plan.base.current_schema(), spec, ManifestContentType::Data)?;
        for live in manifests::live(self.io, small).await? {
            for entry in &live.entries {
                keep(&mut merged, entry)?;
            }
        }
        others.insert(0, merged.write_manifest_file().await.map_err(error::iceberg("writing a manifest"))?);
        Ok(others)
    }

    fn manifest_like(&self, manifest: &ManifestFile) -> Result<ManifestWriter> {
        let base = self.plan.base;
        let spec = base.partition_spec_by_id(manifest.partition_spec_id).ok_or_else(|| {
            Error::internal(format!("the table has no partition specification {}", manifest.partition_spec_id))
        })?;
        // A partition may be of a column that the table does not have any more.
        let fits = |schema: &&SchemaRef| spec.partition_type(schema).is_ok();
        let current = std::iter::once(base.current_schema()).find(fits);
        let schema = current.or_else(|| base.schemas_iter().find(fits)).unwrap_or(base.current_schema());
        self.manifest(schema, spec, manifest.content)
    }

    fn manifest(
        &self,
        schema: &SchemaRef,
        spec: &PartitionSpec,
        content: ManifestContentType,
    ) -> Result<ManifestWriter> {
        let name = uuid::Uuid::now_v7();
        let location = format!("{}/metadata/{}-m{}.avro", self.plan.base.location(), self.commit, name.simple());
        self.undo.add(self.io, location.clone());
        let output = self.io.new_output(&location).map_err(error::iceberg("writing a manifest"))?;
        let builder = ManifestWriterBuilder::new(output, Some(self.snapshot_id), schema.clone(), spec.clone());
        Ok(match content {
            ManifestContentType::Data => builder.build_v2_data(),
            ManifestContentType::Deletes => builder.build_v2_deletes(),
        })
    }
}

fn keep(manifest: &mut ManifestWriter, entry: &ManifestEntry) -> Result<()> {
    let (id, sequence) = (entry.snapshot_id().unwrap_or(-1), entry.sequence_number().unwrap_or(0));
    manifest
        .add_existing_file(
            entry.data_file().clone(),
            id,
            sequence,
            Some(entry.file_sequence_number.unwrap_or(sequence)),
        )
        .map_err(error::iceberg("writing a manifest"))
}

fn delete(manifest: &mut ManifestWriter, entry: &ManifestEntry) -> Result<()> {
    let sequence = entry.sequence_number().unwrap_or(0);
    manifest
        .add_delete_file(entry.data_file().clone(), sequence, Some(entry.file_sequence_number.unwrap_or(sequence)))
        .map_err(error::iceberg("writing a manifest"))
}

/// The totals of the new snapshot: those of the one before, and the difference. Left out where another writer left them out.
fn totals(before: Option<&HashMap<String, String>>, plan: &Plan<'_>, removed: &[DataFile]) -> HashMap<String, String> {
    type Count = fn(&DataFile) -> u64;
    fn rows_of(file: &DataFile, content: DataContentType) -> u64 {
        if file.content_type() == content { file.record_count() } else { 0 }
    }
    let is_data = |file: &&DataFile| file.content_type() == DataContentType::Data;
    let (data, deletes): (Vec<&DataFile>, Vec<&DataFile>) = removed.iter().partition(is_data);
    let added: Vec<&DataFile> = plan.added.files.iter().collect();
    let sum = |files: &[&DataFile], of: &dyn Fn(&DataFile) -> u64| files.iter().map(|file| of(file)).sum::<u64>();
    let known = |name: &str| match (&plan.removed, before) {
        (Removed::Everything, _) | (_, None) => Some(0),
        (_, Some(before)) => before.get(name).and_then(|text| text.parse::<u64>().ok()),
    };
    let goes = |files: &[&DataFile], of: &dyn Fn(&DataFile) -> u64| {
        if plan.removed == Removed::Everything { 0 } else { sum(files, of) }
    };

    let mut totals = HashMap::new();
    let of_data: [(&str, Count); 3] = [
        ("total-data-files", |_| 1),
        ("total-records", DataFile::record_count),
        ("total-files-size", DataFile::file_size_in_bytes),
    ];
    for (name, of) in of_data {
        if let Some(known) = known(name) {
            totals.insert(name.to_owned(), (known.saturating_sub(goes(&data, &of)) + sum(&added, &of)).to_string());
        }
    }
    let of_deletes: [(&str, Count); 3] = [
        ("total-delete-files", |_| 1),
        ("total-position-deletes", |file| rows_of(file, DataContentType::PositionDeletes)),
        ("total-equality-deletes", |file| rows_of(file, DataContentType::EqualityDeletes)),
    ];
    for (name, of) in of_deletes {
        let left = known(name).unwrap_or(0).saturating_sub(goes(&deletes, &of));
        totals.insert(name.to_owned(), left.to_string());
    }
    totals
}
