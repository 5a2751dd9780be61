//! Places for tables: what an environment's document and its sinks say, with the secrets that they name.

use std::path::Path;

use asgard_contract::environment::Environment;
use asgard_contract::{Error, Result};
use asgard_lakehouse::Lakehouse;
use asgard_lakehouse::storage::{S3Location, Storage, StorageLocation};
use asgard_store::{ResourceKind, Store};
use serde_json::Value;

use crate::ingestion::SinkRecord;
use crate::secrets::EnvironmentSecrets;

/// Sinks that are looked at in one go.
const PAGE: u32 = 1000;

/// The place that the document names; none = the environment's own folder.
///
/// # Errors
/// `invalid-input` for the part of `lakehouse` that is wrong.
pub(crate) async fn of_environment(secrets: &EnvironmentSecrets, document: &Environment) -> Result<Option<Storage>> {
    let lakehouse = &document.lakehouse;
    let Some(location) = &lakehouse.storage else {
        if lakehouse.s3.is_some() {
            return Err(Error::invalid(
                "lakehouse.storage",
                "`s3` says how, and not where: add `storage = \"s3://BUCKET/PREFIX\"`",
            ));
        }
        return Ok(None);
    };
    let location = if let Some(folder) = location.strip_prefix("file://") {
        StorageLocation::Local { folder: folder.into() }
    } else if let Some(rest) = location.strip_prefix("s3://") {
        let s3 = lakehouse.s3.as_ref().ok_or_else(|| {
            Error::invalid("lakehouse.s3", format!("`{location}` is a bucket: add `s3 = {{ region = …, secret = … }}`"))
        })?;
        let secret = secrets.get(&s3.secret).await.map_err(|error| match error {
            Error::NotFound { message } => Error::invalid("lakehouse.s3.secret", message),
            other => other,
        })?;
        let (access_key_id, secret_access_key) = secret.trim().split_once(':').ok_or_else(|| {
            Error::invalid(
                "lakehouse.s3.secret",
                format!("secret `{}` is not of the form `ACCESS_KEY:SECRET_KEY`", s3.secret),
            )
        })?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        StorageLocation::S3(S3Location {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            region: s3.region.clone(),
            endpoint: s3.endpoint.clone(),
            path_style: s3.path_style,
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret_access_key.to_owned(),
        })
    } else {
        let message = format!("`{location}` is no storage: expected `file:///FOLDER` or `s3://BUCKET/PREFIX`");
        return Err(Error::invalid("lakehouse.storage", message));
    };
    Storage::open(location).map(Some).map_err(in_document)
}

/// Puts the name that a document has for it in the place of a field of storage.
pub(crate) fn in_document(error: Error) -> Error {
    rename(error, |field| match field {
        "region" | "endpoint" => format!("lakehouse.s3.{field}"),
        "access_key_id" | "secret_access_key" => "lakehouse.s3.secret".to_owned(),
        _ => "lakehouse.storage".to_owned(),
    })
}

/// The place of a sink, whose secrets are in its configuration.
///
/// # Errors
/// `invalid-input` with the field of the configuration.
pub(crate) fn of_sink(folder: &Path, sink_type: &str, configuration: &Value) -> Result<Storage> {
    let text = |field: &str| configuration.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let location = if sink_type == "s3" {
        StorageLocation::S3(S3Location {
            bucket: text("s3_bucket_name"),
            prefix: text("s3_bucket_path"),
            region: text("s3_bucket_region"),
            endpoint: configuration.get("s3_endpoint").and_then(Value::as_str).map(str::to_owned),
            path_style: None,
            access_key_id: text("access_key_id"),
            secret_access_key: text("secret_access_key"),
        })
    } else {
        StorageLocation::Local { folder: folder.join("sinks").join(text("path")) }
    };
    Storage::open(location).map_err(in_sink)
}

/// Puts the name that a sink has for it in the place of a field of storage.
pub(crate) fn in_sink(error: Error) -> Error {
    rename(error, |field| match field {
        "bucket" => "s3_bucket_name".to_owned(),
        "region" => "s3_bucket_region".to_owned(),
        "prefix" => "s3_bucket_path".to_owned(),
        "endpoint" => "s3_endpoint".to_owned(),
        other => other.to_owned(),
    })
}

fn rename(error: Error, name: impl Fn(&str) -> String) -> Error {
    match error {
        Error::InvalidInput { field: Some(field), message } => Error::invalid(name(&field), message),
        other => other,
    }
}

/// Makes the tables in the environment's sinks readable. A sink that cannot be used any more keeps no other from it.
pub(crate) async fn add_sinks(
    store: &Store,
    environment: &str,
    secrets: &EnvironmentSecrets,
    folder: &Path,
    lakehouse: &Lakehouse,
) -> Result<()> {
    let mut sinks = Vec::new();
    loop {
        let offset = sinks.len() as u64;
        let (page, total) = store.list::<SinkRecord>(environment, ResourceKind::Sink, PAGE, offset).await?;
        let last = page.is_empty();
        sinks.extend(page);
        if last || sinks.len() as u64 >= total {
            break;
        }
    }
    // Newest first: the last one's credentials are those that a bucket is read with.
    for sink in sinks.into_iter().rev().filter(|sink| sink.body.sink_type == "s3") {
        let added = async {
            let configuration = revealed(secrets, &sink.body.configuration).await?;
            lakehouse.add_storage(&of_sink(folder, &sink.body.sink_type, &configuration)?)
        };
        if let Err(error) = added.await {
            tracing::warn!(sink = sink.name, %error, "tables in this sink cannot be read");
        }
    }
    Ok(())
}

/// A configuration with its secrets in place.
pub(crate) async fn revealed(secrets: &EnvironmentSecrets, configuration: &Value) -> Result<Value> {
    let mut revealed = configuration.clone();
    if let Some(fields) = revealed.as_object_mut() {
        for value in fields.values_mut() {
            if let Some(name) = value.as_str().and_then(asgard_capabilities::secrets::reference) {
                *value = Value::String(secrets.get(name).await?);
            }
        }
    }
    Ok(revealed)
}
