//! Buckets, through the protocol of S3. The host signs the requests.

use asgard_sdk::http::{AwsKey, Credential, Response};
use asgard_sdk::{Error, Result};
use bytes::Bytes;
use serde::Deserialize;

use super::request::{header, said, send};
use super::{Entry, Pattern, Source, changed};
use crate::configuration::S3;

/// More keys than this under one prefix are not looked through: the patterns are too wide.
const MOST_KEYS: usize = 1_000_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    #[serde(default)]
    contents: Vec<Key>,
    #[serde(default)]
    is_truncated: bool,
    next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    key: String,
    size: u64,
    #[serde(rename = "ETag")]
    etag: String,
    last_modified: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    code: String,
    #[serde(default)]
    message: String,
}

pub(super) fn find(s3: &S3, patterns: &[String]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for text in patterns {
        let pattern = Pattern::parse(text)?;
        let prefix = format!("{}{}", s3.prefix, pattern.prefix());
        let mut token: Option<String> = None;
        let mut seen = 0;
        loop {
            let listing = list(s3, &prefix, token.as_deref())?;
            seen += listing.contents.len();
            for key in listing.contents {
                let below = key.key.strip_prefix(&s3.prefix);
                if below.is_some_and(|below| !below.ends_with('/') && pattern.fits(below)) {
                    found.push(described(s3, key)?);
                }
            }
            token = listing.next_continuation_token.filter(|_| listing.is_truncated);
            if token.is_none() {
                break;
            }
            if seen > MOST_KEYS {
                let message = format!("more than {MOST_KEYS} keys begin with `{prefix}`: make `{text}` narrower");
                return Err(Error::invalid("config.streams", message));
            }
        }
    }
    Ok(found)
}

fn described(s3: &S3, key: Key) -> Result<Entry> {
    if key.key.split('/').any(|segment| matches!(segment, "." | "..")) {
        let message =
            format!("key `{}` has a segment `.` or `..`, which no URL can name: leave it out of `files`", key.key);
        return Err(Error::invalid("config.streams", message));
    }
    let modified = key.last_modified.and_then(|text| chrono::DateTime::parse_from_rfc3339(&text).ok());
    Ok(Entry {
        path: format!("s3://{}/{}", s3.bucket, key.key),
        version: Some(format!("{} {}", key.size, key.etag.trim_matches('"'))),
        address: key.key,
        size: key.size,
        modified: modified.map(|time| time.timestamp_millis()),
    })
}

fn list(s3: &S3, prefix: &str, token: Option<&str>) -> Result<Listing> {
    let mut url = format!("{}/?list-type=2&prefix={}", bucket(s3), encode(prefix, false));
    if let Some(token) = token {
        url.push_str(&format!("&continuation-token={}", encode(token, false)));
    }
    let response = send("GET", &url, &[], credential(s3).as_ref())?;
    if response.status != 200 {
        return Err(refused(s3, &response, &format!("listing `s3://{}/{prefix}`", s3.bucket)));
    }
    let text = std::str::from_utf8(&response.body).map_err(|_| odd(s3, "no text"))?;
    quick_xml::de::from_str(text).map_err(|error| odd(s3, &error.to_string()))
}

fn odd(s3: &S3, what: &str) -> Error {
    Error::invalid("config.location.endpoint", format!("`{}` does not answer as S3 does: {what}", bucket(s3)))
}

/// The bucket's URL, without a `/` at the end.
fn bucket(s3: &S3) -> String {
    // A certificate for `*.s3…` does not cover a name with more dots.
    let path_style = s3.path_style.unwrap_or(s3.endpoint.is_some() || s3.bucket.contains('.'));
    let endpoint = match &s3.endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => format!("https://s3.{}.amazonaws.com", s3.region),
    };
    match endpoint.split_once("://") {
        Some((scheme, host)) if !path_style => format!("{scheme}://{}.{host}", s3.bucket),
        _ => format!("{endpoint}/{}", s3.bucket),
    }
}

fn credential(s3: &S3) -> Option<Credential> {
    Some(Credential::AwsSigv4(AwsKey {
        access_key_id: s3.access_key_id.clone()?,
        secret_access_key: s3.secret_access_key.clone()?,
        session_token: s3.session_token.clone(),
        region: s3.region.clone(),
        service: "s3".to_owned(),
    }))
}

/// What the store says, as an error that names what to change.
fn refused(s3: &S3, response: &Response, act: &str) -> Error {
    let text = String::from_utf8_lossy(&response.body);
    let failure: Option<Failure> = quick_xml::de::from_str(&text).ok();
    let said = match &failure {
        Some(failure) => format!("{} ({}) {}", failure.code, response.status, failure.message),
        None => format!("{}{}", response.status, said(response)),
    };
    let message = format!("{act}: the store answers with {said}");
    match failure.map(|failure| failure.code).as_deref() {
        Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken") => {
            Error::Unauthenticated(format!("{message}: check `access_key_id` and `secret_access_key`"))
        }
        Some("NoSuchBucket") => {
            Error::invalid("config.location.bucket", format!("there is no bucket `{}`: {message}", s3.bucket))
        }
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed") => Error::invalid("config.location.region", message),
        Some("NoSuchKey") => Error::unavailable(format!("{message}: it was there before")),
        _ if response.status == 401 || response.status == 403 => Error::Forbidden(message),
        _ if response.status == 301 => Error::invalid("config.location.region", message),
        _ => Error::invalid("config.location", message),
    }
}

/// Percent-encodes what is no letter, digit or one of `-._~`, as signatures have it.
fn encode(text: &str, path: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || path && byte == b'/' {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// An object.
pub(super) struct Object {
    s3: S3,
    entry: Entry,
}

impl Object {
    pub(super) fn new(s3: &S3, entry: &Entry) -> Self {
        Self { s3: s3.clone(), entry: entry.clone() }
    }

    fn tag(&self) -> &str {
        self.entry.version.as_deref().and_then(|version| version.split_once(' ')).map_or("", |(_, tag)| tag)
    }
}

impl Source for Object {
    fn size(&self) -> u64 {
        self.entry.size
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let end = offset.saturating_add(length as u64).min(self.entry.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let url = format!("{}/{}", bucket(&self.s3), encode(&self.entry.address, true));
        let headers = [("Range", format!("bytes={offset}-{}", end - 1)), ("If-Match", format!("\"{}\"", self.tag()))];
        let response = send("GET", &url, &headers, credential(&self.s3).as_ref())?;
        match response.status {
            200 | 206 => {}
            412 | 416 => return Err(changed(&self.entry.path)),
            _ => return Err(refused(&self.s3, &response, &format!("reading `{}`", self.entry.path))),
        }
        // Not every store knows `If-Match`.
        let other = header(&response, "etag").is_some_and(|tag| tag.trim_matches('"') != self.tag());
        if other || response.body.len() as u64 != end - offset {
            return Err(changed(&self.entry.path));
        }
        Ok(response.body.into())
    }

    fn prove_unchanged(&self) -> Result<()> {
        // Each part was read on the condition.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(json: &str) -> S3 {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_bucket_stands_in_the_path_or_in_the_hosts_name() {
        for (json, url) in [
            (r#"{"bucket":"lake","region":"eu-west-1"}"#, "https://lake.s3.eu-west-1.amazonaws.com"),
            (r#"{"bucket":"a.b"}"#, "https://s3.us-east-1.amazonaws.com/a.b"),
            (r#"{"bucket":"lake","endpoint":"http://127.0.0.1:9000/"}"#, "http://127.0.0.1:9000/lake"),
            (r#"{"bucket":"lake","endpoint":"https://r2.example","path_style":false}"#, "https://lake.r2.example"),
        ] {
            assert_eq!(bucket(&s3(json)), url);
        }
    }

    #[test]
    fn keys_that_urls_would_turn_into_others_are_refused() {
        let key = |key: &str| Key { key: key.to_owned(), size: 1, etag: "\"e\"".to_owned(), last_modified: None };
        let lake = s3(r#"{"bucket":"lake"}"#);
        assert!(described(&lake, key("../other/a.csv")).is_err());
        assert_eq!(described(&lake, key("a b/ü.csv")).unwrap().path, "s3://lake/a b/ü.csv");
        assert_eq!(encode("a b/ü+.csv", true), "a%20b/%C3%BC%2B.csv");
    }

    #[test]
    fn a_listing_is_read_with_and_without_keys() {
        let empty: Listing = quick_xml::de::from_str("<ListBucketResult><Name>b</Name></ListBucketResult>").unwrap();
        assert!(empty.contents.is_empty() && !empty.is_truncated);
        let text = "<ListBucketResult xmlns=\"x\"><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
            <Contents><Key>a&amp;b.csv</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>5</Size></Contents>\
            <Contents><Key>c</Key><ETag>\"f\"</ETag><Size>6</Size></Contents></ListBucketResult>";
        let listing: Listing = quick_xml::de::from_str(text).unwrap();
        assert_eq!(listing.contents.len(), 2);
        assert_eq!((listing.contents[0].key.as_str(), listing.contents[0].etag.as_str()), ("a&b.csv", "\"e\""));
    }
}
