//! Reading data files back, to write them anew or for the engine.
//!
//! The Iceberg crate's reader does it, because it finds columns by field id (a file may be older than the table's columns) and
//! leaves out rows that another writer has marked as deleted.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use asgard_contract::{Error, Result};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use iceberg::TableIdent;
use iceberg::arrow::ArrowReaderBuilder;
use iceberg::scan::FileScanTask;
use iceberg::spec::{DataFile, DataFileFormat, Schema, SchemaRef};
use iceberg::table::Table;

use super::{Inner, LoadedTable, TableState, Tables};
use crate::error;
use crate::types::{Caster, to_arrow};

impl Tables {
    /// The rows of a table, or some of its columns by their index. Slower than reading its Parquet files directly; right for
    /// every table.
    pub(crate) async fn scan(
        &self,
        table: &LoadedTable,
        columns: Option<&[usize]>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = table.state.metadata.current_schema().clone();
        let tasks = self.inner.tasks(&table.state).await?.into_values().collect();
        let fields = schema.as_struct().fields();
        let wanted: Vec<i32> = match columns {
            Some(columns) => columns.iter().filter_map(|index| Some(fields.get(*index)?.id)).collect(),
            None => fields.iter().map(|field| field.id).collect(),
        };
        let rows = self.inner.read_files(tasks, &schema, &wanted)?;
        let whole = to_arrow(&schema);
        let projected = match columns {
            Some(columns) => whole.project(columns).map_err(|error| Error::internal(error.to_string()))?,
            None => whole.as_ref().clone(),
        };
        let rows = rows.map_err(|error| DataFusionError::External(Box::new(error)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::new(projected), rows)))
    }
}

impl Inner {
    /// What there is to read of the table's current snapshot, by data file.
    pub(crate) async fn tasks(&self, state: &TableState) -> Result<HashMap<String, FileScanTask>> {
        let what = || error::iceberg(format!("planning a scan of `{}`", state.metadata.location()));
        let name = TableIdent::from_strs(["lakehouse", "table"]).map_err(what())?;
        let table = Table::builder()
            .identifier(name)
            .metadata(Arc::clone(&state.metadata))
            .metadata_location(state.location.clone())
            .file_io(self.io.clone())
            .runtime(self.runtime.clone())
            .disable_cache()
            .build()
            .map_err(what())?;
        let scan = table.scan().build().map_err(what())?;
        let tasks: Vec<FileScanTask> = scan.plan_files().await.map_err(what())?.try_collect().await.map_err(what())?;
        Ok(tasks.into_iter().map(|task| (task.data_file_path.clone(), task)).collect())
    }

    /// The rows of files, one file after the other, as a schema has them that may be newer than the files.
    pub(crate) fn read_files(
        &self,
        tasks: Vec<FileScanTask>,
        schema: &SchemaRef,
        field_ids: &[i32],
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let tasks: Vec<iceberg::Result<FileScanTask>> = tasks
            .into_iter()
            .map(|mut task| {
                task.schema = Arc::clone(schema);
                task.project_field_ids = field_ids.to_vec();
                Ok(task)
            })
            .collect();
        let caster = Caster::new(projected(schema, field_ids));
        let reader = ArrowReaderBuilder::new(self.io.clone(), self.runtime.clone())
            .with_data_file_concurrency_limit(1)
            .build()
            .read(futures::stream::iter(tasks).boxed())
            .map_err(error::iceberg("reading data files"))?;
        Ok(reader
            .stream()
            .map(move |batch| caster.cast(&batch.map_err(error::iceberg("reading a data file"))?))
            .boxed())
    }

    /// A task for a file that is in no snapshot yet.
    pub(crate) fn task_of(file: &DataFile, schema: &SchemaRef) -> FileScanTask {
        FileScanTask::builder()
            .with_file_size_in_bytes(file.file_size_in_bytes())
            .with_start(0)
            .with_length(file.file_size_in_bytes())
            .with_record_count(Some(file.record_count()))
            .with_data_file_path(file.file_path().to_owned())
            .with_data_file_format(DataFileFormat::Parquet)
            .with_schema(Arc::clone(schema))
            .with_project_field_ids(Vec::new())
            .with_case_sensitive(true)
            .build()
    }
}

fn projected(schema: &Schema, field_ids: &[i32]) -> arrow_schema::SchemaRef {
    let arrow = to_arrow(schema);
    let fields = schema.as_struct().fields();
    let wanted = field_ids.iter().filter_map(|id| fields.iter().position(|field| field.id == *id));
    Arc::new(arrow_schema::Schema::new(wanted.map(|index| Arc::clone(&arrow.fields()[index])).collect::<Vec<_>>()))
}
