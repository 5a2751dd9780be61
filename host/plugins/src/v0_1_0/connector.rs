//! Interface `connector`.

use std::sync::Arc;

use asgard_contract::connector::{
    Change, Event, Ingestion, Part, ResourceDefinition, RowData, Rows, Sink, Source, SourceType, StreamDescriptor,
    StreamSelection, SyncMode,
};
use asgard_contract::{Error, Result};
use wasmtime::component::ResourceAny;

use crate::call::Call;
use crate::session::{Lifetime, Session};
use crate::v0_1_0::bindings::connector::exports::asgard::connector::connector as wit;
use crate::v0_1_0::bindings::connector::{ConnectorPlugin, ConnectorPluginPre};
use crate::v0_1_0::types::list;
use crate::v0_1_0::{handle, step};

handle!(
    /// Where rows come from. Every method is one step; all may be repeated.
    Connector,
    Connector,
    connector,
    ConnectorPluginPre<crate::host::Host>
);

impl Connector {
    /// For calls that are about an ingestion.
    fn of(&self, ingestion: &Ingestion) -> Self {
        let call = Call { resets: ingestion.resets, ..Call::clone(&self.call) };
        Self::new(&self.plugin, call)
    }

    fn about(&self, definition: &ResourceDefinition) -> Self {
        match definition {
            ResourceDefinition::Ingestion(ingestion) => self.of(ingestion),
            ResourceDefinition::Source(_) | ResourceDefinition::Sink(_) => self.clone(),
        }
    }

    /// The types of sources that it serves.
    ///
    /// # Errors
    /// The plugin's own; `internal` for a schema that is no JSON.
    pub async fn source_types(&self) -> Result<Vec<SourceType>> {
        let types = step!(self, asgard_connector_connector.call_source_types())?;
        types.into_iter().map(source_type).collect()
    }

    /// Reaches the source.
    ///
    /// # Errors
    /// The plugin's own: `unauthenticated`, `unavailable`, `invalid-input`.
    pub async fn check(&self, source: &Source) -> Result<()> {
        let source = wit::Source::from(source.clone());
        step!(self, asgard_connector_connector.call_check(&source))
    }

    /// All streams of the source, those that cannot be synced too.
    ///
    /// # Errors
    /// As [`Connector::check`].
    pub async fn discover(&self, source: &Source) -> Result<Vec<StreamDescriptor>> {
        let source = wit::Source::from(source.clone());
        Ok(list(step!(self, asgard_connector_connector.call_discover(&source))?))
    }

    /// Makes, or brings up to date, what the backend needs; the answer is the handle to keep. Empty = nothing.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn provision(&self, definition: &ResourceDefinition) -> Result<Vec<u8>> {
        let connector = self.about(definition);
        let definition = wit::ResourceDefinition::from(definition.clone());
        step!(connector, asgard_connector_connector.call_provision(&definition))
    }

    /// Removes it again; not being there is no error.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn retire(&self, definition: &ResourceDefinition) -> Result<()> {
        let connector = self.about(definition);
        let definition = wit::ResourceDefinition::from(definition.clone());
        step!(connector, asgard_connector_connector.call_retire(&definition))
    }

    /// Opens a sync from the checkpoints that the ingestion's streams carry.
    ///
    /// # Errors
    /// The plugin's own; `unavailable` when as many syncs run as may.
    pub async fn open(&self, ingestion: &Ingestion) -> Result<Sync> {
        let session = Session::open(&self.plugin, &self.of(ingestion).call, Lifetime::Sync).await?;
        self.open_in(session, ingestion).await
    }

    /// Room for so many parts of a sync, or for as many as there is room for at this moment: a sync that waited for room
    /// while it holds some would keep others waiting for ever.
    pub fn room(&self, ingestion: &Ingestion, parts: u32) -> Vec<Room> {
        let call = self.of(ingestion).call;
        (0..parts).map_while(|_| Session::open_at_once(&self.plugin, &call)).map(Room).collect()
    }

    /// Opens a part of a sync.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn open_part(&self, room: Room, ingestion: &Ingestion) -> Result<Sync> {
        self.open_in(room.0, ingestion).await
    }

    async fn open_in(&self, mut session: Session, ingestion: &Ingestion) -> Result<Sync> {
        let exports = self.exports()?;
        let ingestion = wit::Ingestion::from(ingestion.clone());
        let (instance, resource) = session
            .run("open", move |store| {
                Box::pin(async move {
                    let instance = exports.instantiate_async(&mut *store).await?;
                    let opened = instance.asgard_connector_connector().call_open(store, &ingestion).await?;
                    Ok(opened.map(|resource| (instance, resource)))
                })
            })
            .await?;
        Ok(Sync { instance: Arc::new(instance), resource, session })
    }

    /// Ends the backend's side of the sync of this task.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn cancel(&self, ingestion: &Ingestion) -> Result<()> {
        let connector = self.of(ingestion);
        let ingestion = wit::Ingestion::from(ingestion.clone());
        step!(connector, asgard_connector_connector.call_cancel(&ingestion))
    }
}

/// A place for one more instance.
pub struct Room(Session);

/// A sync under way. Its instance and its connections go when this is dropped.
pub struct Sync {
    instance: Arc<ConnectorPlugin>,
    resource: ResourceAny,
    session: Session,
}

impl Sync {
    /// What happens next. Each call has the limits of a step.
    ///
    /// Dropping the future before it is ready ends the sync: open it again from its last checkpoints.
    ///
    /// # Errors
    /// The plugin's own, or what happened to it; after a trap or a time out the sync is over.
    pub async fn next(&mut self) -> Result<Event> {
        let (instance, resource) = (Arc::clone(&self.instance), self.resource);
        let event = self
            .session
            .run("next", move |store| {
                Box::pin(async move { instance.asgard_connector_connector().sync().call_next(store, resource).await })
            })
            .await?;
        let used = &self.session.call().lent.used_secrets;
        Ok(match event.into() {
            Event::StreamFailed { stream, error } => Event::StreamFailed { stream, error: used.conceal_error(error) },
            Event::Progress(progress) => Event::Progress(used.conceal_progress(progress)),
            event => event,
        })
    }
}

fn source_type(declared: wit::SourceType) -> Result<SourceType> {
    let schema = serde_json::from_str(&declared.schema).map_err(|error| {
        Error::internal(format!("the plugin's schema of source type `{}` is no JSON: {error}", declared.name))
    })?;
    Ok(SourceType { name: declared.name, title: declared.title, schema })
}

impl From<Source> for wit::Source {
    fn from(source: Source) -> Self {
        Self {
            id: source.id,
            name: source.name,
            source_type: source.source_type,
            configuration: source.configuration.to_string(),
            handle: source.handle,
        }
    }
}

impl From<Sink> for wit::Sink {
    fn from(sink: Sink) -> Self {
        Self {
            id: sink.id,
            name: sink.name,
            sink_type: sink.sink_type,
            configuration: sink.configuration.to_string(),
            handle: sink.handle,
        }
    }
}

impl From<Ingestion> for wit::Ingestion {
    fn from(ingestion: Ingestion) -> Self {
        Self {
            id: ingestion.id,
            name: ingestion.name,
            source: ingestion.source.into(),
            sink: ingestion.sink.into(),
            streams: list(ingestion.streams),
            handle: ingestion.handle,
            parts: ingestion.parts,
            moment: ingestion.moment,
        }
    }
}

impl From<StreamSelection> for wit::StreamSelection {
    fn from(stream: StreamSelection) -> Self {
        Self {
            namespace: stream.namespace,
            name: stream.name,
            sync_mode: stream.sync_mode.into(),
            cursor: stream.cursor,
            primary_key: stream.primary_key,
            columns: list(stream.columns),
            table: stream.table,
            checkpoint: stream.checkpoint,
        }
    }
}

impl From<ResourceDefinition> for wit::ResourceDefinition {
    fn from(definition: ResourceDefinition) -> Self {
        match definition {
            ResourceDefinition::Source(source) => Self::Source(source.into()),
            ResourceDefinition::Sink(sink) => Self::Sink(sink.into()),
            ResourceDefinition::Ingestion(ingestion) => Self::Ingestion(ingestion.into()),
        }
    }
}

impl From<SyncMode> for wit::SyncMode {
    fn from(mode: SyncMode) -> Self {
        match mode {
            SyncMode::FullRefreshOverwrite => Self::FullRefreshOverwrite,
            SyncMode::FullRefreshAppend => Self::FullRefreshAppend,
            SyncMode::IncrementalAppend => Self::IncrementalAppend,
            SyncMode::IncrementalMerge => Self::IncrementalMerge,
            SyncMode::ChangeDataCapture => Self::ChangeDataCapture,
        }
    }
}

impl From<wit::SyncMode> for SyncMode {
    fn from(mode: wit::SyncMode) -> Self {
        match mode {
            wit::SyncMode::FullRefreshOverwrite => Self::FullRefreshOverwrite,
            wit::SyncMode::FullRefreshAppend => Self::FullRefreshAppend,
            wit::SyncMode::IncrementalAppend => Self::IncrementalAppend,
            wit::SyncMode::IncrementalMerge => Self::IncrementalMerge,
            wit::SyncMode::ChangeDataCapture => Self::ChangeDataCapture,
        }
    }
}

impl From<wit::StreamDescriptor> for StreamDescriptor {
    fn from(stream: wit::StreamDescriptor) -> Self {
        Self {
            namespace: stream.namespace,
            name: stream.name,
            columns: list(stream.columns),
            primary_key: stream.primary_key,
            sync_modes: list(stream.sync_modes),
            cursor_columns: stream.cursor_columns,
            estimated_rows: stream.estimated_rows,
            unsupported: stream.unsupported,
        }
    }
}

impl From<wit::Event> for Event {
    fn from(event: wit::Event) -> Self {
        match event {
            wit::Event::Divided(parts) => Self::Divided(list(parts)),
            wit::Event::Rows(rows) => Self::Rows(rows.into()),
            wit::Event::Truncated(stream) => Self::Truncated { stream },
            wit::Event::Evolved(wit::Evolution { stream, columns }) => Self::Evolved { stream, columns: list(columns) },
            wit::Event::Checkpoint(wit::Checkpoint { stream, state, complete }) => {
                Self::Checkpoint { stream, state, complete }
            }
            wit::Event::Moved(wit::Moved { stream, records, bytes }) => Self::Moved { stream, records, bytes },
            wit::Event::Progress(progress) => Self::Progress(progress.into()),
            wit::Event::Waiting(milliseconds) => Self::Waiting(milliseconds),
            wit::Event::StreamFailed((stream, error)) => Self::StreamFailed { stream, error: error.into() },
            wit::Event::Done => Self::Done,
        }
    }
}

impl From<wit::Part> for Part {
    fn from(part: wit::Part) -> Self {
        Self { streams: part.streams, moment: part.moment }
    }
}

impl From<wit::RowData> for RowData {
    fn from(data: wit::RowData) -> Self {
        match data {
            wit::RowData::ArrowIpc(bytes) => Self::ArrowIpc(bytes),
            wit::RowData::JsonLines(bytes) => Self::JsonLines(bytes),
        }
    }
}

impl From<wit::Change> for Change {
    fn from(change: wit::Change) -> Self {
        match change {
            wit::Change::Insert => Self::Insert,
            wit::Change::Update => Self::Update,
            wit::Change::Delete => Self::Delete,
        }
    }
}

impl From<wit::Rows> for Rows {
    fn from(rows: wit::Rows) -> Self {
        Self {
            stream: rows.stream,
            data: rows.data.into(),
            changes: list(rows.changes),
            kept: rows.kept,
            previous_keys: rows.previous_keys.map(Into::into),
        }
    }
}
