//! One request and its answer, and what a redirect makes of a request.

use std::error::Error as _;

use asgard_contract::{Error, Result};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use url::Url;

use super::connector::Unconnected;
use super::policy::{Attached, Granted};
use super::{Client, Credential, Request, Response, credentials, substitution};
use crate::addresses::Host;
use crate::resolve::connect_error;
use crate::sockets::tls;

/// The host writes these itself; a plugin that sets one could smuggle a second request behind the first.
const HOST_S_OWN: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::PROXY_AUTHORIZATION,
];

/// What a request to another host must not carry along.
const PRIVATE: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// A request of a plugin, checked, before anything is attached to it.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) method: Method,
    url: Url,
    pub(super) headers: HeaderMap,
    body: Bytes,
    /// What the plugin wants attached.
    pub(super) credential: Option<Credential>,
}

impl Step {
    pub(super) fn first(request: Request, credential: Option<Credential>, body_limit: u64) -> Result<Self> {
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| {
            Error::invalid("method", format!("`{}` is no method: expected `GET`, `POST`, …", request.method))
        })?;
        if method == Method::CONNECT {
            return Err(Error::invalid("method", "`CONNECT` makes tunnels, and those are not lent"));
        }
        let mut headers = HeaderMap::new();
        for (index, (name, value)) in request.headers.into_iter().enumerate() {
            let field = format!("headers[{index}]");
            let wrong =
                || Error::invalid(&field, format!("`{name}` is no header, or its value has a control character"));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            if HOST_S_OWN.contains(&header) {
                return Err(Error::invalid(&field, format!("the host sets `{header}` itself: leave it out")));
            }
            headers.append(header, HeaderValue::from_str(&value).map_err(|_| wrong())?);
        }
        let agent = HeaderValue::from_static(concat!("asgard/", env!("CARGO_PKG_VERSION")));
        headers.entry(header::USER_AGENT).or_insert(agent);
        let body = Bytes::from(request.body.unwrap_or_default());
        if body.len() as u64 > body_limit {
            let message =
                format!("the body has {} bytes; {body_limit} are allowed (`limits.http_body_bytes`)", body.len());
            return Err(Error::invalid("body", message));
        }
        Ok(Self { method, url: parse_url(&request.url)?, headers, body, credential })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Where the request goes.
    pub(super) fn target(&self) -> Result<(Host, u16)> {
        let host = self.url.host_str().ok_or_else(|| Error::invalid("url", "the URL names no host"))?;
        let host = host.parse::<Host>().map_err(|error| error.in_field("url"))?;
        let port = self.url.port_or_known_default().ok_or_else(|| Error::invalid("url", "the URL names no port"))?;
        Ok((host, port))
    }

    /// The request that a redirect asks for; none when the answer is no redirect.
    ///
    /// # Errors
    /// `unavailable` for a redirect that leads nowhere.
    pub(super) fn redirected(&self, response: &Response) -> Result<Option<Self>> {
        let keeps_method = match response.status {
            301..=303 => false,
            307 | 308 => true,
            _ => return Ok(None),
        };
        let location = response.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value);
        let Some(location) = location else { return Ok(None) };
        let nowhere = |_| Error::unavailable(format!("`{}` redirects to `{location}`, which is no URL", self.url));
        let url = self.url.join(location).map_err(nowhere)?;
        let mut next = Self { url: parse_url(url.as_str())?, ..self.clone() };
        if url.origin() != self.url.origin() {
            for name in &PRIVATE {
                next.headers.remove(name);
            }
            next.credential = None;
        }
        // As all clients do, against the letter of the first two.
        let becomes_get = response.status == 303 && self.method != Method::HEAD || self.method == Method::POST;
        if !keeps_method && becomes_get {
            next.method = Method::GET;
            next.body = Bytes::new();
            for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE] {
                next.headers.remove(name);
            }
        }
        Ok(Some(next))
    }
}

fn parse_url(text: &str) -> Result<Url> {
    let wrong = |why: &str| Error::invalid("url", format!("`{text}` is no URL for a request: {why}"));
    let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("expected `http://…` or `https://…`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("credentials do not belong there: the binding's grant names them"));
    }
    url.set_fragment(None);
    Ok(url)
}

impl Client {
    /// One request, with the grant's credential, and its answer.
    pub(super) async fn exchange(&self, step: &Step) -> Result<Response> {
        let (host, port) = step.target()?;
        let (granted, attached) = self
            .reachable
            .grant(&host, port)
            .await
            .map_err(|unresolved| unresolved.explain(&host, port, &self.holder, "http"))?;
        let response = self.attempt(step, granted, attached).await?;
        // A token may end before its time, on a server that was restarted.
        if response.status == StatusCode::UNAUTHORIZED.as_u16() && credentials::forget(attached).await {
            return self.attempt(step, granted, attached).await;
        }
        Ok(response)
    }

    async fn attempt(&self, step: &Step, granted: &Granted, attached: &Attached) -> Result<Response> {
        let environment = &self.holder.caller.environment;
        let body = if attached.substitute_secrets {
            substitution::substitute(&step.headers, &step.body, environment, &*self.secrets).await?
        } else {
            step.body.clone()
        };
        let mut request = http::Request::builder()
            .method(&step.method)
            .uri(step.url.as_str())
            .body(body.clone())
            .map_err(|error| Error::invalid("url", error.to_string()))?;
        *request.headers_mut() = step.headers.clone();
        if let Some(credential) = &step.credential {
            let attachment = self.asked_for(credential, attached, step).await?;
            credentials::attach_resolved(&attachment, &mut request, &step.url)?;
        } else if let Some(attachment) = &attached.credential {
            credentials::attach(attachment, &mut request, &step.url, environment, &*self.secrets).await?;
        }
        let target =
            format!("{}:{}", step.url.host_str().unwrap_or_default(), step.url.port_or_known_default().unwrap_or(0));
        let may_repeat = matches!(step.method, Method::GET | Method::HEAD);
        let mut answer = granted.pool.request(request.clone().map(Full::new)).await;
        // The server closed an idle connection just when it was used again. Another one will do, where repeating is safe.
        if answer.as_ref().is_err_and(|error| may_repeat && was_cut_off(error)) {
            answer = granted.pool.request(request.map(Full::new)).await;
        }
        match answer {
            Ok(answer) => self.read(answer, &target).await,
            Err(error) => Err(self.explain(&error, step, &target)),
        }
    }

    /// The credential that the plugin names, with its secrets, if the grant allows it.
    async fn asked_for(
        &self,
        credential: &Credential,
        attached: &Attached,
        step: &Step,
    ) -> Result<credentials::Resolved> {
        if attached.credential.is_some() {
            return Err(Error::invalid("credential", "the grant has a credential for this host: leave it out"));
        }
        if credentials::is_shown_to_the_server(credential) && !attached.substitute_secrets {
            let (host, port) = step.target()?;
            return Err(self.holder.forbidden(
                &format!("send a secret to `{host}:{port}`"),
                "http",
                "add `substitute_secrets = true` to the entry for this host in",
            ));
        }
        credentials::resolve(credential, &self.holder.caller.environment, &*self.secrets).await
    }

    async fn read(&self, answer: http::Response<hyper::body::Incoming>, target: &str) -> Result<Response> {
        let limit = self.body_limit;
        let too_large = || {
            let message = format!("the answer of `{target}` is larger than {limit} bytes (`limits.http_body_bytes`)");
            Error::invalid("body", message)
        };
        let (parts, mut body) = answer.into_parts();
        let mut data = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| Error::unavailable(format!("`{target}` broke off its answer: {error}")))?;
            let Ok(chunk) = frame.into_data() else { continue };
            if (data.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            data.extend_from_slice(&chunk);
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Ok(Response {
            status: parts.status.as_u16(),
            headers: parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
            body: data.into(),
        })
    }

    fn explain(&self, error: &hyper_util::client::legacy::Error, step: &Step, target: &str) -> Error {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(unconnected) = inner.downcast_ref::<Unconnected>() {
                return match (unconnected, step.target()) {
                    (Unconnected::Unresolved(why), Ok((host, port))) => why.explain(&host, port, &self.holder, "http"),
                    (Unconnected::Unresolved(_), Err(error)) => error,
                    (Unconnected::Io(error), _) => connect_error(target, error),
                    (Unconnected::Tls(error), _) => tls::handshake_error(target, error),
                };
            }
            cause = inner.source();
        }
        let why = match error.source() {
            Some(cause) => cause.to_string(),
            None => error.to_string(),
        };
        Error::unavailable(format!("`{target}` did not answer as HTTP servers do: {why}"))
    }
}

fn was_cut_off(error: &hyper_util::client::legacy::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    cause.is_some_and(hyper::Error::is_incomplete_message)
}
