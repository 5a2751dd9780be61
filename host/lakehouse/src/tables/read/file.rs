//! The rows of one Parquet file.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use asgard_contract::{Error, Result};
use datafusion::arrow::compute::filter_record_batch;
use futures::stream::{BoxStream, StreamExt as _};
use iceberg::arrow::ArrowFileReader;
use iceberg::io::{FileIO, FileMetadata};
use iceberg::spec::NameMapping;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use super::deletes::EqualityDeletes;
use super::shape;
use crate::error;

/// What of a file is read, and how.
pub(super) struct Request {
    pub(super) location: String,
    pub(super) size: u64,
    /// Columns with their ids, in the table's types.
    pub(super) fields: Fields,
    /// Values of columns that the file may lack, by id: those of its partition.
    pub(super) constants: Arc<HashMap<i32, ArrayRef>>,
    /// For files without ids.
    pub(super) name_mapping: Option<Arc<NameMapping>>,
    /// Rows that are gone, in order.
    pub(super) positions: Vec<u64>,
    pub(super) equality: Vec<Arc<EqualityDeletes>>,
}

type Rows = BoxStream<'static, Result<RecordBatch>>;

/// Rows of a file as they are in it, by ids alone.
pub(super) async fn plain_rows(io: &FileIO, location: &str, size: u64, fields: &[FieldRef]) -> Result<Rows> {
    let request = Request {
        location: location.to_owned(),
        size,
        fields: fields.iter().cloned().collect(),
        constants: Arc::default(),
        name_mapping: None,
        positions: Vec::new(),
        equality: Vec::new(),
    };
    rows(io, request).await
}

/// Where the values of a column come from.
enum Source {
    /// A column of what is read, as this field.
    Read(usize, FieldRef),
    Constant(ArrayRef),
    Null,
}

/// Opens a file.
///
/// # Errors
/// `unsupported` for a file that cannot be read as the table's; those of storage and Parquet.
pub(super) async fn rows(io: &FileIO, request: Request) -> Result<Rows> {
    let location = request.location.clone();
    let opening = || format!("opening `{location}`");
    let input = io.new_input(&location).map_err(error::iceberg(opening()))?;
    let reader = input.reader().await.map_err(error::iceberg(opening()))?;
    let mut reader = ArrowFileReader::new(FileMetadata { size: request.size }, reader);
    // What another writer's Arrow thought of the columns does not count: the ids and Parquet's own types do.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load_async(&mut reader, options).await.map_err(error::parquet(opening()))?;
    let had = with_ids(metadata.schema().fields(), request.name_mapping.as_deref(), &location)?;

    let mut wanted: Vec<FieldRef> = request.fields.iter().cloned().collect();
    for field in request.equality.iter().flat_map(|deletes| &deletes.fields) {
        if !wanted.iter().any(|known| is_column(known, field)) {
            wanted.push(Arc::clone(field));
        }
    }
    let mut roots: Vec<usize> = wanted.iter().filter_map(|field| shape::position(&had, shape::id_of(field)?)).collect();
    roots.sort_unstable();
    roots.dedup();
    let sources = wanted
        .iter()
        .map(|field| source(field, &had, &roots, &request).map_err(|why| unreadable(&location, &why)))
        .collect::<Result<Vec<_>>>()?;

    let total: i64 = metadata.metadata().row_groups().iter().map(|group| group.num_rows()).sum();
    let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
    if !request.positions.is_empty() {
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        builder = builder.with_row_selection(selection(&request.positions, total));
    }
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let stream = builder.with_projection(mask).build().map_err(error::parquet(opening()))?;
    let shaping = Shaping { wanted, sources, shown: request.fields.len(), equality: request.equality };
    let target = Arc::new(Schema::new(request.fields));
    Ok(stream
        .map(move |batch| {
            let batch = batch.map_err(error::parquet(format_args!("reading `{location}`")))?;
            shaping.shape(&batch, &target).map_err(|error| match error {
                Shaped::Arrow(error) => unreadable(&location, &error.to_string()),
                Shaped::Told(error) => error,
            })
        })
        .boxed())
}

/// An older snapshot may show a column in a narrower type than its deletes are compared in.
fn is_column(known: &FieldRef, wanted: &FieldRef) -> bool {
    shape::id_of(known) == shape::id_of(wanted) && known.data_type() == wanted.data_type()
}

fn unreadable(location: &str, why: &str) -> Error {
    Error::unsupported(format!("the data file `{location}` cannot be read: {why}"))
}

fn with_ids(fields: &Fields, mapping: Option<&NameMapping>, location: &str) -> Result<Fields> {
    if shape::has_ids(fields) || fields.is_empty() {
        return Ok(fields.clone());
    }
    let Some(mapping) = mapping else {
        return Err(unreadable(
            location,
            "its columns have no field ids, and the table has no `schema.name-mapping.default` to find them by",
        ));
    };
    if let Some(nested) = fields.iter().find(|field| field.data_type().is_nested()) {
        let why = format!("column `{}` is nested and its fields have no field ids", nested.name());
        return Err(unreadable(location, &why));
    }
    let ids = mapping
        .fields()
        .iter()
        .filter_map(|field| Some((field.field_id()?, field.names())))
        .flat_map(|(id, names)| names.iter().map(move |name| (name.clone(), id)))
        .collect();
    Ok(shape::named(fields, &ids))
}

fn source(wanted: &FieldRef, had: &Fields, roots: &[usize], request: &Request) -> std::result::Result<Source, String> {
    let id = shape::id_of(wanted);
    let found = id.and_then(|id| shape::position(had, id));
    if let Some(index) = found
        && let Ok(read) = roots.binary_search(&index)
    {
        return match shape::refusal(&had[index], wanted) {
            None => Ok(Source::Read(read, Arc::clone(&had[index]))),
            Some(why) if matches!(had[index].data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _)) => {
                Err(format!("{why}: times are read to the microsecond, and not from INT96"))
            }
            Some(why) => Err(why),
        };
    }
    match id.and_then(|id| request.constants.get(&id)) {
        Some(value) => {
            let from = Field::new(wanted.name(), value.data_type().clone(), true);
            let value = shape::reshape(value, &from, wanted).map_err(|error| error.to_string())?;
            Ok(Source::Constant(value))
        }
        None if wanted.is_nullable() => Ok(Source::Null),
        None => Err(format!("column `{}` is required and the file lacks it", wanted.name())),
    }
}

/// The rows that stay.
fn selection(gone: &[u64], total: usize) -> RowSelection {
    let mut kept: Vec<Range<usize>> = Vec::with_capacity(gone.len() + 1);
    let mut from = 0;
    for row in gone.iter().map(|row| usize::try_from(*row).unwrap_or(usize::MAX)).filter(|row| *row < total) {
        if row > from {
            kept.push(from..row);
        }
        from = row + 1;
    }
    if from < total {
        kept.push(from..total);
    }
    RowSelection::from_consecutive_ranges(kept.into_iter(), total)
}

struct Shaping {
    /// Columns that are shown, and behind them those that only equality deletes look at.
    wanted: Vec<FieldRef>,
    sources: Vec<Source>,
    shown: usize,
    equality: Vec<Arc<EqualityDeletes>>,
}

enum Shaped {
    Arrow(arrow_schema::ArrowError),
    Told(Error),
}

impl From<arrow_schema::ArrowError> for Shaped {
    fn from(error: arrow_schema::ArrowError) -> Self {
        Self::Arrow(error)
    }
}

impl Shaping {
    fn shape(&self, batch: &RecordBatch, target: &SchemaRef) -> std::result::Result<RecordBatch, Shaped> {
        let rows = batch.num_rows();
        let mut columns = Vec::with_capacity(self.wanted.len());
        for (field, source) in self.wanted.iter().zip(&self.sources) {
            columns.push(match source {
                Source::Read(index, from) => shape::reshape(batch.column(*index), from, field)?,
                Source::Constant(value) => {
                    let indices = arrow_array::UInt32Array::from(vec![0; rows]);
                    datafusion::arrow::compute::take(value, &indices, None)?
                }
                Source::Null => new_null_array(field.data_type(), rows),
            });
        }
        let kept = self.kept(&columns, rows).map_err(Shaped::Told)?;
        columns.truncate(self.shown);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(target), columns, &options)?;
        Ok(match kept {
            Some(kept) => filter_record_batch(&batch, &kept)?,
            None => batch,
        })
    }

    fn kept(&self, columns: &[ArrayRef], rows: usize) -> Result<Option<BooleanArray>> {
        if self.equality.is_empty() {
            return Ok(None);
        }
        let mut kept = vec![true; rows];
        for deletes in &self.equality {
            let compared: Vec<ArrayRef> = deletes
                .fields
                .iter()
                .filter_map(|field| {
                    let position = self.wanted.iter().position(|known| is_column(known, field))?;
                    Some(Arc::clone(&columns[position]))
                })
                .collect();
            deletes.mark(&compared, &mut kept)?;
        }
        Ok(Some(kept.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_gone_are_left_out_of_the_selection() {
        for (gone, total, kept) in [
            (vec![0, 1, 4], 6, vec![2, 3, 5]),
            (vec![5], 6, vec![0, 1, 2, 3, 4]),
            (vec![0, 1, 2], 3, vec![]),
            (vec![7], 3, vec![0, 1, 2]),
        ] {
            let (mut found, mut at) = (Vec::new(), 0);
            for part in selection(&gone, total).iter() {
                if !part.skip {
                    found.extend(at..at + part.row_count);
                }
                at += part.row_count;
            }
            assert_eq!(found, kept, "{gone:?}");
        }
    }
}
