//! Tables of the catalog.

use asgard_lakehouse::iceberg_rest::wire;
use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;

use super::error::Result;
use super::extract::{Body, Catalog, Name, Namespace, Params, any_case};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Drop {
    #[serde(default, deserialize_with = "any_case")]
    purge_requested: bool,
}

pub(super) async fn list(Catalog(catalog): Catalog, Namespace(name): Namespace) -> Result<Json<wire::Identifiers>> {
    Ok(Json(catalog.tables(&name).await?))
}

pub(super) async fn create(
    Catalog(catalog): Catalog,
    Namespace(name): Namespace,
    Body(body): Body<wire::CreateTable>,
) -> Result<Json<wire::LoadedTable>> {
    Ok(Json(catalog.create_table(&name, body).await?))
}

pub(super) async fn load(Catalog(catalog): Catalog, Name(namespace, name): Name) -> Result<Json<wire::LoadedTable>> {
    Ok(Json(catalog.table(&namespace, &name).await?))
}

pub(super) async fn exists(Catalog(catalog): Catalog, Name(namespace, name): Name) -> Result<StatusCode> {
    catalog.table_exists(&namespace, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn commit(
    Catalog(catalog): Catalog,
    Name(namespace, name): Name,
    Body(body): Body<wire::CommitTable>,
) -> Result<Json<wire::CommittedTable>> {
    Ok(Json(catalog.commit_table(&namespace, &name, body).await?))
}

pub(super) async fn drop(
    Catalog(catalog): Catalog,
    Name(namespace, name): Name,
    Params(params): Params<Drop>,
) -> Result<StatusCode> {
    catalog.drop_table(&namespace, &name, params.purge_requested).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn register(
    Catalog(catalog): Catalog,
    Namespace(name): Namespace,
    Body(body): Body<wire::Register>,
) -> Result<Json<wire::LoadedTable>> {
    Ok(Json(catalog.register_table(&name, body).await?))
}

pub(super) async fn rename(Catalog(catalog): Catalog, Body(body): Body<wire::Rename>) -> Result<StatusCode> {
    catalog.rename_table(body).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn transaction(
    Catalog(catalog): Catalog,
    Body(body): Body<wire::CommitTransaction>,
) -> Result<StatusCode> {
    catalog.commit_transaction(body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a client tells of its scans and commits goes to the host's log.
pub(super) async fn metrics(
    Catalog(catalog): Catalog,
    Name(namespace, name): Name,
    Body(report): Body<serde_json::Value>,
) -> Result<StatusCode> {
    catalog.table_exists(&namespace, &name).await?;
    tracing::debug!(table = %name, %report, "a client's report");
    Ok(StatusCode::NO_CONTENT)
}
