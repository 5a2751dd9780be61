//! A table's current snapshot as rows: the engine's own Parquet scan over the files that the snapshot lists.
//!
//! Nothing is listed from disk, and nothing is opened to plan: sizes, rows and bounds of columns come from the table's
//! manifests, so whole files are passed over by a filter before their footers are read.
//!
//! A table in which another writer has deleted rows without rewriting their files is read by the table layer instead, which
//! is slower and right.

use std::any::Any;
use std::sync::Arc;

use asgard_contract::{Error, Result};
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Result as PlanResult, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryFutureExt};
use object_store::ObjectMeta;
use object_store::path::Path;
use url::Url;

use crate::tables::{DataFile, LoadedTable, Tables};

/// The rows of a table's snapshot.
pub(super) fn snapshot(tables: &Tables, table: &LoadedTable) -> Result<Arc<dyn TableProvider>> {
    if !table.has_deletes {
        return Ok(Arc::new(SnapshotTable::new(table)?));
    }
    let schema = Arc::new(without_metadata(&table.schema));
    let part = Arc::new(Undeleted { tables: tables.clone(), table: table.clone(), schema: Arc::clone(&schema) });
    let rows = StreamingTable::try_new(schema, vec![part])
        .map_err(|error| Error::internal(format!("`{}` cannot be read: {}", table.name, error.strip_backtrace())))?;
    Ok(Arc::new(rows))
}

/// Rows as the table layer reads them.
#[derive(Debug)]
struct Undeleted {
    tables: Tables,
    table: LoadedTable,
    schema: SchemaRef,
}

impl PartitionStream for Undeleted {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (tables, table, schema) = (self.tables.clone(), self.table.clone(), Arc::clone(&self.schema));
        let plain = Arc::clone(&schema);
        let rows =
            async move { tables.scan(&table, None).await.map_err(|error| DataFusionError::External(Box::new(error))) };
        let rows = rows.try_flatten_stream().map(move |batch| {
            RecordBatch::try_new(Arc::clone(&plain), batch?.columns().to_vec()).map_err(DataFusionError::from)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}

/// Rows of one snapshot, from its files as they are.
#[derive(Debug)]
struct SnapshotTable {
    schema: SchemaRef,
    files: Vec<PartitionedFile>,
    statistics: Statistics,
}

impl SnapshotTable {
    fn new(table: &LoadedTable) -> Result<Self> {
        let schema = Arc::new(without_metadata(&table.schema));
        let files = table.files.iter().map(partitioned_file).collect::<Result<Vec<_>>>()?;
        let statistics = summary(table, &schema);
        Ok(Self { schema, files, statistics })
    }
}

/// Field ids are the table's; two fields that differ in them would be two types to the planner.
fn without_metadata(schema: &Schema) -> Schema {
    let fields: Vec<Field> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_metadata(Default::default())).collect();
    Schema::new(fields)
}

fn partitioned_file(file: &DataFile) -> Result<PartitionedFile> {
    let unreadable = |why: String| Error::internal(format!("the data file `{}` cannot be read: {why}", file.location));
    let url = Url::parse(&file.location).map_err(|error| unreadable(error.to_string()))?;
    if url.scheme() != "file" {
        return Err(Error::unsupported(format!(
            "`{}` is not on this machine, and object storage is not read here",
            url
        )));
    }
    let location = Path::from_url_path(url.path()).map_err(|error| unreadable(error.to_string()))?;
    // Data files never change, so any time is as good as another to know a cached footer by.
    let last_modified = DateTime::UNIX_EPOCH;
    let meta = ObjectMeta { location, last_modified, size: file.size, e_tag: None, version: None };
    Ok(PartitionedFile::new_from_meta(meta).with_statistics(Arc::clone(&file.statistics)))
}

fn summary(table: &LoadedTable, schema: &Schema) -> Statistics {
    let files = table.files.iter().map(|file| file.statistics.as_ref());
    let mut all = Statistics::try_merge_iter(files, schema).unwrap_or_else(|_| Statistics::new_unknown(schema));
    all.num_rows = Precision::Exact(usize::try_from(table.rows).unwrap_or(usize::MAX));
    all.total_byte_size = Precision::Inexact(usize::try_from(table.bytes).unwrap_or(usize::MAX));
    all
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics.clone())
    }

    /// Files, row groups and pages are passed over by every filter; single rows are not, so filters stay in the plan too.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let format = ParquetFormat::new().with_options(session.default_table_options().parquet);
        let source = format.file_source(TableSchema::from_file_schema(Arc::clone(&self.schema)));
        let store = ObjectStoreUrl::parse("file://").map_err(|error| DataFusionError::External(Box::new(error)))?;
        let groups = FileGroup::new(self.files.clone()).split_files(session.config().target_partitions());
        let scan = FileScanConfigBuilder::new(store, source)
            .with_file_groups(groups)
            .with_statistics(self.statistics.clone())
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        format.create_physical_plan(session, scan).await
    }
}
