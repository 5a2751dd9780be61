//! Reading data files: of any schema that the table ever had, of any partition, less the rows that are marked as deleted.
//!
//! One file after the other, in the order that is asked for. The engine reads most files by its own scan, which is parallel
//! and skips row groups; this one reads every file, and is what merges and compaction are made of.

mod deletes;
mod file;
pub(crate) mod shape;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Float32Array, Float64Array, RecordBatch};
use arrow_schema::{DataType, Fields};
use asgard_contract::{Error, Result};
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use iceberg::io::FileIO;
use iceberg::spec::{
    DataFile, Literal, NameMapping, PartitionSpec, PrimitiveLiteral, Schema, Struct, TableMetadata, Transform,
};

use super::metrics;
use crate::types::arrow_field_of;

pub(crate) use deletes::{DeleteFile, applying, of_snapshot as deletes_of};

/// Files without field ids are read by the names in this property.
const NAME_MAPPING: &str = "schema.name-mapping.default";

/// A data file as it is to be read.
#[derive(Debug, Clone)]
pub(crate) struct ScanFile {
    pub(crate) location: String,
    pub(crate) size: u64,
    pub(crate) deletes: Vec<Arc<DeleteFile>>,
    /// Values of partition columns, by id: files of imported tables may lack the columns themselves.
    constants: Arc<HashMap<i32, ArrayRef>>,
    name_mapping: Option<Arc<NameMapping>>,
}

impl ScanFile {
    /// A file of ours that is in no table yet.
    pub(crate) fn uncommitted(file: &DataFile) -> Self {
        Self {
            location: file.file_path().to_owned(),
            size: file.file_size_in_bytes(),
            deletes: Vec::new(),
            constants: Arc::default(),
            name_mapping: None,
        }
    }

    /// A file of a table.
    ///
    /// # Errors
    /// `unsupported` for a partition value that is no plain value.
    pub(crate) fn of_table(
        file: &DataFile,
        spec: &PartitionSpec,
        schema: &Schema,
        names: Option<&Arc<NameMapping>>,
        deletes: Vec<Arc<DeleteFile>>,
    ) -> Result<Self> {
        Ok(Self {
            location: file.file_path().to_owned(),
            size: file.file_size_in_bytes(),
            deletes,
            constants: Arc::new(constants(spec, file.partition(), schema)?),
            name_mapping: names.cloned(),
        })
    }

    /// Whether only this reader reads the file rightly: rows of it are deleted, or it may lack columns of its partition.
    pub(crate) fn needs_care(&self, file: &DataFile) -> bool {
        let lacks = |id: &i32| !file.value_counts().contains_key(id);
        !self.deletes.is_empty() || self.name_mapping.is_some() || self.constants.keys().any(lacks)
    }
}

/// What finds columns in files without field ids.
///
/// # Errors
/// `internal` when the property cannot be read.
pub(crate) fn name_mapping(metadata: &TableMetadata) -> Result<Option<Arc<NameMapping>>> {
    let Some(text) = metadata.properties().get(NAME_MAPPING) else { return Ok(None) };
    let mapping = serde_json::from_str(text)
        .map_err(|error| Error::internal(format!("the table's property `{NAME_MAPPING}` cannot be read: {error}")))?;
    Ok(Some(Arc::new(mapping)))
}

/// The rows of files, with columns of these ids and types.
pub(crate) fn rows(io: &FileIO, files: Vec<ScanFile>, fields: Fields) -> BoxStream<'static, Result<RecordBatch>> {
    let io = io.clone();
    let opened = async move {
        let all: Vec<Arc<DeleteFile>> = files.iter().flat_map(|file| &file.deletes).cloned().collect();
        let deletes = Arc::new(deletes::Deletes::read(&io, &all).await?);
        let parts = futures::stream::iter(files).then(move |file| {
            let (io, deletes, fields) = (io.clone(), Arc::clone(&deletes), fields.clone());
            async move { one(&io, file, fields, &deletes).await }
        });
        Ok::<_, Error>(parts.try_flatten())
    };
    futures::stream::once(opened).try_flatten().boxed()
}

async fn one(
    io: &FileIO,
    file: ScanFile,
    fields: Fields,
    deletes: &deletes::Deletes,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let request = file::Request {
        positions: deletes.positions(&file.deletes, &file.location),
        equality: deletes.equality(&file.deletes),
        location: file.location,
        size: file.size,
        fields,
        constants: file.constants,
        name_mapping: file.name_mapping,
    };
    file::rows(io, request).await
}

/// Values of columns that a file's partition says, by id. Null is what a column that a file lacks is anyway.
fn constants(spec: &PartitionSpec, partition: &Struct, schema: &Schema) -> Result<HashMap<i32, ArrayRef>> {
    let mut constants = HashMap::new();
    for (field, value) in spec.fields().iter().zip(partition.fields()) {
        let (Transform::Identity, Some(value)) = (field.transform, value) else { continue };
        // A column that the table does not have any more is not asked for.
        let Some(column) = schema.field_by_id(field.source_id) else { continue };
        let constant = match (value, column.field_type.as_primitive_type()) {
            (Literal::Primitive(value), Some(_)) => constant(value, arrow_field_of(column).data_type()),
            _ => None,
        };
        let constant = constant.ok_or_else(|| {
            Error::unsupported(format!("the table is partitioned by `{}`, whose values cannot be read", column.name))
        })?;
        constants.insert(field.source_id, constant);
    }
    Ok(constants)
}

fn constant(value: &PrimitiveLiteral, wanted: &DataType) -> Option<ArrayRef> {
    Some(match (value, wanted) {
        (PrimitiveLiteral::Float(value), DataType::Float32) => Arc::new(Float32Array::from(vec![value.0])),
        (PrimitiveLiteral::Float(value), DataType::Float64) => Arc::new(Float64Array::from(vec![f64::from(value.0)])),
        (PrimitiveLiteral::Double(value), DataType::Float64) => Arc::new(Float64Array::from(vec![value.0])),
        (PrimitiveLiteral::Binary(value), DataType::Binary) => Arc::new(BinaryArray::from(vec![value.as_slice()])),
        _ => metrics::value(value, wanted)?.to_array().ok()?,
    })
}
