//! Where a plugin comes from: files, the web, a registry.
//!
//! Fetched by the command and not by the host: whoever runs it has the way out and the credentials, and the host needs neither.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use asgard_contract::manifest::Manifest;

use super::oci;

/// Larger ones would not be taken by a host.
pub(super) const LARGEST: u64 = 96 << 20;

/// A plugin that was fetched.
pub(super) struct Fetched {
    pub(super) component: Vec<u8>,
    /// The text of `plugin.toml`.
    pub(super) manifest: String,
    /// Where that is from, for errors.
    pub(super) manifest_from: String,
}

/// Fetches component and manifest.
pub(super) async fn fetch(from: &str, manifest: Option<&str>) -> Result<Fetched> {
    if let Some(reference) = from.strip_prefix("oci://") {
        let artifact = oci::pull(reference).await?;
        let (text, manifest_from) = match (manifest, artifact.manifest) {
            (Some(other), _) => (text_of(other).await?, other.to_owned()),
            (None, Some(text)) => (text, from.to_owned()),
            (None, None) => bail!(
                "{from} has no layer `plugin.toml`: push it with the component, or name the manifest with `--manifest`"
            ),
        };
        return Ok(Fetched { component: artifact.component, manifest: text, manifest_from });
    }
    let manifest_from = match manifest {
        Some(manifest) => manifest.to_owned(),
        None if is_url(from) => beside_url(from),
        None => beside(Path::new(from)).display().to_string(),
    };
    Ok(Fetched { component: bytes_of(from).await?, manifest: text_of(&manifest_from).await?, manifest_from })
}

/// Reads a manifest.
pub(super) fn manifest(text: &str, from: &str) -> Result<Manifest> {
    asgard_plugins::parse_manifest(text).with_context(|| format!("{from} is no manifest"))
}

/// `plugin.toml` in the component's folder.
pub(super) fn beside(component: &Path) -> PathBuf {
    component.with_file_name("plugin.toml")
}

fn beside_url(component: &str) -> String {
    component.rsplit_once('/').map_or(component, |(folder, _)| folder).to_owned() + "/plugin.toml"
}

fn is_url(from: &str) -> bool {
    from.starts_with("https://") || from.starts_with("http://")
}

async fn bytes_of(from: &str) -> Result<Vec<u8>> {
    if is_url(from) { download(from).await } else { read(Path::new(from)) }
}

async fn text_of(from: &str) -> Result<String> {
    if is_url(from) {
        return String::from_utf8(download(from).await?).with_context(|| format!("{from} is no text"));
    }
    read_text(Path::new(from))
}

async fn download(url: &str) -> Result<Vec<u8>> {
    let response = reqwest::get(url).await.with_context(|| format!("{url} cannot be fetched"))?;
    ensure!(response.status().is_success(), "{url} cannot be fetched: {}", response.status());
    body(response, url).await
}

/// At most [`LARGEST`] bytes.
pub(super) async fn body(mut response: reqwest::Response, from: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.with_context(|| format!("{from} broke off"))? {
        bytes.extend_from_slice(&chunk);
        ensure!(bytes.len() as u64 <= LARGEST, "{from} has more than {LARGEST} bytes, which no host takes");
    }
    Ok(bytes)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

pub(super) fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("the manifest {} cannot be read: name it with `--manifest FILE`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_beside_the_component() {
        assert_eq!(beside_url("https://a.example/b/c.wasm"), "https://a.example/b/plugin.toml");
        assert_eq!(beside(Path::new("a/b.wasm")), Path::new("a/plugin.toml"));
    }
}
