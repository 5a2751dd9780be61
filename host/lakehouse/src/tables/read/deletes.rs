//! Rows that other writers have marked as deleted without rewriting the files that hold them.
//!
//! - A position delete names a file and a row in it. It applies to files of its partition that are not newer than it.
//! - An equality delete names values of columns: rows that have them are gone, from files of its partition that are older
//!   than it; of any partition if the delete file has none. Null is equal to null here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::FieldRef;
use asgard_contract::{Error, Result};
use datafusion::arrow::row::{RowConverter, SortField};
use futures::stream::{StreamExt as _, TryStreamExt as _};
use iceberg::io::FileIO;
use iceberg::spec::{DataContentType, DataFileFormat, ManifestEntryRef, TableMetadata};

use super::file;
use crate::tables::manifests::{Live, holds_data};
use crate::types::arrow_field_of;

/// Delete files read at a time.
const CONCURRENCY: usize = 8;

/// Field ids that Iceberg reserves for the columns of position deletes.
const PATH_ID: i32 = 2_147_483_546;
const POSITION_ID: i32 = 2_147_483_545;

/// One delete file, and what it may apply to.
#[derive(Debug, Clone)]
pub(crate) struct DeleteFile {
    pub(crate) entry: ManifestEntryRef,
    pub(crate) spec_id: i32,
    /// Whether its specification has no partition fields.
    global: bool,
    /// Of an equality delete: the columns that it compares.
    compared: Vec<FieldRef>,
}

impl DeleteFile {
    fn location(&self) -> &str {
        self.entry.file_path()
    }

    pub(crate) fn is_equality(&self) -> bool {
        self.entry.content_type() == DataContentType::EqualityDeletes
    }

    fn applies_to(&self, data: &ManifestEntryRef, spec_id: i32) -> bool {
        let (deleted, written) = (self.entry.sequence_number().unwrap_or(0), data.sequence_number().unwrap_or(0));
        let same_partition =
            self.spec_id == spec_id && self.entry.data_file().partition() == data.data_file().partition();
        if self.is_equality() {
            return deleted > written && (self.global || same_partition);
        }
        let referenced = self.entry.data_file().referenced_data_file();
        let named = referenced.is_none_or(|location| plain(&location) == plain(data.file_path()));
        deleted >= written && same_partition && named
    }
}

/// The delete files of a snapshot.
///
/// # Errors
/// `unsupported` for delete files of another format than Parquet.
pub(crate) fn of_snapshot(metadata: &TableMetadata, live: &[Live]) -> Result<Vec<Arc<DeleteFile>>> {
    let mut found = Vec::new();
    for live in live.iter().filter(|live| !holds_data(&live.manifest)) {
        let spec_id = live.manifest.partition_spec_id;
        let global = metadata.partition_spec_by_id(spec_id).is_none_or(|spec| spec.is_unpartitioned());
        for entry in &live.entries {
            if entry.file_format() != DataFileFormat::Parquet {
                return Err(Error::unsupported(format!(
                    "rows are marked as deleted in a file of format {} (`{}`): only Parquet is read",
                    entry.file_format(),
                    entry.file_path()
                )));
            }
            let compared = match entry.content_type() {
                DataContentType::EqualityDeletes => {
                    let ids = entry.data_file().equality_ids().unwrap_or_default();
                    ids.into_iter().map(|id| field_of(metadata, id)).collect::<Result<Vec<_>>>()?
                }
                _ => Vec::new(),
            };
            found.push(Arc::new(DeleteFile { entry: Arc::clone(entry), spec_id, global, compared }));
        }
    }
    Ok(found)
}

/// Those that apply to a data file.
pub(crate) fn applying(deletes: &[Arc<DeleteFile>], data: &ManifestEntryRef, spec_id: i32) -> Vec<Arc<DeleteFile>> {
    deletes.iter().filter(|delete| delete.applies_to(data, spec_id)).cloned().collect()
}

/// The content of delete files, read once for all the data files of a scan.
#[derive(Default)]
pub(super) struct Deletes {
    /// Delete file -> data file -> rows.
    positions: HashMap<String, HashMap<String, Vec<u64>>>,
    /// By location of the delete file.
    equality: HashMap<String, Arc<EqualityDeletes>>,
}

impl Deletes {
    pub(super) async fn read(io: &FileIO, files: &[Arc<DeleteFile>]) -> Result<Self> {
        let mut once: HashMap<&str, &Arc<DeleteFile>> = HashMap::new();
        for file in files {
            once.insert(file.location(), file);
        }
        // Collected first: a stream that holds this closure across an await is not `Send` for the compiler.
        let read: Vec<_> = once.into_values().map(|file| read_one(io, file)).collect();
        let read: Vec<One> = futures::stream::iter(read).buffered(CONCURRENCY).try_collect().await?;
        let mut all = Self::default();
        for one in read {
            match one {
                One::Positions(location, rows) => drop(all.positions.insert(location, rows)),
                One::Equality(location, rows) => drop(all.equality.insert(location, Arc::new(rows))),
            }
        }
        Ok(all)
    }

    /// Rows of a data file that are gone, in order, each once.
    pub(super) fn positions(&self, deletes: &[Arc<DeleteFile>], data_file: &str) -> Vec<u64> {
        let of_file = |delete: &Arc<DeleteFile>| self.positions.get(delete.location())?.get(plain(data_file));
        let mut rows: Vec<u64> = deletes.iter().filter_map(of_file).flatten().copied().collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    pub(super) fn equality(&self, deletes: &[Arc<DeleteFile>]) -> Vec<Arc<EqualityDeletes>> {
        deletes.iter().filter_map(|delete| self.equality.get(delete.location())).cloned().collect()
    }
}

enum One {
    Positions(String, HashMap<String, Vec<u64>>),
    Equality(String, EqualityDeletes),
}

async fn read_one(io: &FileIO, delete: &Arc<DeleteFile>) -> Result<One> {
    let location = delete.location().to_owned();
    let size = delete.entry.file_size_in_bytes();
    if delete.is_equality() {
        let mut deletes = EqualityDeletes::new(delete.compared.clone())?;
        let mut batches = file::plain_rows(io, &location, size, &deletes.fields).await?;
        while let Some(batch) = batches.try_next().await? {
            deletes.add(batch.columns())?;
        }
        return Ok(One::Equality(location, deletes));
    }
    let reserved = |id: i32, name: &str, data_type| -> FieldRef {
        let id = HashMap::from([(parquet::arrow::PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]);
        Arc::new(arrow_schema::Field::new(name, data_type, false).with_metadata(id))
    };
    let fields = [
        reserved(PATH_ID, "file_path", arrow_schema::DataType::Utf8),
        reserved(POSITION_ID, "pos", arrow_schema::DataType::Int64),
    ];
    let mut rows: HashMap<String, Vec<u64>> = HashMap::new();
    let mut batches = file::plain_rows(io, &location, size, &fields).await?;
    while let Some(batch) = batches.try_next().await? {
        let (paths, positions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
        for (path, position) in paths.iter().zip(positions) {
            let (Some(path), Some(position)) = (path, position.and_then(|position| u64::try_from(position).ok()))
            else {
                return Err(Error::internal(format!("`{location}` marks a row as deleted that it does not name")));
            };
            match rows.get_mut(plain(path)) {
                Some(rows) => rows.push(position),
                None => drop(rows.insert(plain(path).to_owned(), vec![position])),
            }
        }
    }
    Ok(One::Positions(location, rows))
}

/// A column by its id, also one that the table does not have any more.
fn field_of(metadata: &TableMetadata, id: i32) -> Result<FieldRef> {
    let mut schemas: Vec<_> = metadata.schemas_iter().collect();
    schemas.sort_by_key(|schema| schema.schema_id());
    let current = std::iter::once(metadata.current_schema());
    let found = current.chain(schemas.into_iter().rev()).find_map(|schema| schema.field_by_id(id));
    match found {
        Some(field) if field.field_type.is_primitive() => Ok(arrow_field_of(field)),
        _ => Err(Error::unsupported(format!(
            "rows are marked as deleted by the values of column {id}, which is no plain column of the table"
        ))),
    }
}

/// A location in the one of its spellings that is compared: `file:/a`, `file:///a` and `/a` are one file.
fn plain(location: &str) -> &str {
    match location.strip_prefix("file:") {
        Some(path) => path.trim_start_matches('/'),
        None => location.trim_start_matches('/'),
    }
}

/// Values whose rows are gone.
pub(super) struct EqualityDeletes {
    pub(super) fields: Vec<FieldRef>,
    converter: RowConverter,
    values: HashSet<Box<[u8]>>,
}

impl EqualityDeletes {
    fn new(fields: Vec<FieldRef>) -> Result<Self> {
        if fields.is_empty() {
            return Err(Error::unsupported("rows are marked as deleted by the values of no column"));
        }
        let sort = fields.iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(sort).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Self { fields, converter, values: HashSet::new() })
    }

    fn add(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let rows = self.converter.convert_columns(columns).map_err(|error| Error::internal(error.to_string()))?;
        self.values.extend(rows.iter().map(|row| Box::from(row.data())));
        Ok(())
    }

    /// Takes the rows out of `kept` that are gone; `columns` are those of [`EqualityDeletes::fields`].
    pub(super) fn mark(&self, columns: &[ArrayRef], kept: &mut [bool]) -> Result<()> {
        let rows = self.converter.convert_columns(columns).map_err(|error| Error::internal(error.to_string()))?;
        for (row, kept) in rows.iter().zip(kept) {
            *kept &= !self.values.contains(row.data());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_location_are_one() {
        for spelling in ["file:///a/b c.parquet", "file:/a/b c.parquet", "/a/b c.parquet"] {
            assert_eq!(plain(spelling), "a/b c.parquet");
        }
        assert_eq!(plain("s3://bucket/a"), "s3://bucket/a");
    }
}
