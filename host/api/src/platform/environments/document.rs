//! A document in the body of a request: JSON, TOML or YAML, as its `Content-Type` says; TOML where that says none of them.

use asgard_contract::environment::Environment;
use asgard_pipeline::environments::documents::{Format, parse};
use axum::extract::{FromRequest, Request};
use axum::http::header;

use crate::App;
use crate::extract::{bytes, json};
use crate::problem::{Problem, Result};

pub(crate) struct Document(pub(crate) Environment);

impl FromRequest<App> for Document {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let format = kind.and_then(Format::of_media_type).unwrap_or(Format::Toml);
        let body = bytes(request).await?;
        if format == Format::Json {
            // By path, so that the field can be named.
            return json(&body).map(Self);
        }
        let text = std::str::from_utf8(&body).map_err(|_| Problem::field("body", "is no UTF-8 text"))?;
        Ok(Self(parse(text, format)?))
    }
}

/// The document must be of the environment that the route names.
pub(super) fn named(document: &Environment, name: &str) -> Result<()> {
    if document.name == name {
        return Ok(());
    }
    Err(Problem::field("name", format!("`{}`: expected `{name}`, as in the route", document.name)))
}
