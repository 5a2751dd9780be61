//! A table's snapshot as rows: the engine's own Parquet scan over the files that the snapshot lists.
//!
//! Nothing is listed from disk, and nothing is opened to plan: sizes, rows and bounds of columns come from the table's
//! manifests, so whole files are passed over by a filter before their footers are read ([`super::prune`]). Columns are found
//! by their field ids ([`super::by_id`]).
//!
//! A file of which another writer has deleted rows without rewriting it is read by the table layer instead, which is slower
//! and right; so is one that may lack a column of its partition.

use std::any::Any;
use std::sync::Arc;

use asgard_contract::Result;
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DataFusionError, Result as PlanResult, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::union::UnionExec;
use futures::StreamExt;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::by_id::{ByFieldId, without_ids};
use super::prune;
use crate::storage::Resolved;
use crate::tables::{DataFile, LoadedTable, Tables};

/// The rows of a table's snapshot.
pub(super) fn snapshot(tables: &Tables, table: &LoadedTable) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(SnapshotTable::new(tables, table)?))
}

/// Rows of some files as the table layer reads them.
#[derive(Debug)]
struct Careful {
    tables: Tables,
    table: LoadedTable,
    files: Vec<DataFile>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl PartitionStream for Careful {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let plain = Arc::clone(&self.schema);
        let rows = match self.tables.scan(&self.table, &self.files, Some(&self.columns)) {
            Ok(rows) => rows
                .map(move |batch| {
                    let (_, columns, rows) = batch?.into_parts();
                    // Nested fields carry their ids in their types.
                    let typed = columns.iter().zip(plain.fields());
                    let columns =
                        typed.map(|(column, field)| cast(column, field.data_type()).map_err(DataFusionError::from));
                    let columns = columns.collect::<PlanResult<Vec<_>>>()?;
                    let options = RecordBatchOptions::new().with_row_count(Some(rows));
                    let batch = RecordBatch::try_new_with_options(Arc::clone(&plain), columns, &options);
                    batch.map_err(DataFusionError::from)
                })
                .boxed(),
            Err(error) => futures::stream::iter([Err(DataFusionError::External(Box::new(error)))]).boxed(),
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

/// Files of one store, as the table lists them and as the engine's scan takes them.
struct StorePart {
    store: ObjectStoreUrl,
    files: Vec<DataFile>,
    scanned: Vec<PartitionedFile>,
}

/// Rows of one snapshot.
#[derive(Debug)]
struct SnapshotTable {
    tables: Tables,
    table: LoadedTable,
    schema: SchemaRef,
    statistics: Statistics,
}

impl SnapshotTable {
    fn new(tables: &Tables, table: &LoadedTable) -> Result<Self> {
        let schema = Arc::new(without_ids(&table.schema));
        // A location that cannot be read is told before anything runs.
        table.files.iter().try_for_each(|file| tables.inner.stores.resolve(&file.location).map(drop))?;
        let statistics = summary(&table.files, table.exact_rows().is_some(), &schema);
        Ok(Self { tables: tables.clone(), table: table.clone(), schema, statistics })
    }

    fn parquet(
        &self,
        session: &dyn Session,
        part: StorePart,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> PlanResult<FileScanConfig> {
        let format = ParquetFormat::new().with_options(session.default_table_options().parquet);
        let source = format.file_source(TableSchema::from_file_schema(Arc::clone(&self.schema)));
        let statistics = summary(&part.files, true, &self.schema);
        let adapter = ByFieldId { columns: Arc::clone(&self.table.schema), shown: Arc::clone(&self.schema) };
        let groups = FileGroup::new(part.scanned).split_files(session.config().target_partitions());
        Ok(FileScanConfigBuilder::new(part.store, source)
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_expr_adapter(Some(Arc::new(adapter)))
            .with_limit(limit)
            .build())
    }

    /// One scan reads one store: the files of a table that was given another location are in several.
    fn by_store(&self, files: Vec<DataFile>) -> Result<Vec<StorePart>> {
        let mut parts: Vec<StorePart> = Vec::new();
        for file in files {
            let Resolved { url, path, .. } = self.tables.inner.stores.resolve(&file.location)?;
            let scanned = partitioned_file(&file, path);
            match parts.iter_mut().find(|part| part.store == url) {
                Some(part) => {
                    part.files.push(file);
                    part.scanned.push(scanned);
                }
                None => parts.push(StorePart { store: url, files: vec![file], scanned: vec![scanned] }),
            }
        }
        Ok(parts)
    }

    fn careful(
        &self,
        session: &dyn Session,
        files: Vec<DataFile>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = project_schema(&self.schema, projection)?;
        let part = files.len().div_ceil(session.config().target_partitions()).max(1);
        let parts = files.chunks(part).map(|files| {
            Arc::new(Careful {
                tables: self.tables.clone(),
                table: self.table.clone(),
                files: files.to_vec(),
                columns: columns.clone(),
                schema: Arc::clone(&schema),
            }) as Arc<dyn PartitionStream>
        });
        Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&schema), parts.collect(), None, [], false, limit)?))
    }
}

fn partitioned_file(file: &DataFile, location: Path) -> PartitionedFile {
    // Data files never change, so any time is as good as another to know a cached footer by.
    let last_modified = DateTime::UNIX_EPOCH;
    let meta = ObjectMeta { location, last_modified, size: file.size, e_tag: None, version: None };
    PartitionedFile::new_from_meta(meta).with_statistics(Arc::clone(&file.statistics))
}

fn summary(files: &[DataFile], exact: bool, schema: &Schema) -> Statistics {
    let each = files.iter().map(|file| file.statistics.as_ref());
    let mut all = Statistics::try_merge_iter(each, schema).unwrap_or_else(|_| Statistics::new_unknown(schema));
    let total = |of: fn(&DataFile) -> u64| usize::try_from(files.iter().map(of).sum::<u64>()).unwrap_or(usize::MAX);
    let rows = total(|file| file.rows);
    all.num_rows = if exact { Precision::Exact(rows) } else { Precision::Inexact(rows) };
    all.total_byte_size = Precision::Inexact(total(|file| file.size));
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
        filters: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let files = prune::files(session, &self.table, &self.schema, filters)?;
        let (careful, plain): (Vec<DataFile>, Vec<DataFile>) = files.into_iter().partition(|file| file.needs_care);
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        let plain = self.by_store(plain).map_err(|error| DataFusionError::External(Box::new(error)))?;
        for part in plain {
            let format = ParquetFormat::new().with_options(session.default_table_options().parquet);
            let scan = self.parquet(session, part, projection, limit)?;
            parts.push(format.create_physical_plan(session, scan).await?);
        }
        if !careful.is_empty() {
            parts.push(self.careful(session, careful, projection, limit)?);
        }
        match parts.len() {
            0 => Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?))),
            1 => Ok(parts.remove(0)),
            _ => UnionExec::try_new(parts),
        }
    }
}
