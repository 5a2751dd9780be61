//! Feast: a registry server and a feature server over one project, whose registry is a database.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use asgard_journey::host::free_port;
use asgard_journey::s3::S3;
use serde_json::{Value, json};

use crate::installed;
use crate::process::Process;

/// The project of both servers.
const PROJECT: &str = "live";

/// Running servers; they end when dropped.
pub struct Feast {
    _registry: Process,
    _server: Process,
    registry: String,
    server: String,
    store: Value,
    python: PathBuf,
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
        let started = |name: &'static str, arguments: &[&str]| {
            let mut command = Command::new(python.with_file_name("feast"));
            command
                .args(arguments)
                .envs([("FEAST_USAGE", "False"), ("DO_NOT_TRACK", "true"), ("PYTHONWARNINGS", "ignore"), ("TZ", "UTC")])
                .envs(variables.iter().copied())
                // The feature server's workers keep a socket there.
                .env("HOME", folder);
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
        Ok(Self { _registry: of_registry, _server: of_server, registry, server, store, python, environment: json!({}) })
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
