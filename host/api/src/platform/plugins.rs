//! `/plugins`: the registered plugins, and registering another one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::extract::Body;
use crate::problem::{Problem, Result};

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
}

impl From<asgard_store::RegisteredPlugin> for PluginAnswer {
    fn from(plugin: asgard_store::RegisteredPlugin) -> Self {
        let manifest = plugin.manifest;
        Self {
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
    let plugins = app.pipeline.plugins().list().await?;
    Ok(Json(PluginList { plugins: plugins.into_iter().map(Into::into).collect() }))
}

/// Register a plugin. Bindings can name it at once.
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
    Ok((StatusCode::CREATED, Json(plugin.into())))
}
