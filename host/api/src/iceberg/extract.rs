//! What handlers of the protocol take out of a request.

use asgard_lakehouse::iceberg_rest::ServedCatalog;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};

use super::error::{CatalogError, Result};
use crate::App;
use crate::extract::{Environment, bytes};

/// Between the levels of a namespace in a path.
const SEPARATOR: char = '\u{1f}';

/// The catalog of the environment that the request is about.
pub(super) struct Catalog(pub(super) ServedCatalog);

impl FromRequestParts<App> for Catalog {
    type Rejection = CatalogError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let Environment(active) = Environment::from_request_parts(parts, app).await?;
        Ok(Self(active.lakehouse.served_catalog()?))
    }
}

/// The namespace in the path.
pub(super) struct Namespace(pub(super) Vec<String>);

impl FromRequestParts<App> for Namespace {
    type Rejection = CatalogError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let Path(namespace) = Path::<String>::from_request_parts(parts, app).await.map_err(bad)?;
        Ok(Self(levels(&namespace)))
    }
}

/// The namespace and the table or view in the path.
pub(super) struct Name(pub(super) Vec<String>, pub(super) String);

impl FromRequestParts<App> for Name {
    type Rejection = CatalogError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let Path((namespace, name)) = Path::<(String, String)>::from_request_parts(parts, app).await.map_err(bad)?;
        Ok(Self(levels(&namespace), name))
    }
}

/// Query parameters.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Params<T> {
    type Rejection = CatalogError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let Query(value) = Query::<T>::from_request_parts(parts, app).await.map_err(bad)?;
        Ok(Self(value))
    }
}

/// A JSON body, whatever the request says that it is.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = CatalogError;

    async fn from_request(request: Request, _: &App) -> Result<Self> {
        let bytes = bytes(request).await?;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            bad(format!("{}: {}", if path == "." { "body" } else { &path }, error.inner()))
        })?;
        Ok(Self(value))
    }
}

/// The levels of a namespace, as paths and the parameter `parent` have them.
pub(super) fn levels(namespace: &str) -> Vec<String> {
    namespace.split(SEPARATOR).map(str::to_owned).collect()
}

/// `true` in any case: Python's clients write `True`.
pub(super) fn any_case<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<bool, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.to_ascii_lowercase().parse().map_err(|_| D::Error::custom(format!("`{text}`: expected `true` or `false`")))
}

fn bad(error: impl std::fmt::Display) -> CatalogError {
    CatalogError::new(StatusCode::BAD_REQUEST, "BadRequestException", error.to_string())
}
