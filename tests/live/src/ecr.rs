//! The API of Amazon ECR, as moto has it, behind `ecr_server.py`, which takes what its keys signed and nothing else. It holds no images:
//! those go to the cluster's own registry.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use asgard_journey::ports::free_port;
use serde_json::{Value, json};

use crate::installed;
use crate::process::Process;

/// A running API; ends when dropped.
pub struct Ecr {
    _process: Process,
    address: String,
}

impl Ecr {
    /// The only one that signatures may be for.
    pub const REGION: &str = "us-east-1";

    /// A key that holds for good.
    pub const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
    /// Of [`Ecr::KEY_ID`].
    pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// A key that belongs to a session.
    pub const TEMPORARY_KEY_ID: &str = "ASIAIOSFODNN7EXAMPLE";
    /// Of [`Ecr::TEMPORARY_KEY_ID`].
    pub const TEMPORARY_SECRET: &str = "bPxRfiCYEXAMPLEKEY+wJalrXUtnFEMI/K7MDENG";
    /// Of [`Ecr::TEMPORARY_KEY_ID`].
    pub const SESSION_TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW==";

    /// Whether tests of it are asked for.
    pub fn asked_for() -> bool {
        installed::path("MOTO_PYTHON").is_ok()
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let mut server = script()?;
        server.args(["serve", &port.to_string(), Self::REGION, &key()]);
        server.arg(format!("{}:{}:{}", Self::TEMPORARY_KEY_ID, Self::TEMPORARY_SECRET, Self::SESSION_TOKEN));
        let mut process = Process::start("moto", &mut server, folder)?;
        let address = format!("127.0.0.1:{port}");
        process.wait(|| ureq::get(format!("http://{address}/moto-api/data.json")).call().ok())?;
        Ok(Self { _process: process, address })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The answer to an operation about a repository, which botocore's own client asks with [`Ecr::KEY_ID`].
    ///
    /// # Errors
    /// The API's own.
    pub fn ask(&self, operation: &str, repository: &str) -> Result<Value> {
        let parameters = if operation == "DescribeRepositories" {
            json!({"repositoryNames": [repository]})
        } else {
            json!({"repositoryName": repository})
        };
        let endpoint = format!("http://{}", self.address);
        let asked =
            script()?.args(["ask", &endpoint, Self::REGION, &key(), operation, &parameters.to_string()]).output()?;
        if !asked.status.success() {
            bail!("{operation} of {repository}: {}", String::from_utf8_lossy(&asked.stderr));
        }
        Ok(serde_json::from_slice(&asked.stdout)?)
    }
}

/// As the script takes one.
fn key() -> String {
    format!("{}:{}", Ecr::KEY_ID, Ecr::SECRET)
}

fn script() -> Result<Command> {
    // As the test runs: what was built in one clone may run in another.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.context("CARGO_MANIFEST_DIR is not set: run the tests with `cargo xtask test`")?;
    let mut python = Command::new(installed::path("MOTO_PYTHON")?);
    python.arg(package.join("ecr_server.py"));
    Ok(python)
}
