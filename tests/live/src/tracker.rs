//! An MLflow server that pods reach.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use asgard_journey::ports::free_port_at;
use asgard_journey::s3::S3;

use crate::installed;
use crate::process::Process;

/// A running server; ends when dropped.
pub struct Tracker {
    process: Process,
    command: Command,
    url: String,
}

impl Tracker {
    /// Where in the bucket the server of [`Tracker::start_on`] keeps files.
    pub const FILES: &str = "mlflow";

    /// Whether tests on it are asked for.
    pub fn asked_for() -> bool {
        installed::path("MLFLOW_PYTHON").is_ok()
    }

    /// The interpreter that it runs in: it trains and serves models too.
    ///
    /// # Errors
    /// When the environment does not name it.
    pub fn python() -> Result<PathBuf> {
        installed::path("MLFLOW_PYTHON")
    }

    /// Starts it at one of this machine's addresses and waits until it answers. What it keeps is in `folder`.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(folder: &Path, address: Ipv4Addr) -> Result<Self> {
        let files = format!("file://{}/artifacts", folder.display());
        Self::keeping(folder, address, &format!("sqlite:///{}/mlflow.db", folder.display()), &files, &[])
    }

    /// As [`Tracker::start`], with runs and models in a database of PostgreSQL and their files in a bucket.
    ///
    /// # Errors
    /// As [`Tracker::start`].
    pub fn start_on(database: &str, s3: &S3, folder: &Path, address: Ipv4Addr) -> Result<Self> {
        // SQLAlchemy's name for it, with the driver that is installed.
        let database = database.replacen("postgres://", "postgresql+psycopg2://", 1);
        let endpoint = s3.endpoint();
        let login = [
            ("AWS_ACCESS_KEY_ID", S3::ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", S3::SECRET_KEY),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("MLFLOW_S3_ENDPOINT_URL", &endpoint),
        ];
        Self::keeping(folder, address, &database, &format!("s3://{}/{}", S3::BUCKET, Self::FILES), &login)
    }

    fn keeping(
        folder: &Path,
        address: Ipv4Addr,
        database: &str,
        files: &str,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let port = free_port_at(address)?;
        let mut command = Command::new(Self::python()?);
        command
            .args(["-m", "mlflow", "server", "--workers", "1", "--serve-artifacts"])
            .args(["--host", &address.to_string(), "--port", &port.to_string()])
            .args(["--backend-store-uri", database, "--artifacts-destination", files])
            .args(["--default-artifact-root", "mlflow-artifacts:/"])
            // It refuses names that it does not know, and addresses of other networks than the private ones.
            .args(["--allowed-hosts", &format!("{address}:*")])
            .envs([("MLFLOW_DISABLE_TELEMETRY", "true"), ("DO_NOT_TRACK", "true")])
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .envs(variables.iter().copied());
        let process = Process::start("mlflow", &mut command, folder)?;
        let mut tracker = Self { process, command, url: format!("http://{address}:{port}") };
        tracker.answers()?;
        Ok(tracker)
    }

    fn answers(&mut self) -> Result<()> {
        let health = format!("{}/health", self.url);
        self.process.wait(|| ureq::get(&health).call().ok()).map(drop)
    }

    /// Its address, for the host and for pods.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// Those of the system.
    pub fn crash(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again after a crash, on the same port, and waits until it answers.
    ///
    /// # Errors
    /// As [`Tracker::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.process.start_again(&mut self.command)?;
        self.answers()
    }
}
