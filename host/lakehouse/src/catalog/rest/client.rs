//! Requests of the protocol: paths, authorization, and what an answer means.

use std::time::Duration;

use asgard_capabilities::http::retry_after_ms;
use asgard_contract::{Error, Result};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::auth::{Authorization, Authorizer};
use crate::iceberg_rest::wire::Configuration;

/// A catalog that does not take a connection within this time is away.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Catalogs write metadata files within a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How a catalog is reached.
#[derive(Debug, Clone)]
pub(crate) struct RestConfig {
    pub(crate) uri: String,
    pub(crate) warehouse: Option<String>,
    pub(crate) authorization: Option<Authorization>,
}

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    config: RestConfig,
    authorizer: Authorizer,
    /// What the catalog says of itself; asked for once.
    configuration: OnceCell<Configuration>,
}

/// What became of a request that the catalog understood.
#[derive(Debug)]
pub(super) enum Answer<T> {
    Done(T),
    /// 404, with the reason.
    Missing(String),
    /// 409: it is there already, or a requirement is not met.
    Conflict(String),
    /// The catalog does not do that.
    Unsupported(String),
}

impl<T> Answer<T> {
    /// What was looked for, if it is there.
    pub(super) fn found(self) -> Result<Option<T>> {
        match self {
            Self::Done(value) => Ok(Some(value)),
            Self::Missing(_) | Self::Unsupported(_) => Ok(None),
            Self::Conflict(message) => Err(Error::conflict(message)),
        }
    }
}

impl Client {
    pub(super) fn new(config: RestConfig) -> Result<Self> {
        let wrong = |why: &dyn std::fmt::Display| {
            Error::invalid("uri", format!("`{}` is no address of a catalog: {why}", config.uri))
        };
        let base = Url::parse(&format!("{}/", config.uri.trim_end_matches('/'))).map_err(|error| wrong(&error))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong(&"expected `http://…` or `https://…`"));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .user_agent(concat!("asgard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::internal(format!("no HTTP client: {error}")))?;
        let authorizer = Authorizer::new(config.authorization.clone());
        Ok(Self { http, base, config, authorizer, configuration: OnceCell::new() })
    }

    pub(super) fn uri(&self) -> &str {
        &self.config.uri
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer<T>> {
        self.send_to(method, self.url(path).await?, body).await
    }

    /// To an address that the catalog told.
    pub(super) async fn send_to<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer<T>> {
        let response = self.request(method, url, body).await?;
        self.answer(response).await
    }

    pub(super) async fn delete(&self, path: &[&str], query: Option<(&str, &str)>) -> Result<()> {
        let mut url = self.url(path).await?;
        if let Some((name, value)) = query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let response = self.request(Method::DELETE, url, None).await?;
        if response.status().is_success() || response.status() == StatusCode::NOT_FOUND {
            return Ok(());
        }
        match self.answer::<Value>(response).await? {
            Answer::Done(_) | Answer::Missing(_) => Ok(()),
            Answer::Conflict(message) => Err(Error::conflict(message)),
            Answer::Unsupported(message) => Err(Error::unsupported(message)),
        }
    }

    async fn url(&self, path: &[&str]) -> Result<Url> {
        let told = self.configuration().await?;
        let prefix = told.overrides.get("prefix").or_else(|| told.defaults.get("prefix"));
        let prefix = prefix.map(|prefix| format!("{}/", prefix.trim_matches('/'))).unwrap_or_default();
        // A catalog at `…/iceberg/BRANCH` says that all others are asked at `…/iceberg`.
        let base = match told.overrides.get("uri") {
            Some(uri) => self.here(&format!("{}/", uri.trim_end_matches('/')))?,
            None => self.base.clone(),
        };
        // The prefix is part of a path as it is; names are not.
        let mut url = base
            .join(&format!("v1/{prefix}"))
            .map_err(|error| Error::internal(format!("the catalog's prefix `{prefix}` fits no URL: {error}")))?;
        url.path_segments_mut()
            .map_err(|()| Error::internal("the catalog's address has no path"))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    /// An address that the catalog told, on the host that it is known by here: it may know itself by another name, and credentials
    /// are for this one.
    pub(super) fn here(&self, told: &str) -> Result<Url> {
        let odd = |error: url::ParseError| Error::internal(format!("the catalog tells the address `{told}`: {error}"));
        let mut url = self.base.clone();
        url.set_path(self.base.join(told).map_err(odd)?.path());
        Ok(url)
    }

    /// What the catalog says of itself.
    pub(super) async fn configuration(&self) -> Result<&Configuration> {
        self.configuration.get_or_try_init(|| self.ask_configuration()).await
    }

    async fn ask_configuration(&self) -> Result<Configuration> {
        let mut url = self.base.join("v1/config").map_err(|error| Error::internal(error.to_string()))?;
        if let Some(warehouse) = &self.config.warehouse {
            url.query_pairs_mut().append_pair("warehouse", warehouse);
        }
        let response = self.request(Method::GET, url, None).await?;
        match self.answer::<Configuration>(response).await? {
            Answer::Done(configuration) => Ok(configuration),
            Answer::Missing(message) | Answer::Conflict(message) | Answer::Unsupported(message) => Err(Error::invalid(
                "uri",
                format!("`{}` does not answer as an Iceberg REST catalog: {message}", self.config.uri),
            )),
        }
    }

    async fn request(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Response> {
        let away = |error: &reqwest::Error| {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Error::unavailable(format!("the catalog at {} does not answer: {error}{cause}", self.config.uri))
        };
        let mut again = true;
        loop {
            let mut request = self.http.request(method.clone(), url.clone());
            if let Some(body) = body {
                request = request.json(body);
            }
            let request = self.authorizer.authorize(&self.http, &self.base, request).await?;
            let response = request.send().await.map_err(|error| away(&error))?;
            // A server may take a token back before its end. Who is turned away has changed nothing.
            let turned_away = response.status() == StatusCode::UNAUTHORIZED && std::mem::take(&mut again);
            if !(turned_away && self.authorizer.forget().await) {
                return Ok(response);
            }
        }
    }

    async fn answer<T: DeserializeOwned>(&self, response: Response) -> Result<Answer<T>> {
        let status = response.status();
        let pause = retry_after_ms(response.headers());
        let bytes = response
            .bytes()
            .await
            .map_err(|error| Error::unavailable(format!("the catalog at {} broke off: {error}", self.config.uri)))?;
        if status.is_success() {
            // An empty answer is a `null`.
            let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            return serde_json::from_slice(text).map(Answer::Done).map_err(|error| {
                Error::internal(format!("the catalog at {} answered what cannot be read: {error}", self.config.uri))
            });
        }
        let message = message(&bytes).unwrap_or_else(|| format!("it answered {status}"));
        let said = format!("the catalog at {}: {message}", self.config.uri);
        match status {
            StatusCode::NOT_FOUND => Ok(Answer::Missing(said)),
            StatusCode::CONFLICT => Ok(Answer::Conflict(said)),
            StatusCode::NOT_ACCEPTABLE | StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => {
                Ok(Answer::Unsupported(said))
            }
            StatusCode::UNAUTHORIZED => Err(Error::unauthenticated(said)),
            StatusCode::FORBIDDEN => Err(Error::forbidden(said)),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(Error::Unavailable { message: said, retry_after_ms: pause }),
            // Some catalogs answer so to what they cannot make sense of; to ask again and again would only hide the reason.
            status if status.is_server_error() => Err(Error::internal(said)),
            _ => Err(Error::InvalidInput { field: None, message: said }),
        }
    }
}

/// What an error says: in the protocol's form, or in Nessie's own.
fn message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        Protocol { error: Said },
        Plain(Said),
    }
    serde_json::from_slice::<Body>(body).ok().map(|body| match body {
        Body::Protocol { error } => error.message,
        Body::Plain(said) => said.message,
    })
}
