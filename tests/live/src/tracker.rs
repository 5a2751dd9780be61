//! An MLflow server that pods reach.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use asgard_journey::host::free_port_at;

use crate::installed;
use crate::process::Process;

/// A running server; ends when dropped.
pub struct Tracker {
    _process: Process,
    url: String,
}

impl Tracker {
    /// Starts it at one of this machine's addresses and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(folder: &Path, address: Ipv4Addr) -> Result<Self> {
        let port = free_port_at(address)?;
        let mut server = Command::new(installed::path("MLFLOW_PYTHON")?);
        server
            .args(["-m", "mlflow", "server", "--workers", "1", "--serve-artifacts"])
            .args(["--host", &address.to_string(), "--port", &port.to_string()])
            .args(["--backend-store-uri", &format!("sqlite:///{}/mlflow.db", folder.display())])
            .args(["--artifacts-destination", &format!("file://{}/artifacts", folder.display())])
            .args(["--default-artifact-root", "mlflow-artifacts:/"])
            // It refuses names that it does not know, and addresses of other networks than the private ones.
            .args(["--allowed-hosts", &format!("{address}:*")])
            .envs([("MLFLOW_DISABLE_TELEMETRY", "true"), ("DO_NOT_TRACK", "true")])
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false");
        let mut process = Process::start("mlflow", &mut server, folder)?;
        let url = format!("http://{address}:{port}");
        process.wait(|| ureq::get(format!("{url}/health")).call().ok())?;
        Ok(Self { _process: process, url })
    }

    /// Its address, for the host and for pods.
    pub fn url(&self) -> &str {
        &self.url
    }
}
