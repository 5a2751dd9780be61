//! What the backend is, and whether it is there.

use asgard_sdk::feature_source::BackendInformation;
use asgard_sdk::{Error, Result};
use serde_json::Value;

use crate::run::Feast;

/// What Feast keeps features in, as its clients are told.
///
/// # Errors
/// `unavailable` when the registry does not answer.
pub fn information(feast: Feast<'_>) -> Result<BackendInformation> {
    let configuration = feast.configuration;
    feast.client.ask_registry("version")?;
    Ok(BackendInformation {
        registry_type: configuration.type_of("registry", "file"),
        online_store_type: configuration.type_of("online_store", "sqlite"),
        offline_store_type: configuration.type_of("offline_store", "file"),
    })
}

/// Reaches both servers.
///
/// # Errors
/// Those of the servers, with what to do.
pub fn check(feast: Feast<'_>) -> Result<String> {
    let client = feast.client;
    let version = client.ask_registry("version").map_err(|error| match error {
        Error::NotFound(message) => Error::invalid(
            "configuration.registry",
            format!("{message}. Expected Feast's registry server, started with `feast serve_registry --rest-api`"),
        ),
        other => other,
    })?;
    let version = version.get("version").and_then(Value::as_str).unwrap_or("of an unknown version");
    client.feature_server_answers()?;
    Ok(format!(
        "Feast {version}: the registry at {} and the feature server at {} answer, for project `{}`",
        client.registry(),
        client.feature_server(),
        client.project()
    ))
}
