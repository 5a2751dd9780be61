//! Opening a table for a sync: it is made or evolved, whoever had it open is shut out, and leftovers are cleared away.

use std::collections::HashSet;
use std::sync::Arc;

use asgard_contract::{Error, Result};
use async_trait::async_trait;
use iceberg::io::FileIO;
use iceberg::spec::{Manifest, Schema, SchemaRef, TableMetadata, TableMetadataBuilder};

use super::checkpoint::{self, STAGED, StagedFiles};
use super::decode::Decoder;
use super::{StreamTarget, StreamWriter};
use crate::error;
use crate::tables::parts::{self, Keys, Layout, Next, Transaction, Uncommitted, Wanted, Written};
use crate::tables::{Current, Inner, TableState, Tables};
use crate::types::{Caster, NewColumn, parse, to_arrow};

impl StreamWriter {
    pub(crate) async fn open(tables: Tables, target: StreamTarget) -> Result<Self> {
        tables.inner.stores.add(&target.location)?;
        let name = uuid::Uuid::now_v7().to_string();
        let (state, opened) = open_table(&tables, &target, &name, Claim::Taken, None).await?;
        if let Some(abandoned) = &opened.abandoned {
            discard(&tables.inner.io, abandoned).await?;
        }
        remove_leftovers(&tables.inner, &state, &target).await?;

        let found = checkpoint::read(&state.metadata, &target.ingestion_id)?;
        let own = found.as_ref().filter(|found| found.sync_id == target.sync_id);
        let committed = own.map_or(0, |found| found.records);
        let (schema, layout) = (opened.schema, Layout::of(&state.metadata));
        let staging = if target.merges() { layout.as_rows_come() } else { layout.clone() };
        Ok(Self {
            location: state.metadata.location().to_owned(),
            decoder: decoder(&schema, &target),
            caster: Caster::new(to_arrow(&schema)),
            files: None,
            finished: Written::nothing(&staging),
            keys: keys(&tables, &schema, &target, opened.replaces)?,
            found,
            replaces: opened.replaces,
            committed,
            staged: 0,
            tables,
            target,
            name,
            schema,
            layout,
            staging,
        })
    }

    /// Brings the table to the target's columns while it is open.
    pub(super) async fn reopen(&mut self) -> Result<()> {
        let written = (!self.finished.files.is_empty()).then(|| Arc::clone(&self.schema));
        let (state, opened) = open_table(&self.tables, &self.target, &self.name, Claim::Held, written).await?;
        self.schema = opened.schema;
        if self.target.merges() {
            // Partitions of columns that are gone are gone too. What was staged stays as it is.
            self.layout = Layout::of(&state.metadata);
        }
        self.decoder = decoder(&self.schema, &self.target);
        self.caster = Caster::new(to_arrow(&self.schema));
        Ok(())
    }
}

async fn open_table(
    tables: &Tables,
    target: &StreamTarget,
    name: &str,
    claim: Claim,
    written: Option<SchemaRef>,
) -> Result<(TableState, Opened)> {
    let mut opening = Opening { target, columns: columns(target)?, name, claim, written, opened: None };
    let state = tables.inner.commit(&target.table, &mut opening, &[]).await?;
    match (state, opening.opened) {
        (Some(state), Some(opened)) => Ok((state, opened)),
        _ => Err(Error::internal("opening a table came to nothing")),
    }
}

fn decoder(schema: &SchemaRef, target: &StreamTarget) -> Decoder {
    let declared: Vec<&str> = target.columns.iter().map(|column| column.name.as_str()).collect();
    let arrow = to_arrow(schema);
    let of_stream: Vec<_> =
        arrow.fields().iter().filter(|field| declared.contains(&field.name().as_str())).cloned().collect();
    Decoder::new(Arc::new(arrow_schema::Schema::new(of_stream)))
}

/// Of a stream that is merged.
pub(super) fn keys(tables: &Tables, schema: &SchemaRef, target: &StreamTarget, replaces: bool) -> Result<Option<Keys>> {
    if !target.merges() {
        return Ok(None);
    }
    let keys = Keys::new(schema, &target.primary_key, tables.inner.held_keys)?;
    Ok(Some(if replaces { keys.of_emptied_table() } else { keys }))
}

/// The stream's columns with their types.
fn columns(target: &StreamTarget) -> Result<Vec<NewColumn>> {
    target
        .columns
        .iter()
        .map(|column| {
            let field_type = parse(&column.data_type).map_err(|error| match error {
                Error::InvalidInput { message, .. } => Error::invalid(format!("columns.{}", column.name), message),
                other => other,
            })?;
            Ok(NewColumn { name: column.name.clone(), field_type, required: !column.nullable, doc: column.doc.clone() })
        })
        .collect()
}

struct Opening<'a> {
    target: &'a StreamTarget,
    columns: Vec<NewColumn>,
    name: &'a str,
    claim: Claim,
    /// What rows are written by that this writer has staged.
    written: Option<SchemaRef>,
    opened: Option<Opened>,
}

/// Whether the table is open for the sync already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It is taken from whoever has it.
    Taken,
    Held,
}

struct Opened {
    /// That the rows are written by.
    schema: SchemaRef,
    /// What another sync had staged.
    abandoned: Option<StagedFiles>,
    /// The first commit replaces what the table has: an overwrite aside, a stream that is merged and has no checkpoint.
    replaces: bool,
}

#[async_trait]
impl Transaction for Opening<'_> {
    async fn next(&mut self, tables: &Inner, current: Option<&Current>, _: &Uncommitted) -> Result<Next> {
        let table = &self.target.table;
        let (mut abandoned, mut replaces) = (None, false);
        let (builder, wanted) = match current {
            Some(Current::View(_)) => {
                return Err(Error::conflict(format!("`{table}` is a view: drop it, or give the ingestion a `prefix`")));
            }
            None => {
                let schema = parts::created(&self.columns)?;
                let location = format!("{}/{}/{}", self.target.location.url(), table.namespace, table.name);
                (parts::new_table(&schema, &location)?, None)
            }
            Some(Current::Table(state)) => {
                let metadata = &state.metadata;
                if self.claim == Claim::Held && !checkpoint::is_writer(metadata, self.name) {
                    return Err(checkpoint::taken_over(table));
                }
                parts::check_writable(table, metadata)?;
                replaces = self.target.merges() && checkpoint::read(metadata, &self.target.ingestion_id)?.is_none();
                let mut builder = parts::changed(state)?;
                let staged = checkpoint::staged(metadata)?;
                let goes_on = |staged: &StagedFiles| self.target.overwrites() && staged.sync == self.target.sync_id;
                let written = match (&self.written, staged.as_ref().filter(|staged| goes_on(staged))) {
                    (None, Some(staged)) => staged_schema(&tables.io, &staged.manifests).await?,
                    (written, _) => written.clone(),
                };
                abandoned = staged.filter(|staged| !goes_on(staged));
                if abandoned.is_some() {
                    builder = builder.remove_properties(&[STAGED.to_owned()]).map_err(failed())?;
                }
                let (now, last_id) = (metadata.current_schema(), metadata.last_column_id());
                if self.target.overwrites() || replaces {
                    // Readers keep the old columns until the end of the stream.
                    let schema = self.replaced(metadata, written.as_deref())?;
                    let builder = builder.add_schema(schema.clone()).map_err(failed())?;
                    // Partitions of columns that the stream has no more would not take its rows.
                    (Wanted::default().apply(builder, &schema, Some(metadata))?, Some(schema))
                } else if let Some(schema) =
                    parts::extended(now, last_id, &self.columns).map_err(|e| self.kept_rows(e))?
                {
                    (builder.add_current_schema(schema).map_err(failed())?, None)
                } else {
                    (builder, None)
                }
            }
        };
        let built = builder
            .set_properties(checkpoint::writer(self.name))
            .and_then(TableMetadataBuilder::build)
            .map_err(failed())?;
        let schema = match wanted {
            Some(wanted) => built.metadata.schemas_iter().find(|schema| parts::equal(schema, &wanted)).cloned(),
            None => Some(Arc::clone(built.metadata.current_schema())),
        };
        let schema = schema.ok_or_else(|| Error::internal("the table lost the columns that it was given"))?;
        self.opened = Some(Opened { schema, abandoned, replaces });
        Ok(Next::Commit(Box::new(built)))
    }
}

impl Opening<'_> {
    /// What the table's columns become with the first commit, which takes rows that were `written` before too: what these have in a
    /// column is found by the column's id.
    fn replaced(&self, metadata: &TableMetadata, written: Option<&Schema>) -> Result<Schema> {
        let mut columns = self.columns.clone();
        let Some(written) = written else {
            return match parts::known(metadata, &columns) {
                Some(known) => Ok(known.as_ref().clone()),
                None => parts::replaced(metadata.current_schema(), metadata.last_column_id(), &columns),
            };
        };
        for column in &mut columns {
            column.required &= written.field_by_name(&column.name).is_some_and(|before| before.required);
        }
        let schema = parts::replaced(written, metadata.last_column_id(), &columns)?;
        let another = |(id, name): &(&i32, &String)| schema.field_id_by_name(name).is_some_and(|now| now != **id);
        match written.field_id_to_name_map().iter().find(another) {
            None => Ok(schema),
            Some((_, name)) => Err(Error::conflict(format!(
                "column `{name}` of `{}` changed its type while the stream was read, and rows of before wait to be committed: sync it \
                 once more, from its beginning",
                self.target.table
            ))),
        }
    }

    /// Rows that a sync adds to cannot become another type, and a reset keeps them in a mode that appends.
    fn kept_rows(&self, error: Error) -> Error {
        let table = &self.target.table;
        match error {
            Error::InvalidInput { message, .. } => Error::conflict(format!(
                "{message}. `{table}` keeps the rows of earlier syncs: DELETE /lakehouse/tables/{}/{} and POST \
                 /ingestion/{{id}}/reset begin it anew, or make an ingestion with another `prefix`",
                table.namespace, table.name
            )),
            other => other,
        }
    }
}

fn failed() -> impl FnOnce(iceberg::Error) -> Error {
    error::iceberg("opening a table for a sync")
}

async fn read_manifest(io: &FileIO, location: &str) -> Result<Manifest> {
    let what = format!("reading `{location}`");
    let input = io.new_input(location).map_err(error::iceberg(&what))?;
    let bytes = input.read().await.map_err(error::iceberg(&what))?;
    Manifest::parse_avro(&bytes).map_err(error::iceberg(&what))
}

/// What the files that were staged last are written by.
async fn staged_schema(io: &FileIO, manifests: &[String]) -> Result<Option<SchemaRef>> {
    let Some(last) = manifests.last() else { return Ok(None) };
    Ok(Some(Arc::clone(read_manifest(io, last).await?.metadata().schema())))
}

/// The data files that were staged, in order.
pub(super) async fn staged_files(io: &FileIO, manifests: &[String]) -> Result<Vec<iceberg::spec::DataFile>> {
    let mut files = Vec::new();
    for location in manifests {
        let manifest = read_manifest(io, location).await?;
        files.extend(manifest.entries().iter().map(|entry| entry.data_file().clone()));
    }
    Ok(files)
}

/// Deletes what a sync had staged that will not go on.
async fn discard(io: &FileIO, staged: &StagedFiles) -> Result<()> {
    for file in staged_files(io, &staged.manifests).await? {
        parts::delete(io, file.file_path());
    }
    staged.manifests.iter().for_each(|manifest| parts::delete(io, manifest));
    Ok(())
}

/// Deletes files of this sync that no commit took: it crashed before. Whoever wrote them cannot commit any more.
async fn remove_leftovers(tables: &Inner, state: &TableState, target: &StreamTarget) -> Result<()> {
    let folder = format!("{}/data", state.metadata.location());
    let prefix = format!("{}-", target.prefix());
    let mut found = tables.stores.names(&folder).await?;
    found.retain(|name| name.starts_with(&prefix));
    if found.is_empty() {
        return Ok(());
    }
    let mut needed: HashSet<String> = parts::all_files(&tables.io, &state.metadata).await?;
    if let Some(staged) = checkpoint::staged(&state.metadata)? {
        let files = staged_files(&tables.io, &staged.manifests).await?;
        needed.extend(files.iter().map(|file| file.file_path().to_owned()));
    }
    for name in found {
        let location = format!("{folder}/{name}");
        if !needed.contains(&location) {
            parts::delete(&tables.io, &location);
        }
    }
    Ok(())
}
