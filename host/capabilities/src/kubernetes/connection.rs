//! The client of a cluster: made when first needed, and anew when its credentials changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use asgard_contract::environment::Cluster;
use asgard_contract::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::DynamicObject;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::discovery::Scope;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, Config, discovery};
use serde_json::json;
use tokio::sync::Mutex;

use super::{Reference, failure};
use crate::secrets::Secrets;

/// An API server in the same network answers in milliseconds.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A cluster of an environment. Shared by all calls of a revision.
pub struct Connection {
    cluster: Cluster,
    environment: String,
    /// Where the token is kept.
    secrets: Arc<dyn Secrets>,
    open: Mutex<Option<Open>>,
}

struct Open {
    /// Of the credentials: another one means another client.
    fingerprint: u64,
    client: Client,
    /// `API_VERSION/KIND` -> what the cluster calls it. Only what was found is kept: a kind may be installed at any time.
    kinds: HashMap<String, ApiResource>,
}

impl Connection {
    /// Connects to nothing yet.
    pub fn new(cluster: Cluster, environment: &str, secrets: Arc<dyn Secrets>) -> Self {
        Self { cluster, environment: environment.to_owned(), secrets, open: Mutex::new(None) }
    }

    /// A client with today's credentials.
    ///
    /// # Errors
    /// `invalid-input` for a cluster whose description cannot be used; those of the secret store.
    pub(super) async fn client(&self) -> Result<Client> {
        let credentials = Credentials::read(&self.cluster, &self.environment, &*self.secrets).await?;
        let fingerprint = credentials.fingerprint();
        let mut open = self.open.lock().await;
        if let Some(open) = open.as_ref().filter(|open| open.fingerprint == fingerprint) {
            return Ok(open.client.clone());
        }
        let mut config = credentials.config().await?;
        config.connect_timeout = Some(CONNECT_WITHIN);
        let client = Client::try_from(config).map_err(|error| unusable(format!("no client can be made: {error}")))?;
        *open = Some(Open { fingerprint, client: client.clone(), kinds: HashMap::new() });
        Ok(client)
    }

    /// The resources of a kind in a namespace.
    ///
    /// # Errors
    /// `not-found` for a kind that the cluster does not know; `unsupported` for one without namespaces; `unavailable`.
    pub(super) async fn api(&self, reference: &Reference) -> Result<Api<DynamicObject>> {
        let (client, resource) = self.resource(reference).await?;
        Ok(Api::namespaced_with(client, &reference.namespace, &resource))
    }

    /// A client, and what the cluster calls the kind.
    ///
    /// # Errors
    /// As [`Connection::api`].
    pub(super) async fn resource(&self, reference: &Reference) -> Result<(Client, ApiResource)> {
        let client = self.client().await?;
        let name = format!("{}/{}", reference.api_version, reference.kind);
        let known = self.open.lock().await.as_ref().and_then(|open| open.kinds.get(&name).cloned());
        if let Some(resource) = known {
            return Ok((client, resource));
        }
        let (group, version) = reference.api_version.rsplit_once('/').unwrap_or(("", &reference.api_version));
        let kind = GroupVersionKind::gvk(group, version, &reference.kind);
        let unknown = || {
            // Not `not-found`, which plugins take for a resource that is gone.
            Error::unsupported(format!(
                "the cluster has no kind `{name}`: install what defines it, or name another version"
            ))
        };
        let (resource, abilities) = discovery::pinned_kind(&client, &kind).await.map_err(|error| match error {
            kube::Error::Discovery(_) => unknown(),
            kube::Error::Api(status) if status.code == 404 => unknown(),
            other => failure::of(other, reference),
        })?;
        if abilities.scope == Scope::Cluster {
            return Err(Error::unsupported(format!("`{name}` is in no namespace: such resources are not lent")));
        }
        if let Some(open) = self.open.lock().await.as_mut() {
            open.kinds.insert(name, resource.clone());
        }
        Ok((client, resource))
    }

    /// A value of a `v1/Secret`.
    ///
    /// # Errors
    /// `not-found` for a secret or a key that is not there; those of the cluster.
    pub async fn secret(&self, namespace: &str, name: &str, key: &str) -> Result<String> {
        let reference = Reference::new("v1", "Secret", namespace, name);
        let secret = self.api(&reference).await?.get(name).await.map_err(|error| failure::of(error, &reference))?;
        let value = secret.data.get("data").and_then(|data| data.get(key)).and_then(serde_json::Value::as_str);
        let value = value.ok_or_else(|| {
            let keys = secret.data.get("data").and_then(|data| data.as_object());
            let keys: Vec<&str> = keys.map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default();
            Error::not_found(format!("{} has no key `{key}`: it has {}", reference.shown(), keys.join(", ")))
        })?;
        let no_text = || Error::not_found(format!("key `{key}` of {} is no UTF-8 text", reference.shown()));
        String::from_utf8(STANDARD.decode(value).map_err(|_| no_text())?).map_err(|_| no_text())
    }
}

fn unusable(message: String) -> Error {
    Error::invalid("kubernetes", message)
}

/// What a client is made of.
enum Credentials {
    /// Its token is read anew by the client itself.
    InCluster,
    File {
        text: String,
        path: String,
        context: Option<String>,
    },
    Token {
        server: String,
        token: String,
        authority: Option<String>,
    },
}

impl Credentials {
    async fn read(cluster: &Cluster, environment: &str, secrets: &dyn Secrets) -> Result<Self> {
        Ok(match cluster {
            Cluster::InCluster => Self::InCluster,
            Cluster::Kubeconfig { path, context } => {
                let text = tokio::fs::read_to_string(path).await;
                let text = text.map_err(|error| {
                    Error::invalid("kubernetes.path", format!("the file {path} cannot be read: {error}"))
                })?;
                Self::File { text, path: path.clone(), context: context.clone() }
            }
            Cluster::Token { server, secret, certificate_authority } => Self::Token {
                server: server.clone(),
                token: secrets.get(environment, secret).await?,
                authority: certificate_authority.clone(),
            },
        })
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self {
            Self::InCluster => 0.hash(&mut hasher),
            Self::File { text, .. } => (1, text).hash(&mut hasher),
            Self::Token { token, .. } => (2, token).hash(&mut hasher),
        }
        hasher.finish()
    }

    async fn config(&self) -> Result<Config> {
        let (file, options) = match self {
            Self::InCluster => {
                return Config::incluster()
                    .map_err(|error| unusable(format!("the host does not run in a cluster's pod: {error}")));
            }
            Self::File { text, path, context } => {
                let mut file = Kubeconfig::from_yaml(text)
                    .map_err(|error| Error::invalid("kubernetes.path", format!("{path} is no kubeconfig: {error}")))?;
                beside(&mut file, path);
                (file, KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() })
            }
            Self::Token { server, token, authority } => {
                let authority = authority.as_ref().map(|pem| STANDARD.encode(pem));
                let file = json!({
                    "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": authority}}],
                    "users": [{"name": "u", "user": {"token": token}}],
                    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "x",
                });
                let file = serde_json::from_value(file).map_err(|error| unusable(error.to_string()))?;
                (file, KubeConfigOptions::default())
            }
        };
        Config::from_custom_kubeconfig(file, &options).await.map_err(|error| unusable(error.to_string()))
    }
}

/// Files that a kubeconfig names are looked for beside it.
fn beside(file: &mut Kubeconfig, path: &str) {
    let folder = std::path::Path::new(path).parent().unwrap_or(std::path::Path::new("/"));
    let found = |named: &mut Option<String>| {
        if let Some(name) = named.as_mut().filter(|name| !name.is_empty()) {
            *name = folder.join(&name).display().to_string();
        }
    };
    for cluster in file.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        found(&mut cluster.certificate_authority);
    }
    for user in file.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        found(&mut user.client_certificate);
        found(&mut user.client_key);
        found(&mut user.token_file);
    }
}
