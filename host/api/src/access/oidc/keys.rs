//! The issuer's keys: found by its discovery document, kept, and fetched again when a token names one that is not there.
//!
//! One fetch goes on at a time, and not more often than [`AGAIN_AFTER`]: made-up key ids must not turn the host into a
//! hammer. An issuer that is away keeps the keys that it had.

use std::sync::Arc;
use std::time::{Duration, Instant};

use asgard_contract::{Error, Result};
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use super::claims::address;

/// After this long, keys that the issuer no longer lists are forgotten.
const KEPT_FOR: Duration = Duration::from_secs(3600);

/// The shortest time between two fetches. A key that came up a moment ago is known after it.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// For connecting and reading: requests wait for it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Issuers' documents are a few kilobytes.
const LARGEST_DOCUMENT: usize = 1 << 20;

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeysError {
    /// The issuer has none of this name.
    Unknown,
    /// The issuer cannot be asked.
    Away(String),
}

#[derive(Default)]
struct Fetched {
    keys: Arc<[Jwk]>,
    at: Option<Instant>,
    tried_at: Option<Instant>,
    failure: Option<String>,
}

pub(super) struct Keys {
    issuer: String,
    http: reqwest::Client,
    fetched: Mutex<Fetched>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<Value>,
}

impl Keys {
    /// # Errors
    /// When the machine has no usable TLS.
    pub(super) fn new(issuer: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(ANSWERS_WITHIN)
            .redirect(Policy::none())
            .build()
            .map_err(|error| Error::internal(format!("there is no HTTP client for {issuer}: {error}")))?;
        Ok(Self { issuer: issuer.to_owned(), http, fetched: Mutex::default() })
    }

    /// The key that a token says it was signed with.
    pub(super) async fn find(&self, id: Option<&str>, algorithm: Algorithm) -> std::result::Result<Jwk, KeysError> {
        // Held while keys are fetched, so that everyone waits for the one fetch.
        let mut fetched = self.fetched.lock().await;
        let old = fetched.at.is_none_or(|at| at.elapsed() > KEPT_FOR);
        if !old && let Some(key) = chosen(&fetched.keys, id, algorithm) {
            return Ok(key);
        }
        if fetched.tried_at.is_none_or(|at| at.elapsed() > AGAIN_AFTER) {
            fetched.tried_at = Some(Instant::now());
            match self.fetch().await {
                Ok(keys) => *fetched = Fetched { keys, at: Some(Instant::now()), failure: None, ..*fetched },
                Err(error) => {
                    tracing::warn!(%error, issuer = self.issuer, "the issuer's keys cannot be fetched");
                    fetched.failure = Some(error);
                }
            }
        }
        match (chosen(&fetched.keys, id, algorithm), &fetched.failure) {
            (Some(key), _) => Ok(key),
            (None, Some(failure)) => Err(KeysError::Away(failure.clone())),
            (None, None) => Err(KeysError::Unknown),
        }
    }

    async fn fetch(&self) -> std::result::Result<Arc<[Jwk]>, String> {
        let place = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let discovery: Discovery = self.document(&place).await?;
        if discovery.issuer != self.issuer {
            return Err(format!("{place} is of issuer `{}`, not of `{}`", discovery.issuer, self.issuer));
        }
        address("jwks_uri", &discovery.jwks_uri).map_err(|error| error.to_string())?;
        let listed: Listed = self.document(&discovery.jwks_uri).await?;
        // Issuers also list keys for other uses, of kinds that nobody here knows.
        let keys = listed.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(keys.collect())
    }

    async fn document<T: DeserializeOwned>(&self, place: &str) -> std::result::Result<T, String> {
        let away = |error: reqwest::Error| format!("{place}: {}", innermost(&error));
        let mut response = self.http.get(place).send().await.map_err(away)?;
        if !response.status().is_success() {
            return Err(format!("{place} is answered with {}", response.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            text.extend_from_slice(&chunk);
            if text.len() > LARGEST_DOCUMENT {
                return Err(format!("{place} is longer than {LARGEST_DOCUMENT} bytes"));
            }
        }
        serde_json::from_slice(&text).map_err(|error| format!("{place} is not as expected: {error}"))
    }
}

/// The one with this id that may have signed it. A token that names none is of the only key there is.
fn chosen(keys: &[Jwk], id: Option<&str>, algorithm: Algorithm) -> Option<Jwk> {
    let fits = |key: &&Jwk| {
        let common = &key.common;
        common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
            && common.key_algorithm.is_none_or(|of_key| of_key == KeyAlgorithm::from(algorithm))
    };
    let mut fitting = keys.iter().filter(fits);
    match id {
        Some(id) => fitting.find(|key| key.common.key_id.as_deref() == Some(id)).cloned(),
        None => fitting.next().filter(|_| fitting.next().is_none()).cloned(),
    }
}

/// What lies at the bottom of an error, which says more than what stands around it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(list: Value) -> Vec<Jwk> {
        list.as_array().unwrap().iter().map(|key| serde_json::from_value(key.clone()).unwrap()).collect()
    }

    fn key(id: &str, rest: Value) -> Value {
        let mut key = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": id});
        key.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        key
    }

    #[test]
    fn a_key_is_chosen_by_id_purpose_and_algorithm() {
        let keys = keys(json!([
            key("a", json!({"use": "sig", "alg": "ES256"})),
            key("b", json!({"use": "enc"})),
            key("c", json!({"alg": "ES384"})),
        ]));
        let found = |id: Option<&str>, algorithm| chosen(&keys, id, algorithm).and_then(|key| key.common.key_id);
        assert_eq!(found(Some("a"), Algorithm::ES256).as_deref(), Some("a"));
        assert_eq!(found(Some("b"), Algorithm::ES256), None, "it is for encryption");
        assert_eq!(found(Some("c"), Algorithm::ES256), None, "it is for another algorithm");
        assert_eq!(found(None, Algorithm::ES256).as_deref(), Some("a"), "only one fits");
        assert_eq!(found(Some("d"), Algorithm::ES256), None);
    }
}
