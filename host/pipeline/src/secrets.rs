//! An environment's secrets, wherever they are kept: in the store, in a variable of the host process, in a file, in the
//! environment's Kubernetes cluster.
//!
//! A secret is looked up each time that it is used, so a value that changed is used by the next step, without a restart and
//! without a new revision. Nothing here keeps a value.
//!
//! # Hazard
//! Who may change an environment's document can name any variable and any file that the host may read, and have a plugin send it
//! somewhere. Two things are refused whatever the document says: the host's own variables (`ASGARD_…`), and the data folder, where
//! the key of the stored secrets is. All else is up to who may apply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use asgard_capabilities::kubernetes::Connection;
use asgard_capabilities::secrets::Secrets;
use asgard_contract::environment::{Cluster, Environment, SecretSource};
use asgard_contract::{Error, Result};
use asgard_store::Store;
use async_trait::async_trait;

/// Larger files are no secrets: a chain of certificates has some kilobytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Variables of the host itself.
const OWN_VARIABLES: &str = "ASGARD_";

/// The secrets of one revision of an environment.
#[derive(Clone)]
pub(crate) struct EnvironmentSecrets {
    store: Store,
    environment: String,
    declared: BTreeMap<String, SecretSource>,
    /// The host's data folder.
    data: PathBuf,
    /// Where the environment has one.
    cluster: Option<Arc<Connection>>,
}

impl EnvironmentSecrets {
    pub(crate) fn new(store: &Store, document: &Environment, data: &Path) -> Self {
        let mut secrets = Self {
            store: store.clone(),
            environment: document.name.clone(),
            declared: document.secrets.clone(),
            data: data.to_owned(),
            cluster: None,
        };
        // The cluster's own token is one of the others: see `check_sources`.
        let connect = |cluster: &Cluster| Connection::new(cluster.clone(), &document.name, Arc::new(secrets.clone()));
        secrets.cluster = document.kubernetes.as_ref().map(|cluster| Arc::new(connect(cluster)));
        secrets
    }

    /// The environment's cluster.
    pub(crate) fn cluster(&self) -> Option<Arc<Connection>> {
        self.cluster.clone()
    }

    /// The secret's value.
    ///
    /// # Errors
    /// `not-found` with the place where it was looked for, and what to do.
    pub(crate) async fn get(&self, name: &str) -> Result<String> {
        let Some(source) = self.declared.get(name) else {
            return Ok(self.store.secret(&self.environment, name).await?);
        };
        let missing = |why: String| {
            Error::not_found(format!("secret `{name}` of environment `{}` cannot be had: {why}", self.environment))
        };
        let value = match source {
            SecretSource::Env { name: variable } => std::env::var(variable).map_err(|error| {
                missing(match error {
                    std::env::VarError::NotPresent => {
                        format!("the host has no environment variable `{variable}`: set it where the host is started")
                    }
                    std::env::VarError::NotUnicode(_) => format!("the variable `{variable}` is no UTF-8 text"),
                })
            })?,
            SecretSource::File { path } => self.read(Path::new(path)).await.map_err(missing)?,
            SecretSource::Kubernetes { namespace, name, key } => {
                let Some(cluster) = &self.cluster else {
                    return Err(missing("the environment has no cluster: add `[kubernetes]`".to_owned()));
                };
                match cluster.secret(namespace, name, key).await {
                    Err(Error::NotFound { message }) => return Err(missing(message)),
                    answered => answered?,
                }
            }
        };
        if value.is_empty() {
            return Err(missing(match source {
                SecretSource::Env { name } => format!("the variable `{name}` is empty"),
                SecretSource::File { path } => format!("the file {path} is empty"),
                SecretSource::Kubernetes { namespace, name, key } => {
                    format!("key `{key}` of the Kubernetes secret {namespace}/{name} is empty")
                }
            }));
        }
        Ok(value)
    }

    async fn read(&self, path: &Path) -> std::result::Result<String, String> {
        let shown = path.display();
        let unreadable = |error: std::io::Error| format!("the file {shown} cannot be read: {error}");
        // Links are followed first: what is mounted from a Kubernetes secret is one.
        let real = tokio::fs::canonicalize(path).await.map_err(unreadable)?;
        if let Ok(data) = tokio::fs::canonicalize(&self.data).await
            && real.starts_with(data)
        {
            return Err(format!("the file {shown} is in the host's own data folder: keep it elsewhere"));
        }
        let size = tokio::fs::metadata(&real).await.map_err(unreadable)?.len();
        if size > LARGEST_FILE {
            return Err(format!("the file {shown} has {size} bytes: expected a secret of at most {LARGEST_FILE}"));
        }
        let text = tokio::fs::read_to_string(&real).await.map_err(unreadable)?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }
}

#[async_trait]
impl Secrets for EnvironmentSecrets {
    async fn get(&self, _: &str, name: &str) -> Result<String> {
        Self::get(self, name).await
    }
}

/// Looks that the sources of a document's secrets are ones that may be named. Whether they have a value is found out when it is
/// needed: a secret may be mounted later.
///
/// # Errors
/// `invalid-input` for the field of the document.
pub(crate) fn check_sources(document: &Environment) -> Result<()> {
    for (name, source) in &document.secrets {
        let good = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !good {
            let message = format!("`{name}` is no name of a secret: expected letters, digits, `.`, `_` and `-`");
            return Err(Error::invalid("secrets", message));
        }
        match source {
            SecretSource::Env { name: variable } if variable.is_empty() || variable.contains(['=', '\0']) => {
                let message = format!("`{}` is no name of a variable", variable.escape_debug());
                return Err(Error::invalid(format!("secrets.{name}.name"), message));
            }
            SecretSource::Env { name: variable } if variable.starts_with(OWN_VARIABLES) => {
                let message = format!("`{variable}` is the host's own: name a variable without `{OWN_VARIABLES}`");
                return Err(Error::invalid(format!("secrets.{name}.name"), message));
            }
            SecretSource::File { path } if !Path::new(path).is_absolute() => {
                let message = format!("`{path}` is no absolute path: expected one such as `/run/secrets/{name}`");
                return Err(Error::invalid(format!("secrets.{name}.path"), message));
            }
            SecretSource::Kubernetes { .. } if document.kubernetes.is_none() => {
                let message = "the environment has no cluster: add `[kubernetes]`";
                return Err(Error::invalid(format!("secrets.{name}.from"), message));
            }
            SecretSource::Kubernetes { namespace, name: secret, key } => {
                for (part, value) in [("namespace", namespace), ("name", secret), ("key", key)] {
                    if value.is_empty() {
                        return Err(Error::invalid(format!("secrets.{name}.{part}"), "must not be empty"));
                    }
                }
                if matches!(&document.kubernetes, Some(Cluster::Token { secret, .. }) if secret == name) {
                    let message = format!("`{name}` is what the cluster is reached with, so it cannot be kept there");
                    return Err(Error::invalid(format!("secrets.{name}.from"), message));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn secrets(document: &str, data: &Path) -> EnvironmentSecrets {
        let document: Environment = toml::from_str(document).unwrap();
        EnvironmentSecrets::new(&Store::open(data).await.unwrap(), &document, data)
    }

    #[tokio::test]
    async fn a_file_is_read_anew_each_time_and_the_store_has_what_is_not_declared() {
        let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = elsewhere.path().join("warehouse");
        let document = format!("name = 'x'\n[secrets.warehouse]\nfrom = 'file'\npath = '{}'\n", file.display());
        let secrets = secrets(&document, data.path()).await;
        let missing = secrets.get("warehouse").await.unwrap_err().to_string();
        assert!(missing.contains("warehouse") && missing.contains("cannot be read"), "{missing}");
        for value in ["first", "second"] {
            std::fs::write(&file, format!("{value}\n")).unwrap();
            assert_eq!(secrets.get("warehouse").await.unwrap(), value);
        }
        secrets.store.set_secret("x", "other", "stored").await.unwrap();
        assert_eq!(secrets.get("other").await.unwrap(), "stored");
    }

    #[tokio::test]
    async fn the_data_folder_is_never_read_even_behind_a_link() {
        let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = data.path().join("a-key");
        std::fs::write(&key, "k").unwrap();
        let link = elsewhere.path().join("link");
        std::os::unix::fs::symlink(&key, &link).unwrap();
        let document = format!("name = 'x'\n[secrets.key]\nfrom = 'file'\npath = '{}'\n", link.display());
        let refused = secrets(&document, data.path()).await.get("key").await.unwrap_err().to_string();
        assert!(refused.contains("data folder"), "{refused}");
    }

    #[tokio::test]
    async fn a_variable_that_is_not_there_is_named() {
        let data = tempfile::tempdir().unwrap();
        let secrets = secrets("name = 'x'\n[secrets.a]\nfrom = 'env'\nname = 'NO_SUCH_VARIABLE'\n", data.path()).await;
        assert!(secrets.get("a").await.unwrap_err().to_string().contains("`NO_SUCH_VARIABLE`"));
    }

    #[test]
    fn sources_that_may_not_be_named_are_refused_with_their_field() {
        for (source, field) in [
            ("from = 'env'\nname = 'ASGARD_TOKEN'", "secrets.s.name"),
            ("from = 'env'\nname = ''", "secrets.s.name"),
            ("from = 'file'\npath = 'relative'", "secrets.s.path"),
            ("from = 'kubernetes'\nnamespace = 'n'\nname = 's'\nkey = 'k'", "secrets.s.from"),
            (
                "from = 'kubernetes'\nnamespace = 'n'\nname = 's'\nkey = ''\n[kubernetes]\ntype = 'in_cluster'",
                "secrets.s.key",
            ),
            (
                "from = 'kubernetes'\nnamespace = 'n'\nname = 's'\nkey = 'k'\n\
                 [kubernetes]\ntype = 'token'\nserver = 'https://k'\nsecret = 's'",
                "secrets.s.from",
            ),
        ] {
            let document = toml::from_str(&format!("name = 'x'\n[secrets.s]\n{source}\n")).unwrap();
            let error = check_sources(&document).unwrap_err();
            assert!(matches!(&error, Error::InvalidInput { field: Some(at), .. } if at == field), "{error:?}");
        }
    }
}
