//! A host whose processes write what was recorded.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use asgard_plugin_airbyte_protocol::configuration::{Configuration, Connector};
use asgard_plugin_airbyte_protocol::host::Host;
use asgard_plugin_airbyte_protocol::sync::Run;
use asgard_sdk::connector::{
    Checkpoint, Event, Ingestion, RowData, Sink, Source, StreamDescriptor, StreamSelection, SyncMode,
};
use asgard_sdk::context::Level;
use asgard_sdk::processes::{Chunk, Content, ProcessStatus, Spec};
use asgard_sdk::{Error, Result};
use serde_json::{Value, json};

/// What a process of this command writes, and how it ends.
#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) output: String,
    pub(crate) status: ProcessStatus,
}

#[derive(Default)]
pub(crate) struct State {
    /// By the protocol's word.
    pub(crate) plays: RefCell<BTreeMap<String, Play>>,
    running: RefCell<BTreeMap<String, (Spec, Play)>>,
    /// Every process that was started.
    pub(crate) started: RefCell<Vec<Spec>>,
    pub(crate) removed: RefCell<Vec<String>>,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) now_ms: Cell<u64>,
    /// Output is given in pieces of so many bytes; 0 = whole.
    pub(crate) piece: Cell<usize>,
    /// Of the output, lost.
    pub(crate) lost: Cell<u64>,
}

#[derive(Clone, Default)]
pub(crate) struct Recorded(pub(crate) Rc<State>);

impl Recorded {
    pub(crate) fn new(plays: &[(&str, &str)]) -> Self {
        let host = Self::default();
        for (word, output) in plays {
            host.plays(word, output, ProcessStatus::Exited(0));
        }
        host
    }

    pub(crate) fn plays(&self, word: &str, output: &str, status: ProcessStatus) {
        self.0.plays.borrow_mut().insert(word.to_owned(), Play { output: output.to_owned(), status });
    }

    /// A file of the last process of this command.
    pub(crate) fn file(&self, word: &str, path: &str) -> Option<Value> {
        let started = self.0.started.borrow();
        let spec = started.iter().rev().find(|spec| spec.arguments.iter().any(|argument| argument == word))?;
        let file = spec.files.iter().find(|file| file.path == path)?;
        match &file.content {
            Content::Inline(bytes) => serde_json::from_slice(bytes).ok(),
            Content::Object(_) => None,
        }
    }

    pub(crate) fn said(&self, what: &str) -> bool {
        self.0.log.borrow().iter().any(|line| line.contains(what))
    }
}

impl Host for Recorded {
    fn start(&self, key: &str, spec: &Spec) -> Result<()> {
        let words = ["spec", "check", "discover", "read"];
        let word = spec.arguments.iter().find(|argument| words.contains(&argument.as_str())).unwrap();
        let Some(play) = self.0.plays.borrow().get(word).cloned() else { panic!("nothing is recorded for {word}") };
        self.0.started.borrow_mut().push(spec.clone());
        self.0.running.borrow_mut().insert(key.to_owned(), (spec.clone(), play));
        Ok(())
    }
    fn status(&self, key: &str) -> Result<ProcessStatus> {
        let running = self.0.running.borrow();
        running.get(key).map(|(_, play)| play.status).ok_or_else(|| Error::NotFound(key.to_owned()))
    }
    fn output(&self, key: &str, offset: u64, max: u32) -> Result<Chunk> {
        let running = self.0.running.borrow();
        let (_, play) = running.get(key).ok_or_else(|| Error::NotFound(key.to_owned()))?;
        let from = offset.max(self.0.lost.get()) as usize;
        let rest = play.output.as_bytes().get(from..).unwrap_or_default();
        let most = if self.0.piece.get() == 0 { max as usize } else { self.0.piece.get() };
        let data = rest[..rest.len().min(most)].to_vec();
        Ok(Chunk { next: from as u64 + data.len() as u64, data })
    }
    fn read_file(&self, _key: &str, path: &str) -> Result<Vec<u8>> {
        match path {
            ".asgard/stderr" => Ok(b"Traceback (most recent call last):\nValueError: the disk is full\n".to_vec()),
            _ => Err(Error::NotFound(path.to_owned())),
        }
    }
    fn remove(&self, key: &str) -> Result<()> {
        self.0.running.borrow_mut().remove(key);
        self.0.removed.borrow_mut().push(key.to_owned());
        Ok(())
    }
    fn log(&self, _level: Level, message: &str) {
        self.0.log.borrow_mut().push(message.to_owned());
    }
    fn warn(&self, reason: &str, message: &str) {
        self.0.log.borrow_mut().push(format!("{reason}: {message}"));
    }
    fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }
    fn sleep_ms(&self, _milliseconds: u64) {}
    fn unique_key(&self, what: &str) -> String {
        what.to_owned()
    }
}

pub(crate) fn configuration(more: Value) -> Configuration {
    let mut definition = json!({"program": "faker", "script": "source-faker", "environment": {"TZ": "UTC"}});
    for (name, value) in more.as_object().unwrap() {
        definition[name] = value.clone();
    }
    serde_json::from_value(json!({
        "connectors": {"faker": definition},
        "command_timeout_seconds": 110,
        "sync_timeout_hours": 24,
    }))
    .unwrap()
}

/// One whose states may be gone on from, unless `more` says otherwise.
pub(crate) fn connector(mut more: Value) -> Connector {
    if more.get("states").is_none() {
        more["states"] = json!("repeatable");
    }
    configuration(more).connector_of(&source()).unwrap()
}

pub(crate) fn source() -> Source {
    Source {
        id: "s1".to_owned(),
        name: "people".to_owned(),
        source_type: "faker".to_owned(),
        configuration: json!({"count": 20, "token": "secret://source-s1.token"}).to_string(),
        handle: None,
    }
}

pub(crate) fn selection(stream: &StreamDescriptor, mode: SyncMode, checkpoint: Option<Vec<u8>>) -> StreamSelection {
    StreamSelection {
        namespace: stream.namespace.clone(),
        name: stream.name.clone(),
        sync_mode: mode,
        cursor: None,
        primary_key: stream.primary_key.clone(),
        columns: stream.columns.clone(),
        table: stream.name.clone(),
        checkpoint,
    }
}

pub(crate) fn open(
    host: &Recorded,
    connector: Connector,
    streams: Vec<StreamSelection>,
    task: &str,
) -> Result<Run<Recorded>> {
    let ingestion = Ingestion {
        id: "i1".to_owned(),
        name: "people".to_owned(),
        source: source(),
        sink: Sink {
            id: "k1".to_owned(),
            name: "lake".to_owned(),
            sink_type: "local".to_owned(),
            configuration: "{}".to_owned(),
            handle: None,
        },
        streams,
        handle: None,
        parts: 0,
        moment: None,
    };
    Run::open(host.clone(), connector, ingestion, task)
}

/// A sync to its end.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) rows: Vec<Value>,
    pub(crate) checkpoints: Vec<Checkpoint>,
    pub(crate) failures: Vec<(u32, Error)>,
    pub(crate) evolved: Vec<Vec<String>>,
    pub(crate) changes: usize,
    /// Rows that were handed over before each checkpoint.
    pub(crate) before: Vec<usize>,
}

pub(crate) fn all(mut run: Run<Recorded>) -> (Read, Result<()>) {
    let mut read = Read::default();
    loop {
        match run.next_event() {
            Ok(Event::Rows(rows)) => {
                let RowData::JsonLines(lines) = rows.data else { panic!("rows are lines of JSON") };
                let text = String::from_utf8(lines).unwrap();
                read.rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
                read.changes += rows.changes.len();
            }
            Ok(Event::Checkpoint(checkpoint)) => {
                read.before.push(read.rows.len());
                read.checkpoints.push(checkpoint);
            }
            Ok(Event::StreamFailed(failed)) => read.failures.push(failed),
            Ok(Event::Evolved(evolution)) => {
                read.evolved.push(evolution.columns.into_iter().map(|column| column.name).collect());
            }
            Ok(Event::Done) => return (read, Ok(())),
            Ok(_) => {}
            Err(error) => return (read, Err(error)),
        }
    }
}
