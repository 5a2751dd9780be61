//! Running a prepared statement: its time, its progress, and where its rows go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_ipc::writer::StreamWriter;
use asgard_contract::lakehouse::{Output, Statement, TableWrite, Written};
use asgard_contract::{Column, Error, Progress, Result, TableName};
use asgard_threads::Standing;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::watch;

use super::errors::Translator;
use super::output::{self, Naming};
use super::scope::Scope;
use super::session::Sessions;
use super::text::wrong;
use super::threads::Turn;
use super::{Answer, Query};
use super::{dialect, explain, parquet, script, threads};
use crate::tables::{AsOf, Reads, Tables, ViewDefinition};

/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// That somebody who asks waits in line: about as long as proxies leave a request open.
const ASKED_WAITS: Duration = Duration::from_secs(60);

/// A result is in memory as the engine has it, as it is handed over, as JSON's values and as text.
const RESULT_FORMS: u64 = 4;

/// Everything that statements of one lakehouse need.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) tables: Tables,
    pub(super) sessions: Sessions,
}

/// A statement that is sure to be one: parsed, resolved and planned.
pub(super) struct Prepared {
    session: SessionState,
    plan: LogicalPlan,
    schema: SchemaRef,
    pub(super) columns: Vec<Column>,
    pub(super) tables: Vec<TableName>,
    pub(super) snapshots: Vec<(TableName, Option<i64>)>,
    errors: Translator,
    /// Of the tables it reads, for progress.
    rows: u64,
}

impl Prepared {
    /// The plan after the engine's rules.
    pub(super) fn optimized(&self) -> Result<LogicalPlan> {
        self.session.optimize(&self.plan).map_err(|error| self.errors.planning(error))
    }
}

/// A statement's operators, running.
struct Running {
    operators: Arc<dyn ExecutionPlan>,
    rows: SendableRecordBatchStream,
}

impl Engine {
    pub(super) async fn prepare(&self, statement: &Statement, naming: Naming) -> Result<Prepared> {
        self.prepare_as_of(statement, naming, None, self.sessions.memory_bytes).await
    }

    pub(super) async fn prepare_as_of(
        &self,
        statement: &Statement,
        naming: Naming,
        as_of: Option<AsOf>,
        memory_bytes: u64,
    ) -> Result<Prepared> {
        let session = self.sessions.open(memory_bytes)?;
        let script = script::parse(dialect::of(statement.dialect), &statement.sql)?;
        let errors = Translator::new(script.words.clone(), memory_bytes);
        let mut scope = Scope::new(&self.tables, &session, statement.dialect, &statement.inputs, memory_bytes);
        scope.as_of = as_of;
        let mut shown = script.shown.clone();
        let plan = scope.plan(script).await?;
        if scope.dialect.keeps_case() {
            for (lower, name) in std::mem::take(&mut scope.shown) {
                shown.entry(lower).or_insert(name);
            }
        } else {
            shown.clear();
        }
        let (snapshots, rows): (Vec<_>, u64) = (scope.read.into_iter().collect(), scope.rows);
        let mut tables: Vec<TableName> = snapshots.iter().map(|(table, _)| table.clone()).collect();
        tables.dedup();
        let conformed = output::conform(plan, &shown, naming)?;
        Ok(Prepared {
            plan: conformed.plan,
            schema: conformed.schema,
            columns: conformed.columns,
            tables,
            snapshots,
            errors,
            rows,
            session,
        })
    }

    pub(super) async fn query(&self, statement: &Statement, max_rows: u32) -> Result<Vec<u8>> {
        let turn = asked(self.sessions.memory_bytes).await?;
        self.in_time(async {
            let mut prepared = self.prepare_as_of(statement, Naming::Optional, None, turn.memory_bytes).await?;
            let limit = usize::try_from(max_rows).unwrap_or(usize::MAX);
            prepared.plan = LogicalPlanBuilder::from(prepared.plan)
                .limit(0, Some(limit))
                .and_then(LogicalPlanBuilder::build)
                .map_err(|error| prepared.errors.planning(error))?;
            let running = start(&prepared, None).await?;
            let batches = collected(running.rows, &prepared.errors, turn.memory_bytes).await?;
            as_ipc(&prepared.schema, &batches)
        })
        .await
    }

    pub(super) async fn ask(&self, query: &Query) -> Result<Answer> {
        if let Some(statement) = explain::explained(&query.statement)? {
            return self.explain(&statement, query).await;
        }
        let time = query.time.unwrap_or(self.sessions.time).min(self.sessions.time);
        let memory_bytes = query.memory_bytes.unwrap_or(self.sessions.memory_bytes).min(self.sessions.memory_bytes);
        let turn = asked(memory_bytes).await?;
        self.within(time, async {
            let mut prepared =
                self.prepare_as_of(&query.statement, Naming::Optional, query.as_of, turn.memory_bytes).await?;
            let (offset, limit) = (query.offset as usize, query.max_rows as usize);
            // One more tells whether there are more.
            prepared.plan = LogicalPlanBuilder::from(prepared.plan)
                .limit(offset, Some(limit.saturating_add(1)))
                .and_then(LogicalPlanBuilder::build)
                .map_err(|error| prepared.errors.planning(error))?;
            let running = start(&prepared, None).await?;
            let mut batches = collected(running.rows, &prepared.errors, turn.memory_bytes).await?;
            let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
            let mut left = limit;
            for batch in &mut batches {
                *batch = batch.slice(0, left.min(batch.num_rows()));
                left -= batch.num_rows();
            }
            Ok(Answer {
                rows: as_ipc(&prepared.schema, &batches)?,
                columns: prepared.columns,
                more: found > limit,
                snapshots: prepared.snapshots,
            })
        })
        .await
    }

    pub(super) async fn run(
        &self,
        key: &str,
        statement: &Statement,
        output: Output,
        progress: &watch::Sender<Progress>,
    ) -> Result<Written> {
        match output {
            Output::Table(write) => self.write_table(key, statement, &write, progress).await,
            Output::View(view) => self.write_view(key, statement, &view).await,
            Output::Parquet(location) => self.write_parquet(statement, &location, progress).await,
        }
    }

    async fn write_table(
        &self,
        key: &str,
        statement: &Statement,
        write: &TableWrite,
        progress: &watch::Sender<Progress>,
    ) -> Result<Written> {
        if let Some(written) = self.tables.committed(&write.table, key).await? {
            return Ok(written);
        }
        let turn = self.behind(progress).await?;
        self.in_time(async {
            let prepared = self.prepare_as_of(statement, Naming::Required, None, turn.memory_bytes).await?;
            let running = start(&prepared, self.sessions.rows).await?;
            let operators = Arc::clone(&running.operators);
            let counted = Arc::clone(&running.operators);
            let inputs: BTreeMap<String, i64> = prepared
                .snapshots
                .iter()
                .filter_map(|(table, snapshot)| Some((table.to_string(), (*snapshot)?)))
                .collect();
            let reads = move || Reads { inputs: inputs.clone(), ..reads(&counted) };
            let work = self.tables.write(write, key, running.rows, &reads);
            told(progress, &operators, prepared.rows, work).await
        })
        .await
    }

    async fn write_view(&self, key: &str, statement: &Statement, view: &TableName) -> Result<Written> {
        if let Some(written) = self.tables.committed(view, key).await? {
            return Ok(written);
        }
        script::parse_view(dialect::of(statement.dialect), &statement.sql)?;
        // A view outlives the statement's inputs.
        let alone = Statement { inputs: Vec::new(), ..statement.clone() };
        let prepared = self.prepare(&alone, Naming::Required).await?;
        if prepared.tables.contains(view) {
            return Err(wrong(None, format!("the view `{view}` cannot read itself")));
        }
        let definition =
            ViewDefinition { sql: statement.sql.clone(), dialect: statement.dialect, schema: prepared.schema };
        self.tables.put_view(view, key, definition).await
    }

    async fn write_parquet(
        &self,
        statement: &Statement,
        location: &str,
        progress: &watch::Sender<Progress>,
    ) -> Result<Written> {
        let turn = self.behind(progress).await?;
        self.in_time(async {
            let prepared = self.prepare_as_of(statement, Naming::Required, None, turn.memory_bytes).await?;
            let running = start(&prepared, self.sessions.rows).await?;
            let operators = Arc::clone(&running.operators);
            let work = parquet::write(&self.tables.inner.stores, location, running.rows);
            let (rows, bytes) = told(progress, &operators, prepared.rows, work).await?;
            let read = reads(&operators);
            Ok(Written {
                rows,
                bytes,
                rows_read: read.rows,
                bytes_read: read.bytes,
                snapshot: None,
                location: location.to_owned(),
                total_rows: rows,
            })
        })
        .await
    }

    /// Waits in line as long as it takes, and says so. Nothing is read before: snapshots are kept for as long as a statement runs, not
    /// for as long as it waits.
    async fn behind(&self, progress: &watch::Sender<Progress>) -> Result<Turn<'static>> {
        progress.send_replace(Progress { message: "waiting for other statements to end".to_owned(), fraction: None });
        threads::turn(Standing::Behind, self.sessions.memory_bytes).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.within(self.sessions.time, work).await
    }

    async fn within<T>(&self, time: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(time, work).await {
            Ok(result) => result,
            Err(_) => Err(wrong(
                None,
                format!(
                    "the statement was ended after {} s, its time: read less, or raise `limits.query_seconds` of the \
                     environment",
                    time.as_secs()
                ),
            )),
        }
    }
}

/// Waits in line for as long as somebody waits for the answer.
async fn asked(memory_bytes: u64) -> Result<Turn<'static>> {
    match tokio::time::timeout(ASKED_WAITS, threads::turn(Standing::Asked, memory_bytes)).await {
        Ok(turn) => turn,
        Err(_) => Err(Error::unavailable(format!(
            "the statement did not begin within {} s: the host runs as many others as it has cores and memory for, so ask \
             again later",
            ASKED_WAITS.as_secs()
        ))),
    }
}

/// More rows than `most` end the statement.
async fn start(prepared: &Prepared, most: Option<u64>) -> Result<Running> {
    let errors = &prepared.errors;
    let operators =
        prepared.session.create_physical_plan(&prepared.plan).await.map_err(|error| errors.planning(error))?;
    let rows =
        execute_stream(Arc::clone(&operators), prepared.session.task_ctx()).map_err(|error| errors.running(error))?;
    // Operators may say that a column has no nulls; a table's column may have some later.
    let schema = Arc::clone(&prepared.schema);
    let (batch_schema, errors) = (Arc::clone(&schema), errors.clone());
    let mut found = 0;
    let rows = rows.map(move |batch| {
        // Told in words here, where the statement's text is known: writers pass it on as it is.
        let batch = batch.map_err(|error| DataFusionError::External(Box::new(errors.running(error))))?;
        found += batch.num_rows() as u64;
        if let Some(most) = most
            && found > most
        {
            return Err(DataFusionError::External(Box::new(too_many(most))));
        }
        RecordBatch::try_new(Arc::clone(&batch_schema), batch.columns().to_vec()).map_err(DataFusionError::from)
    });
    Ok(Running { operators, rows: Box::pin(RecordBatchStreamAdapter::new(schema, rows)) })
}

/// A result that is larger than what may be written.
fn too_many(most: u64) -> Error {
    wrong(
        None,
        format!(
            "the result has more than {most} rows, all that a statement may write: select fewer, or raise `limits.query_rows` of the \
             environment"
        ),
    )
}

/// A result that is handed over whole.
async fn collected(
    mut rows: SendableRecordBatchStream,
    errors: &Translator,
    memory_bytes: u64,
) -> Result<Vec<RecordBatch>> {
    let most = memory_bytes / RESULT_FORMS;
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = rows.try_next().await.map_err(|error| errors.running(error))? {
        bytes +=
            batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum::<usize>();
        if bytes as u64 > most {
            return Err(wrong(
                None,
                format!(
                    "the result has more than {} MiB, a quarter of the statement's memory: select fewer rows or columns, or make a \
                     table of it",
                    most >> 20
                ),
            ));
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// Tells progress while the work goes on.
async fn told<T>(
    progress: &watch::Sender<Progress>,
    operators: &Arc<dyn ExecutionPlan>,
    rows: u64,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(TOLD_EVERY);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                let read = reads(operators).rows;
                let fraction = (rows > 0).then(|| (read as f64 / rows as f64).min(1.0));
                let message = if rows > 0 { format!("{read} of {rows} rows read") } else { format!("{read} rows read") };
                progress.send_replace(Progress { message, fraction });
            }
        }
    }
}

/// What the scans of a plan have read so far.
fn reads(operators: &Arc<dyn ExecutionPlan>) -> Reads {
    let mut total = Reads::default();
    let mut open = vec![Arc::clone(operators)];
    while let Some(operator) = open.pop() {
        let is_scan = operator.as_any().is::<DataSourceExec>() || operator.as_any().is::<StreamingTableExec>();
        if is_scan && let Some(metrics) = operator.metrics() {
            total.rows += metrics.output_rows().unwrap_or(0) as u64;
            total.bytes += metrics.sum_by_name("bytes_scanned").map_or(0, |bytes| bytes.as_usize()) as u64;
        }
        open.extend(operator.children().into_iter().cloned());
    }
    total
}

/// Rows as they are handed over.
pub(crate) fn as_ipc(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let failed = |error: datafusion::arrow::error::ArrowError| {
        Error::internal(format!("the rows cannot be handed over: {error}"))
    };
    let mut writer = StreamWriter::try_new(Vec::new(), schema).map_err(failed)?;
    for batch in batches {
        writer.write(batch).map_err(failed)?;
    }
    writer.into_inner().map_err(failed)
}
