//! Copies a folder of artifacts to the environment's objects.

use asgard_sdk::{Error, Result};

use crate::client::Client;
use crate::wire::ArtifactList;

/// The scheme of artifacts that the server hands out itself.
const PROXIED: &str = "mlflow-artifacts:";

/// Deeper folders than this are no model's.
const DEPTH: usize = 16;

/// Copies every file below `uri` to `prefix`; path below `uri` -> key.
///
/// # Errors
/// `unsupported` when the server does not hand the artifacts out itself; those of the server and of the storage.
pub fn copy(client: &Client, uri: &str, prefix: &str) -> Result<Vec<(String, String)>> {
    let root = proxied_path(uri)?;
    let mut copied = Vec::new();
    let mut folders = vec![(String::new(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let listed: ArtifactList = client.list_artifacts(join(&root, &folder).trim_end_matches('/'))?;
        for entry in listed.files {
            check(&entry.path)?;
            let path = join(&folder, &entry.path);
            if !entry.is_dir {
                let data = client.artifact(&join(&root, &path))?;
                let key = format!("{prefix}{path}");
                client.host().put_object(&key, &data)?;
                copied.push((path, key));
            } else if depth < DEPTH {
                folders.push((path, depth + 1));
            } else {
                return Err(Error::internal(format!("the artifacts at {uri} are nested deeper than {DEPTH} folders")));
            }
        }
    }
    copied.sort();
    Ok(copied)
}

/// `mlflow-artifacts:/1/models/m-…/artifacts` and `mlflow-artifacts://host/1/…` as a path below the proxy.
fn proxied_path(uri: &str) -> Result<String> {
    let Some(rest) = uri.strip_prefix(PROXIED) else {
        return Err(Error::Unsupported(format!(
            "the model's files are at {uri}, which the MLflow server does not hand out: start it with `--serve-artifacts` \
             and `--default-artifact-root mlflow-artifacts:/`"
        )));
    };
    let path = match rest.strip_prefix("//") {
        Some(authority_and_path) => authority_and_path.split_once('/').map_or("", |(_, path)| path),
        None => rest,
    };
    Ok(path.trim_matches('/').to_owned())
}

/// A server's names become object keys: none may point elsewhere.
fn check(name: &str) -> Result<()> {
    if name.is_empty()
        || name.starts_with('/')
        || name.split('/').any(|part| part.is_empty() || part == "." || part == "..")
    {
        return Err(Error::internal(format!(
            "MLflow lists an artifact with the path `{name}`, which is no relative path"
        )));
    }
    Ok(())
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
