//! A host without model roles, and a PostgreSQL server beside it with rows to measure with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::postgres::PostgresServer;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::build::{self, Profile};
use crate::shell::{emptied, root};

/// Far finer than what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The servers of a measurement; they end when dropped.
pub(super) struct Lab {
    pub(super) host: Host,
    pub(super) client: Client,
    pub(super) folder: PathBuf,
    pub(super) runtime: Runtime,
    server: Option<PostgresServer>,
}

impl Lab {
    /// Starts both, with data of their own. `settings` as in `postgresql.conf`.
    pub(super) fn start(name: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let built = build::everything(Profile::Release)?;
        let folder = emptied(name)?;
        let host = Host::start_light(&built, &folder.join("host"), 0)?;
        let runtime = Runtime::new().context("no threads for the source's server")?;
        let server = runtime.block_on(PostgresServer::start_with(&folder.join("postgres"), settings))?;
        let client = host.client();
        Ok(Self { host, client, folder, runtime, server: Some(server) })
    }

    pub(super) fn server(&self) -> Result<&PostgresServer> {
        self.server.as_ref().context("the server has ended")
    }

    /// Runs statements at the source.
    pub(super) fn execute(&self, script: &str) -> Result<()> {
        self.runtime.block_on(self.server()?.execute(script))
    }

    /// For clients of libpq and of Python.
    pub(super) fn uri(&self) -> Result<String> {
        let server = self.server()?;
        let (user, password) = (server.user(), server.password());
        Ok(format!("postgresql://{user}:{password}@{}:{}/{}", server.host(), server.port(), server.database()))
    }

    /// An ingestion of the source's schema `bench`; its first sync starts by itself.
    pub(super) fn ingest(&self, method: &str) -> Result<String> {
        let server = self.server()?;
        let config = json!({
            "host": server.host(), "port": server.port(), "database": server.database(), "username": server.user(),
            "password": server.password(), "ssl_mode": {"mode": "disable"}, "schemas": ["bench"],
            "replication_method": {"method": method},
        });
        let source = json!({"name": "bench", "type": "postgres", "config": config});
        let source = self.client.post("/datasource", &source)?;
        let sink = json!({"name": "bench", "type": "local", "config": {"path": "bench"}});
        let sink = self.client.post("/sink", &sink)?;
        let ingestion = json!({"name": "bench", "sourceId": source["id"], "destinationId": sink["id"],
            "schedule": {"scheduleType": "manual"}});
        let made = self.client.post("/ingestion", &ingestion)?;
        made["connectionId"].as_str().map(str::to_owned).context("the ingestion has no id")
    }

    /// Waits for the sync under way, and gives the rows that it copied.
    pub(super) fn ended(&self, ingestion: &str) -> Result<u64> {
        let job = self.wait(&format!("/ingestion/{ingestion}/status"))?;
        ensure!(job["status"] == "succeeded", "the sync is {}: {}", job["status"], job["error"]);
        Ok(job["recordsCopied"].as_u64().unwrap_or_default())
    }

    /// Starts a sync and waits for it.
    pub(super) fn sync(&self, ingestion: &str) -> Result<u64> {
        self.client.post(&format!("/ingestion/{ingestion}/sync"), &json!({}))?;
        self.ended(ingestion)
    }

    fn wait(&self, path: &str) -> Result<Value> {
        loop {
            let mut status = self.client.look(path)?;
            if matches!(status["job"]["status"].as_str(), Some("succeeded" | "failed" | "cancelled")) {
                return Ok(status["job"].take());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Runs a gold model, and gives the rows that its table has.
    pub(super) fn gold(&self, model: &Value) -> Result<u64> {
        gold(&self.client, model)
    }

    /// Where peers put theirs.
    pub(super) fn peer_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// Runs a gold model, and gives the rows that its table has.
pub(super) fn gold(client: &Client, model: &Value) -> Result<u64> {
    let made = client.post("/dbt/transform", model)?;
    ensure!(made["status"] == "completed", "{} is {}: {}", model["name"], made["status"], made["error_message"]);
    Ok(made["row_count"].as_u64().unwrap_or_default())
}

/// A query of the numbers of so many digits.
pub(super) fn numbers(digits: u32) -> String {
    let sum: Vec<String> = (0..digits).map(|digit| format!("d{digit}.d * {}", 10_u64.pow(digit))).collect();
    let from: Vec<String> = (0..digits)
        .map(|digit| format!("(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS d{digit} (d)"))
        .collect();
    format!("SELECT CAST({} AS BIGINT) FROM {}", sum.join(" + "), from.join(" CROSS JOIN "))
}

/// A script of a peer.
pub(super) fn script(name: &str) -> PathBuf {
    root().join("tests/xtask/src/bench/peers").join(name)
}

/// The lakehouse's catalog file below a host's data.
pub(super) fn catalog(host: &Host) -> Result<PathBuf> {
    find(host.data(), "catalog.db").context("the host has no catalog")
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let here = entries.iter().find(|path| path.file_name().is_some_and(|found| found == name)).cloned();
    here.or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name)))
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Within the runtime: the server's sessions end there.
        let _within = self.runtime.enter();
        self.server = None;
    }
}
