//! A bucket of S3, or of a store that speaks its protocol.
//!
//! Requests are repeated with growing pauses while the store is overloaded or away; a file of more than a few MB goes up in
//! parts, several at a time. Credentials are given, never looked for: the host's own (its machine's role, its
//! environment variables) are not the tenants'.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use asgard_contract::{Error, Result};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig};

/// What the check writes; anything would do.
const PROBE: &[u8] = b"asgard";

/// A person waits for the check: one repetition, for a connection that was cut.
const CHECK_RETRIES: RetryConfigParts = (1, Duration::from_secs(10));

/// Work waits as long as a store may take to come back from a restart.
const WORK_RETRIES: RetryConfigParts = (10, Duration::from_secs(120));

type RetryConfigParts = (usize, Duration);

/// A store that does not take a connection within this time is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// One request; a part of an upload is 10 MB.
const REQUEST_WITHIN: Duration = Duration::from_secs(60);

/// Where in which store, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Location {
    pub bucket: String,
    /// Below which all keys are; may be empty.
    pub prefix: String,
    pub region: String,
    /// None: AWS itself.
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the path, and not of the host's name. None: it is where there is an endpoint, since few
    /// other stores have a name for each bucket.
    pub path_style: Option<bool>,
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl fmt::Debug for S3Location {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, region, endpoint, path_style, .. } = self;
        write!(f, "s3://{bucket}/{prefix} ({region}, {endpoint:?}, path style {path_style:?})")
    }
}

/// A bucket with a client for it.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    location: S3Location,
    client: Arc<AmazonS3>,
}

impl Bucket {
    pub(super) fn open(mut location: S3Location) -> Result<Self> {
        location.prefix = location.prefix.trim_matches('/').to_owned();
        let name = &location.bucket;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&name.len()) || !name.chars().all(fits) {
            let message = format!("`{name}` is no bucket: expected 3 to 63 lower-case letters, digits, `-` and `.`");
            return Err(Error::invalid("bucket", message));
        }
        Path::parse(&location.prefix)
            .map_err(|error| Error::invalid("prefix", format!("`{}` is no prefix: {error}", location.prefix)))?;
        // Iceberg's readers do not decode locations.
        if let Some(bad) = location.prefix.chars().find(|c| c.is_control() || ['?', '#', '%', '*'].contains(c)) {
            let message = format!("`{}` has {bad:?} in it, which readers of the tables would misread", location.prefix);
            return Err(Error::invalid("prefix", message));
        }
        if let Some(endpoint) = &location.endpoint {
            let parsed = url::Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            if parsed.is_none_or(|url| !url.has_host()) {
                let message = format!("`{endpoint}` is no endpoint: expected `https://HOST` or `http://HOST:PORT`");
                return Err(Error::invalid("endpoint", message));
            }
        }
        let client = Arc::new(client(&location, WORK_RETRIES)?);
        Ok(Self { location, client })
    }

    pub(super) fn name(&self) -> &str {
        &self.location.bucket
    }

    pub(super) fn url(&self) -> String {
        match self.location.prefix.as_str() {
            "" => format!("s3://{}", self.location.bucket),
            prefix => format!("s3://{}/{prefix}", self.location.bucket),
        }
    }

    /// Below which all keys are; may be empty.
    pub(super) fn prefix(&self) -> &str {
        &self.location.prefix
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.client) as Arc<dyn ObjectStore>
    }

    /// Whether both are the same bucket of the same store, whoever asks.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let (one, two) = (&self.location, &other.location);
        one.bucket == two.bucket && one.endpoint == two.endpoint && one.region == two.region
    }

    pub(super) fn shown_endpoint(&self) -> &str {
        self.location.endpoint.as_deref().unwrap_or("AWS")
    }

    /// What clients of the Iceberg protocol need to reach it, without credentials.
    pub(super) fn client_settings(&self) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::from([("s3.region".to_owned(), self.location.region.clone())]);
        settings.insert("client.region".to_owned(), self.location.region.clone());
        if let Some(endpoint) = &self.location.endpoint {
            settings.insert("s3.endpoint".to_owned(), endpoint.clone());
        }
        settings.insert("s3.path-style-access".to_owned(), path_style(&self.location).to_string());
        settings
    }

    pub(super) async fn check(&self) -> Result<()> {
        let client = client(&self.location, CHECK_RETRIES)?;
        let name = format!(".asgard-check-{}", uuid::Uuid::new_v4().simple());
        let key = match self.location.prefix.as_str() {
            "" => Path::from(name),
            prefix => Path::from(format!("{prefix}/{name}")),
        };
        client.put(&key, PROBE.into()).await.map_err(|error| self.refused("writing an object", &error))?;
        let read = async { client.get(&key).await?.bytes().await }.await;
        let deleted = client.delete(&key).await;
        let read = read.map_err(|error| self.refused("reading the object back", &error))?;
        if read != PROBE {
            return Err(Error::invalid(
                "bucket",
                format!("`{}` cannot be used: an object reads back differently", self.url()),
            ));
        }
        deleted.map_err(|error| self.refused("deleting the object", &error))
    }

    /// The field that a refusal is about, by the store's own code.
    fn refused(&self, what: &str, error: &object_store::Error) -> Error {
        let text = full_text(error);
        let said = |code: &str| text.contains(code);
        let field = if said("NoSuchBucket") || said("InvalidBucketName") {
            "bucket"
        } else if said("InvalidAccessKeyId") {
            "access_key_id"
        } else if said("SignatureDoesNotMatch") {
            "secret_access_key"
        } else if said("AuthorizationHeaderMalformed") || said("PermanentRedirect") || said("IllegalLocationConstraint")
        {
            "region"
        } else if said("AccessDenied") || matches!(error, object_store::Error::PermissionDenied { .. }) {
            return Error::invalid(
                "access_key_id",
                format!("`{}` cannot be used: {what} is not allowed with these credentials: {text}", self.url()),
            );
        } else if said("error sending request") || said("HTTP error") || said("dns error") {
            let place = self.location.endpoint.as_deref().unwrap_or("the region's endpoint");
            return Error::invalid("endpoint", format!("`{place}` does not answer: {what}: {text}"));
        } else {
            "bucket"
        };
        Error::invalid(field, format!("`{}` cannot be used: {what}: {text}", self.url()))
    }
}

fn client(location: &S3Location, (max_retries, retry_timeout): RetryConfigParts) -> Result<AmazonS3> {
    let plain = location.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let options =
        ClientOptions::new().with_allow_http(plain).with_connect_timeout(CONNECT_WITHIN).with_timeout(REQUEST_WITHIN);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&location.bucket)
        .with_region(&location.region)
        .with_access_key_id(&location.access_key_id)
        .with_secret_access_key(&location.secret_access_key)
        .with_virtual_hosted_style_request(!path_style(location))
        .with_client_options(options)
        .with_retry(RetryConfig { max_retries, retry_timeout, ..RetryConfig::default() });
    if let Some(endpoint) = &location.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    builder.build().map_err(|error| Error::invalid("bucket", full_text(&error)))
}

fn path_style(location: &S3Location) -> bool {
    location.path_style.unwrap_or(location.endpoint.is_some())
}

/// An error with what caused it: the outer text alone says only that a request failed.
fn full_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}
