//! The API of Amazon ECR, as moto has it. It holds no images: those go to the cluster's own registry.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use asgard_journey::host::free_port;
use serde_json::{Value, json};

use crate::installed;
use crate::process::Process;

/// A running API; ends when dropped.
pub struct Ecr {
    _process: Process,
    address: String,
}

impl Ecr {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let mut server = Command::new(installed::path("MOTO_PYTHON")?);
        server.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut process = Process::start("moto", &mut server, folder)?;
        let address = format!("127.0.0.1:{port}");
        process.wait(|| ureq::get(format!("http://{address}/moto-api/data.json")).call().ok())?;
        Ok(Self { _process: process, address })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The answer to an operation about a repository.
    ///
    /// # Errors
    /// The API's own.
    pub fn ask(&self, operation: &str, repository: &str) -> Result<Value> {
        let key = if operation == "DescribeRepositories" { "repositoryNames" } else { "repositoryName" };
        let named = if key == "repositoryNames" { json!([repository]) } else { json!(repository) };
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent
            .post(format!("http://{}/", self.address))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("AmazonEC2ContainerRegistry_V20150921.{operation}"))
            // moto finds the service by it, and looks no further.
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request, SignedHeaders=host, Signature=0",
            )
            .send(json!({ key: named }).to_string())?;
        let text = answer.body_mut().read_to_string()?;
        if !answer.status().is_success() {
            bail!("{operation} of {repository}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }
}
