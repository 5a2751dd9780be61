//! Branches of a catalog: all of its tables at once, apart from those of others until they are merged.
//!
//! Iceberg's protocol has none; Nessie has, behind an API of its own (version 2) whose address it tells in its configuration. There a
//! branch is also a catalog of its own: its name is the last part of the catalog's address.

use asgard_contract::{Error, Result};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::client::{Answer, Client};

/// How often a merge is tried again because the other branch moved while it was made.
const TRIES: usize = 5;

/// Where branches are, and which of them the catalog's address means.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Nessie {
    /// `http://…/api/v2`
    api: String,
    /// `http://…/iceberg`
    catalogs: String,
    branch: String,
}

impl Nessie {
    fn catalog(&self, branch: &str) -> String {
        format!("{}/{branch}", self.catalogs)
    }
}

#[derive(Deserialize)]
struct Found {
    reference: Reference,
}

#[derive(Deserialize)]
struct Reference {
    hash: String,
}

/// # Errors
/// `unsupported` for a catalog that has no branches, `unavailable` for one that does not answer.
async fn nessie(client: &Client) -> Result<Nessie> {
    let settings = client.configuration().await?;
    let told = |name: &str| settings.overrides.get(name).or_else(|| settings.defaults.get(name)).cloned();
    let none = || {
        let uri = client.uri();
        Error::unsupported(format!(
            "the catalog at {uri} has no branches: only Nessie's are known here, so nothing can be audited apart"
        ))
    };
    let address =
        |name: &str| Ok(client.here(&told(name).ok_or_else(none)?)?.as_str().trim_end_matches('/').to_owned());
    let api: String = address("nessie.core-base-uri")?;
    let catalogs: String = address("nessie.iceberg-base-uri")?;
    // `BRANCH`, or `BRANCH|WAREHOUSE`, written for a path.
    let prefix = told("prefix").ok_or_else(none)?;
    let prefix = percent_encoding::percent_decode_str(&prefix).decode_utf8_lossy().into_owned();
    let branch = prefix.split('|').next().unwrap_or_default().to_owned();
    Ok(Nessie { api: format!("{api}/v2"), catalogs, branch })
}

/// # Errors
/// As [`nessie`].
pub(super) async fn check(client: &Client) -> Result<()> {
    nessie(client).await.map(drop)
}

/// The address of the catalog on a branch, if there is one.
///
/// # Errors
/// As [`nessie`].
pub(super) async fn find(client: &Client, name: &str) -> Result<Option<String>> {
    let nessie = nessie(client).await?;
    Ok(hash(client, &nessie, name).await?.map(|_| nessie.catalog(name)))
}

/// Makes a branch of the catalog as it is now; answers with the address of the catalog on it.
///
/// # Errors
/// As [`nessie`].
pub(super) async fn make(client: &Client, name: &str) -> Result<String> {
    let nessie = nessie(client).await?;
    let origin = hash(client, &nessie, &nessie.branch).await?.ok_or_else(|| gone(&nessie.branch))?;
    let url = url(&nessie, &["trees"], &[("name", name), ("type", "BRANCH")])?;
    let body = json!({"type": "BRANCH", "name": nessie.branch, "hash": origin});
    match client.send_to::<Value>(Method::POST, url, Some(&body)).await? {
        // Conflict: an earlier try made it.
        Answer::Done(_) | Answer::Conflict(_) => Ok(nessie.catalog(name)),
        Answer::Missing(message) | Answer::Unsupported(message) => Err(Error::unsupported(message)),
    }
}

/// Merges a branch into the catalog's own, all or nothing, and deletes it. Nothing happens if it is gone: it was merged.
///
/// # Errors
/// `conflict` where both changed the same table.
pub(super) async fn merge(client: &Client, name: &str) -> Result<()> {
    let nessie = nessie(client).await?;
    let mut said = String::new();
    for _ in 0..TRIES {
        let Some(from) = hash(client, &nessie, name).await? else { return Ok(()) };
        let onto = hash(client, &nessie, &nessie.branch).await?.ok_or_else(|| gone(&nessie.branch))?;
        let url = url(&nessie, &["trees", &format!("{}@{onto}", nessie.branch), "history", "merge"], &[])?;
        let body = json!({"fromRefName": name, "fromHash": from});
        match client.send_to::<Value>(Method::POST, url, Some(&body)).await? {
            Answer::Done(_) => return delete(client, name).await,
            Answer::Conflict(message) => said = message,
            Answer::Missing(message) | Answer::Unsupported(message) => return Err(Error::unavailable(message)),
        }
    }
    Err(Error::conflict(format!("branch `{name}` cannot be merged into `{}`: {said}", nessie.branch)))
}

/// Deletes a branch. Nothing happens if there is none.
pub(super) async fn delete(client: &Client, name: &str) -> Result<()> {
    let nessie = nessie(client).await?;
    let Some(hash) = hash(client, &nessie, name).await? else { return Ok(()) };
    let url = url(&nessie, &["trees", &format!("{name}@{hash}")], &[])?;
    match client.send_to::<Value>(Method::DELETE, url, None).await? {
        Answer::Done(_) | Answer::Missing(_) => Ok(()),
        Answer::Conflict(message) => Err(Error::conflict(message)),
        Answer::Unsupported(message) => Err(Error::unsupported(message)),
    }
}

async fn hash(client: &Client, nessie: &Nessie, name: &str) -> Result<Option<String>> {
    let found: Answer<Found> = client.send_to(Method::GET, url(nessie, &["trees", name], &[])?, None).await?;
    Ok(found.found()?.map(|found| found.reference.hash))
}

fn url(nessie: &Nessie, path: &[&str], query: &[(&str, &str)]) -> Result<Url> {
    let odd = || Error::internal(format!("the catalog's API is at `{}`, which is no address", nessie.api));
    let mut url = Url::parse(&nessie.api).map_err(|_| odd())?;
    url.path_segments_mut().map_err(|()| odd())?.extend(path);
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

fn gone(branch: &str) -> Error {
    Error::unavailable(format!("the catalog's branch `{branch}` is gone"))
}
