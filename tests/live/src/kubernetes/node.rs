//! The node: containerd, the kubelet, the proxy of services and the server of names.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::Home;
use super::enclosure::Enclosure;
use super::identity::{kubeconfig, login};
use crate::network::Network;
use crate::process::Process;
use crate::registry::Registry;

/// What the node is called.
pub(super) const NAME: &str = "node";

/// Addresses of pods, which only the node knows.
pub(super) const PODS: &str = "10.244.0.0/16";

/// Where containerd looks how to speak to a registry, each time that it pulls.
const REGISTRIES: &str = "containerd/registries";

/// Where Debian's package has the plugins that give pods their network.
const PLUGINS: &str = "/usr/lib/cni";

/// Starts its parts, of which some will be ready later.
pub(super) fn start(
    home: &Home,
    network: &Network,
    registry: &Registry,
    enclosure: &Enclosure,
    folder: &Path,
) -> Result<Vec<Process>> {
    let address = network.node();
    let socket = folder.join("containerd/containerd.sock");
    write(folder, "containerd/network/10-pods.conflist", &pods_network(folder).to_string())?;
    write(folder, "containerd/config.toml", &containerd(folder, registry))?;
    let mut command = enclosure.connected("containerd");
    command.arg("--config").arg(folder.join("containerd/config.toml"));
    let mut containerd = Process::start("containerd", &mut command, folder)?;
    containerd.wait(|| std::os::unix::net::UnixStream::connect(&socket).ok())?;

    write(folder, "kubelet/config.json", &kubelet(network, &socket).to_string())?;
    let mut command = enclosure.connected(&home.kubernetes);
    command
        .arg("kubelet")
        .arg(format!("--config={}", folder.join("kubelet/config.json").display()))
        .arg(format!("--kubeconfig={}", login(folder, "kubelet").display()))
        .arg(format!("--root-dir={}", folder.join("kubelet").display()))
        .arg(format!("--cert-dir={}", folder.join("kubelet/certificates").display()))
        .arg(format!("--hostname-override={NAME}"))
        .arg(format!("--node-ip={address}"));
    let kubelet = Process::start("kubelet", &mut command, folder)?;

    let mut command = enclosure.connected(&home.kubernetes);
    command
        .args(["proxy", "--proxy-mode=iptables"])
        // The limits of the kernel's table are the machine's.
        .args([
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
        ])
        .arg(format!("--cluster-cidr={PODS}"))
        .arg(format!("--hostname-override={NAME}"))
        .arg(format!("--kubeconfig={}", login(folder, "proxy").display()));
    let proxy = Process::start("proxy", &mut command, folder)?;

    write(folder, "Corefile", &names(network, folder))?;
    let mut command = enclosure.connected(&home.coredns);
    command.arg("-conf").arg(folder.join("Corefile"));
    let mut coredns = Process::start("coredns", &mut command, folder)?;
    let ready = format!("http://{address}:8181/ready");
    coredns.wait(|| ureq::get(&ready).call().ok())?;
    Ok(vec![coredns, proxy, kubelet, containerd])
}

/// Lets the node pull from a registry over plain HTTP, from now on.
pub(super) fn know(registry: &Registry, folder: &Path) -> Result<()> {
    let address = registry.address();
    let hosts = format!(
        "server = \"http://{address}\"\n[host.\"http://{address}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
    );
    write(folder, &format!("{REGISTRIES}/{address}/hosts.toml"), &hosts)
}

/// Pods are behind a bridge of the node; to others they have the node's address.
fn pods_network(folder: &Path) -> serde_json::Value {
    json!({"cniVersion": "0.4.0", "name": "pods", "plugins": [
        {
            "type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true,
            "ipam": {
                "type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": folder.join("containerd/leases"),
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": true}},
    ]})
}

/// Where this process lacks the right to make processes less likely to be killed (in some virtual machines and containers),
/// containers must not try: none would start.
fn containerd(root: &Path, registry: &Registry) -> String {
    let folder = root.join("containerd");
    let folder = folder.display();
    let (registries, pause) = (root.join(REGISTRIES), registry.image("busybox:1"));
    let registries = registries.display();
    format!(
        r#"version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{folder}/containerd.sock"
[ttrpc]
  address = "{folder}/containerd.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{PLUGINS}"
  conf_dir = "{folder}/network"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{registries}"
"#
    )
}

fn kubelet(network: &Network, socket: &Path) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node(),
        "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
        "clusterDomain": "cluster.local",
        "clusterDNS": [network.node()],
        // Names of the world outside mean nothing inside.
        "resolvConf": "",
        // Only this machine reaches it, as the API server.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        // Pods share the machine with everything else, and are not measured against it.
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": false,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
    })
}

fn names(network: &Network, folder: &Path) -> String {
    let (machine, node, kubeconfig) = (network.machine(), network.node(), kubeconfig(folder));
    format!(
        ".:53 {{
  bind {node}
  errors
  ready {node}:8181
  cache 5
  kubernetes cluster.local in-addr.arpa {{
    endpoint https://{machine}:6443
    kubeconfig {} live
  }}
}}
",
        kubeconfig.display()
    )
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    Ok(std::fs::write(path, text)?)
}
