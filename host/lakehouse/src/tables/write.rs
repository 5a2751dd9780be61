//! The result of a statement into a table, in one commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use asgard_contract::lakehouse::{TableWrite, WriteMode, Written as Answer};
use asgard_contract::{Error, Result, TableName};
use async_trait::async_trait;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::StreamExt as _;
use iceberg::spec::{
    FormatVersion, MAIN_BRANCH, Schema, SchemaRef, Snapshot, SortOrder, TableMetadata, TableMetadataBuildResult,
    TableMetadataBuilder, UnboundPartitionSpec,
};

use super::commit::{Next, Transaction, check_writable};
use super::files::{FileWriter, Written};
use super::keyed::{self, Incoming, Repeated};
use super::keys::{Changes, Keys};
use super::layout::{Layout, Wanted};
use super::snapshot::{self, Added, Plan, Removed};
use super::undo::Uncommitted;
use super::{Current, Inner, Reads, Tables, evolution};
use crate::error;
use crate::types::{Caster, NewColumn, from_arrow};

/// Names of what our commits leave in a snapshot's summary.
pub(crate) mod notes {
    /// Which piece of work the commit belongs to.
    pub(crate) const KEY: &str = "asgard.commit-key";
    pub(crate) const ROWS: &str = "asgard.rows";
    pub(crate) const BYTES: &str = "asgard.bytes";
    pub(crate) const ROWS_READ: &str = "asgard.rows-read";
    pub(crate) const BYTES_READ: &str = "asgard.bytes-read";
    /// JSON: table -> snapshot.
    pub(crate) const INPUTS: &str = "asgard.inputs";
    /// The sync that committed.
    pub(crate) const SYNC: &str = "asgard.sync";
}

impl Tables {
    /// What an earlier write with this key did to the table or view.
    pub(crate) async fn committed(&self, table: &TableName, key: &str) -> Result<Option<Answer>> {
        Ok(match self.inner.current(table).await? {
            Some(Current::Table(state)) => answer_of(&state.metadata, key),
            Some(Current::View(state)) => super::views::answer_of(&state.metadata, key),
            None => None,
        })
    }

    /// Writes a stream of rows, in one commit. A table that is not there is made with the rows' columns, all nullable.
    /// `reads` is asked once, after the last row. Dropping the future undoes what was written so far. With a key that has
    /// been committed before, `rows` is not polled and the answer is the one of then.
    ///
    /// # Errors
    /// `invalid-input` for columns that do not fit, for a key that is no column, and for two rows of a merge that update the
    /// same row; errors of the stream as they come (a contract error inside of an external DataFusion error is taken out).
    pub(crate) async fn write(
        &self,
        write: &TableWrite,
        key: &str,
        mut rows: SendableRecordBatchStream,
        reads: &(dyn Fn() -> Reads + Send + Sync),
    ) -> Result<Answer> {
        if let Some(answer) = self.committed(&write.table, key).await? {
            return Ok(answer);
        }
        let columns = from_arrow(&rows.schema())?;
        let mut properties = write.properties.clone();
        let wanted = Wanted::take(&mut properties);
        let request = Request { write, columns, properties, wanted };
        let current = self.inner.current(&write.table).await?;
        let location = match current.as_ref().and_then(Current::table) {
            Some(state) => state.metadata.location().to_owned(),
            None => self.inner.location_of(&write.table),
        };
        let target = Target::new(&request, current.as_ref(), &location)?;

        let mut writer = self.writer(&location, &target)?;
        let mut keys = match write.mode {
            WriteMode::Merge | WriteMode::DeleteInsert => {
                Some(Keys::new(&target.schema, &write.key, self.inner.held_keys)?)
            }
            WriteMode::Replace | WriteMode::Append => None,
        };
        let caster = Caster::new(Arc::clone(writer.arrow_schema()));
        while let Some(batch) = rows.next().await {
            let batch = caster.cast(&batch.map_err(error::rows)?)?;
            if let Some(keys) = &mut keys {
                keys.add(&batch, Changes::default()).await?;
            }
            writer.write(batch).await?;
        }
        drop(rows);
        let written = writer.finish().await?;
        let reads = reads();
        let mut answer = Answer {
            rows: written.rows(),
            bytes: written.bytes(),
            rows_read: reads.rows,
            bytes_read: reads.bytes,
            snapshot: None,
            location: location.clone(),
            total_rows: 0,
        };
        let work = match keys {
            Some(keys) => {
                let merge = write.mode == WriteMode::Merge;
                let repeated = if merge { Repeated::Refused } else { Repeated::Added };
                Work::Keyed(Box::new(Incoming::new(written, keys, repeated).await?))
            }
            None => Work::Plain(written),
        };
        let mut transaction =
            Write { request, key, target, location, work, notes: notes_of(key, &answer, &reads.inputs), earlier: None };
        // The list of files moves out of the transaction's reach while it runs: it is noted by reference.
        let undo = transaction.work.take_undo();
        let committed = self.inner.commit(&write.table, &mut transaction, &[&undo]).await?;
        if let Some(earlier) = transaction.earlier {
            return Ok(earlier);
        }
        let state = committed.ok_or_else(|| Error::internal("a write came to nothing"))?;
        answer.snapshot = state.metadata.current_snapshot_id();
        answer.total_rows = total_rows(state.metadata.current_snapshot().map(AsRef::as_ref));
        Ok(answer)
    }

    fn writer(&self, location: &str, target: &Target) -> Result<FileWriter> {
        let (schema, layout) = (Arc::clone(&target.schema), target.layout.clone());
        FileWriter::new(self.inner.io.clone(), location, "write", schema, layout)
    }
}

/// What a write asks for, taken apart.
struct Request<'a> {
    write: &'a TableWrite,
    columns: Vec<NewColumn>,
    properties: Vec<(String, String)>,
    wanted: Wanted,
}

/// What the table looks like that the rows go to.
struct Target {
    /// The table's next metadata, but for the rows.
    builder: TableMetadataBuilder,
    base: TableMetadata,
    schema: SchemaRef,
    layout: Layout,
}

impl Target {
    fn new(request: &Request<'_>, current: Option<&Current>, location: &str) -> Result<Self> {
        let (write, columns) = (request.write, &request.columns);
        let (builder, schema) = match (current, write.mode) {
            (Some(Current::View(_)), mode) if mode != WriteMode::Replace => {
                return Err(Error::conflict(format!(
                    "`{}` is a view: only a replacement can take its place",
                    write.table
                )));
            }
            (Some(Current::Table(state)), mode) => {
                check_writable(&write.table, &state.metadata)?;
                let schema = schema_after(&state.metadata, mode, columns)?;
                let builder = changed(state)?
                    .add_schema(schema.as_ref().clone())
                    .and_then(|builder| builder.set_current_schema(TableMetadataBuilder::LAST_ADDED));
                (builder.map_err(changing())?, schema)
            }
            _ => {
                let schema: SchemaRef = evolution::created(columns)?.into();
                (created(&schema, location)?, schema)
            }
        };
        let builder = builder.set_properties(request.properties.iter().cloned().collect()).map_err(changing())?;
        let now = current.and_then(Current::table).map(|state| state.metadata.as_ref());
        let builder = request.wanted.apply(builder, &schema, now)?;
        // Files and snapshot are made by metadata that has schema and partitions already, under their final ids.
        let base = builder.clone().build().map_err(changing())?.metadata;
        Ok(Self { builder, schema: Arc::clone(base.current_schema()), layout: Layout::of(&base), base })
    }
}

fn changing() -> impl FnOnce(iceberg::Error) -> Error {
    error::iceberg("changing a table's metadata")
}

fn schema_after(metadata: &TableMetadata, mode: WriteMode, columns: &[NewColumn]) -> Result<SchemaRef> {
    let (current, last_id) = (metadata.current_schema(), metadata.last_column_id());
    if matches!(mode, WriteMode::Merge | WriteMode::DeleteInsert) {
        evolution::complete(current, columns)?;
    }
    Ok(match mode {
        WriteMode::Replace => evolution::replaced(current, last_id, columns)?.into(),
        _ => evolution::extended(current, last_id, columns)?.map_or_else(|| Arc::clone(current), Into::into),
    })
}

enum Work {
    Plain(Written),
    Keyed(Box<Incoming>),
}

impl Work {
    fn take_undo(&mut self) -> Uncommitted {
        let written = match self {
            Self::Plain(written) => written,
            Self::Keyed(incoming) => &mut incoming.written,
        };
        std::mem::take(&mut written.undo)
    }
}

struct Write<'a> {
    request: Request<'a>,
    key: &'a str,
    target: Target,
    location: String,
    work: Work,
    notes: HashMap<String, String>,
    /// Another run with the same key has committed meanwhile.
    earlier: Option<Answer>,
}

#[async_trait]
impl Transaction for Write<'_> {
    async fn next(&mut self, tables: &Inner, current: Option<&Current>, undo: &Uncommitted) -> Result<Next> {
        let state = current.and_then(Current::table);
        if let Some(earlier) = state.and_then(|state| answer_of(&state.metadata, self.key)) {
            self.earlier = Some(earlier);
            return Ok(Next::Nothing);
        }
        let write = self.request.write;
        let Target { builder, base, schema, layout } = Target::new(&self.request, current, &self.location)?;
        if !evolution::equal(&schema, &self.target.schema) || !layout.same_files(&self.target.layout) {
            return Err(Error::unavailable(format!(
                "the columns or partitions of `{}` were changed by another writer meanwhile: run it again",
                write.table
            )));
        }
        let (added, removed) = match &self.work {
            Work::Plain(written) => {
                let replaces = write.mode == WriteMode::Replace;
                (written.files.clone(), if replaces { Removed::Everything } else { Removed::Nothing })
            }
            Work::Keyed(incoming) => {
                let (io, shape) = (tables.io.clone(), Arc::clone(&schema));
                let writer = FileWriter::new(io, &self.location, "write", shape, layout.clone())?;
                let (gone, rest) = match state {
                    Some(state) => keyed::without_keys(tables, &write.table, state, incoming, &schema, writer).await?,
                    None => (Default::default(), Written::nothing(&layout)),
                };
                let added: Vec<_> = incoming.written.files.iter().chain(&rest.files).cloned().collect();
                undo.adopt(rest.undo);
                (added, if gone.is_empty() { Removed::Nothing } else { Removed::Files(gone) })
            }
        };
        let added = Added { files: &added, spec: Arc::clone(&layout.spec) };
        let plan = Plan { base: &base, schema, added, removed, same_rows: false, notes: self.notes.clone() };
        let snapshot = snapshot::write(&tables.io, plan, undo).await?;
        Ok(Next::Commit(Box::new(finish(builder, snapshot)?)))
    }
}

/// A builder for a table's next metadata.
pub(crate) fn changed(state: &super::TableState) -> Result<TableMetadataBuilder> {
    TableMetadataBuilder::new_from_metadata(state.metadata.as_ref().clone(), Some(state.location.clone()))
        // Tables of format 1 become 2 with our first commit: its snapshots have an order.
        .upgrade_format_version(FormatVersion::V2)
        .map_err(error::iceberg("changing a table's metadata"))
}

/// A builder for a new table's metadata.
pub(crate) fn created(schema: &Schema, location: &str) -> Result<TableMetadataBuilder> {
    TableMetadataBuilder::new(
        schema.clone(),
        UnboundPartitionSpec::builder().build(),
        SortOrder::unsorted_order(),
        location.to_owned(),
        FormatVersion::V2,
        created_properties(),
    )
    .map_err(error::iceberg("making a table's metadata"))
}

const DELETE_AFTER_COMMIT: &str = "write.metadata.delete-after-commit.enabled";

/// The properties that every new table has: old metadata files go when a hundred newer ones have been written.
pub(crate) fn created_properties() -> HashMap<String, String> {
    HashMap::from([(DELETE_AFTER_COMMIT.to_owned(), "true".to_owned())])
}

/// Whether a table's properties say so.
pub(super) fn delete_after_commit(properties: &HashMap<String, String>) -> bool {
    properties.get(DELETE_AFTER_COMMIT).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Makes a snapshot the table's current one.
pub(crate) fn finish(builder: TableMetadataBuilder, snapshot: Snapshot) -> Result<TableMetadataBuildResult> {
    builder
        .set_branch_snapshot(snapshot, MAIN_BRANCH)
        .and_then(TableMetadataBuilder::build)
        .map_err(error::iceberg("changing a table's metadata"))
}

fn notes_of(key: &str, answer: &Answer, inputs: &BTreeMap<String, i64>) -> HashMap<String, String> {
    HashMap::from([
        (notes::KEY.to_owned(), key.to_owned()),
        (notes::ROWS.to_owned(), answer.rows.to_string()),
        (notes::BYTES.to_owned(), answer.bytes.to_string()),
        (notes::ROWS_READ.to_owned(), answer.rows_read.to_string()),
        (notes::BYTES_READ.to_owned(), answer.bytes_read.to_string()),
        (notes::INPUTS.to_owned(), serde_json::to_string(inputs).unwrap_or_default()),
    ])
}

/// What the commit with this key answered, if the table still remembers it.
fn answer_of(metadata: &TableMetadata, key: &str) -> Option<Answer> {
    let properties = |snapshot: &Snapshot| snapshot.summary().additional_properties.clone();
    let snapshot =
        metadata.snapshots().find(|snapshot| properties(snapshot).get(notes::KEY).is_some_and(|k| k == key))?;
    let noted = properties(snapshot);
    let number = |name: &str| noted.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Answer {
        rows: number(notes::ROWS),
        bytes: number(notes::BYTES),
        rows_read: number(notes::ROWS_READ),
        bytes_read: number(notes::BYTES_READ),
        snapshot: Some(snapshot.snapshot_id()),
        location: metadata.location().to_owned(),
        total_rows: total_rows(Some(snapshot)),
    })
}

fn total_rows(snapshot: Option<&Snapshot>) -> u64 {
    let total =
        snapshot.and_then(|snapshot| snapshot.summary().additional_properties.get("total-records")?.parse().ok());
    total.unwrap_or(0)
}
