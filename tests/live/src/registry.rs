//! A registry of container images, over plain HTTP.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::Process;

/// The usual one; the address is the run's own.
const PORT: u16 = 5000;

/// A running registry; ends when dropped.
pub struct Registry {
    _process: Process,
    address: String,
}

impl Registry {
    /// Starts an empty one by `command`, which is `docker-registry` in whatever surroundings, and waits until it answers.
    pub(crate) fn start(address: Ipv4Addr, mut command: Command, folder: &Path) -> Result<Self> {
        let address = format!("{address}:{PORT}");
        let settings = folder.join("registry.yml");
        let storage = folder.join("registry");
        std::fs::create_dir_all(&storage)?;
        std::fs::write(
            &settings,
            format!(
                "version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: \"{}\"}}, delete: {{enabled: true}}}}
http: {{addr: \"{address}\"}}
",
                storage.display()
            ),
        )?;
        let mut process = Process::start("registry", command.arg("serve").arg(&settings), folder)?;
        let url = format!("http://{address}/v2/");
        process.wait(|| ureq::get(&url).call().ok())?;
        Ok(Self { _process: process, address })
    }

    /// `198.51.100.1:5000`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// An image in it by name and tag.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// An image that is in it under any tag, by its digest.
    ///
    /// # Errors
    /// When there is none.
    pub fn pinned(&self, name: &str) -> Result<String> {
        let url = format!("http://{}/v2/{name}", self.address);
        let tags: Value =
            serde_json::from_reader(ureq::get(format!("{url}/tags/list")).call()?.body_mut().as_reader())?;
        let tag = tags["tags"][0].as_str().with_context(|| format!("no tags: {tags}"))?;
        let accepted =
            "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        let manifest = ureq::head(format!("{url}/manifests/{tag}")).header("accept", accepted).call()?;
        let digest = manifest.headers().get("docker-content-digest").context("a manifest without a digest")?;
        Ok(format!("{}@{}", self.image(name), digest.to_str()?))
    }

    /// Puts an image there, from an OCI layout; answers with its name.
    ///
    /// # Errors
    /// Those of `skopeo`.
    pub fn push(&self, layout: &Path, name: &str) -> Result<String> {
        let image = self.image(name);
        let output = Command::new("skopeo")
            .args(["copy", "--quiet", "--dest-tls-verify=false", &format!("oci:{}:latest", layout.display())])
            .arg(format!("docker://{image}"))
            .output()
            .context("`skopeo` does not start: install it")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pushing {image}: {}", told.trim());
        Ok(image)
    }
}
