//! `/iceberg/v1`: the environment's lakehouse as an Iceberg REST catalog, for PyIceberg, DuckDB, Spark, Trino.
//!
//! Paths, bodies and errors are the protocol's own, so these routes are not part of the OpenAPI document: the protocol has
//! its own. What is accepted is decided in `asgard_lakehouse::iceberg_rest`.

mod error;
mod extract;
mod namespaces;
mod tables;
mod views;

use asgard_lakehouse::iceberg_rest::wire::Configuration;
use axum::routing::{get, post};
use axum::{Json, Router};

pub(crate) use error::as_protocol;

use self::extract::Catalog;
use crate::App;

/// Where the catalog is; clients attach to this path.
pub(crate) const BASE: &str = "/iceberg";

pub(crate) fn routes() -> Router<App> {
    let v1 = Router::new()
        .route("/config", get(configuration))
        .route("/namespaces", get(namespaces::list).post(namespaces::create))
        .route("/namespaces/{namespace}", get(namespaces::load).head(namespaces::exists).delete(namespaces::drop))
        .route("/namespaces/{namespace}/properties", post(namespaces::change))
        .route("/namespaces/{namespace}/tables", get(tables::list).post(tables::create))
        .route(
            "/namespaces/{namespace}/tables/{table}",
            get(tables::load).head(tables::exists).post(tables::commit).delete(tables::drop),
        )
        .route("/namespaces/{namespace}/tables/{table}/metrics", post(tables::metrics))
        .route("/namespaces/{namespace}/register", post(tables::register))
        .route("/tables/rename", post(tables::rename))
        .route("/transactions/commit", post(tables::transaction))
        .route("/namespaces/{namespace}/views", get(views::list).post(views::create))
        .route(
            "/namespaces/{namespace}/views/{view}",
            get(views::load).head(views::exists).post(views::commit).delete(views::drop),
        )
        .route("/views/rename", post(views::rename));
    Router::new().nest("/iceberg/v1", v1)
}

async fn configuration(Catalog(catalog): Catalog) -> Json<Configuration> {
    Json(catalog.configuration())
}
