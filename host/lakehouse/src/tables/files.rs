//! Data files: Parquet with field ids, of a sensible size, with what manifests say about them.
//!
//! Memory is bounded: a file that is open holds one row group, and of the files that are open at once (one for each partition that
//! rows came for) the largest is closed when there are too many. Rows of a sorted table are collected up to a limit, sorted, and
//! written as one file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::{SchemaRef as ArrowSchemaRef, SortOptions};
use asgard_contract::{Error, Result};
use datafusion::arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use iceberg::arrow::RecordBatchPartitionSplitter;
use iceberg::io::{FileIO, FileWrite};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, NullOrder, PartitionSpecRef, SchemaRef, SortDirection,
    SortOrder, Struct,
};
use parquet::file::metadata::ParquetMetaData;

use super::encoder::Encoder;
use super::layout::Layout;
use super::metrics;
use super::undo::Uncommitted;
use crate::{error, types};

/// Encoded bytes that are collected before they are handed to storage.
const FLUSH_BYTES: usize = 1 << 20;

/// Files that are open at once hold this much in row groups and unsorted rows; beyond it the largest is closed.
const OPEN_BYTES: usize = 256 << 20;

/// Each open file holds a file handle and its columns' buffers.
const OPEN_FILES: usize = 256;

/// Unsorted rows of one partition, in memory. A compressed file of them is a fraction of it.
const SORTED_BYTES: usize = 128 << 20;

/// Writes rows of one schema to as many files as it takes.
pub(crate) struct FileWriter {
    io: FileIO,
    /// URL of the folder.
    folder: String,
    prefix: String,
    schema: SchemaRef,
    arrow: ArrowSchemaRef,
    layout: Layout,
    splitter: Option<RecordBatchPartitionSplitter>,
    /// Behind a lock only because Parquet's encoder cannot be shared between threads; it never is.
    open: Mutex<HashMap<Struct, Open>>,
    done: Vec<DataFile>,
    written: Uncommitted,
}

/// What there is of the next file of a partition.
enum Open {
    Unsorted { batches: Vec<RecordBatch>, bytes: usize },
    File(Box<OpenFile>),
}

impl Open {
    fn bytes(&self) -> usize {
        match self {
            Self::Unsorted { bytes, .. } => *bytes,
            Self::File(file) => file.encoder.held(),
        }
    }
}

struct OpenFile {
    location: String,
    encoder: Box<Encoder>,
    output: Box<dyn FileWrite>,
}

/// Files that are written and in no table yet.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) files: Vec<DataFile>,
    /// That all of them are written by.
    pub(crate) spec: PartitionSpecRef,
    pub(crate) undo: Uncommitted,
}

impl Written {
    /// No files, in a layout.
    pub(crate) fn nothing(layout: &Layout) -> Self {
        Self { files: Vec::new(), spec: Arc::clone(&layout.spec), undo: Uncommitted::default() }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::record_count).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(DataFile::file_size_in_bytes).sum()
    }
}

impl FileWriter {
    /// Writes below `location/data`, to files whose names start with `prefix`.
    ///
    /// # Errors
    /// `internal` for a layout that the schema does not have the columns of.
    pub(crate) fn new(io: FileIO, location: &str, prefix: &str, schema: SchemaRef, layout: Layout) -> Result<Self> {
        let splitter = if layout.spec.is_unpartitioned() {
            None
        } else {
            let splitter = RecordBatchPartitionSplitter::try_new_with_computed_values(
                Arc::clone(&schema),
                Arc::clone(&layout.spec),
            );
            Some(splitter.map_err(error::iceberg("partitioning rows"))?)
        };
        let arrow = types::to_arrow(&schema);
        Ok(Self {
            io,
            folder: format!("{location}/data"),
            prefix: prefix.to_owned(),
            schema,
            arrow,
            layout,
            splitter,
            open: Mutex::default(),
            done: Vec::new(),
            written: Uncommitted::default(),
        })
    }

    /// The schema that batches must have.
    pub(crate) fn arrow_schema(&self) -> &ArrowSchemaRef {
        &self.arrow
    }

    /// # Errors
    /// `unavailable` for a full or read-only disk.
    pub(crate) async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let Some(splitter) = &self.splitter else {
            // A specification whose fields are all void has a value for each, and all are null.
            let nowhere = self.layout.spec.fields().iter().map(|_| None).collect();
            return self.write_to(nowhere, batch).await;
        };
        let parts = splitter.split(&batch).map_err(error::iceberg("partitioning rows"))?;
        for (key, part) in parts {
            self.write_to(key.data().clone(), part).await?;
        }
        Ok(())
    }

    async fn write_to(&mut self, partition: Struct, batch: RecordBatch) -> Result<()> {
        let known = self.open().remove(&partition);
        let open = if self.layout.order.is_unsorted() {
            let file = match known {
                Some(Open::File(file)) => self.with_room(&partition, *file).await?,
                _ => None,
            };
            let file = match file {
                Some(file) => file,
                None => self.start().await?,
            };
            Open::File(Box::new(file.write(batch).await?))
        } else {
            let (mut batches, mut bytes) = match known {
                Some(Open::Unsorted { batches, bytes }) => (batches, bytes),
                _ => (Vec::new(), 0),
            };
            bytes += batch.get_array_memory_size();
            batches.push(batch);
            if bytes >= SORTED_BYTES {
                return self.finish_sorted(&partition, batches).await;
            }
            Open::Unsorted { batches, bytes }
        };
        self.open().insert(partition, open);
        self.close_largest().await
    }

    /// Finishes a file that is large enough. How large it is, is known once its last rows are encoded, so nobody asks before the
    /// next ones come.
    async fn with_room(&mut self, partition: &Struct, mut file: OpenFile) -> Result<Option<OpenFile>> {
        file.encoder.settle().await?;
        if file.encoder.bytes() < self.layout.file_bytes {
            return Ok(Some(file));
        }
        self.finish_file(partition, file).await?;
        Ok(None)
    }

    /// Closes files until what is open is within its limits.
    async fn close_largest(&mut self) -> Result<()> {
        loop {
            let open = self.open();
            let bytes: usize = open.values().map(Open::bytes).sum();
            if open.len() <= OPEN_FILES && bytes <= OPEN_BYTES {
                return Ok(());
            }
            let largest = open.iter().max_by_key(|(_, open)| open.bytes()).map(|(partition, _)| partition.clone());
            let Some((partition, open)) = largest.and_then(|partition| open.remove_entry(&partition)) else {
                return Ok(());
            };
            self.finish_open(&partition, open).await?;
        }
    }

    /// Closes the last files. No rows, no file.
    pub(crate) async fn finish(mut self) -> Result<Written> {
        for (partition, open) in std::mem::take(self.open()) {
            self.finish_open(&partition, open).await?;
        }
        Ok(Written { files: self.done, spec: self.layout.spec, undo: self.written })
    }

    fn open(&mut self) -> &mut HashMap<Struct, Open> {
        self.open.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    async fn finish_open(&mut self, partition: &Struct, open: Open) -> Result<()> {
        match open {
            Open::File(file) => self.finish_file(partition, *file).await,
            Open::Unsorted { batches, .. } => self.finish_sorted(partition, batches).await,
        }
    }

    async fn finish_sorted(&mut self, partition: &Struct, batches: Vec<RecordBatch>) -> Result<()> {
        let (arrow, schema, order) =
            (Arc::clone(&self.arrow), Arc::clone(&self.schema), Arc::clone(&self.layout.order));
        let sorted = tokio::task::spawn_blocking(move || sorted(&arrow, &schema, &order, &batches));
        let sorted = sorted.await.map_err(error::join)?;
        let file = self.start().await?;
        let file = file.write(sorted?).await?;
        self.finish_file(partition, file).await
    }

    async fn start(&mut self) -> Result<OpenFile> {
        let location = format!("{}/{}-{}.parquet", self.folder, self.prefix, uuid::Uuid::now_v7().simple());
        self.written.add(&self.io, location.clone());
        let output = self.io.new_output(&location).map_err(error::iceberg("opening a data file"))?;
        let output = output.writer().await.map_err(error::iceberg("opening a data file"))?;
        let encoder = Encoder::new(&self.arrow)?;
        Ok(OpenFile { location, encoder, output })
    }

    async fn finish_file(&mut self, partition: &Struct, open: OpenFile) -> Result<()> {
        let (encoder, footer) = open.encoder.finish().await?;
        let mut open = OpenFile { encoder, ..open };
        open.flush().await?;
        let size = open.encoder.bytes();
        let OpenFile { location, mut output, .. } = open;
        // Closing waits for the disk.
        let closed = tokio::task::spawn_blocking(move || futures::executor::block_on(output.close()));
        closed.await.map_err(error::join)?.map_err(error::iceberg("finishing a data file"))?;
        self.done.push(self.entry(partition, location, size, &footer)?);
        Ok(())
    }

    fn entry(&self, partition: &Struct, location: String, size: usize, footer: &ParquetMetaData) -> Result<DataFile> {
        let mut entry = DataFileBuilder::default();
        entry
            .content(DataContentType::Data)
            .file_path(location)
            .file_format(DataFileFormat::Parquet)
            .partition(partition.clone())
            .partition_spec_id(self.layout.spec.spec_id())
            .file_size_in_bytes(size as u64);
        if let Some(order) = i32::try_from(self.layout.order.order_id).ok().filter(|order| *order != 0) {
            entry.sort_order_id(order);
        }
        metrics::describe(footer, &self.schema, &mut entry);
        entry.build().map_err(|error| Error::internal(format!("a data file's entry is incomplete: {error}")))
    }
}

impl OpenFile {
    async fn write(self, batch: RecordBatch) -> Result<Self> {
        let mut file = Self { encoder: self.encoder.write(batch).await?, ..self };
        if file.encoder.ready().bytes() >= FLUSH_BYTES {
            file.flush().await?;
        }
        Ok(file)
    }

    async fn flush(&mut self) -> Result<()> {
        for chunk in std::mem::take(self.encoder.ready()).into_chunks() {
            self.output.write(chunk.into()).await.map_err(error::iceberg("writing a data file"))?;
        }
        Ok(())
    }
}

/// Rows in a table's order.
fn sorted(
    arrow: &ArrowSchemaRef,
    schema: &SchemaRef,
    order: &SortOrder,
    batches: &[RecordBatch],
) -> Result<RecordBatch> {
    let failed = |error: arrow_schema::ArrowError| Error::internal(format!("rows cannot be sorted: {error}"));
    let all = concat_batches(arrow, batches).map_err(failed)?;
    let fields = schema.as_struct().fields();
    let mut columns = Vec::with_capacity(order.fields.len());
    for field in &order.fields {
        // Orders of other writers may be by a part of a column, or by more than its value: those files are unsorted.
        let Some(index) = fields.iter().position(|column| column.id == field.source_id) else { continue };
        let function =
            iceberg::transform::create_transform_function(&field.transform).map_err(error::iceberg("sorting rows"))?;
        let values = function.transform(Arc::clone(all.column(index))).map_err(error::iceberg("sorting rows"))?;
        let options = SortOptions {
            descending: field.direction == SortDirection::Descending,
            nulls_first: field.null_order == NullOrder::First,
        };
        columns.push(SortColumn { values, options: Some(options) });
    }
    if columns.is_empty() {
        return Ok(all);
    }
    let indices = lexsort_to_indices(&columns, None).map_err(failed)?;
    take_record_batch(&all, &indices).map_err(failed)
}
