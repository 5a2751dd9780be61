//! Secrets in the bodies of requests, where the grant says so: some APIs are told a database's password in JSON.
//!
//! A reference (`secret://NAME`) is replaced where it is a whole value, a string of JSON or a field of a form, and the
//! value is encoded as its place demands. A reference inside of a longer text stays: nobody could tell where its name
//! ends. Bodies of other types are left alone.

use asgard_contract::{Error, Result};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use url::form_urlencoded;

use crate::secrets::{self, Secrets, reference};

/// The body with the secrets in it.
///
/// # Errors
/// Those of the secret store.
pub(super) async fn substitute(
    headers: &HeaderMap,
    body: &Bytes,
    environment: &str,
    secrets: &dyn Secrets,
) -> Result<Bytes> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return Ok(body.clone()) };
        if !secrets::substitute(&mut value, environment, secrets).await? {
            return Ok(body.clone());
        }
        let filled = serde_json::to_vec(&value).map_err(|error| Error::internal(error.to_string()))?;
        return Ok(filled.into());
    }
    if essence == "application/x-www-form-urlencoded" {
        let mut fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let mut found = false;
        for (_, value) in &mut fields {
            if let Some(name) = reference(value) {
                *value = secrets.get(environment, name).await?;
                found = true;
            }
        }
        if !found {
            return Ok(body.clone());
        }
        return Ok(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into());
    }
    Ok(body.clone())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    struct One;

    #[async_trait]
    impl Secrets for One {
        async fn get(&self, _: &str, name: &str) -> Result<String> {
            if name == "db.password" { Ok("a\"b&c".to_owned()) } else { Err(Error::not_found(format!("no `{name}`"))) }
        }
    }

    async fn filled(content_type: &'static str, body: &'static str) -> Result<String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        let body = substitute(&headers, &Bytes::from(body), "local", &One).await?;
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_reference_becomes_the_secret_in_the_encoding_of_its_place() {
        let json = filled(
            "application/json; charset=utf-8",
            r#"{"a":[{"password":"secret://db.password"}],"b":"x secret://y"}"#,
        );
        assert_eq!(json.await.unwrap(), r#"{"a":[{"password":"a\"b&c"}],"b":"x secret://y"}"#);
        let form = filled("application/x-www-form-urlencoded", "u=me&p=secret%3A%2F%2Fdb.password");
        assert_eq!(form.await.unwrap(), "u=me&p=a%22b%26c");
        assert_eq!(filled("text/plain", "secret://db.password").await.unwrap(), "secret://db.password");
    }

    #[tokio::test]
    async fn a_secret_that_is_not_there_fails_the_request() {
        let error = filled("application/json", r#"["secret://other"]"#).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
    }
}
