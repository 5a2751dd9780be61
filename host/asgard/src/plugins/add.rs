//! `asgard plugin add`.

use anyhow::{Result, ensure};
use asgard_plugins::{Runtime, RuntimeConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::{Host, Target, fetch};
use crate::client::text;
use crate::trail::{self, Done};

/// Register a plugin with a host, which can bind it at once. Versions are side by side; one that is registered keeps its bytes.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The component: a file, `https://…`, or `oci://REGISTRY/REPOSITORY:TAG` (or `@sha256:…`).
    #[arg(value_name = "FILE|URL")]
    from: String,
    /// Its manifest, a file or a URL. Default: `plugin.toml` beside the component, or the artifact's own.
    #[arg(long, value_name = "FILE|URL")]
    manifest: Option<String>,
    /// Refuse any other bytes than these.
    #[arg(long, value_name = "sha256:…")]
    digest: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Add {
    pub(crate) async fn run(self) -> Result<()> {
        let fetched = fetch::fetch(&self.from, self.manifest.as_deref()).await?;
        let manifest = fetch::manifest(&fetched.manifest, &fetched.manifest_from)?;
        let host = self.target.open().await?;
        let cache = match &host {
            Host::Folder(_, folder) => Some(folder.join("compiled")),
            Host::Remote(_) => None,
        };
        let runtime = Runtime::new(RuntimeConfig { cache })?;
        let found = runtime.inspect(&fetched.component)?.digest;
        if let Some(wanted) = &self.digest {
            ensure!(*wanted == found, "{} has the digest {found}, not {wanted}: nothing was registered", self.from);
        }
        let digest = match host {
            Host::Folder(store, _) => {
                // Compiled here, so that a component that cannot run is refused before it is stored.
                let plugin = runtime.load(&fetched.component, &manifest).await?;
                let added = store.add_plugin(&manifest, plugin.digest(), &fetched.component).await;
                let digest = added.map_err(asgard_contract::Error::from)?.digest;
                let name = format!("{}@{}", manifest.name, manifest.version);
                let done =
                    Done { command: "asgard plugin add", name: &name, environment: None, subject: Some(&digest) };
                trail::record(&store, done).await?;
                digest
            }
            Host::Remote(client) => {
                let body = json!({"manifest": fetched.manifest, "component": STANDARD.encode(&fetched.component)});
                let added = client.change(Method::POST, "/plugins", &[], &body).await?;
                text(&added, "digest").to_owned()
            }
        };
        println!("registered {} {} {digest}", manifest.name, manifest.version);
        Ok(())
    }
}
