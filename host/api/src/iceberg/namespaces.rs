//! Namespaces of the catalog.

use asgard_lakehouse::iceberg_rest::wire;
use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;

use super::error::Result;
use super::extract::{Body, Catalog, Namespace, Params, levels};

#[derive(Deserialize)]
pub(super) struct Parent {
    parent: Option<String>,
}

pub(super) async fn list(Catalog(catalog): Catalog, Params(params): Params<Parent>) -> Result<Json<wire::Namespaces>> {
    let parent = params.parent.filter(|parent| !parent.is_empty()).map(|parent| levels(&parent));
    Ok(Json(catalog.namespaces(parent.as_deref()).await?))
}

pub(super) async fn create(
    Catalog(catalog): Catalog,
    Body(body): Body<wire::Namespace>,
) -> Result<Json<wire::Namespace>> {
    Ok(Json(catalog.create_namespace(body).await?))
}

pub(super) async fn load(Catalog(catalog): Catalog, Namespace(name): Namespace) -> Result<Json<wire::Namespace>> {
    Ok(Json(catalog.namespace(&name).await?))
}

pub(super) async fn exists(Catalog(catalog): Catalog, Namespace(name): Namespace) -> Result<StatusCode> {
    catalog.namespace(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn drop(Catalog(catalog): Catalog, Namespace(name): Namespace) -> Result<StatusCode> {
    catalog.drop_namespace(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn change(
    Catalog(catalog): Catalog,
    Namespace(name): Namespace,
    Body(body): Body<wire::ChangeProperties>,
) -> Result<Json<wire::ChangedProperties>> {
    Ok(Json(catalog.change_namespace(&name, body).await?))
}
