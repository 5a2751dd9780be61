//! Opening a table for a sync: it is made or evolved, whoever had it open is shut out, and leftovers are cleared away.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use asgard_contract::{Error, Result};
use async_trait::async_trait;
use iceberg::io::FileIO;
use iceberg::spec::{Manifest, SchemaRef, TableMetadataBuilder};

use super::checkpoint::{self, STAGED, StagedFiles};
use super::decode::Decoder;
use super::{StreamTarget, StreamWriter};
use crate::tables::parts::{self, Keys, Layout, Next, Transaction, Uncommitted, Wanted};
use crate::tables::{Current, Inner, TableState, Tables};
use crate::types::{Caster, NewColumn, parse, to_arrow};
use crate::{error, storage};

impl StreamWriter {
    pub(crate) async fn open(tables: Tables, target: StreamTarget) -> Result<Self> {
        let columns = columns(&target)?;
        let name = uuid::Uuid::now_v7().to_string();
        let mut opening = Opening { target: &target, columns, name: &name, opened: None };
        let state = tables.inner.commit(&target.table, &mut opening, &[]).await?;
        let (Some(state), Some(opened)) = (state, opening.opened) else {
            return Err(Error::internal("opening a table came to nothing"));
        };
        if let Some(abandoned) = &opened.abandoned {
            discard(&tables.inner.io, abandoned).await?;
        }
        remove_leftovers(&tables.inner, &state, &target).await?;

        let stored = checkpoint::read(&state.metadata, &target.ingestion_id)?;
        let committed = stored.filter(|stored| stored.sync_id == target.sync_id).map_or(0, |stored| stored.records);
        let schema = opened.schema;
        let arrow = to_arrow(&schema);
        let keys = if target.merges() { Some(Keys::new(&schema, &target.primary_key)?) } else { None };
        let declared: Vec<&str> = target.columns.iter().map(|column| column.name.as_str()).collect();
        let of_stream: Vec<_> =
            arrow.fields().iter().filter(|field| declared.contains(&field.name().as_str())).cloned().collect();
        Ok(Self {
            location: state.metadata.location().to_owned(),
            decoder: Decoder::new(Arc::new(arrow_schema::Schema::new(of_stream))),
            caster: Caster::new(arrow),
            files: None,
            keys,
            committed,
            staged: 0,
            tables,
            target,
            name,
            schema,
            layout: Layout::of(&state.metadata),
        })
    }
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
    opened: Option<Opened>,
}

struct Opened {
    /// That the rows are written by.
    schema: SchemaRef,
    /// What another sync had staged.
    abandoned: Option<StagedFiles>,
}

#[async_trait]
impl Transaction for Opening<'_> {
    async fn next(&mut self, _: &Inner, current: Option<&Current>, _: &Uncommitted) -> Result<Next> {
        let table = &self.target.table;
        let mut abandoned = None;
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
                parts::check_writable(table, metadata)?;
                let mut builder = parts::changed(state)?;
                let staged = checkpoint::staged(metadata)?;
                abandoned = staged.filter(|staged| !self.target.overwrites() || staged.sync != self.target.sync_id);
                if abandoned.is_some() {
                    builder = builder.remove_properties(&[STAGED.to_owned()]).map_err(failed())?;
                }
                let (now, last_id) = (metadata.current_schema(), metadata.last_column_id());
                if self.target.overwrites() {
                    // Readers keep the old columns until the end of the stream.
                    let schema = match parts::known(metadata, &self.columns) {
                        Some(known) => known.as_ref().clone(),
                        None => parts::replaced(now, last_id, &self.columns)?,
                    };
                    let builder = builder.add_schema(schema.clone()).map_err(failed())?;
                    // Partitions of columns that the stream has no more would not take its rows.
                    (Wanted::default().apply(builder, &schema, Some(metadata))?, Some(schema))
                } else if let Some(schema) = parts::extended(now, last_id, &self.columns)? {
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
        self.opened = Some(Opened { schema, abandoned });
        Ok(Next::Commit(Box::new(built)))
    }
}

fn failed() -> impl FnOnce(iceberg::Error) -> Error {
    error::iceberg("opening a table for a sync")
}

/// The data files that were staged, in order.
pub(super) async fn staged_files(io: &FileIO, manifests: &[String]) -> Result<Vec<iceberg::spec::DataFile>> {
    let mut files = Vec::new();
    for location in manifests {
        let what = format!("reading `{location}`");
        let input = io.new_input(location).map_err(error::iceberg(&what))?;
        let bytes = input.read().await.map_err(error::iceberg(&what))?;
        let manifest = Manifest::parse_avro(&bytes).map_err(error::iceberg(&what))?;
        files.extend(manifest.entries().iter().map(|entry| entry.data_file().clone()));
    }
    Ok(files)
}

/// Deletes what a sync had staged that will not go on.
async fn discard(io: &FileIO, staged: &StagedFiles) -> Result<()> {
    for file in staged_files(io, &staged.manifests).await? {
        parts::delete(file.file_path());
    }
    staged.manifests.iter().for_each(|manifest| parts::delete(manifest));
    Ok(())
}

/// Deletes files of this sync that no commit took: it crashed before. Whoever wrote them cannot commit any more.
async fn remove_leftovers(tables: &Inner, state: &TableState, target: &StreamTarget) -> Result<()> {
    let folder = format!("{}/data", state.metadata.location());
    let found = files_of(storage::path_of(&folder)?, &format!("{}-", target.prefix())).await?;
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
            parts::delete(&location);
        }
    }
    Ok(())
}

async fn files_of(folder: &Path, prefix: &str) -> Result<Vec<String>> {
    let mut entries = match tokio::fs::read_dir(folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error::io(format_args!("listing `{}`", folder.display()))(error)),
    };
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(error::io("listing data files"))? {
        if let Some(name) = entry.file_name().to_str().filter(|name| name.starts_with(prefix)) {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}
