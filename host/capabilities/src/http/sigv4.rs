//! AWS Signature Version 4, over the whole body.

use std::fmt::Write as _;

use asgard_contract::{Error, Result};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use url::Url;

use super::credentials::sensitive;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// The headers that a signature consists of.
pub(super) const HEADERS: [HeaderName; 4] = [AUTHORIZATION, DATE, CONTENT, TOKEN];

/// An access key.
pub(super) struct Keys {
    access: String,
    secret: String,
    /// Of temporary credentials.
    session: Option<String>,
}

impl Keys {
    /// As a plugin names them: the key's id in clear, the rest resolved from references.
    pub(super) fn new(access: String, secret: String, session: Option<String>) -> Self {
        Self { access, secret, session }
    }

    /// From `ACCESS_KEY:SECRET_KEY` or `ACCESS_KEY:SECRET_KEY:SESSION_TOKEN`; neither key has a colon in it.
    ///
    /// # Errors
    /// `invalid-input`, naming the secret.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self> {
        let mut parts = text.trim().splitn(3, ':');
        match (parts.next(), parts.next()) {
            (Some(access), Some(secret)) if !access.is_empty() && !secret.is_empty() => Ok(Self {
                access: access.to_owned(),
                secret: secret.to_owned(),
                session: parts.next().map(str::to_owned),
            }),
            _ => Err(Error::invalid(
                "grants.http.credential",
                format!("secret `{name}` is no AWS key: expected `ACCESS_KEY:SECRET_KEY`"),
            )),
        }
    }
}

/// Signs the request as it is at `now`. Signed are the host, the signature's own headers and the type of the content.
///
/// # Errors
/// `invalid-input` for keys that no header can hold.
pub(super) fn sign(
    request: &mut http::Request<Bytes>,
    url: &Url,
    keys: &Keys,
    region: &str,
    service: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let time = now.format("%Y%m%dT%H%M%SZ").to_string();
    let day = now.format("%Y%m%d").to_string();
    let content = hexadecimal(&Sha256::digest(request.body()));
    let header = |text: &str| HeaderValue::from_str(text).map_err(|error| Error::internal(error.to_string()));
    request.headers_mut().insert(DATE, header(&time)?);
    // Storage wants to be told; others sign it without.
    if service == "s3" {
        request.headers_mut().insert(CONTENT, header(&content)?);
    }
    if let Some(session) = &keys.session {
        request.headers_mut().insert(TOKEN, sensitive(session)?);
    }
    let (signed, canonical) = canonical_request(request, url, service, &content);
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hexadecimal(&Sha256::digest(canonical)));
    let mut key = hmac(format!("AWS4{}", keys.secret).as_bytes(), &day)?;
    for part in [region, service, "aws4_request"] {
        key = hmac(&key, part)?;
    }
    let signature = hexadecimal(&hmac(&key, &to_sign)?);
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}", keys.access);
    request.headers_mut().insert(AUTHORIZATION, sensitive(&authorization)?);
    Ok(())
}

/// The signed headers' names, and the text that is signed.
fn canonical_request(request: &http::Request<Bytes>, url: &Url, service: &str, content: &str) -> (String, String) {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let mut headers = vec![("host".to_owned(), format!("{}{port}", url.host_str().unwrap_or_default()))];
    for (name, value) in request.headers() {
        if name.as_str().starts_with("x-amz-") || name == http::header::CONTENT_TYPE {
            headers.push((name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).trim().to_owned()));
        }
    }
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let signed = names.join(";");
    let mut lines = String::new();
    for (name, value) in &headers {
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{name}:{value}");
    }
    // The path on the wire is encoded once. All services but S3 sign it encoded once more.
    let path = if service == "s3" {
        url.path().to_owned()
    } else {
        url.path().split('/').map(encode).collect::<Vec<_>>().join("/")
    };
    let mut query: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (encode(&name), encode(&value))).collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    (signed.clone(), format!("{}\n{path}\n{}\n{lines}\n{signed}\n{content}", request.method(), query.join("&")))
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn hmac(key: &[u8], text: &str) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| Error::internal(error.to_string()))?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(method: &str, url: &str, body: &str, content_type: Option<&str>) -> String {
        let url = Url::parse(url).unwrap();
        let mut request =
            http::Request::builder().method(method).uri(url.as_str()).body(Bytes::from(body.to_owned())).unwrap();
        if let Some(value) = content_type {
            request.headers_mut().insert("content-type", value.parse().unwrap());
        }
        let keys = Keys::parse("AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "aws").unwrap();
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        sign(&mut request, &url, &keys, "us-east-1", "service", now).unwrap();
        let value = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
        assert!(value.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="
        ));
        value.rsplit_once('=').unwrap().1.to_owned()
    }

    /// From AWS's published test suite for Signature Version 4.
    #[test]
    fn signatures_are_those_of_the_published_test_suite() {
        let vanilla = signature("GET", "https://example.amazonaws.com/", "", None);
        assert_eq!(vanilla, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        let ordered = signature("GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", "", None);
        assert_eq!(ordered, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
        let form = signature(
            "POST",
            "https://example.amazonaws.com/",
            "Param1=value1",
            Some("application/x-www-form-urlencoded"),
        );
        assert_eq!(form, "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
    }

    #[test]
    fn a_secret_that_is_no_key_is_named_and_not_shown() {
        let error = Keys::parse("hunter2", "lake").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("`lake`") && !error.contains("hunter2"), "{error}");
    }
}
