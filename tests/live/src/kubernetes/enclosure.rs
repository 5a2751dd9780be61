//! Where a node lives: with processes, mounts and a network of its own.
//!
//! A node starts containers, mounts their file systems and writes the machine's packet filter. In here all of that is the
//! enclosure's, and ends with it: its first process waits for the end of its input, which comes when this process closes it or
//! ends in whatever way, and the kernel then ends every other process inside and forgets its mounts, interfaces and filters.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::network::{Network, ip};

/// The kernel ends hundreds of processes in a second or two.
const END_WITHIN: Duration = Duration::from_secs(60);

/// The first process. It reaps what others leave behind (`bash` does), and hides from the node:
/// - folders that the kubelet, containerd and the network plugins write to wherever they are told to live ([`HIDDEN`]),
/// - the settings of the kernel that the kubelet would change for the whole machine.
const FIRST: &str = r#"
set -e
mount --make-rshared /
for folder in "$@"; do mount -t tmpfs tmpfs $folder; done
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  copy=/run/${setting//\//.}
  cat /proc/sys/$setting >$copy
  mount --bind $copy /proc/sys/$setting
done
ip link set lo up
echo ready
cat >/dev/null
"#;

const HIDDEN: [&str; 3] = ["/run", "/var/log", "/var/lib"];

/// Processes of a node, apart from this machine's. They end when this is dropped.
pub(super) struct Enclosure {
    first: Child,
    /// containerd's folder of state, which names the containers that there were.
    state: PathBuf,
}

impl Enclosure {
    /// Makes an empty one, wired to the `network`. Containers' state will be in `state`.
    pub(super) fn start(network: &Network, state: &Path) -> Result<Self> {
        for hidden in HIDDEN {
            ensure!(!state.starts_with(hidden), "a node cannot live in {hidden}: set TMPDIR to another folder");
        }
        let mut command = Command::new("unshare");
        command.args([
            "--fork",
            "--kill-child",
            "--pid",
            "--mount-proc",
            "--mount",
            "--net",
            "--",
            "bash",
            "-c",
            FIRST,
        ]);
        command.arg("node").args(HIDDEN);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let first = command.spawn().context("`unshare` does not start: install util-linux")?;
        let mut enclosure = Self { first, state: state.to_owned() };
        let mut ready = String::new();
        if let Some(output) = enclosure.first.stdout.take() {
            BufReader::new(output).read_line(&mut ready)?;
        }
        if ready.trim() != "ready" {
            let output = enclosure.first.stderr.take().map(std::io::read_to_string).transpose()?.unwrap_or_default();
            bail!("a node of its own namespaces cannot be made: {}", output.trim());
        }
        enclosure.wire(network)?;
        Ok(enclosure)
    }

    /// A cable between this machine and the node, with an address at each end and no network between them.
    fn wire(&self, network: &Network) -> Result<()> {
        let (machine, node) = (network.machine().to_string(), network.node().to_string());
        let (cable, inside) = (network.cable(), self.first.id().to_string());
        ip(&["link", "add", &cable, "type", "veth", "peer", "name", "uplink", "netns", &inside])?;
        ip(&["link", "set", &cable, "up"])?;
        ip(&["route", "replace", &network.range(), "via", &node, "dev", &cable, "src", &machine, "onlink"])?;
        for arguments in [
            vec!["address", "add", &format!("{node}/32"), "dev", "uplink"],
            vec!["link", "set", "uplink", "up"],
            vec!["route", "add", "default", "via", &machine, "dev", "uplink", "onlink"],
        ] {
            let output = self.connected("ip").args(&arguments).output()?;
            let told = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "ip {} in the node: {}", arguments.join(" "), told.trim());
        }
        Ok(())
    }

    /// A program of the node that has this machine's network.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.enter(&[("pid", "pid_for_children"), ("mount", "mnt")], program.as_ref())
    }

    /// A program of the node that has the node's network.
    pub(super) fn connected(&self, program: impl AsRef<OsStr>) -> Command {
        self.enter(&[("pid", "pid_for_children"), ("mount", "mnt"), ("net", "net")], program.as_ref())
    }

    /// `unshare` itself stays in this machine's space of processes; its children are in the node's.
    fn enter(&self, namespaces: &[(&str, &str)], program: &OsStr) -> Command {
        let mut command = Command::new("nsenter");
        for (option, name) in namespaces {
            command.arg(format!("--{option}=/proc/{}/ns/{name}", self.first.id()));
        }
        command.arg("--").arg(program);
        command
    }

    fn end(&mut self) -> Result<()> {
        drop(self.first.stdin.take());
        let start = Instant::now();
        while self.first.try_wait()?.is_none() {
            if start.elapsed() > END_WITHIN {
                self.first.kill()?;
                self.first.wait()?;
                bail!("processes of the node did not end within {} s", END_WITHIN.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.remove_groups();
        Ok(())
    }

    /// Containers' control groups are the machine's, and outlive what was in them.
    fn remove_groups(&self) {
        let tasks = self.state.join("io.containerd.runtime.v2.task/k8s.io");
        let containers: Vec<_> = std::fs::read_dir(tasks).into_iter().flatten().flatten().collect();
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        for hierarchy in hierarchies.chain([root.to_owned()]) {
            let of_containers = hierarchy.join("k8s.io");
            for container in &containers {
                let _ = std::fs::remove_dir(of_containers.join(container.file_name()));
            }
            // Only the last one succeeds.
            let _ = std::fs::remove_dir(of_containers);
        }
    }
}

impl Drop for Enclosure {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("the node did not end: {error:#}");
        }
    }
}
