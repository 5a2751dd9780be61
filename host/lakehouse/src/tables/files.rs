//! Data files: Parquet with field ids, of a sensible size, with what manifests say about them.
//!
//! Encoding is work for a processor, so it runs beside the asynchronous tasks; memory is bounded by one row group.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef as ArrowSchemaRef;
use asgard_contract::{Error, Result};
use iceberg::io::{FileIO, FileWrite};
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, SchemaRef, Struct};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;

use super::metrics;
use super::undo::Uncommitted;
use crate::{error, types};

/// Large enough that a table of millions of rows is a handful of files, small enough that a merge rewrites little.
const FILE_BYTES: usize = 128 << 20;

/// A row group is held in memory while it is written, and is the unit that readers skip by.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// Encoded bytes that are collected before they are handed to storage.
const FLUSH_BYTES: usize = 1 << 20;

/// Writes rows of one schema to as many files as it takes.
pub(crate) struct FileWriter {
    io: FileIO,
    /// URL of the folder.
    folder: String,
    prefix: String,
    schema: SchemaRef,
    arrow: ArrowSchemaRef,
    /// Behind a lock only because Parquet's encoder cannot be shared between threads; it never is.
    open: Mutex<Option<Open>>,
    done: Vec<DataFile>,
    written: Uncommitted,
}

struct Open {
    location: String,
    encoder: ArrowWriter<Vec<u8>>,
    output: Box<dyn FileWrite>,
}

/// Files that are written and in no table yet.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) files: Vec<DataFile>,
    pub(crate) undo: Uncommitted,
}

impl Written {
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(DataFile::record_count).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(DataFile::file_size_in_bytes).sum()
    }
}

impl FileWriter {
    /// Writes below `location/data`, to files whose names start with `prefix`.
    pub(crate) fn new(io: FileIO, location: &str, prefix: &str, schema: SchemaRef) -> Self {
        let arrow = types::to_arrow(&schema);
        let folder = format!("{location}/data");
        let (prefix, done) = (prefix.to_owned(), Vec::new());
        Self { io, folder, prefix, schema, arrow, open: Mutex::default(), done, written: Uncommitted::default() }
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
        let mut open = match self.open_file().take() {
            Some(open) => open,
            None => self.start().await?,
        };
        let (returned, encoded) = tokio::task::spawn_blocking(move || {
            let encoded = open.encoder.write(&batch);
            (open, encoded)
        })
        .await
        .map_err(error::join)?;
        encoded.map_err(error::parquet("encoding rows"))?;
        open = returned;
        if open.encoder.inner().len() >= FLUSH_BYTES {
            open.flush().await?;
        }
        if open.encoder.bytes_written() + open.encoder.in_progress_size() >= FILE_BYTES {
            self.finish_file(open).await?;
        } else {
            *self.open_file() = Some(open);
        }
        Ok(())
    }

    /// Closes the last file. No rows, no file.
    pub(crate) async fn finish(mut self) -> Result<Written> {
        if let Some(open) = self.open_file().take() {
            self.finish_file(open).await?;
        }
        Ok(Written { files: self.done, undo: self.written })
    }

    fn open_file(&mut self) -> &mut Option<Open> {
        self.open.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    async fn start(&mut self) -> Result<Open> {
        let location = format!("{}/{}-{}.parquet", self.folder, self.prefix, uuid::Uuid::now_v7().simple());
        self.written.add(location.clone());
        let output = self.io.new_output(&location).map_err(error::iceberg("opening a data file"))?;
        let output = output.writer().await.map_err(error::iceberg("opening a data file"))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_created_by(concat!("asgard version ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        // Without Arrow's own schema beside it, the file reads the same whoever wrote it.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let encoder = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&self.arrow), options)
            .map_err(error::parquet("opening a data file"))?;
        Ok(Open { location, encoder, output })
    }

    async fn finish_file(&mut self, mut open: Open) -> Result<()> {
        let (mut open, footer) = tokio::task::spawn_blocking(move || {
            let footer = open.encoder.finish();
            (open, footer)
        })
        .await
        .map_err(error::join)?;
        let footer = footer.map_err(error::parquet("finishing a data file"))?;
        open.flush().await?;
        let size = open.encoder.bytes_written();
        let Open { location, mut output, .. } = open;
        // Closing waits for the disk.
        let closed = tokio::task::spawn_blocking(move || futures::executor::block_on(output.close()));
        closed.await.map_err(error::join)?.map_err(error::iceberg("finishing a data file"))?;
        self.done.push(self.entry(location, size, &footer)?);
        Ok(())
    }

    fn entry(&self, location: String, size: usize, footer: &ParquetMetaData) -> Result<DataFile> {
        let mut entry = DataFileBuilder::default();
        entry
            .content(DataContentType::Data)
            .file_path(location)
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .file_size_in_bytes(size as u64);
        metrics::describe(footer, &self.schema, &mut entry);
        entry.build().map_err(|error| Error::internal(format!("a data file's entry is incomplete: {error}")))
    }
}

impl Open {
    async fn flush(&mut self) -> Result<()> {
        let encoded = std::mem::take(self.encoder.inner_mut());
        if encoded.is_empty() {
            return Ok(());
        }
        self.output.write(encoded.into()).await.map_err(error::iceberg("writing a data file"))
    }
}
