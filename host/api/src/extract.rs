//! What handlers take out of a request, with errors that name the field.

use std::sync::Arc;

use asgard_contract::misfit;
use asgard_pipeline::{Active, Page};
use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::{StatusCode, header, request::Parts};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};

use crate::App;
use crate::environment::EnvironmentName;
use crate::misspelt::{self, Misspelt};
use crate::problem::{Problem, Result};

/// The environment that the request is about: of its base URL, or the default one.
pub(crate) struct Environment(pub(crate) Arc<Active>);

impl FromRequestParts<App> for Environment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let name = parts.extensions.get::<EnvironmentName>().map_or(app.default_environment.as_ref(), |name| &name.0);
        Ok(Self(app.pipeline.environments().get(name).await?))
    }
}

/// A JSON body. A field that is nearly one of its object is refused; others that are not known are ignored.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + ToSchema> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|kind| kind.trim() == "application/json" || kind.trim().ends_with("+json"));
        if !is_json {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "expected a JSON body, with the header `Content-Type: application/json`",
            ));
        }
        let bytes = bytes(request).await?;
        if let Some(slip) = misspelt::find::<T>(&mut serde_json::Deserializer::from_slice(&bytes)) {
            return Err(refused(slip));
        }
        json(&bytes).map(Self)
    }
}

/// The whole body, within the limit.
pub(crate) async fn bytes(request: Request) -> Result<Bytes> {
    request.extract::<Bytes, _>().await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than this host takes; `asgard serve --largest-body` sets how large it may be",
        ),
        status => Problem::new(status, rejection.body_text()),
    })
}

/// A whole JSON document.
///
/// # Errors
/// 422 with the field that does not fit.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(unfit)?;
    reader.end().map_err(|error| Problem::field("body", format!("has something after the JSON: {error}")))?;
    Ok(value)
}

/// A part of a body that has been read already, read as the body of its own.
///
/// # Errors
/// As [`Body`].
pub(crate) fn from_value<T: DeserializeOwned + ToSchema>(value: &serde_json::Value) -> Result<T> {
    if let Some(slip) = misspelt::find::<T>(value) {
        return Err(refused(slip));
    }
    serde_path_to_error::deserialize(value).map_err(unfit)
}

fn refused(slip: Misspelt) -> Problem {
    let message = format!("there is no such field here: did you mean `{}`?", slip.meant);
    Problem::field(slip.field, message)
}

fn unfit(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let inner = error.into_inner();
    if inner.is_syntax() || inner.is_eof() {
        return Problem::field("body", format!("is no JSON: {inner}"));
    }
    let message = inner.to_string();
    // A missing field is an error of the object around it; its own name is what helps.
    let missing = misfit::missing(&message);
    let field = match (path.as_str(), missing) {
        (".", Some(name)) => name.to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
        (".", None) => "body".to_owned(),
        (path, None) => path.to_owned(),
    };
    Problem::field(field, if missing.is_some() { "is missing".to_owned() } else { misfit::told(&message) })
}

/// Query parameters.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let Query(value) = Query::<T>::from_request_parts(parts, app).await.map_err(|rejection| {
            let text = rejection.body_text();
            let message = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
            match message.split_once(": ") {
                Some((field, message)) if !field.contains(' ') => Problem::field(field, misfit::told(message)),
                _ => match misfit::missing(message) {
                    Some(field) => Problem::field(field, "is missing"),
                    None => Problem::field("query", misfit::told(message)),
                },
            }
        })?;
        Ok(Self(value))
    }
}

/// One path parameter.
pub(crate) struct Id(pub(crate) String);

impl FromRequestParts<App> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let axum::extract::Path(id) = axum::extract::Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|rejection| Problem::new(StatusCode::NOT_FOUND, rejection.body_text()))?;
        Ok(Self(id))
    }
}

/// Two path parameters.
pub(crate) struct Ids(pub(crate) String, pub(crate) String);

impl FromRequestParts<App> for Ids {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let axum::extract::Path((first, second)) =
            axum::extract::Path::<(String, String)>::from_request_parts(parts, app)
                .await
                .map_err(|rejection| Problem::new(StatusCode::NOT_FOUND, rejection.body_text()))?;
        Ok(Self(first, second))
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// From 1.
    #[serde(default = "first_page")]
    #[param(minimum = 1, maximum = 1_000_000, default = 1, required = false)]
    pub(crate) page: u64,
    /// At most 1,000.
    #[serde(default = "usual_page")]
    #[param(minimum = 1, maximum = 1000, default = 100, required = false)]
    pub(crate) page_size: u32,
}

/// The default of `page`, also where a list has filters beside it: fields of a query cannot be flattened.
pub(crate) fn first_page() -> u64 {
    1
}

/// Likewise, of `page_size`.
pub(crate) fn usual_page() -> u32 {
    100
}

/// Far beyond any list, and small enough that no product of it overflows.
const LAST_PAGE: u64 = 1_000_000;

/// Most items that one answer carries.
const LARGEST_PAGE: u32 = 1000;

impl Paging {
    /// The page asked for.
    ///
    /// # Errors
    /// 422 for a number out of range.
    pub(crate) fn page(self) -> Result<Page> {
        page(self.page, self.page_size)
    }
}

/// Items `(page - 1) * page_size` and on.
///
/// # Errors
/// 422 for a number out of range.
pub(crate) fn page(page: u64, page_size: u32) -> Result<Page> {
    if !(1..=LAST_PAGE).contains(&page) {
        return Err(Problem::field("page", format!("{page}: expected 1 to {LAST_PAGE}")));
    }
    Ok(Page { limit: limit("page_size", page_size)?, offset: (page - 1) * u64::from(page_size) })
}

/// A number of items.
///
/// # Errors
/// 422 for a number out of range.
pub(crate) fn limit(field: &str, limit: u32) -> Result<u32> {
    if (1..=LARGEST_PAGE).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::field(field, format!("{limit}: expected 1 to {LARGEST_PAGE}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Outer {
        #[expect(dead_code, reason = "only read by serde")]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only read by serde")]
        size: u32,
    }

    #[test]
    fn an_error_in_a_body_names_the_field() {
        for (body, field) in [
            (r#"{"inner": [{"size": 1}, {"size": "x"}]}"#, "inner[1].size"),
            (r#"{"inner": [{}]}"#, "inner[0].size"),
            ("{}", "inner"),
            ("{", "body"),
            (r#"{"inner": []} x"#, "body"),
        ] {
            let problem = json::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.errors[0].field, field, "{body}: {}", problem.detail);
            assert_eq!(problem.status, 422);
        }
    }
}
