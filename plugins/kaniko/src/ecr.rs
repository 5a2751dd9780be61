//! Amazon ECR: a repository has to be there before something is pushed to it, and who pushes logs in with a token.
//!
//! The API is one address; the operation is a header, errors are told by a type in the body. Requests are signed by the host:
//! with the credential of the grant, or with the keys that the configuration names.

use asgard_sdk::context::Level;
use asgard_sdk::types::Unavailable;
use asgard_sdk::{Error, Result, http};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::configuration::Ecr;
use crate::host::Host;

const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921";

/// What a repository is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A tag means one image, if the configuration says so.
    Images,
    /// The builder pushes a layer anew under the tag of one that is too old.
    Layers,
}

/// One region's API.
pub struct Client<'a> {
    host: &'a dyn Host,
    configuration: &'a Ecr,
    timeout_ms: u32,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "__type", default)]
    kind: String,
    #[serde(default)]
    message: Option<String>,
    /// Some servers write it so, some in both ways.
    #[serde(default, rename = "Message")]
    other_message: Option<String>,
}

impl<'a> Client<'a> {
    /// A client of the configured region.
    pub fn new(host: &'a dyn Host, configuration: &'a Ecr, timeout_seconds: u32) -> Self {
        Self { host, configuration, timeout_ms: timeout_seconds.saturating_mul(1000) }
    }

    /// Makes the repository where there is none, and gives it the lifecycle policy where it has none. Repositories that are
    /// there keep their settings: somebody chose them.
    ///
    /// # Errors
    /// Those of the API, as the contract's.
    pub fn ensure(&self, repository: &str, registry: &str, purpose: Purpose) -> Result<()> {
        let tags =
            if self.configuration.immutable_tags && purpose == Purpose::Images { "IMMUTABLE" } else { "MUTABLE" };
        let created = self.call(
            "CreateRepository",
            &json!({
                "repositoryName": repository,
                "imageTagMutability": tags,
                "imageScanningConfiguration": { "scanOnPush": self.configuration.scan_on_push },
            }),
        );
        match created {
            Ok(answer) => {
                self.host.log(Level::Info, &format!("made repository `{repository}` in ECR"));
                let uri = answer.pointer("/repository/repositoryUri").and_then(Value::as_str).unwrap_or_default();
                if !uri.starts_with(&format!("{registry}/")) {
                    self.host.log(
                        Level::Warn,
                        &format!("ECR says that the repository is at `{uri}`, and images go to `{registry}`: look whether both are one"),
                    );
                }
            }
            Err(Error::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        let Some(policy) = &self.configuration.lifecycle_policy else { return Ok(()) };
        match self.call("GetLifecyclePolicy", &json!({ "repositoryName": repository })) {
            Ok(_) => Ok(()),
            Err(Error::NotFound(_)) => {
                let body = json!({ "repositoryName": repository, "lifecyclePolicyText": policy.to_string() });
                self.call("PutLifecyclePolicy", &body).map(drop)
            }
            Err(error) => Err(error),
        }
    }

    /// What a `config.json` says about the registry: user and token, encoded as it has them.
    ///
    /// # Errors
    /// Those of the API, as the contract's.
    pub fn token(&self) -> Result<String> {
        let answer = self.call("GetAuthorizationToken", &json!({}))?;
        let token = answer.pointer("/authorizationData/0/authorizationToken").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| Error::internal("ECR's answer to GetAuthorizationToken has no token"))
    }

    fn call(&self, operation: &str, body: &Value) -> Result<Value> {
        let url = match &self.configuration.endpoint {
            Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
            None => format!("https://api.ecr.{}.amazonaws.com/", self.configuration.region),
        };
        let request = http::Request {
            method: "POST".to_owned(),
            url,
            headers: vec![
                ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target".to_owned(), format!("{TARGET}.{operation}")),
            ],
            body: Some(body.to_string().into_bytes()),
            timeout_ms: self.timeout_ms,
        };
        let response = self.host.send(&request, self.credential()?.as_ref())?;
        if (200..300).contains(&response.status) {
            return serde_json::from_slice(&response.body)
                .map_err(|error| Error::internal(format!("ECR's answer to {operation} is no JSON: {error}")));
        }
        Err(failure(operation, &response))
    }

    fn credential(&self) -> Result<Option<http::Credential>> {
        let ecr = self.configuration;
        match (&ecr.access_key_id, &ecr.secret_access_key) {
            (None, None) => Ok(None),
            (Some(access_key_id), Some(secret_access_key)) => Ok(Some(http::Credential::AwsSigv4(http::AwsKey {
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.clone(),
                session_token: ecr.session_token.clone(),
                region: ecr.region.clone(),
                service: "ecr".to_owned(),
            }))),
            _ => Err(Error::invalid(
                "configuration.ecr",
                "`access_key_id` and `secret_access_key` belong together: set both, or neither and a credential in `grants.http`",
            )),
        }
    }
}

fn failure(operation: &str, response: &http::Response) -> Error {
    let told: Failure = serde_json::from_slice(&response.body).unwrap_or_else(|_| Failure {
        kind: String::new(),
        message: Some(String::from_utf8_lossy(&response.body).chars().take(300).collect()),
        other_message: None,
    });
    // Some of AWS's services put a namespace before the name.
    let kind = told.kind.rsplit('#').next().unwrap_or_default();
    let words = format!("{kind} {}", told.message.or(told.other_message).unwrap_or_default());
    let message = match words.trim() {
        "" => format!("ECR, {operation}: status {}", response.status),
        words => format!("ECR, {operation}: {words}"),
    };
    match kind {
        "RepositoryAlreadyExistsException" => Error::Conflict(message),
        "RepositoryNotFoundException" | "LifecyclePolicyNotFoundException" => Error::NotFound(message),
        "AccessDeniedException" => Error::Forbidden(message),
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignatureException" => Error::Unauthenticated(message),
        "InvalidParameterException" => Error::invalid("configuration.ecr", message),
        "LimitExceededException" => Error::Forbidden(message),
        "ThrottlingException" => Error::Unavailable(Unavailable { message, retry_after_ms: response.retry_after_ms() }),
        _ => match response.status {
            401 => Error::Unauthenticated(message),
            403 => Error::Forbidden(message),
            429 | 500..=599 => Error::Unavailable(Unavailable { message, retry_after_ms: response.retry_after_ms() }),
            status => Error::internal(format!("{message} (status {status})")),
        },
    }
}
