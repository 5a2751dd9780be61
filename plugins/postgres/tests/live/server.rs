//! Servers and databases for tests.

use std::sync::{Arc, Mutex, Weak};

use asgard_journey::postgres::PostgresServer;
use asgard_plugin_postgres::configuration::Configuration;
use asgard_plugin_postgres::inspection;
use asgard_plugin_postgres::sync::Run;
use asgard_sdk::connector::{Ingestion, Sink, Source, StreamDescriptor, StreamSelection, SyncMode};
use asgard_sdk::{Result, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::SimpleQueryMessage;

use crate::network::Network;

/// A server, and the threads that its owner's statements need.
pub(crate) struct Server {
    runtime: Runtime,
    server: Option<PostgresServer>,
    _folder: TempDir,
}

/// The one that tests share, as long as one of them uses it: the last one ends it.
static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

impl Server {
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    pub(crate) fn start() -> Self {
        let slots = "60";
        Self::start_with(&[
            ("wal_level", "logical"),
            ("max_replication_slots", slots),
            ("max_wal_senders", slots),
            ("max_connections", "200"),
        ])
    }

    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let server = runtime.block_on(PostgresServer::start_with(folder.path(), settings)).unwrap();
        Self { runtime, server: Some(server), _folder: folder }
    }

    pub(crate) fn postgres(&self) -> &PostgresServer {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.postgres().port()
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Goes on as a standby does that has all that its primary wrote.
    pub(crate) fn become_standby(&mut self) {
        let server = self.server.as_mut().unwrap();
        std::fs::write(server.data().join("standby.signal"), "").unwrap();
        self.runtime.block_on(server.restart()).unwrap();
    }

    /// Runs statements as superuser in `database`.
    pub(crate) fn execute(&self, database: &str, script: &str) {
        self.runtime.block_on(async {
            let client = self.postgres().connect(database).await.unwrap();
            client.batch_execute(script).await.unwrap_or_else(|error| panic!("{error:?} in {script}"));
        });
    }

    /// A database of the test's own, filled by the script.
    pub(crate) fn database(&self, name: &str, script: &str) -> Database<'_> {
        self.execute("postgres", &format!("CREATE DATABASE {name}"));
        self.execute(name, script);
        self.existing(name)
    }

    /// A database that is there.
    pub(crate) fn existing(&self, name: &str) -> Database<'_> {
        let settings = json::json!({"database": name});
        Database { server: self, name: name.to_owned(), settings, network: Network::default() }
    }

    /// Who gets in how; read by the server at once.
    pub(crate) fn set_access(&self, lines: &str) {
        std::fs::write(self.postgres().data().join("pg_hba.conf"), lines).unwrap();
        self.execute("postgres", "SELECT pg_reload_conf()");
    }

    /// A certificate of its own, and TLS on.
    pub(crate) fn enable_tls(&self) {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
        self.runtime.block_on(self.postgres().enable_tls(&certificate, &key)).unwrap();
    }

    /// A configuration for the superuser, with changes.
    pub(crate) fn configuration(&self, changes: json::Value) -> Configuration {
        json::from_value(self.settings(changes)).unwrap()
    }

    fn settings(&self, changes: json::Value) -> json::Value {
        let mut settings = json::json!({
            "host": "127.0.0.1",
            "port": self.port(),
            "database": "postgres",
            "username": self.postgres().user(),
            "password": format!("secret://{}", self.postgres().password()),
            "ssl_mode": {"mode": "disable"},
        });
        for (name, value) in changes.as_object().unwrap() {
            settings[name] = value.clone();
        }
        settings
    }
}

/// A database on a server, seen by the connector.
pub(crate) struct Database<'a> {
    server: &'a Server,
    name: String,
    settings: json::Value,
    pub(crate) network: Network,
}

impl Database<'_> {
    /// The source captures changes.
    pub(crate) fn captured(mut self) -> Self {
        self.settings["replication_method"] = json::json!({"method": "CDC"});
        self
    }

    /// The source is configured otherwise.
    pub(crate) fn with(mut self, settings: json::Value) -> Self {
        for (name, value) in settings.as_object().unwrap() {
            self.settings[name] = value.clone();
        }
        self
    }

    /// The one value of a query.
    pub(crate) fn value(&self, sql: &str) -> Option<String> {
        self.server.runtime.block_on(async {
            let client = self.server.postgres().connect(&self.name).await.unwrap();
            let rows = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{error:?} in {sql}"));
            rows.into_iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
                _ => None,
            })?
        })
    }

    /// A session that stays, and its transaction with it.
    pub(crate) fn session(&self) -> Session<'_> {
        let client = self.server.runtime.block_on(self.server.postgres().connect(&self.name)).unwrap();
        Session { server: self.server, client }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn ingestion(&self, streams: Vec<StreamSelection>) -> Ingestion {
        let source = Source {
            id: "source".to_owned(),
            name: "source".to_owned(),
            source_type: "postgres".to_owned(),
            configuration: self.server.settings(self.settings.clone()).to_string(),
            handle: None,
        };
        let sink = Sink {
            id: "sink".to_owned(),
            name: "sink".to_owned(),
            sink_type: "local".to_owned(),
            configuration: "{}".to_owned(),
            handle: None,
        };
        Ingestion {
            id: self.name.clone(),
            name: "ingestion".to_owned(),
            source,
            sink,
            streams,
            handle: None,
            parts: 0,
            moment: None,
        }
    }

    pub(crate) fn execute(&self, script: &str) {
        self.server.execute(&self.name, script);
    }

    pub(crate) fn discover(&self) -> Result<Vec<StreamDescriptor>> {
        inspection::discover(&self.network, &self.server.configuration(self.settings.clone()))
    }

    /// All streams as they are now.
    pub(crate) fn selections(&self, sync_mode: SyncMode) -> Vec<StreamSelection> {
        let found = self.discover().unwrap().into_iter().filter(|stream| stream.unsupported.is_none());
        let selected = found.map(|stream| StreamSelection {
            namespace: stream.namespace,
            table: stream.name.clone(),
            name: stream.name,
            sync_mode,
            cursor: stream.cursor_columns.last().cloned(),
            primary_key: stream.primary_key,
            columns: stream.columns,
            checkpoint: None,
        });
        selected.collect()
    }

    /// A sync of the streams under a task.
    pub(crate) fn open(&self, task: &str, streams: Vec<StreamSelection>) -> Run {
        self.open_divided(task, streams, 0)
    }

    /// A sync that may give so many parts away.
    pub(crate) fn open_divided(&self, task: &str, streams: Vec<StreamSelection>, parts: u32) -> Run {
        let ingestion = Ingestion { parts, ..self.ingestion(streams) };
        Run::new(Box::new(self.network.clone()), ingestion, task.to_owned()).unwrap()
    }

    /// A part of a sync.
    pub(crate) fn open_part(&self, task: &str, streams: Vec<StreamSelection>, moment: Vec<u8>) -> Result<Run> {
        let ingestion = Ingestion { moment: Some(moment), ..self.ingestion(streams) };
        let mut run = Run::new(Box::new(self.network.clone()), ingestion, task.to_owned())?;
        run.join()?;
        Ok(run)
    }
}

/// Somebody else's.
pub(crate) struct Session<'a> {
    server: &'a Server,
    client: tokio_postgres::Client,
}

impl Session<'_> {
    pub(crate) fn execute(&self, script: &str) {
        self.server.runtime.block_on(self.client.batch_execute(script)).unwrap();
    }
}
