//! A source is checked and discovered before anything of it is stored in Airbyte: by the server's own API, which takes a configuration
//! as it is.

use asgard_sdk::connector::{Source, StreamDescriptor};
use asgard_sdk::types::InvalidInput;
use asgard_sdk::{Error, Result};
use serde_json::Value;

use crate::client::Client;
use crate::configuration::Configuration;
use crate::host::Host;
use crate::sources::{self, Translated};
use crate::wire::{Checked, Definition, Discovered, FailureReason, Page, Unsaved};

/// Has Airbyte reach the source.
///
/// # Errors
/// `invalid-input` with the connector's words; those of the server.
pub fn check(host: &dyn Host, configuration: &Configuration, source: &Source) -> Result<()> {
    let checked: Checked = ask(host, configuration, source, "/scheduler/sources/check_connection")?;
    if checked.status == "succeeded" {
        return Ok(());
    }
    let words = checked.message.unwrap_or_else(|| "it does not say why".to_owned());
    Err(refused(format!("Airbyte cannot reach the source: {words}")))
}

/// The source's streams.
///
/// # Errors
/// As [`check`].
pub fn discover(host: &dyn Host, configuration: &Configuration, source: &Source) -> Result<Vec<StreamDescriptor>> {
    let discovered: Discovered = ask(host, configuration, source, "/scheduler/sources/discover_schema")?;
    match discovered.catalog {
        Some(catalog) => Ok(catalog.streams.iter().map(|each| each.stream.descriptor()).collect()),
        None => {
            let reason = discovered.job_info.filter(|job| !job.succeeded).and_then(|job| job.failure_reason);
            let words = reason.as_ref().map_or_else(|| "it does not say why".to_owned(), words);
            Err(refused(format!("Airbyte cannot discover the source: {words}")))
        }
    }
}

/// A reason as people are told it.
pub fn words(reason: &FailureReason) -> String {
    let external = reason.external_message.as_deref().unwrap_or_default().trim();
    let internal = reason.internal_message.as_deref().unwrap_or_default().trim();
    let origin = reason.failure_origin.as_deref().map(|origin| format!("{origin}: ")).unwrap_or_default();
    match (external, internal) {
        ("", "") => format!("{origin}no reason is told"),
        ("", words) | (words, "") => format!("{origin}{words}"),
        (external, internal) if external == internal => format!("{origin}{external}"),
        (external, internal) => format!("{origin}{external} ({internal})"),
    }
}

fn refused(message: String) -> Error {
    Error::InvalidInput(InvalidInput { field: Some("config".to_owned()), message })
}

fn ask<T: serde::de::DeserializeOwned>(
    host: &dyn Host,
    configuration: &Configuration,
    source: &Source,
    path: &str,
) -> Result<T> {
    let Translated { connector, configuration: mut given } = sources::translate(configuration, source)?;
    // A field of the public API alone.
    if let Some(object) = given.as_object_mut() {
        object.remove("sourceType");
    }
    let client = Client::new(host, configuration);
    let definition = definition(&client, &configuration.workspace_id, &connector)?;
    client.ask(path, &unsaved(&definition, &given, &configuration.workspace_id))
}

fn unsaved<'a>(definition: &'a str, given: &'a Value, workspace: &'a str) -> Unsaved<'a> {
    Unsaved { source_definition_id: definition, connection_configuration: given, workspace_id: workspace }
}

/// The id of the connector's definition in the workspace.
///
/// # Errors
/// `invalid-input` when the workspace has no such connector.
pub fn definition(client: &Client<'_>, workspace: &str, connector: &str) -> Result<String> {
    let found: Page<Definition> = client.get(&format!("/workspaces/{workspace}/definitions/sources"))?;
    let wanted = format!("/source-{connector}");
    let of = |definition: &&Definition| definition.docker_repository.ends_with(&wanted);
    found.data.iter().find(of).map(|definition| definition.id.clone()).ok_or_else(|| {
        Error::invalid(
            "type",
            format!("Airbyte's workspace has no connector `source-{connector}`: add its definition there"),
        )
    })
}
