//! `/plugins`: the registered plugins, registering another one, and taking one off.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Body, Ids};
use crate::problem::{Problem, Result};

/// Largest registration: a component of 96 MB as base64. One in Python or JavaScript carries its interpreter, some 40 MB.
pub(crate) const LARGEST_REGISTRATION: usize = 128 << 20;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PluginAnswer {
    name: String,
    version: String,
    summary: String,
    /// `sha256:…` of the component.
    digest: String,
    exports: Vec<String>,
    capabilities: Vec<String>,
    /// JSON Schema of a binding's configuration.
    #[schema(value_type = Object)]
    configuration: Value,
    registered_at: DateTime<Utc>,
    /// Where it is bound: environment and role.
    bound: Vec<String>,
}

impl PluginAnswer {
    fn new(plugin: asgard_store::RegisteredPlugin, bound: Vec<String>) -> Self {
        let manifest = plugin.manifest;
        Self {
            registered_at: plugin.registered_at,
            bound,
            name: manifest.name,
            version: manifest.version.to_string(),
            summary: manifest.summary,
            digest: plugin.digest,
            exports: manifest.exports.iter().map(ToString::to_string).collect(),
            capabilities: manifest.capabilities.iter().map(ToString::to_string).collect(),
            configuration: manifest.configuration,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PluginList {
    plugins: Vec<PluginAnswer>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct AddPlugin {
    /// The text of `plugin.toml`.
    manifest: String,
    /// The component, as base64.
    component: String,
}

/// All registered plugins, by name, newest version first.
#[utoipa::path(get, path = "/plugins", tag = "Platform", responses((status = 200, body = PluginList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<PluginList>> {
    let mut plugins = Vec::new();
    for plugin in app.pipeline.plugins().list().await? {
        let bound = app.pipeline.plugins().bound_in(&plugin).await?;
        plugins.push(PluginAnswer::new(plugin, bound));
    }
    Ok(Json(PluginList { plugins }))
}

/// Register a plugin. Bindings can name it at once. Versions are side by side; one that is registered keeps its bytes.
#[utoipa::path(post, path = "/plugins", tag = "Platform", request_body = AddPlugin,
    responses((status = 201, body = PluginAnswer)))]
pub(crate) async fn add(
    State(app): State<App>,
    Body(body): Body<AddPlugin>,
) -> Result<(StatusCode, Json<PluginAnswer>)> {
    let component = STANDARD
        .decode(&body.component)
        .map_err(|error| Problem::field("component", format!("is no base64: {error}")))?;
    let plugin = app.pipeline.plugins().add(&body.manifest, &component).await?;
    let bound = app.pipeline.plugins().bound_in(&plugin).await?;
    Ok((StatusCode::CREATED, Json(PluginAnswer::new(plugin, bound))))
}

/// Take a version of a plugin off. Refused with 409 while it is bound, or while a task runs on it.
#[utoipa::path(delete, path = "/plugins/{name}/{version}", tag = "Platform",
    params(("name" = String, Path,), ("version" = String, Path,)), responses((status = 204)))]
pub(crate) async fn remove(State(app): State<App>, Ids(name, version): Ids) -> Result<StatusCode> {
    let version = semver::Version::parse(&version)
        .map_err(|error| Problem::field("version", format!("`{version}`: expected one such as `1.2.0`: {error}")))?;
    app.pipeline.plugins().remove(&name, &version).await?;
    Ok(StatusCode::NO_CONTENT)
}
