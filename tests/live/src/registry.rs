//! A registry of container images, over plain HTTP.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::process::Process;

/// The usual one, of a run's own address.
pub(crate) const PORT: u16 = 5000;

/// As clients ask for them, of images and of lists of images.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// Whom a registry asks for their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Nobody,
    /// Who has [`Registry::USER`] and [`Registry::PASSWORD`] may push and pull.
    Everybody,
}

/// A running registry; ends when dropped.
pub struct Registry {
    process: Process,
    command: Command,
    address: String,
    asks: Asks,
}

impl Registry {
    /// Who may push and pull where that is asked.
    pub const USER: &str = "builder";
    /// The password.
    pub const PASSWORD: &str = "pushes-and-pulls";
    /// As `htpasswd -B` writes it.
    const PASSWORD_HASH: &str = "$2b$05$abcdefghijklmnopqrstuuJLQrsiseTFBO4E5dIvPGSYDgUcYrTFK";

    /// Starts an empty one by `command`, which is `docker-registry` in whatever surroundings, and waits until it answers.
    pub(crate) fn start(
        (address, port): (Ipv4Addr, u16),
        asks: Asks,
        mut command: Command,
        folder: &Path,
    ) -> Result<Self> {
        let address = format!("{address}:{port}");
        let settings = folder.join("registry.yml");
        let storage = folder.join("registry");
        std::fs::create_dir_all(&storage)?;
        let access = match asks {
            Asks::Nobody => String::new(),
            Asks::Everybody => {
                let users = folder.join("users");
                std::fs::write(&users, format!("{}:{}\n", Self::USER, Self::PASSWORD_HASH))?;
                format!("auth: {{htpasswd: {{realm: registry, path: \"{}\"}}}}\n", users.display())
            }
        };
        std::fs::write(
            &settings,
            format!(
                "version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: \"{}\"}}, delete: {{enabled: true}}}}
http: {{addr: \"{address}\"}}
{access}",
                storage.display()
            ),
        )?;
        let process = Process::start("registry", command.arg("serve").arg(&settings), folder)?;
        let mut registry = Self { process, command, address, asks };
        registry.answers()?;
        Ok(registry)
    }

    fn answers(&mut self) -> Result<()> {
        let url = format!("http://{}/v2/", self.address);
        // One that asks who it is answers too.
        let answers = || matches!(ureq::get(&url).call(), Ok(_) | Err(ureq::Error::StatusCode(401))).then_some(());
        self.process.wait(answers)
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// Those of the system.
    pub fn crash(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again after a crash, with what it had, and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.process.start_again(&mut self.command)?;
        self.answers()
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

    /// The tags of a repository; none where there is no such repository.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn tags(&self, repository: &str) -> Result<Vec<String>> {
        let Some(list) = self.find("GET", &format!("{repository}/tags/list"))? else { return Ok(Vec::new()) };
        let list: Value = serde_json::from_str(&list)?;
        let tags = list["tags"].as_array().into_iter().flatten();
        Ok(tags.filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
    }

    /// What an image is said to have and is not there: nothing, where it was pushed to its end.
    ///
    /// # Errors
    /// When it does not answer, or has no such image.
    pub fn missing(&self, repository: &str, tag: &str) -> Result<Vec<String>> {
        let manifest = self.find("GET", &format!("{repository}/manifests/{tag}"))?;
        let manifest =
            manifest.with_context(|| format!("there is no {}", self.image(&format!("{repository}:{tag}"))))?;
        let manifest: Value = serde_json::from_str(&manifest)?;
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let mut missing = Vec::new();
        for part in layers.chain([&manifest["config"]]) {
            let digest = part["digest"].as_str().with_context(|| format!("a part has no digest: {manifest}"))?;
            if self.find("HEAD", &format!("{repository}/blobs/{digest}"))?.is_none() {
                missing.push(digest.to_owned());
            }
        }
        Ok(missing)
    }

    fn find(&self, method: &str, path: &str) -> Result<Option<String>> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("http://{}/v2/{path}", self.address));
        request = request.header("accept", MANIFESTS);
        if self.asks == Asks::Everybody {
            let login = STANDARD.encode(format!("{}:{}", Self::USER, Self::PASSWORD));
            request = request.header("authorization", format!("Basic {login}"));
        }
        let mut answer = agent.run(request.body(())?)?;
        match answer.status().as_u16() {
            200 => Ok(Some(answer.body_mut().read_to_string()?)),
            404 => Ok(None),
            status => bail!("{method} {path} was answered with {status}"),
        }
    }
}
