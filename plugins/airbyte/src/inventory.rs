//! Finds, makes, changes and removes what Airbyte needs for an ingestion. Every call may be repeated, by whoever takes over after a
//! crash: a thing is looked for by its id, then by its name, and made only when it is not there.

use asgard_sdk::connector::{Ingestion, ResourceDefinition, Sink, Source, StreamSelection, SyncMode};
use asgard_sdk::url::escape;
use asgard_sdk::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::destinations::{self, NAMESPACE};
use crate::host::Host;
use crate::reset;
use crate::sources::{self, Translated};
use crate::trial;
use crate::wire::{
    ActorPatch, Configurations, Connection, ConnectionRequest, Destination, NewActor, Page, Schedule,
    Source as WireSource, StreamConfiguration,
};

/// Things in one answer of a list.
const PAGE: usize = 100;

/// The status of a connection that somebody deleted: by its id, it is told all the same.
const DELETED: &str = "deprecated";

/// What the host keeps for a source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceHandle {
    pub source: String,
}

/// What the host keeps for an ingestion.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IngestionHandle {
    pub connection: String,
    pub destination: String,
}

/// What there is in the workspace.
pub struct Inventory<'a> {
    client: Client<'a>,
    configuration: &'a Configuration,
}

/// A name that is found again: ids of the host are its own.
fn named(name: &str, id: &str) -> String {
    format!("{name} ({id})")
}

fn is_of(name: &str, id: &str) -> bool {
    name.ends_with(&format!("({id})"))
}

impl<'a> Inventory<'a> {
    /// Of the configured workspace.
    ///
    /// # Errors
    /// None at present: the server is asked later.
    pub fn new(host: &'a dyn Host, configuration: &'a Configuration) -> Result<Self> {
        Ok(Self { client: Client::new(host, configuration), configuration })
    }

    /// Makes it, or brings it up to date.
    ///
    /// # Errors
    /// Those of the server.
    pub fn provision(&self, definition: &ResourceDefinition) -> Result<Vec<u8>> {
        match definition {
            ResourceDefinition::Source(source) => asgard_sdk::encode(&SourceHandle { source: self.source(source)? }),
            // Sinks are made with the first ingestion that uses them.
            ResourceDefinition::Sink(_) => Ok(Vec::new()),
            ResourceDefinition::Ingestion(ingestion) => asgard_sdk::encode(&self.ingestion(ingestion)?),
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// Those of the server.
    pub fn retire(&self, definition: &ResourceDefinition) -> Result<()> {
        match definition {
            ResourceDefinition::Source(source) => match self.known_source(source)? {
                Some(id) => self.client.delete(&format!("/sources/{}", escape(&id))),
                None => Ok(()),
            },
            ResourceDefinition::Sink(_) => Ok(()),
            ResourceDefinition::Ingestion(ingestion) => self.retire_ingestion(ingestion),
        }
    }

    fn all<T: DeserializeOwned>(&self, what: &str) -> Result<Vec<T>> {
        let mut all = Vec::new();
        loop {
            let workspace = escape(&self.configuration.workspace_id);
            let path = format!("/{what}?workspaceIds={workspace}&limit={PAGE}&offset={}", all.len());
            let page: Page<T> = self.client.get(&path)?;
            let last = page.data.len() < PAGE;
            all.extend(page.data);
            if last {
                return Ok(all);
            }
        }
    }

    fn known_source(&self, source: &Source) -> Result<Option<String>> {
        if let Some(handle) = handle::<SourceHandle>(source.handle.as_deref())?
            && let Some(found) = self.client.find::<WireSource>(&format!("/sources/{}", escape(&handle.source)))?
        {
            return Ok(Some(found.source_id));
        }
        let found = self.all::<WireSource>("sources")?.into_iter().find(|other| is_of(&other.name, &source.id));
        Ok(found.map(|found| found.source_id))
    }

    fn source(&self, source: &Source) -> Result<String> {
        let Translated { connector, configuration } = sources::translate(self.configuration, source)?;
        let name = named(&source.name, &source.id);
        if let Some(id) = self.known_source(source)? {
            let patch = ActorPatch { name: &name, configuration: &configuration };
            let changed: WireSource = self.client.send("PATCH", &format!("/sources/{}", escape(&id)), &patch)?;
            return Ok(changed.source_id);
        }
        let workspace = &self.configuration.workspace_id;
        let definition = trial::definition(&self.client, workspace, &connector)?;
        let new = NewActor {
            name: &name,
            workspace_id: workspace,
            definition_id: Some(&definition),
            configuration: &configuration,
        };
        let made: WireSource = self.client.send("POST", "/sources", &new)?;
        Ok(made.source_id)
    }

    fn destination(&self, sink: &Sink) -> Result<String> {
        let configuration = destinations::translate(self.configuration, sink)?;
        let name = named(&sink.name, &sink.id);
        let found = self.all::<Destination>("destinations")?.into_iter().find(|other| is_of(&other.name, &sink.id));
        if let Some(found) = found {
            let path = format!("/destinations/{}", escape(&found.destination_id));
            let patch = ActorPatch { name: &name, configuration: &configuration };
            let changed: Destination = self.client.send("PATCH", &path, &patch)?;
            return Ok(changed.destination_id);
        }
        let workspace = &self.configuration.workspace_id;
        let new = NewActor { name: &name, workspace_id: workspace, definition_id: None, configuration: &configuration };
        let made: Destination = self.client.send("POST", "/destinations", &new)?;
        Ok(made.destination_id)
    }

    fn known_connection(&self, ingestion: &Ingestion) -> Result<Option<Connection>> {
        if let Some(handle) = handle::<IngestionHandle>(ingestion.handle.as_deref())?
            && let Some(found) =
                self.client.find::<Connection>(&format!("/connections/{}", escape(&handle.connection)))?
            && found.status != DELETED
        {
            return Ok(Some(found));
        }
        let is_it = |other: &Connection| other.status != DELETED && is_of(&other.name, &ingestion.id);
        Ok(self.all::<Connection>("connections")?.into_iter().find(is_it))
    }

    /// Makes an ingestion's connection and what it needs, or brings them up to date.
    ///
    /// # Errors
    /// Those of the server.
    pub fn ingestion(&self, ingestion: &Ingestion) -> Result<IngestionHandle> {
        let prefix = prefix(&ingestion.streams)?;
        let source = self.source(&ingestion.source)?;
        let destination = self.destination(&ingestion.sink)?;
        let name = named(&ingestion.name, &ingestion.id);
        let mut request = ConnectionRequest {
            name: &name,
            source_id: None,
            destination_id: None,
            configurations: Configurations { streams: ingestion.streams.iter().map(stream).collect() },
            // The host has the schedule.
            schedule: Schedule { schedule_type: "manual" },
            namespace_definition: "custom_format",
            namespace_format: NAMESPACE,
            prefix: &prefix,
            // Columns change when the host says so, with a reset.
            non_breaking_schema_updates_behavior: "ignore",
            status: "active",
        };
        let connection: Connection = match self.known_connection(ingestion)? {
            Some(known) => {
                self.client.send("PATCH", &format!("/connections/{}", escape(&known.connection_id)), &request)?
            }
            None => {
                request.source_id = Some(&source);
                request.destination_id = Some(&destination);
                let made = self.client.send("POST", "/connections", &request)?;
                reset::done(self.client.host(), ingestion)?;
                made
            }
        };
        Ok(IngestionHandle { connection: connection.connection_id, destination })
    }

    /// Makes an ingestion's connection anew: what Airbyte keeps for one goes with it, and its tables stay.
    ///
    /// # Errors
    /// Those of the server.
    pub fn renew(&self, ingestion: &Ingestion) -> Result<()> {
        if let Some(known) = self.known_connection(ingestion)? {
            self.client.delete(&format!("/connections/{}", escape(&known.connection_id)))?;
        }
        self.ingestion(ingestion).map(drop)
    }

    /// The destination goes with the last connection that has it.
    fn retire_ingestion(&self, ingestion: &Ingestion) -> Result<()> {
        if let Some(known) = self.known_connection(ingestion)? {
            self.client.delete(&format!("/connections/{}", escape(&known.connection_id)))?;
        }
        reset::forget(self.client.host(), ingestion)?;
        let all = self.all::<Destination>("destinations")?;
        let Some(destination) = all.into_iter().find(|other| is_of(&other.name, &ingestion.sink.id)) else {
            return Ok(());
        };
        let id = destination.destination_id;
        let is_used = self
            .all::<Connection>("connections")?
            .iter()
            .any(|other| other.destination_id == id && other.status != DELETED);
        if is_used { Ok(()) } else { self.client.delete(&format!("/destinations/{}", escape(&id))) }
    }

    /// The connection of an ingestion.
    ///
    /// # Errors
    /// `not-found` when it was never made, or somebody removed it.
    pub fn connection(&self, ingestion: &Ingestion) -> Result<String> {
        let known = self.known_connection(ingestion)?;
        known.map(|known| known.connection_id).ok_or_else(|| {
            Error::NotFound(format!(
                "Airbyte has no connection for ingestion `{}`: PATCH /ingestion/{} with its `streams` makes it again",
                ingestion.name, ingestion.id
            ))
        })
    }
}

fn handle<T: DeserializeOwned>(bytes: Option<&[u8]>) -> Result<Option<T>> {
    bytes.filter(|bytes| !bytes.is_empty()).map(asgard_sdk::decode).transpose()
}

fn stream(selection: &StreamSelection) -> StreamConfiguration<'_> {
    StreamConfiguration {
        name: &selection.name,
        namespace: selection.namespace.as_deref(),
        sync_mode: match selection.sync_mode {
            SyncMode::FullRefreshOverwrite => "full_refresh_overwrite",
            SyncMode::FullRefreshAppend => "full_refresh_append",
            SyncMode::IncrementalAppend => "incremental_append",
            SyncMode::IncrementalMerge | SyncMode::ChangeDataCapture => "incremental_deduped_history",
        },
        cursor_field: selection.cursor.as_deref().map(|cursor| [cursor]),
        primary_key: selection.primary_key.iter().map(|name| [name.as_str()]).collect(),
    }
}

/// What a connection puts before the names of its streams, so that its tables have the host's names.
///
/// # Errors
/// `unsupported` for a stream whose table would have another name.
pub fn prefix(streams: &[StreamSelection]) -> Result<String> {
    let mut common: Option<String> = None;
    for stream in streams {
        let prefix = stream.table.strip_suffix(&stream.name.to_ascii_lowercase());
        match (prefix, &common) {
            (Some(prefix), None) => common = Some(prefix.to_owned()),
            (Some(prefix), Some(before)) if prefix == before => {}
            _ => {
                return Err(Error::Unsupported(format!(
                    "Airbyte would not write stream `{}` to `{NAMESPACE}.{}`: its name has characters that a table has not; sync a view of a plain name, and leave this stream out of `streams`",
                    stream.name, stream.table
                )));
            }
        }
    }
    Ok(common.unwrap_or_default())
}
