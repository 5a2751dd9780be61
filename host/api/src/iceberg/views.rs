//! Views of the catalog.

use asgard_lakehouse::iceberg_rest::wire;
use axum::Json;
use axum::http::StatusCode;

use super::error::Result;
use super::extract::{Body, Catalog, Name, Namespace};

pub(super) async fn list(Catalog(catalog): Catalog, Namespace(name): Namespace) -> Result<Json<wire::Identifiers>> {
    Ok(Json(catalog.views(&name).await?))
}

pub(super) async fn create(
    Catalog(catalog): Catalog,
    Namespace(name): Namespace,
    Body(body): Body<wire::CreateView>,
) -> Result<Json<wire::LoadedView>> {
    Ok(Json(catalog.create_view(&name, body).await?))
}

pub(super) async fn load(Catalog(catalog): Catalog, Name(namespace, name): Name) -> Result<Json<wire::LoadedView>> {
    Ok(Json(catalog.view(&namespace, &name).await?))
}

pub(super) async fn exists(Catalog(catalog): Catalog, Name(namespace, name): Name) -> Result<StatusCode> {
    catalog.view_exists(&namespace, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn commit(
    Catalog(catalog): Catalog,
    Name(namespace, name): Name,
    Body(body): Body<wire::CommitView>,
) -> Result<Json<wire::LoadedView>> {
    Ok(Json(catalog.commit_view(&namespace, &name, body).await?))
}

pub(super) async fn drop(Catalog(catalog): Catalog, Name(namespace, name): Name) -> Result<StatusCode> {
    catalog.drop_view(&namespace, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rename(Catalog(catalog): Catalog, Body(body): Body<wire::Rename>) -> Result<StatusCode> {
    catalog.rename_view(body).await?;
    Ok(StatusCode::NO_CONTENT)
}
