//! Feast: a registry server and a feature server over one project, whose registry is a database; and an offline server, which joins for
//! clients that have no engine.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use asgard_journey::ports::free_port;
use asgard_journey::s3::S3;
use serde_json::{Value, json};

use crate::installed;
use crate::process::Process;

/// The project of both servers.
const PROJECT: &str = "live";

/// Feast's own command, but for the offline server's level of logging, which is one that tells nothing of requests.
const TELLING: &str = "
import logging
from feast import offline_server
from feast.cli.cli import cli
offline_server.logger.setLevel(logging.DEBUG)
cli()
";

/// How the offline server's log begins what it tells of a join.
const JOIN: &str = "do_exchange: api=get_historical_features,";

/// Running servers; they end when dropped.
pub struct Feast {
    _registry: Process,
    _server: Process,
    registry: String,
    server: String,
    store: Value,
    python: PathBuf,
    /// With `feature_store.yaml`.
    folder: PathBuf,
    /// Of the servers.
    variables: Vec<(String, String)>,
    /// Of clients that read the bucket.
    environment: Value,
}

impl Feast {
    /// Whether tests on it are asked for.
    pub fn asked_for() -> bool {
        std::env::var_os("ASGARD_LIVE_FEAST_PYTHON").is_some()
    }

    /// The environment's secret that clients read the bucket with.
    pub const SECRET: &str = "files";

    /// Starts both and waits until they answer. They read the files of a host on this machine.
    ///
    /// # Errors
    /// With the end of a log when a server does not come up.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::reading("duckdb", &[], folder)
    }

    /// As [`Feast::start`], for files in the bucket.
    ///
    /// # Errors
    /// As [`Feast::start`].
    pub fn start_on(s3: &S3, folder: &Path) -> Result<Self> {
        let endpoint = s3.endpoint();
        let login = [
            ("AWS_ACCESS_KEY_ID", S3::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", S3::SECRET_KEY),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &endpoint),
        ];
        // DuckDB would fetch what it reads buckets with from a registry of its own.
        let mut feast = Self::reading("file", &login, folder)?;
        feast.environment = login.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        feast.environment["AWS_SECRET_ACCESS_KEY"] = json!(format!("secret://{}", Self::SECRET));
        Ok(feast)
    }

    fn reading(offline: &str, variables: &[(&str, &str)], folder: &Path) -> Result<Self> {
        let python = installed::path("FEAST_PYTHON")?;
        // A registry in a file would have one writer: each server keeps it in memory and writes all of it.
        let store = json!({
            "registry": {"registry_type": "sql", "path": format!("sqlite:///{}", folder.join("registry.db").display())},
            "online_store": {"type": "sqlite", "path": folder.join("online.db")},
            "offline_store": {"type": offline},
            "entity_key_serialization_version": 3,
        });
        let mut file = store.clone();
        file["project"] = json!(PROJECT);
        file["provider"] = json!("local");
        // JSON is YAML.
        std::fs::write(folder.join("feature_store.yaml"), file.to_string())?;
        let (rest, port) = (free_port()?, free_port()?);
        let (registry, server) = (format!("http://127.0.0.1:{rest}"), format!("http://127.0.0.1:{port}"));
        let home = folder.to_string_lossy().into_owned();
        let own = [
            ("FEAST_USAGE", "False"),
            ("DO_NOT_TRACK", "true"),
            ("PYTHONWARNINGS", "ignore"),
            ("TZ", "UTC"),
            // The feature server's workers keep a socket there.
            ("HOME", &home),
        ];
        let variables: Vec<(String, String)> =
            own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let started = |name: &'static str, arguments: &[&str]| {
            let mut command = Command::new(python.with_file_name("feast"));
            command.args(arguments).envs(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            Process::start(name, &mut command, folder)
        };
        let (rest, port) = (rest.to_string(), port.to_string());
        let mut of_registry = started(
            "registry",
            &["serve_registry", "--no-grpc", "--rest-api", "--rest-port", &rest, "-h", "127.0.0.1"],
        )?;
        // The first makes the registry's tables, and two at once would be in each other's way.
        of_registry.wait(|| ureq::get(format!("{registry}/api/v1/version")).call().ok())?;
        // By default it looks for new views each minute.
        let mut of_server = started("feature-server", &["serve", "-h", "127.0.0.1", "-p", &port, "-r", "2"])?;
        of_server.wait(|| ureq::get(format!("{server}/health")).call().ok())?;
        Ok(Self {
            _registry: of_registry,
            _server: of_server,
            registry,
            server,
            store,
            python,
            folder: folder.to_owned(),
            variables,
            environment: json!({}),
        })
    }

    /// Starts an offline server over the same project, and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn offline(&self) -> Result<Offline> {
        const NAME: &str = "offline-server";
        let port = free_port()?;
        let mut command = Command::new(&self.python);
        command
            .args(["-c", TELLING, "--log-level", "DEBUG", "serve_offline", "-h", "127.0.0.1", "-p", &port.to_string()])
            .envs(self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let process = Process::start(NAME, &mut command, &self.folder)?;
        let mut offline = Offline { process, command, port, log: self.folder.join(format!("{NAME}.log")) };
        offline.wait()?;
        Ok(offline)
    }

    /// Where the registry server listens: `http://HOST:PORT`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Where the feature server listens: `http://HOST:PORT`.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The plugin's configuration, for a project of both servers' store.
    pub fn configuration(&self) -> Value {
        json!({
            "registry": self.registry, "feature_server": self.server, "project": PROJECT, "store": self.store,
            "program": "feast", "environment": self.environment,
        })
    }

    /// The addresses of both servers, as grants have them.
    pub fn grants(&self) -> Value {
        let host = |url: &str| json!({"host": url.trim_start_matches("http://")});
        json!([host(&self.registry), host(&self.server)])
    }

    /// A Python with Feast's SDK.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// An object of the registry, as it says itself.
    ///
    /// # Errors
    /// When it has none.
    pub fn registered(&self, kind: &str, name: &str) -> Result<Value> {
        let url = format!("{}/api/v1/{kind}/{name}?project={PROJECT}&allow_cache=false", self.registry);
        Ok(serde_json::from_str(&ureq::get(url).call()?.body_mut().read_to_string()?)?)
    }
}

/// A running offline server, in Arrow's Flight; it ends when dropped.
pub struct Offline {
    process: Process,
    command: Command,
    port: u16,
    log: PathBuf,
}

impl Offline {
    /// `offline_store` of a client's `feature_store.yaml`.
    pub fn store(&self) -> Value {
        json!({"type": "remote", "host": "127.0.0.1", "port": self.port})
    }

    /// How many joins it was asked for whose features are told so, such as `'view:feature'`.
    ///
    /// # Errors
    /// Those of reading its log.
    pub fn joins(&self, features: &str) -> Result<usize> {
        let log = std::fs::read(&self.log)?;
        let log = String::from_utf8_lossy(&log);
        Ok(log.lines().filter(|line| line.contains(JOIN) && line.contains(features)).count())
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// Those of the system.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again where it was, after [`Offline::kill`].
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        self.process.start_again(&mut self.command)?;
        self.wait()
    }

    fn wait(&mut self) -> Result<()> {
        let port = self.port;
        self.process.wait(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()).map(drop)
    }
}
