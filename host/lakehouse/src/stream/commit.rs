//! Committing what was staged, together with the connector's state.

use std::collections::HashMap;
use std::sync::Arc;

use asgard_contract::{Error, Result};
use async_trait::async_trait;
use iceberg::spec::{DataFile, ManifestWriterBuilder, TableMetadata, TableMetadataBuilder};

use super::checkpoint::{self, Checkpoint, STAGED, StagedFiles};
use super::open::staged_files;
use super::{StreamTarget, StreamWriter, open};
use crate::error;
use crate::tables::parts::{self, Added, Incoming, Next, Plan, Removed, Repeated, Transaction, Uncommitted, Written};
use crate::tables::{Current, Inner, TableState};

impl StreamWriter {
    /// Commits what was staged together with the connector's state; `complete` = the stream's end, where an overwrite becomes
    /// visible.
    ///
    /// # Errors
    /// `conflict` when another host has taken the sync over or the table was dropped, and those of catalog and storage. The
    /// writer is of no use afterwards: open the stream again from its last checkpoint.
    pub async fn commit(&mut self, state: Vec<u8>, complete: bool) -> Result<()> {
        self.finish_files().await?;
        let written = std::mem::replace(&mut self.finished, Written::nothing(&self.staging));
        let records = self.committed + self.staged;
        let checkpoint = Checkpoint { state, sync_id: self.target.sync_id.clone(), records, complete };
        let mut work = match self.keys.take() {
            Some(keys) => {
                self.keys = open::keys(&self.tables, &self.schema, &self.target, false)?;
                let mut incoming = Incoming::new(written, keys, Repeated::LastWins).await?;
                if !incoming.keys.is_settled() || !self.stages_in_place() {
                    let writer = self.file_writer(&self.schema)?;
                    incoming.settle(&self.tables.inner, writer, &self.schema).await?;
                }
                Work::Merge(Box::new(incoming))
            }
            None if self.target.overwrites() => Work::Overwrite(written),
            None => Work::Append(written),
        };
        let undo = work.take_undo();
        let mut commit = Commit { writer: self, checkpoint, work, unstaged: Vec::new() };
        commit.writer.tables.inner.commit(&self.target.table, &mut commit, &[&undo]).await?;
        let unstaged = commit.unstaged;
        unstaged.iter().for_each(|file| parts::delete(&self.tables.inner.io, file));
        (self.committed, self.staged, self.replaces) = (records, 0, false);
        Ok(())
    }
}

enum Work {
    Overwrite(Written),
    Append(Written),
    Merge(Box<Incoming>),
}

impl Work {
    fn take_undo(&mut self) -> Uncommitted {
        let written = match self {
            Self::Overwrite(written) | Self::Append(written) => written,
            Self::Merge(incoming) => &mut incoming.written,
        };
        std::mem::take(&mut written.undo)
    }
}

struct Commit<'a> {
    writer: &'a StreamWriter,
    checkpoint: Checkpoint,
    work: Work,
    /// What is of no use after the commit: manifests of staged files that are part of the table now, and files of rows that
    /// were completed into others.
    unstaged: Vec<String>,
}

#[async_trait]
impl Transaction for Commit<'_> {
    async fn next(&mut self, tables: &Inner, current: Option<&Current>, undo: &Uncommitted) -> Result<Next> {
        let target = &self.writer.target;
        let Some(state) = current.and_then(Current::table) else {
            return Err(Error::conflict(format!("`{}` was dropped while it was being synced", target.table)));
        };
        if !checkpoint::is_writer(&state.metadata, &self.writer.name) {
            return Err(checkpoint::taken_over(&target.table));
        }
        let properties = checkpoint::written(&target.ingestion_id, &self.checkpoint)?;
        let builder = parts::changed(state)?.set_properties(properties).map_err(failed())?;
        let mut unstaged = Vec::new();
        let built = match &self.work {
            Work::Overwrite(written) if self.checkpoint.complete => {
                let staged = self.own_staged(&state.metadata)?;
                if written.files.is_empty() && staged.manifests.is_empty() && self.was_complete(&state.metadata)? {
                    // The end is told a second time: what it made visible stays.
                    builder.build().map_err(failed())?
                } else {
                    let built = self.replace(tables, builder, written, &staged, undo).await?;
                    unstaged = staged.manifests;
                    built
                }
            }
            Work::Overwrite(written) if written.files.is_empty() => builder.build().map_err(failed())?,
            Work::Overwrite(written) => self.stage(tables, state, builder, written, undo).await?,
            Work::Append(written) if written.files.is_empty() => builder.build().map_err(failed())?,
            Work::Append(written) => {
                self.check_columns(state)?;
                self.snapshot(tables, builder, &written.files, Removed::Nothing, undo).await?
            }
            Work::Merge(incoming) if self.writer.replaces => {
                let builder = builder.set_current_schema(self.writer.schema.schema_id()).map_err(failed())?;
                let completed = self.completed(tables, state, incoming, undo).await?;
                let added = completed.as_ref().unwrap_or(&incoming.written.files);
                self.snapshot(tables, builder, added, Removed::Everything, undo).await?
            }
            Work::Merge(incoming) if incoming.keys.is_empty() => builder.build().map_err(failed())?,
            Work::Merge(incoming) => {
                self.check_columns(state)?;
                let schema = state.metadata.current_schema();
                let writer = self.writer.file_writer(schema)?;
                let (gone, rest) = parts::without_keys(tables, &target.table, state, incoming, schema, writer).await?;
                let completed = self.completed(tables, state, incoming, undo).await?;
                let added = completed.as_ref().unwrap_or(&incoming.written.files);
                let added: Vec<DataFile> = added.iter().chain(&rest.files).cloned().collect();
                undo.adopt(rest.undo);
                let removed = if gone.is_empty() { Removed::Nothing } else { Removed::Files(gone) };
                self.snapshot(tables, builder, &added, removed, undo).await?
            }
        };
        if let Work::Merge(incoming) = &self.work
            && incoming.keys.is_partial()
        {
            unstaged.extend(incoming.written.files.iter().map(|file| file.file_path().to_owned()));
        }
        self.unstaged = unstaged;
        Ok(Next::Commit(Box::new(built)))
    }
}

type Built = iceberg::spec::TableMetadataBuildResult;

impl Commit<'_> {
    fn target(&self) -> &StreamTarget {
        &self.writer.target
    }

    fn own_staged(&self, metadata: &TableMetadata) -> Result<StagedFiles> {
        let staged = checkpoint::staged(metadata)?.filter(|staged| staged.sync == self.target().sync_id);
        Ok(staged.unwrap_or_else(|| StagedFiles { sync: self.target().sync_id.clone(), manifests: Vec::new() }))
    }

    fn was_complete(&self, metadata: &TableMetadata) -> Result<bool> {
        let before = checkpoint::read(metadata, &self.target().ingestion_id)?;
        Ok(before.is_some_and(|before| before.complete && before.sync_id == self.target().sync_id))
    }

    /// The rows with the values that they lacked; none = they lack none.
    async fn completed(
        &self,
        tables: &Inner,
        state: &TableState,
        incoming: &Incoming,
        undo: &Uncommitted,
    ) -> Result<Option<Vec<DataFile>>> {
        if !incoming.keys.is_partial() {
            return Ok(None);
        }
        let schema = &self.writer.schema;
        let writer = self.writer.file_writer(schema)?;
        let completed = parts::complete(tables, &self.target().table, state, incoming, schema, writer).await?;
        undo.adopt(completed.undo);
        Ok(Some(completed.files))
    }

    /// Keeps the files of an overwrite beside the checkpoint, for its end.
    async fn stage(
        &self,
        tables: &Inner,
        state: &TableState,
        builder: TableMetadataBuilder,
        written: &Written,
        undo: &Uncommitted,
    ) -> Result<Built> {
        let location = format!("{}/metadata/staged-{}.avro", state.metadata.location(), uuid::Uuid::now_v7().simple());
        undo.add(&tables.io, location.clone());
        let output = tables.io.new_output(&location).map_err(failed())?;
        let spec = self.writer.layout.spec.as_ref().clone();
        let mut manifest =
            ManifestWriterBuilder::new(output, None, Arc::clone(&self.writer.schema), spec).build_v2_data();
        for file in &written.files {
            manifest.add_file(file.clone(), -1).map_err(failed())?;
        }
        manifest.write_manifest_file().await.map_err(failed())?;
        let mut staged = self.own_staged(&state.metadata)?;
        staged.manifests.push(location);
        let properties = HashMap::from([(STAGED.to_owned(), checkpoint::text(&staged)?)]);
        builder.set_properties(properties).and_then(TableMetadataBuilder::build).map_err(failed())
    }

    /// Makes all that was staged the table's only content.
    async fn replace(
        &self,
        tables: &Inner,
        builder: TableMetadataBuilder,
        written: &Written,
        staged: &StagedFiles,
        undo: &Uncommitted,
    ) -> Result<Built> {
        let mut files = staged_files(&tables.io, &staged.manifests).await?;
        files.extend(written.files.iter().cloned());
        let builder = builder
            .set_current_schema(self.writer.schema.schema_id())
            .and_then(|builder| builder.remove_properties(&[STAGED.to_owned()]))
            .map_err(failed())?;
        self.snapshot(tables, builder, &files, Removed::Everything, undo).await
    }

    async fn snapshot(
        &self,
        tables: &Inner,
        builder: TableMetadataBuilder,
        added: &[DataFile],
        removed: Removed,
        undo: &Uncommitted,
    ) -> Result<Built> {
        let base = builder.clone().build().map_err(failed())?.metadata;
        let notes = HashMap::from([
            (parts::notes::SYNC.to_owned(), self.target().sync_id.clone()),
            ("asgard.sync-records".to_owned(), self.checkpoint.records.to_string()),
        ]);
        let added = Added { files: added, spec: Arc::clone(&self.writer.layout.spec) };
        let schema = Arc::clone(base.current_schema());
        let plan = Plan { schema, base: &base, added, removed, same_rows: false, notes };
        let snapshot = parts::write_snapshot(&tables.io, plan, undo).await?;
        parts::finish(builder, snapshot)
    }

    /// The rows were written by the columns that the table had when it was opened.
    fn check_columns(&self, state: &TableState) -> Result<()> {
        let now = state.metadata.current_schema();
        let same = self.writer.schema.as_struct().fields().iter().all(|written| {
            let field = now.field_by_id(written.id);
            field.is_some_and(|field| field.name == written.name && field.field_type == written.field_type)
        });
        if same {
            return Ok(());
        }
        Err(Error::unavailable(format!(
            "the columns of `{}` were changed by another writer meanwhile",
            self.target().table
        )))
    }
}

fn failed() -> impl FnOnce(iceberg::Error) -> Error {
    error::iceberg("committing a sync's rows")
}
