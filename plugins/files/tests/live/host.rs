//! A host with one binding: the component, what its grants lend it, and nothing else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use asgard_capabilities::Lent;
use asgard_capabilities::key_value::KeyValues;
use asgard_capabilities::lakehouse::Engine;
use asgard_capabilities::lender::{Backing, Caller, Lender};
use asgard_capabilities::processes::Supervisor;
use asgard_capabilities::secrets::Secrets;
use asgard_contract::connector::{
    Ingestion, ResourceDefinition, Sink, Source, StreamDescriptor, StreamSelection, SyncMode,
};
use asgard_contract::environment::{Environment, Limits};
use asgard_contract::lakehouse::{Output, QueryPlan, Statement, Table, Written};
use asgard_contract::log::{Level, LogSink};
use asgard_contract::{Error, Progress, Result, TableName};
use asgard_plugins::{Call, Plugin, Runtime, RuntimeConfig, Sync, parse_manifest};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The connector under the grants of a test.
pub(crate) struct Host {
    pub(crate) folder: tempfile::TempDir,
    lender: Lender,
    environment: Arc<Environment>,
    plugin: Plugin,
    pub(crate) limits: Limits,
    pub(crate) log: Arc<Lines>,
}

impl Host {
    /// A host whose environment grants the folder `data`, and loopback over HTTP.
    pub(crate) async fn new() -> Self {
        Self::granting(
            "ingestion.grants.files = [\"data\"]\n\
             ingestion.grants.http = [{ host = \"127.0.0.1:*\", substitute_secrets = true }]",
        )
        .await
    }

    /// A host with these grants, written as `ingestion.grants.…`.
    pub(crate) async fn granting(grants: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let grants = grants.replace("ingestion.grants", "silver.grants");
        let text = format!("name = \"test\"\nsilver.plugin = \"files\"\n{grants}");
        let environment: Arc<Environment> = Arc::new(toml::from_str(&text).unwrap());
        let supervisor = Supervisor::open(&folder.path().join("processes"), PathBuf::from("/none")).unwrap();
        let backing = Backing {
            folder: folder.path().join("own"),
            secrets: Arc::new(Kept),
            key_values: Arc::new(Nothing),
            engine: Arc::new(Nothing),
            names: Arc::new(asgard_capabilities::SystemResolver),
            supervisor: Arc::new(supervisor),
            bucket: None,
            cluster: None,
            owner: "test".into(),
            branch: None,
        };
        let lender = Lender::new(Arc::clone(&environment), backing).unwrap();
        Self { folder, lender, environment, plugin: plugin().await, limits: Limits::default(), log: Arc::default() }
    }

    /// The granted folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("own/data")
    }

    /// Writes a file into the granted folder.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.data().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Makes a file look as if it had changed at another time.
    pub(crate) fn touch(path: &Path, seconds: u64) {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + seconds);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    pub(crate) fn lent(&self) -> Lent {
        let caller = Caller {
            environment: "test".to_owned(),
            plugin: "files".to_owned(),
            version: "0.1.0".to_owned(),
            task: "task".to_owned(),
        };
        let grants = &self.environment.silver.as_ref().unwrap().grants;
        self.lender.lend(caller, &self.plugin.manifest().capabilities, grants).unwrap()
    }

    fn call(&self, task: &str) -> Call {
        Call {
            configuration: json!({}),
            environment: "test".to_owned(),
            task_id: task.to_owned(),
            resets: 0,
            lent: self.lent(),
            limits: self.limits.clone(),
            log: Arc::clone(&self.log) as Arc<dyn LogSink>,
        }
    }

    pub(crate) async fn check(&self, configuration: &Value) -> Result<()> {
        self.plugin.connector(self.call("check")).check(&source(configuration)).await
    }

    pub(crate) async fn discover(&self, configuration: &Value) -> Result<Vec<StreamDescriptor>> {
        self.plugin.connector(self.call("discover")).discover(&source(configuration)).await
    }

    /// What discovery finds of the only stream: `id:long, name:string`, or why it is no stream.
    pub(crate) async fn shown(&self, configuration: &Value) -> String {
        let stream = self.discover(configuration).await.unwrap().remove(0);
        match stream.unsupported {
            Some(reason) => reason,
            None => {
                let column = |column: &asgard_contract::Column| format!("{}:{}", column.name, column.data_type);
                stream.columns.iter().map(column).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// An ingestion of all streams, with what `provision` gives.
    pub(crate) async fn ingestion(&self, configuration: &Value, mode: SyncMode) -> Ingestion {
        let streams = self.discover(configuration).await.unwrap();
        let select = |stream: StreamDescriptor| {
            assert_eq!(stream.unsupported, None);
            assert!(stream.sync_modes.contains(&mode));
            StreamSelection {
                namespace: stream.namespace,
                table: stream.name.clone(),
                name: stream.name,
                sync_mode: mode,
                cursor: None,
                primary_key: stream.primary_key,
                columns: stream.columns,
                checkpoint: None,
            }
        };
        let mut ingestion = Ingestion {
            id: "ingestion".to_owned(),
            name: "ingestion".to_owned(),
            source: source(configuration),
            sink: Sink {
                id: "sink".to_owned(),
                name: "sink".to_owned(),
                sink_type: "local".to_owned(),
                configuration: json!({}),
                handle: None,
            },
            streams: streams.into_iter().map(select).collect(),
            handle: None,
            resets: 0,
            parts: 0,
            moment: None,
        };
        let connector = self.plugin.connector(self.call("provision"));
        ingestion.handle = Some(connector.provision(&ResourceDefinition::Ingestion(ingestion.clone())).await.unwrap());
        ingestion
    }

    pub(crate) async fn open(&self, ingestion: &Ingestion, task: &str) -> Result<Sync> {
        self.plugin.connector(self.call(task)).open(ingestion).await
    }
}

/// A folder of the environment's own as a source's configuration, with one stream.
pub(crate) fn local(stream: Value) -> Value {
    json!({"location": {"provider": "local", "folder": "data"}, "streams": [stream]})
}

fn source(configuration: &Value) -> Source {
    Source {
        id: "source".to_owned(),
        name: "source".to_owned(),
        source_type: "files".to_owned(),
        configuration: configuration.clone(),
        handle: None,
    }
}

/// The component that `cargo xtask build` made, compiled once for all tests.
async fn plugin() -> Plugin {
    static PLUGIN: tokio::sync::OnceCell<Plugin> = tokio::sync::OnceCell::const_new();
    let load = || async {
        let folder = std::env::var_os("ASGARD_PLUGINS").map(PathBuf::from);
        let folder =
            folder.unwrap_or_else(|| panic!("ASGARD_PLUGINS is not set: run the tests with `cargo xtask test`"));
        let manifest = std::fs::read_to_string(folder.join("files/plugin.toml")).unwrap();
        let component = std::fs::read(folder.join("files/plugin.wasm")).unwrap();
        // Its thread outlives the test that came first.
        let runtime: &'static Runtime = Box::leak(Box::new(Runtime::new(RuntimeConfig { cache: None }).unwrap()));
        runtime.load(&component, &parse_manifest(&manifest).unwrap()).await.unwrap()
    };
    PLUGIN.get_or_init(load).await.clone()
}

/// What the connector logged.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl LogSink for Lines {
    fn log(&self, level: Level, message: &str) {
        self.0.lock().unwrap().push(format!("{level:?} {message}"));
    }

    fn event(&self, _: &str, _: &str, _: &str) {}
}

/// `secret://NAME` is the text `NAME-value`; some have values that a test needs.
struct Kept;

#[async_trait]
impl Secrets for Kept {
    async fn get(&self, _: &str, name: &str) -> Result<String> {
        let known = HashMap::from([("s3", asgard_journey::s3::S3::SECRET_KEY)]);
        Ok(known.get(name).map_or_else(|| format!("{name}-value"), |&value| value.to_owned()))
    }
}

struct Nothing;

fn nothing() -> Error {
    Error::internal("this host has none")
}

#[async_trait]
impl KeyValues for Nothing {
    async fn get_many(&self, _: &str, _: &str, _: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        Err(nothing())
    }

    async fn set_many(&self, _: &str, _: &str, _: Vec<(String, Vec<u8>)>) -> Result<()> {
        Err(nothing())
    }

    async fn replace(&self, _: &str, _: &str, _: Vec<(String, Vec<u8>)>) -> Result<()> {
        Err(nothing())
    }

    async fn delete_bucket(&self, _: &str, _: &str) -> Result<()> {
        Err(nothing())
    }
}

#[async_trait]
impl Engine for Nothing {
    async fn tables(&self, _: &str) -> Result<Vec<TableName>> {
        Err(nothing())
    }

    async fn describe(&self, _: &TableName) -> Result<Table> {
        Err(nothing())
    }

    async fn data_files(&self, _: &TableName) -> Result<Vec<String>> {
        Err(nothing())
    }

    async fn drop_table(&self, _: &TableName) -> Result<()> {
        Err(nothing())
    }

    async fn plan(&self, _: &Statement) -> Result<QueryPlan> {
        Err(nothing())
    }

    async fn query(&self, _: &Statement, _: u32) -> Result<Vec<u8>> {
        Err(nothing())
    }

    async fn run(&self, _: &str, _: Statement, _: Output, _: watch::Sender<Progress>) -> Result<Written> {
        Err(nothing())
    }
}
