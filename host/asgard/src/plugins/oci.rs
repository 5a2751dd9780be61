//! Plugins in OCI registries: an artifact with the component and its manifest as layers.
//!
//! What is taken is what `oras push REGISTRY/REPOSITORY:TAG plugin.wasm:application/wasm plugin.toml:application/toml` makes, and
//! artifacts of other tools for WebAssembly, which have one layer of type `application/wasm` and no manifest of ours.
//!
//! Everything is checked against its digest: the manifest against the reference's, layers against the manifest's. Only pulling is
//! done here, in three requests of the distribution API; a crate for it would bring a second HTTP client.
//!
//! Credentials are those of `docker login` (`~/.docker/config.json`, `auths` only). Registries on this machine are spoken to without
//! TLS, as by other tools.

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, WWW_AUTHENTICATE};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::fetch;

const MANIFEST_TYPES: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// Of a layer: the name of the file that it was.
const TITLE: &str = "org.opencontainers.image.title";

/// What was pulled.
pub(super) struct Artifact {
    pub(super) component: Vec<u8>,
    /// The text of `plugin.toml`, if there is a layer with it.
    pub(super) manifest: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Reference {
    registry: String,
    repository: String,
    /// A tag, or `sha256:…`.
    version: String,
}

#[derive(Debug, Deserialize)]
struct ImageManifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

impl Layer {
    fn title(&self) -> &str {
        self.annotations.get(TITLE).map_or("", String::as_str)
    }

    fn is_component(&self) -> bool {
        self.media_type == "application/wasm" || self.title().ends_with(".wasm")
    }

    fn is_manifest(&self) -> bool {
        self.title() == "plugin.toml" || self.media_type == "application/toml"
    }
}

/// Pulls `REGISTRY/REPOSITORY[:TAG|@sha256:…]`.
pub(super) async fn pull(text: &str) -> Result<Artifact> {
    let reference = parse(text)?;
    let mut registry = Registry::new(&reference)?;
    let bytes = registry.get(&format!("manifests/{}", reference.version), MANIFEST_TYPES).await?;
    if reference.version.starts_with("sha256:") {
        verify(&bytes, &reference.version, "the artifact")?;
    }
    let manifest: ImageManifest =
        serde_json::from_slice(&bytes).with_context(|| format!("oci://{text} is no image manifest"))?;
    let mut components = manifest.layers.iter().filter(|layer| layer.is_component());
    let component = match (components.next(), components.next()) {
        (Some(layer), None) => registry.blob(layer).await?,
        (None, _) => bail!("oci://{text} has no component: expected a layer of type `application/wasm`"),
        (Some(_), Some(_)) => {
            bail!("oci://{text} has several components: expected one layer of type `application/wasm`")
        }
    };
    let text_layer = manifest.layers.iter().find(|layer| layer.is_manifest());
    let manifest = match text_layer {
        Some(layer) => Some(String::from_utf8(registry.blob(layer).await?).context("`plugin.toml` is no UTF-8 text")?),
        None => None,
    };
    Ok(Artifact { component, manifest })
}

fn parse(text: &str) -> Result<Reference> {
    let expected =
        || format!("`oci://{text}`: expected oci://REGISTRY/REPOSITORY:TAG, or @sha256:… in the place of :TAG");
    let (registry, rest) = text.split_once('/').with_context(expected)?;
    let (repository, version) = match rest.split_once('@') {
        // A tag beside a digest says nothing more.
        Some((name, digest)) => (name.split_once(':').map_or(name, |(name, _)| name), digest),
        None => rest.rsplit_once(':').unwrap_or((rest, "latest")),
    };
    ensure!(!registry.is_empty() && !repository.is_empty() && !version.is_empty(), expected());
    Ok(Reference { registry: registry.to_owned(), repository: repository.to_owned(), version: version.to_owned() })
}

/// One repository of a registry.
struct Registry<'a> {
    http: reqwest::Client,
    reference: &'a Reference,
    base: String,
    authorization: Option<String>,
}

impl<'a> Registry<'a> {
    fn new(reference: &'a Reference) -> Result<Self> {
        let host = reference.registry.rsplit_once(':').map_or(reference.registry.as_str(), |(host, _)| host);
        let scheme = if matches!(host, "localhost" | "127.0.0.1" | "[::1]") { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}", reference.registry, reference.repository);
        let http = reqwest::Client::builder().build().context("no client for the registry")?;
        Ok(Self { http, reference, base, authorization: None })
    }

    async fn blob(&mut self, layer: &Layer) -> Result<Vec<u8>> {
        let bytes = self.get(&format!("blobs/{}", layer.digest), "*/*").await?;
        verify(&bytes, &layer.digest, "a layer")?;
        Ok(bytes)
    }

    /// Asks once more with a token when the registry wants one.
    async fn get(&mut self, path: &str, accept: &str) -> Result<Vec<u8>> {
        let url = format!("{}/{path}", self.base);
        let mut response = self.ask(&url, accept).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            self.authorization = Some(self.authorize(challenge.unwrap_or_default()).await?);
            response = self.ask(&url, accept).await?;
        }
        ensure!(response.status().is_success(), "{url} answered {}", response.status());
        fetch::body(response, &url).await
    }

    async fn ask(&self, url: &str, accept: &str) -> Result<reqwest::Response> {
        let mut request = self.http.get(url).header(ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.send().await.with_context(|| format!("{url} does not answer"))
    }

    /// What the registry's challenge asks for: basic credentials, or a token for them.
    async fn authorize(&self, challenge: &str) -> Result<String> {
        let credentials = credentials(&self.reference.registry);
        let Some(parameters) = challenge.strip_prefix("Bearer ") else {
            let credentials = credentials.with_context(|| {
                format!("{0} wants credentials: give them with `docker login {0}`", self.reference.registry)
            })?;
            return Ok(format!("Basic {credentials}"));
        };
        let parameter = |name: &str| parameter(parameters, name);
        let realm =
            parameter("realm").with_context(|| format!("the registry's challenge names no realm: {challenge}"))?;
        let scope = parameter("scope").unwrap_or_else(|| format!("repository:{}:pull", self.reference.repository));
        let mut request = self.http.get(&realm).query(&[("scope", scope)]);
        if let Some(service) = parameter("service") {
            request = request.query(&[("service", service)]);
        }
        if let Some(credentials) = credentials {
            request = request.header(AUTHORIZATION, format!("Basic {credentials}"));
        }
        let response = request.send().await.with_context(|| format!("{realm} does not answer"))?;
        ensure!(response.status().is_success(), "{realm} gives no token: {}", response.status());
        let answer: serde_json::Value = serde_json::from_slice(&fetch::body(response, &realm).await?)
            .with_context(|| format!("{realm} answers oddly"))?;
        let token = answer.get("token").or_else(|| answer.get("access_token")).and_then(|token| token.as_str());
        Ok(format!("Bearer {}", token.with_context(|| format!("{realm} answers without a token"))?))
    }
}

/// `realm="https://…"` of a challenge.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let start = parameters.find(&format!("{name}=\""))? + name.len() + 2;
    let rest = parameters.get(start..)?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// What `docker login` wrote down for a registry: `USER:PASSWORD` as base64.
fn credentials(registry: &str) -> Option<String> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(std::path::PathBuf::from);
    let folder = folder.or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".docker")))?;
    let text = std::fs::read(folder.join("config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let auth = config.get("auths")?.get(registry)?.get("auth")?.as_str()?;
    STANDARD.decode(auth).ok().map(|_| auth.to_owned())
}

fn verify(bytes: &[u8], digest: &str, what: &str) -> Result<()> {
    let found = Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    ensure!(found == digest, "{what} has the digest {found}, and {digest} was expected: it was changed on the way");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_other_tools_read_them() {
        for (text, expected) in [
            ("ghcr.io/acme/spark:1.0.0", ("ghcr.io", "acme/spark", "1.0.0")),
            ("localhost:5000/spark", ("localhost:5000", "spark", "latest")),
            ("r.example/a@sha256:ab", ("r.example", "a", "sha256:ab")),
            ("r.example/a:1@sha256:ab", ("r.example", "a", "sha256:ab")),
        ] {
            let reference = parse(text).unwrap();
            let found = (reference.registry.as_str(), reference.repository.as_str(), reference.version.as_str());
            assert_eq!(found, expected);
        }
        for text in ["spark", "/spark", "r.example/", "r.example/a@"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_challenge_is_taken_apart() {
        let challenge = r#"realm="https://auth.example/token",service="registry",scope="repository:a:pull""#;
        assert_eq!(parameter(challenge, "realm").as_deref(), Some("https://auth.example/token"));
        assert_eq!(parameter(challenge, "scope").as_deref(), Some("repository:a:pull"));
        assert_eq!(parameter(challenge, "error"), None);
    }

    #[test]
    fn changed_bytes_are_refused() {
        assert!(verify(b"a", "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "x").is_ok());
        assert!(verify(b"b", "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "x").is_err());
    }
}
