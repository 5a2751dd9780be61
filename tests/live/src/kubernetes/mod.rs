//! Kubernetes: one real node with its control plane and a registry of images, from nothing, for one run.
//!
//! The control plane and the registry listen at this machine's address in the [`Network`], beside the servers that pods are to reach;
//! the node lives in an [`enclosure`] at an address of its own. Nothing is kept: the state of a run is in its folder.

mod balancer;
mod client;
mod control;
mod enclosure;
mod identity;
mod node;

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use asgard_journey::ports::free_port_at;
use serde_json::{Value, json};

use crate::network::Network;
use crate::process::Process;
use crate::registry::{self, Asks, Registry};
use balancer::Balancer;
use client::Client;
use control::Api;
use enclosure::Enclosure;
use identity::Identities;

/// Controllers act within a second, on a busy machine within some.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// What a node is made of.
#[derive(Debug, Clone)]
pub struct Home {
    /// The program with all parts of Kubernetes in it.
    pub kubernetes: PathBuf,
    /// The server of names.
    pub coredns: PathBuf,
    /// An OCI layout: a shell, for pods and for what holds a pod's namespaces.
    pub busybox: PathBuf,
}

impl Home {
    /// Whether tests on Kubernetes are asked for.
    pub fn asked_for() -> bool {
        std::env::var_os("ASGARD_LIVE_KUBERNETES").is_some()
    }

    /// What the environment names.
    ///
    /// # Errors
    /// When a variable is missing.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            kubernetes: crate::installed::path("KUBERNETES")?,
            coredns: crate::installed::path("COREDNS")?,
            busybox: crate::installed::path("IMAGE_BUSYBOX")?,
        })
    }
}

/// A running node with its control plane; ends when dropped, and all pods with it.
pub struct Kubernetes {
    // In the order in which they end: those who ask before those who answer.
    _balancer: Balancer,
    _processes: Vec<Process>,
    api: Api,
    registry: Registry,
    enclosure: Enclosure,
    client: Client,
    home: Home,
    folder: PathBuf,
    address: Ipv4Addr,
}

impl Kubernetes {
    /// Starts everything and waits until pods can be made.
    ///
    /// # Errors
    /// Not as the administrator; with the end of a log when a part does not come up.
    pub fn start(home: &Home, network: &Network, folder: &Path) -> Result<Self> {
        let started = Instant::now();
        let containerd = folder.join("containerd");
        std::fs::create_dir_all(&containerd)?;
        let enclosure = Enclosure::start(network, &containerd.join("state"))?;
        let at = (network.machine(), registry::PORT);
        let registry = Registry::start(at, Asks::Nobody, enclosure.command("docker-registry"), folder)?;
        node::know(&registry, folder)?;
        registry.push(&home.busybox, "busybox:1")?;

        let identities = Identities::make(folder)?;
        let api = control::api(home, network, &identities, &enclosure, folder)?;
        let kubeconfig = identities.configure(network.machine(), folder)?;
        let (proxy, client) = Client::start(enclosure.command(&home.kubernetes), &kubeconfig, folder)?;
        let mut processes = vec![proxy];
        processes.extend(control::controllers(home, network, &enclosure, folder)?);
        processes.extend(node::start(home, network, &registry, &enclosure, folder)?);
        let balancer = Balancer::start(client.clone(), network.balancers().collect());
        let kubernetes = Self {
            _balancer: balancer,
            _processes: processes,
            api,
            registry,
            enclosure,
            client,
            home: home.clone(),
            folder: folder.to_owned(),
            address: network.machine(),
        };
        kubernetes.await_node()?;
        eprintln!("kubernetes is ready after {:.0} s", started.elapsed().as_secs_f64());
        Ok(kubernetes)
    }

    /// How clients log in, as an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        identity::kubeconfig(&self.folder)
    }

    /// This machine as pods see it; the control plane and the registry listen there too.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Where images are, the same for this machine, the node and pods.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The registry, to end it and start it again.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Another registry, empty, that asks who pushes and who pulls. It keeps its images in `folder`.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn private_registry(&self, folder: &Path) -> Result<Registry> {
        let at = (self.address, free_port_at(self.address)?);
        let registry = Registry::start(at, Asks::Everybody, self.enclosure.command("docker-registry"), folder)?;
        node::know(&registry, &self.folder)?;
        Ok(registry)
    }

    /// Ends the API server as a power cut would; everything else goes on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn crash_api_server(&mut self) -> Result<()> {
        self.api.crash()
    }

    /// Starts the API server again after a crash, and waits until it answers.
    ///
    /// # Errors
    /// Those of the system; when it does not come up.
    pub fn restart_api_server(&mut self) -> Result<()> {
        self.api.restart()?;
        let start = Instant::now();
        while self.client.find("/api/v1/namespaces/default").is_err() {
            ensure!(start.elapsed() < NOTICED_WITHIN, "the API server does not answer again");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The image of a shell with its tools.
    pub fn busybox(&self) -> String {
        self.registry.image("busybox:1")
    }

    /// A program beside the control plane, with this machine's network and files, which ends with the node at the latest.
    pub(crate) fn beside(&self, program: &Path) -> Command {
        self.enclosure.command(program)
    }

    /// Makes a namespace in which pods can be made.
    ///
    /// # Errors
    /// Kubernetes' own.
    pub fn namespace(&self, name: &str) -> Result<()> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.apply(&namespace.to_string())?;
        // Pods are refused until there is one.
        let path = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        self.wait(&format!("the service account of namespace {name}"), NOTICED_WITHIN, || {
            Ok(self.client.find(&path)?.map(|_| ()))
        })
    }

    /// Makes what a manifest says, in YAML or JSON.
    ///
    /// # Errors
    /// Kubernetes' own.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        let mut command = self.kubectl_command();
        command.args(["apply", "--server-side", "-f", "-"]).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Closed at the end of the statement.
        child.stdin.take().context("kubectl has no input")?.write_all(manifest.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "kubectl apply: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Runs `kubectl` and answers with what it prints.
    ///
    /// # Errors
    /// With what it complains of.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl_command().args(arguments).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {}: {}", arguments.join(" "), told.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A resource by its path, such as `/api/v1/namespaces/default/pods/one`, if there is one.
    ///
    /// # Errors
    /// Kubernetes' own.
    pub fn find(&self, path: &str) -> Result<Option<Value>> {
        self.client.find(path)
    }

    /// Waits until a pod has ended; answers with its phase, `Succeeded` or `Failed`, and its log.
    ///
    /// # Errors
    /// After `limit`, with the last events.
    pub fn ended(&self, namespace: &str, pod: &str, limit: Duration) -> Result<(String, String)> {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}");
        let phase = self.wait(&format!("the end of pod {pod}"), limit, || {
            let pod = self.client.find(&path)?.unwrap_or_default();
            let ended = pod["status"]["phase"].as_str().filter(|phase| ["Succeeded", "Failed"].contains(phase));
            Ok(ended.map(str::to_owned))
        })?;
        Ok((phase, self.kubectl(&["-n", namespace, "logs", pod])?))
    }

    /// Asks again until `done` answers with something.
    ///
    /// # Errors
    /// Those of `done`; after `limit`, with the events there were.
    pub fn wait<T>(&self, what: &str, limit: Duration, mut done: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(done) = done()? {
                return Ok(done);
            }
            if start.elapsed() > limit {
                let events = self.kubectl(&["get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"]);
                let events = events.unwrap_or_else(|error| format!("{error:#}"));
                let lines: Vec<&str> = events.lines().collect();
                let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
                bail!("{what} was not there after {} s; the last events:\n{last}", limit.as_secs());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn await_node(&self) -> Result<()> {
        self.wait("a ready node", NOTICED_WITHIN, || {
            let node = self.client.find(&format!("/api/v1/nodes/{}", node::NAME))?.unwrap_or_default();
            let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            let ready =
                conditions.into_iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            Ok(ready.then_some(()))
        })?;
        self.namespace("default")
    }

    fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.home.kubernetes);
        // Its cache of what the server knows belongs to the run.
        command.args(["kubectl", "--kubeconfig"]).arg(self.kubeconfig()).env("HOME", &self.folder);
        command
    }
}
