//! A Parquet file: its columns, and its rows as Arrow.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Time64NanosecondType,
    TimestampNanosecondType, UInt64Type,
};
use arrow_array::{
    Array as _, ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, FieldRef, Fields, TimeUnit};
use asgard_sdk::{Column, Error};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowGroups};
use parquet::arrow::{FieldLevels, parquet_to_arrow_field_levels};
use parquet::basic::{LogicalType, Type as PhysicalType};
use parquet::column::page::PageIterator;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use super::chunks::Chunks;
use super::pages::ChunkPages;
use super::types::{iceberg, widest};
use crate::columns::nothing;
use crate::configuration::{FILE_COLUMN, LINE_COLUMN};
use crate::fault::Fault;
use crate::location::Source;

/// What a batch of rows may take, about.
const BATCH_BYTES: i64 = 4 << 20;
const BATCH_ROWS: i64 = 16_384;

/// An open file.
pub struct File {
    chunks: Chunks,
    metadata: Arc<ParquetMetaData>,
    levels: FieldLevels,
    columns: Vec<Column>,
    /// The row group that is read next.
    group: usize,
    reader: Option<ParquetRecordBatchReader>,
    /// Rows before the next batch.
    rows: u64,
}

impl File {
    /// Reads the file's footer.
    ///
    /// # Errors
    /// A file that is no Parquet, truncated or encrypted; a column without a counterpart; those of the location.
    pub fn open(source: Arc<dyn Source>) -> Result<Self, Fault> {
        let size = source.size();
        let chunks = Chunks::new(source);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&chunks).map_err(|error| match told(error) {
            Fault::Content(why) => Fault::content(format!(
                "it is no whole Parquet file ({size} bytes): {why}. Was it truncated, or is it another format?"
            )),
            location => location,
        })?;
        let metadata = Arc::new(metadata);
        let arrow = ArrowReaderMetadata::try_new(Arc::clone(&metadata), ArrowReaderOptions::new()).map_err(told)?;
        let hint = hinted(arrow.schema().fields(), &metadata);
        let descriptor = metadata.file_metadata().schema_descr();
        let levels = parquet_to_arrow_field_levels(descriptor, ProjectionMask::all(), Some(&hint)).map_err(told)?;
        let mut columns: Vec<Column> = Vec::with_capacity(hint.len());
        for (index, field) in hint.iter().enumerate() {
            if columns.iter().any(|column| column.name == *field.name()) {
                return Err(Fault::content(format!("two of its columns are called `{}`", field.name())));
            }
            let is_uuid =
                descriptor.root_schema().get_fields().get(index).is_some_and(|parquet| {
                    matches!(parquet.get_basic_info().logical_type_ref(), Some(LogicalType::Uuid))
                });
            let data_type = if is_uuid && *field.data_type() == DataType::FixedSizeBinary(16) {
                "uuid".to_owned()
            } else {
                iceberg(field).map_err(|found| {
                    Fault::content(format!("column `{}` has a type that tables cannot hold: {found}", field.name()))
                })?
            };
            columns.push(Column::new(field.name(), data_type));
        }
        Ok(Self { chunks, metadata, levels, columns, group: 0, reader: None, rows: 0 })
    }

    /// The columns, with the types that tables have for them.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of rows.
    pub fn row_count(&self) -> u64 {
        self.metadata.file_metadata().num_rows().max(0).unsigned_abs()
    }

    /// Goes on with a row group.
    pub fn skip_to(&mut self, group: usize) {
        let before = self.metadata.row_groups().iter().take(group);
        self.rows = before.map(|group| group.num_rows().max(0).unsigned_abs()).sum();
        (self.group, self.reader) = (group, None);
    }

    /// The row group that comes next, where one has just ended.
    pub fn between_groups(&self) -> Option<usize> {
        (self.reader.is_none() && self.group < self.metadata.num_row_groups()).then_some(self.group)
    }

    /// The next rows; none at the end of a row group, with `true` at the end of the file.
    ///
    /// # Errors
    /// Pages that cannot be read; those of the location.
    pub fn advance(&mut self) -> Result<Next, Fault> {
        if self.reader.is_none() {
            if self.group >= self.metadata.num_row_groups() {
                return Ok(Next::End);
            }
            let group = self.metadata.row_group(self.group);
            let per_row = (group.total_byte_size() / group.num_rows().max(1)).max(1);
            let batch = usize::try_from((BATCH_BYTES / per_row).clamp(1, BATCH_ROWS)).unwrap_or(1);
            let rows = Group { chunks: &self.chunks, metadata: &self.metadata, group };
            let reader = ParquetRecordBatchReader::try_new_with_row_groups(&self.levels, &rows, batch, None);
            self.reader = Some(reader.map_err(|error| self.in_group(error))?);
        }
        match self.reader.as_mut().and_then(Iterator::next) {
            Some(Ok(batch)) => {
                let first = self.rows + 1;
                self.rows += batch.num_rows() as u64;
                Ok(Next::Rows { batch, first })
            }
            Some(Err(error)) => Err(self.in_group(ParquetError::from(error))),
            None => {
                self.reader = None;
                self.group += 1;
                Ok(Next::GroupEnd)
            }
        }
    }

    fn in_group(&self, error: ParquetError) -> Fault {
        match told(error) {
            Fault::Content(why) => Fault::content(format!("row group {}: {why}", self.group)),
            location => location,
        }
    }
}

/// What a file gives.
pub enum Next {
    /// Rows, of which the first has this number, from 1.
    Rows {
        batch: RecordBatch,
        first: u64,
    },
    GroupEnd,
    End,
}

/// Rows with the stream's columns, in their order: what the file has not is null.
///
/// # Errors
/// A value that its column cannot hold.
pub fn aligned(
    batch: &RecordBatch,
    columns: &[Column],
    file: Option<&str>,
    first: u64,
) -> Result<Vec<(String, ArrayRef)>, Fault> {
    let rows = batch.num_rows();
    let one = |column: &Column| {
        let array: ArrayRef = match (file, column.name.as_str()) {
            (Some(file), FILE_COLUMN) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(file, rows))),
            (Some(_), LINE_COLUMN) => {
                Arc::new(Int64Array::from_iter_values((first..).take(rows).map(u64::cast_signed)))
            }
            _ => match batch.column_by_name(&column.name) {
                Some(array) => held(array),
                None => nothing(rows),
            },
        };
        Ok((column.name.clone(), array))
    };
    columns.iter().map(one).collect()
}

/// Types that the host's tables take as others. By hand: the crate that casts any type to any other is larger than all the rest.
fn held(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::UInt64 => {
            let values: Decimal128Array = array.as_primitive::<UInt64Type>().unary(i128::from);
            Arc::new(values.with_data_type(DataType::Decimal128(20, 0)))
        }
        DataType::Decimal32(precision, scale) if is_beyond(*precision, *scale) => digits::<Decimal32Type>(array),
        DataType::Decimal64(precision, scale) if is_beyond(*precision, *scale) => digits::<Decimal64Type>(array),
        DataType::Decimal128(precision, scale) if is_beyond(*precision, *scale) => digits::<Decimal128Type>(array),
        DataType::Decimal256(precision, scale) if is_beyond(*precision, *scale) => digits::<Decimal256Type>(array),
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            let values: TimestampMicrosecondArray =
                array.as_primitive::<TimestampNanosecondType>().unary(|nanoseconds| nanoseconds.div_euclid(1000));
            Arc::new(values.with_timezone_opt(zone.clone()))
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            let values: Time64MicrosecondArray =
                array.as_primitive::<Time64NanosecondType>().unary(|nanoseconds| nanoseconds / 1000);
            Arc::new(values)
        }
        _ => Arc::clone(array),
    }
}

/// Whether tables have no such decimal.
fn is_beyond(precision: u8, scale: i8) -> bool {
    precision > 38 || scale < 0 || scale.unsigned_abs() > precision
}

/// Decimals as text.
fn digits<T: DecimalType>(array: &ArrayRef) -> ArrayRef {
    let decimals = array.as_primitive::<T>();
    let text = |row: usize| decimals.is_valid(row).then(|| decimals.value_as_string(row));
    Arc::new((0..decimals.len()).map(text).collect::<StringArray>())
}

/// The stream's columns with those of the file that it has not yet; none where nothing is new.
///
/// # Errors
/// A column of a type that the stream's does not hold.
pub fn extended(columns: &[Column], file: &[Column]) -> Result<Option<Vec<Column>>, Fault> {
    let mut all = columns.to_vec();
    for found in file {
        match columns.iter().find(|column| column.name == found.name) {
            None => all.push(found.clone()),
            Some(known) if widest(&known.data_type, &found.data_type).as_deref() == Some(&known.data_type) => {}
            Some(known) => {
                return Err(Fault::content(format!(
                    "column `{}` is {} here and {} in the stream: put the file into a stream of its own, or \
                     POST /ingestion/{{id}}/reset if all files have the new type",
                    found.name, found.data_type, known.data_type
                )));
            }
        }
    }
    Ok((all.len() > columns.len()).then_some(all))
}

/// The Arrow types to read as: timestamps of the old form (INT96) by microseconds, since nanoseconds end in 2262.
fn hinted(fields: &Fields, metadata: &ParquetMetaData) -> Fields {
    let parquet = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let one = |(index, field): (usize, &FieldRef)| -> FieldRef {
        let old = parquet
            .get(index)
            .is_some_and(|column| column.is_primitive() && column.get_physical_type() == PhysicalType::INT96);
        if !old {
            return Arc::clone(field);
        }
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, None);
        Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
    };
    fields.iter().enumerate().map(one).collect()
}

/// The location's error, if it is one; else what the crate says.
fn told(error: ParquetError) -> Fault {
    let error = match error {
        ParquetError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => return Fault::Location(*error),
            Err(inner) => match inner.downcast::<std::io::Error>() {
                Ok(error) => return Fault::from(*error),
                Err(inner) => inner.to_string(),
            },
        },
        ParquetError::EOF(what) => format!("it ends too early ({what})"),
        ParquetError::General(what) | ParquetError::NYI(what) | ParquetError::ArrowError(what) => what,
        other => other.to_string(),
    };
    Fault::Content(error)
}

/// One row group.
struct Group<'a> {
    chunks: &'a Chunks,
    metadata: &'a ParquetMetaData,
    group: &'a RowGroupMetaData,
}

impl RowGroups for Group<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group.num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> parquet::errors::Result<Box<dyn PageIterator>> {
        Ok(Box::new(ChunkPages::new(self.chunks, self.group.column(column))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.metadata
    }
}
