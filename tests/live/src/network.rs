//! A network of this machine's own, which pods share with it.
//!
//! Pods cannot reach 127.0.0.1 of the machine that they run on, and a node refuses to have such an address. So a run takes one of the
//! networks that are set aside for documentation and benchmarks, which lead nowhere: the first address is this machine's, for the
//! servers that pods are to reach; the second is the node's; the others are those of load balancers.

use std::fs::File;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// As RFC 5737 and RFC 2544 have them.
const NETWORKS: [[u8; 3]; 5] = [[198, 51, 100], [203, 0, 113], [198, 18, 0], [198, 18, 1], [192, 0, 2]];

/// A network that this run has for itself; given back when dropped.
pub struct Network {
    prefix: [u8; 3],
    /// Held as long as the network is: the system gives it back in whatever way this process ends.
    _lock: File,
}

impl Network {
    /// Takes the first network that nobody on this machine has.
    ///
    /// # Errors
    /// All are taken, or this is not the administrator.
    pub fn take() -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "a network for pods takes an administrator's rights: run the tests as root"
        );
        for prefix in NETWORKS {
            if let Some(network) = Self::try_take(prefix)? {
                return Ok(network);
            }
        }
        bail!("all networks for pods are taken ({}): wait until other runs have ended", NETWORKS.map(shown).join(", "))
    }

    fn try_take(prefix: [u8; 3]) -> Result<Option<Self>> {
        let path = std::env::temp_dir().join(format!("asgard-live-{}.lock", shown(prefix)));
        let lock = File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        let network = Self { prefix, _lock: lock };
        // One of ours is of a run that was cut short, since we have the lock.
        network.remove_interface();
        // Virtual machines and containers are put into such networks too.
        let [a, b, c] = prefix;
        let within = format!(" {a}.{b}.{c}.");
        for of_others in [["address", "show"], ["route", "show"]] {
            if ip(&[&["-4", "-oneline"], &of_others[..]].concat())?.contains(&within) {
                return Ok(None);
            }
        }
        let interface = network.interface();
        // A bridge without ports: there is no simpler interface that every kernel has.
        ip(&["link", "add", &interface, "type", "bridge"])?;
        ip(&["address", "add", &format!("{}/32", network.machine()), "dev", &interface])?;
        ip(&["link", "set", &interface, "up"])?;
        Ok(Some(network))
    }

    /// This machine, as itself and its pods name it.
    pub fn machine(&self) -> Ipv4Addr {
        self.host(1)
    }

    pub(crate) fn node(&self) -> Ipv4Addr {
        self.host(2)
    }

    /// Those of load balancers.
    pub(crate) fn balancers(&self) -> impl Iterator<Item = Ipv4Addr> {
        (10..=250).map(|host| self.host(host))
    }

    /// The whole of it: `198.51.100.0/24`.
    pub(crate) fn range(&self) -> String {
        format!("{}/24", self.host(0))
    }

    /// The interface that leads to the node.
    pub(crate) fn cable(&self) -> String {
        format!("{}n", self.interface())
    }

    fn host(&self, host: u8) -> Ipv4Addr {
        let [a, b, c] = self.prefix;
        Ipv4Addr::new(a, b, c, host)
    }

    fn interface(&self) -> String {
        let [_, b, c] = self.prefix;
        // With the cable's letter, as long as the kernel allows.
        format!("asgard-{b}-{c}")
    }

    fn remove_interface(&self) {
        let mut command = Command::new("ip");
        let removed = command.args(["link", "delete", &self.interface()]).stdout(Stdio::null()).stderr(Stdio::null());
        // There is none, mostly.
        let _ = removed.status();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove_interface();
    }
}

fn shown([a, b, c]: [u8; 3]) -> String {
    format!("{a}.{b}.{c}.0")
}

/// Shows or changes the machine's interfaces or routes.
pub(crate) fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(arguments).output().context("`ip` does not start: install iproute2")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), told.trim());
    Ok(String::from_utf8(output.stdout)?)
}
