//! Rows to Parquet, on as many cores as the machine has: a file's columns are encoded beside each other, and while they are the next
//! rows are made.
//!
//! Encoding is work for a processor, so it runs beside the asynchronous tasks. A file that is open holds one row group and the rows
//! that are being encoded.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef as ArrowSchemaRef;
use asgard_contract::Result;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use tokio::task::JoinHandle;

use super::chunks::Chunks;
use crate::error;

/// A row group is held in memory while it is written, and is the unit that readers skip by.
const GROUP_BYTES: usize = 16 << 20;

const GROUP_ROWS: usize = 1 << 20;

/// For fewer rows than this, threads that are woken cost more than they save.
const ROWS_FOR_MANY: usize = 1024;

/// Encodes the rows of one file. Boxed, since it goes from thread to thread.
pub(super) struct Encoder {
    file: SerializedFileWriter<Chunks>,
    groups: ArrowRowGroupWriterFactory,
    arrow: ArrowSchemaRef,
    /// Of the row group that is open.
    rows: usize,
    /// The same, encoded; without the rows that are being encoded.
    group_bytes: usize,
    columns: Columns,
}

/// Of the row group that is open.
enum Columns {
    /// No group is open.
    None,
    Ready(Vec<Column>),
    Busy(Working<Column>),
}

/// A column of a schema: as many columns of Parquet as its type has leaves.
type Column = Vec<ArrowColumnWriter>;

impl Encoder {
    /// # Errors
    /// `internal` for a type that Parquet has nothing for.
    pub(super) fn new(arrow: &ArrowSchemaRef) -> Result<Box<Self>> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("asgard version ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        // Without Arrow's own schema beside it, the file reads the same whoever wrote it.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let (file, groups) = ArrowWriter::try_new_with_options(Chunks::default(), Arc::clone(arrow), options)
            .and_then(ArrowWriter::into_serialized_writer)
            .map_err(error::parquet("opening a data file"))?;
        let arrow = Arc::clone(arrow);
        Ok(Box::new(Self { file, groups, arrow, rows: 0, group_bytes: 0, columns: Columns::None }))
    }

    /// Begins to encode rows of the schema. What fails with them may be told by the next call.
    ///
    /// # Errors
    /// `internal` for rows that cannot be encoded.
    pub(super) async fn write(mut self: Box<Self>, mut rows: RecordBatch) -> Result<Box<Self>> {
        while rows.num_rows() > 0 {
            self.settle().await?;
            let taken = self.room().min(rows.num_rows());
            if taken == 0 {
                self = self.end_group().await?;
                continue;
            }
            self.begin(&rows.slice(0, taken))?;
            rows = rows.slice(taken, rows.num_rows() - taken);
        }
        Ok(self)
    }

    /// Waits for the rows that are being encoded.
    ///
    /// # Errors
    /// `internal` for rows that cannot be encoded.
    pub(super) async fn settle(&mut self) -> Result<()> {
        if let Columns::Busy(working) = &mut self.columns {
            let columns = working.results().await?;
            self.group_bytes = columns.iter().flatten().map(ArrowColumnWriter::get_estimated_total_bytes).sum();
            self.columns = Columns::Ready(columns);
        }
        Ok(())
    }

    /// Of the whole file as far as it is encoded: what is in the open row group is an estimate.
    pub(super) fn bytes(&self) -> usize {
        self.file.bytes_written() + self.group_bytes
    }

    /// That are in memory.
    pub(super) fn held(&self) -> usize {
        self.file.inner().bytes() + self.group_bytes
    }

    /// That are encoded and nobody has taken.
    pub(super) fn ready(&mut self) -> &mut Chunks {
        self.file.inner_mut()
    }

    /// Ends the file. The last of its bytes are ready afterwards.
    ///
    /// # Errors
    /// `internal` for rows that could not be encoded.
    pub(super) async fn finish(mut self: Box<Self>) -> Result<(Box<Self>, ParquetMetaData)> {
        self = self.end_group().await?;
        let (encoder, footer) = beside(move || {
            let footer = self.file.finish();
            (self, footer)
        })
        .await?;
        Ok((encoder, footer.map_err(error::parquet("finishing a data file"))?))
    }

    /// The rows that the open group has room for, by the size of those that it has.
    fn room(&self) -> usize {
        let rows = GROUP_ROWS.saturating_sub(self.rows);
        match self.group_bytes.checked_div(self.rows) {
            None | Some(0) => rows,
            Some(of_a_row) => rows.min(GROUP_BYTES.saturating_sub(self.group_bytes) / of_a_row),
        }
    }

    /// Nothing may be at work.
    fn begin(&mut self, rows: &RecordBatch) -> Result<()> {
        let columns = match std::mem::replace(&mut self.columns, Columns::None) {
            Columns::Ready(columns) => columns,
            _ => self.open_group()?,
        };
        let work = columns.into_iter().zip(self.arrow.fields().iter().cloned().zip(rows.columns().to_vec())).collect();
        let threads = if rows.num_rows() < ROWS_FOR_MANY { 1 } else { asgard_threads::cores() };
        self.rows += rows.num_rows();
        self.columns = Columns::Busy(Working::start(work, threads, |(mut column, (field, values)): (Column, _)| {
            for (writer, leaf) in column.iter_mut().zip(compute_leaves(&field, &values)?) {
                writer.write(&leaf)?;
            }
            Ok(column)
        }));
        Ok(())
    }

    fn open_group(&self) -> Result<Vec<Column>> {
        let leaves = self.groups.create_column_writers(self.file.flushed_row_groups().len());
        let leaves = leaves.map_err(error::parquet("opening a row group"))?;
        let schema = self.file.schema_descr();
        let mut columns: Vec<Column> = self.arrow.fields().iter().map(|_| Column::new()).collect();
        for (at, leaf) in leaves.into_iter().enumerate() {
            columns[schema.get_column_root_idx(at)].push(leaf);
        }
        Ok(columns)
    }

    async fn end_group(mut self: Box<Self>) -> Result<Box<Self>> {
        self.settle().await?;
        let Columns::Ready(columns) = std::mem::replace(&mut self.columns, Columns::None) else { return Ok(self) };
        let leaves = columns.into_iter().flatten().collect();
        let mut closing = Working::start(leaves, asgard_threads::cores(), ArrowColumnWriter::close);
        let chunks = closing.results().await?;
        (self.rows, self.group_bytes) = (0, 0);
        let (encoder, appended) = beside(move || {
            let appended = self.append(chunks);
            (self, appended)
        })
        .await?;
        appended.map_err(error::parquet("ending a row group"))?;
        Ok(encoder)
    }

    fn append(&mut self, chunks: Vec<ArrowColumnChunk>) -> std::result::Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close().map(|_| ())
    }
}

async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(error::join)
}

/// Work on some things, each by itself, on several threads.
struct Working<R> {
    threads: Vec<JoinHandle<Done<R>>>,
}

/// Of one thread: the results with the places of their things.
type Done<R> = std::result::Result<Vec<(usize, R)>, ParquetError>;

impl<R: Send + 'static> Working<R> {
    fn start<T: Send + 'static>(
        things: Vec<T>,
        threads: usize,
        work: impl Fn(T) -> std::result::Result<R, ParquetError> + Copy + Send + 'static,
    ) -> Self {
        let threads = threads.min(things.len());
        // A thread that is done with a small thing takes the next.
        let things = Arc::new(Mutex::new(things.into_iter().enumerate()));
        let thread = |_| {
            let things = Arc::clone(&things);
            tokio::task::spawn_blocking(move || {
                let next = || things.lock().unwrap_or_else(PoisonError::into_inner).next();
                let done = std::iter::from_fn(next).map(|(at, thing)| Ok((at, work(thing)?)));
                done.collect::<Done<R>>()
            })
        };
        Self { threads: (0..threads).map(thread).collect() }
    }

    /// In the order of the things.
    async fn results(&mut self) -> Result<Vec<R>> {
        let mut results = Vec::new();
        for thread in self.threads.drain(..) {
            let done: Result<Vec<_>> = match thread.await {
                Ok(done) => done.map_err(error::parquet("encoding rows")),
                Err(error) => Err(error::join(error)),
            };
            results.extend(done?);
        }
        results.sort_unstable_by_key(|(at, _)| *at);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array, ListArray, StringArray, StructArray, types::Int64Type};
    use arrow_schema::{DataType, Field, Schema};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    /// Wide enough for several row groups; columns of one leaf and of several.
    fn rows(from: i64, count: i64) -> RecordBatch {
        let ids: ArrayRef = Arc::new((from..from + count).collect::<Int64Array>());
        // Nothing that is compressed to little.
        let mut noise = from.unsigned_abs() | 1;
        let mut word = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:08x}", noise >> 32)
        };
        let texts = (0..count).map(|_| Some((0..50).map(|_| word()).collect::<String>()));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let lists = (from..from + count).map(|n| (n % 7 != 0).then(|| vec![Some(n), None, Some(-n)]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists));
        let pair = StructArray::from(vec![
            (Arc::new(Field::new("a", DataType::Int64, true)), Arc::clone(&ids)),
            (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::clone(&texts)),
        ]);
        let columns: [(&str, ArrayRef); 4] = [("id", ids), ("text", texts), ("list", lists), ("pair", Arc::new(pair))];
        let fields: Vec<Field> =
            columns.iter().map(|(name, values)| Field::new(*name, values.data_type().clone(), true)).collect();
        let values = columns.into_iter().map(|(_, values)| values).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), values).unwrap()
    }

    #[tokio::test]
    async fn rows_come_back_in_order_and_row_groups_keep_to_their_size() {
        let batches: Vec<RecordBatch> = (0..12).map(|n| rows(n * 5000, 5000)).chain([rows(60_000, 3)]).collect();
        let mut encoder = Encoder::new(&batches[0].schema()).unwrap();
        for batch in &batches {
            encoder = encoder.write(batch.clone()).await.unwrap();
        }
        let (mut encoder, footer) = encoder.finish().await.unwrap();
        let bytes = std::mem::take(encoder.ready()).into_chunks().concat();
        assert_eq!(bytes.len(), encoder.bytes());
        assert!(footer.num_row_groups() > 1);
        assert_eq!(footer.file_metadata().num_rows(), 60_003);
        for group in footer.row_groups() {
            let bytes = group.compressed_size() as usize;
            assert!(bytes < GROUP_BYTES + GROUP_BYTES / 4, "{bytes}");
        }
        let read = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
        let read: Vec<RecordBatch> = read.map(std::result::Result::unwrap).collect();
        let together = |batches: &[RecordBatch]| {
            datafusion::arrow::compute::concat_batches(&batches[0].schema(), batches).unwrap()
        };
        let (read, written) = (together(&read), together(&batches));
        assert_eq!(read.columns(), written.columns());
    }
}
