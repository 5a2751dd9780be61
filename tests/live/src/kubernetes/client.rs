//! Kubernetes' API, as JSON over plain HTTP: `kubectl proxy` adds the login and the encryption.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use asgard_journey::ports::free_port;
use serde_json::Value;
use ureq::Agent;

use crate::process::Process;

/// A few resources of a server on this machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    /// Starts a proxy and waits until the API server is ready behind it.
    pub(super) fn start(mut kubernetes: Command, kubeconfig: &Path, folder: &Path) -> Result<(Process, Self)> {
        let port = free_port()?;
        let command = &mut kubernetes;
        command.args(["kubectl", "proxy", &format!("--port={port}"), "--kubeconfig"]);
        command.arg(kubeconfig);
        let mut proxy = Process::start("kubectl-proxy", command.env("HOME", folder), folder)?;
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWERS_WITHIN));
        let client = Self { agent: config.build().into(), url: format!("http://127.0.0.1:{port}") };
        proxy.wait(|| {
            let ready = client.agent.get(format!("{}/readyz", client.url)).call().ok()?;
            (ready.status() == 200).then_some(())
        })?;
        Ok((proxy, client))
    }

    /// A resource, if there is one.
    pub(super) fn find(&self, path: &str) -> Result<Option<Value>> {
        let mut response =
            self.agent.get(format!("{}{path}", self.url)).call().with_context(|| format!("GET {path}"))?;
        let text = response.body_mut().read_to_string()?;
        match response.status().as_u16() {
            200 => Ok(Some(serde_json::from_str(&text).with_context(|| format!("GET {path} answers oddly: {text}"))?)),
            404 => Ok(None),
            status => bail!("GET {path} was answered with {status}: {text}"),
        }
    }

    /// Changes parts of a resource, by RFC 7386.
    pub(super) fn merge(&self, path: &str, change: &Value) -> Result<()> {
        let request = self.agent.patch(format!("{}{path}", self.url));
        let request = request.header("Content-Type", "application/merge-patch+json");
        let mut response = request.send(change.to_string()).with_context(|| format!("PATCH {path}"))?;
        if response.status() != 200 {
            bail!("PATCH {path} was answered with {}: {}", response.status(), response.body_mut().read_to_string()?);
        }
        Ok(())
    }
}
