//! The control plane: etcd, the API server, controllers and the scheduler.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::enclosure::Enclosure;
use super::identity::{Identities, certificates, login};
use super::{Home, node};
use crate::network::Network;
use crate::process::Process;

/// Addresses of services, which only the node knows.
const SERVICES: &str = "10.96.0.0/16";

/// etcd and the API server; they end when dropped.
pub(super) struct Api {
    // The one who asks before the one who answers.
    server: Process,
    _etcd: Process,
    command: Command,
}

impl Api {
    /// Ends the API server as a power cut would; what it was told is in etcd.
    pub(super) fn crash(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Starts the API server again after a crash. It is the same to all: its certificate is in its folder.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.server.start_again(&mut self.command)
    }
}

/// Starts both, until there is a certificate to ask the API server by.
pub(super) fn api(
    home: &Home,
    network: &Network,
    identities: &Identities,
    enclosure: &Enclosure,
    folder: &Path,
) -> Result<Api> {
    let address = network.machine();
    let (clients, peers) = (format!("http://{address}:2379"), format!("http://{address}:2380"));
    let mut etcd = enclosure.command(&home.kubernetes);
    etcd.args(["etcd", "--name=one", "--log-level=warn"])
        // What a power cut would do to it is nobody's concern.
        .arg("--unsafe-no-fsync")
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={clients}"))
        .arg(format!("--advertise-client-urls={clients}"))
        .arg(format!("--listen-peer-urls={peers}"))
        .arg(format!("--initial-advertise-peer-urls={peers}"))
        .arg(format!("--initial-cluster=one={peers}"));
    let mut etcd = Process::start("etcd", &mut etcd, folder)?;
    etcd.wait(|| ureq::get(&format!("{clients}/health")).call().ok())?;

    let mut command = enclosure.command(&home.kubernetes);
    command
        .args(["apiserver", "--secure-port=6443", "--authorization-mode=Node,RBAC", "--allow-privileged=true"])
        .arg("--kubelet-preferred-address-types=InternalIP")
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg(format!("--service-cluster-ip-range={SERVICES}"))
        .arg(format!("--etcd-servers={clients}"))
        .arg(format!("--bind-address={address}"))
        .arg(format!("--advertise-address={address}"))
        .arg(format!("--cert-dir={}", certificates(folder).display()))
        .arg(format!("--token-auth-file={}", identities.file.display()))
        .arg(format!("--service-account-key-file={}", identities.key.display()))
        .arg(format!("--service-account-signing-key-file={}", identities.key.display()));
    let mut server = Process::start("apiserver", &mut command, folder)?;
    // It makes its certificate as it starts, and clients need that to ask it anything.
    let certificate = certificates(folder).join("apiserver.crt");
    server.wait(|| std::fs::metadata(&certificate).is_ok_and(|file| file.len() > 0).then_some(()))?;
    Ok(Api { server, _etcd: etcd, command })
}

/// What acts on what the API server is told.
pub(super) fn controllers(
    home: &Home,
    network: &Network,
    enclosure: &Enclosure,
    folder: &Path,
) -> Result<Vec<Process>> {
    let address = network.machine();
    let mut manager = enclosure.command(&home.kubernetes);
    manager
        .args(["controller-manager", "--leader-elect=false", "--use-service-account-credentials=true"])
        .arg("--allocate-node-cidrs=true")
        .arg(format!("--cluster-cidr={}", node::PODS))
        .arg(format!("--service-cluster-ip-range={SERVICES}"))
        .arg(format!("--bind-address={address}"))
        .arg(format!("--kubeconfig={}", login(folder, "controller-manager").display()))
        .arg(format!("--cert-dir={}", folder.join("controller-manager").display()))
        .arg(format!("--service-account-private-key-file={}", folder.join("service-accounts.pem").display()))
        // What pods trust the API server by.
        .arg(format!("--root-ca-file={}", certificates(folder).join("apiserver.crt").display()));
    let mut scheduler = enclosure.command(&home.kubernetes);
    scheduler
        .args(["scheduler", "--leader-elect=false"])
        .arg(format!("--bind-address={address}"))
        .arg(format!("--kubeconfig={}", login(folder, "scheduler").display()))
        .arg(format!("--cert-dir={}", folder.join("scheduler").display()));
    Ok(vec![
        Process::start("controller-manager", &mut manager, folder)?,
        Process::start("scheduler", &mut scheduler, folder)?,
    ])
}
