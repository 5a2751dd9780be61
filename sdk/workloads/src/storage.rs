//! Object storage that pods reach.

use asgard_sdk::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where an object of the environment is, for a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a bucket.
    Bucket {
        /// `s3://bucket/key`.
        url: String,
    },
    /// On the host's own disk: it has to be handed over.
    Host,
}

impl Place {
    /// By the location that the capability `objects` gives.
    ///
    /// # Errors
    /// `unsupported` for a storage that is neither.
    pub fn of(location: &str) -> Result<Self> {
        match location.split_once("://") {
            Some(("file", _)) => Ok(Self::Host),
            Some(("s3" | "s3a", rest)) => Ok(Self::Bucket { url: format!("s3://{rest}") }),
            _ => Err(Error::Unsupported(format!("pods cannot be given an object at `{location}`: expected `s3://…`"))),
        }
    }
}

/// `configuration.storage`: how pods reach the environment's bucket. Without a secret, the pod's service account says who it is.
///
/// An empty text means the same as none: it is what a placeholder becomes where an environment says nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Of a store other than AWS's, as pods reach it.
    #[serde(default)]
    pub endpoint: String,
    /// The bucket's region.
    #[serde(default)]
    pub region: String,
    /// `secret://NAME` of a key, kept as `ACCESS_KEY:SECRET_KEY`.
    #[serde(default)]
    pub secret: String,
}

impl Storage {
    /// Variables that AWS's libraries, and Kaniko, find their way by. None of them is secret.
    #[must_use]
    pub fn environment(&self) -> Vec<Value> {
        let mut variables = Vec::new();
        let mut add = |name: &str, value: &str| variables.push(json!({ "name": name, "value": value }));
        if !self.region.is_empty() {
            add("AWS_REGION", &self.region);
            add("AWS_DEFAULT_REGION", &self.region);
        }
        if !self.endpoint.is_empty() {
            add("S3_ENDPOINT", &self.endpoint);
            add("AWS_ENDPOINT_URL_S3", &self.endpoint);
            // Stores of one's own rarely have a host name for each bucket.
            add("S3_FORCE_PATH_STYLE", "true");
        }
        variables
    }

    /// Entries of a Secret, for the host to fill in.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, String)> {
        if self.secret.is_empty() {
            return Vec::new();
        }
        let part = |name: &str, part: &str| (name.to_owned(), format!("{}#{part}", self.secret));
        vec![part("AWS_ACCESS_KEY_ID", "access_key_id"), part("AWS_SECRET_ACCESS_KEY", "secret_access_key")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_by_their_scheme() {
        assert_eq!(Place::of("file:///data/objects/a").unwrap(), Place::Host);
        let bucket = Place::Bucket { url: "s3://lake/env/a".to_owned() };
        assert_eq!(Place::of("s3://lake/env/a").unwrap(), bucket);
        assert!(matches!(Place::of("gs://x/y"), Err(Error::Unsupported(_))));
    }

    #[test]
    fn what_an_environment_leaves_out_is_no_variable() {
        let of = |text: &str| serde_json::from_str::<Storage>(text).unwrap();
        let bare = of(r#"{"endpoint":"","region":"eu-central-1","secret":""}"#);
        let names =
            |storage: &Storage| storage.environment().iter().map(|one| one["name"].to_string()).collect::<Vec<_>>();
        assert_eq!((names(&bare).len(), bare.secrets().len()), (2, 0));
        let own = of(r#"{"endpoint":"http://s3:8333","secret":"secret://lake"}"#);
        assert_eq!(own.environment()[0]["value"], "http://s3:8333");
        assert_eq!(own.secrets()[0], ("AWS_ACCESS_KEY_ID".to_owned(), "secret://lake#access_key_id".to_owned()));
    }
}
