//! A sink as a destination of Airbyte's.

use asgard_sdk::connector::Sink;
use asgard_sdk::{Error, Result};
use serde_json::{Map, Value, json};

use crate::configuration::{Configuration, Destination};

/// The namespace of the tables, as the host names it.
pub const NAMESPACE: &str = "bronze";

/// A sink's destination.
///
/// # Errors
/// `unsupported` for a sink that Airbyte cannot reach; `invalid-input` where the binding says too little of the catalog.
pub fn translate(configuration: &Configuration, sink: &Sink) -> Result<Value> {
    if sink.sink_type != "s3" {
        return Err(Error::Unsupported(format!(
            "Airbyte writes to sinks of type `s3`, and `{}` is of type `{}`: a folder of this machine is none that it reaches",
            sink.name, sink.sink_type
        )));
    }
    let given: Map<String, Value> = serde_json::from_str(&sink.configuration)
        .map_err(|_| Error::internal("the configuration of a sink is an object"))?;
    let mut destination = Map::new();
    for key in ["s3_bucket_name", "s3_bucket_region", "access_key_id", "secret_access_key", "s3_endpoint"] {
        if let Some(value) = given.get(key) {
            destination.insert(key.to_owned(), value.clone());
        }
    }
    match configuration.destination {
        Destination::S3 => {
            destination.insert("destinationType".to_owned(), json!("s3"));
            destination
                .insert("s3_bucket_path".to_owned(), given.get("s3_bucket_path").cloned().unwrap_or_else(|| json!("")));
            destination.insert("format".to_owned(), json!({ "format_type": "Parquet", "compression_codec": "SNAPPY" }));
        }
        Destination::S3DataLake => {
            destination.insert("destinationType".to_owned(), json!("s3-data-lake"));
            let catalog = &configuration.catalog;
            let said = |value: &Option<String>, key: &str| {
                value.clone().ok_or_else(|| {
                    Error::invalid(
                        format!("configuration.catalog.{key}"),
                        format!("`{key}` is missing: Airbyte has to know the catalog that it writes tables to, or set `destination = \"s3\"`"),
                    )
                })
            };
            let kind = catalog.kind.clone().unwrap_or_else(|| "NESSIE".to_owned());
            let mut of =
                json!({ "catalog_type": kind, "namespace": NAMESPACE, "server_uri": said(&catalog.uri, "uri")? });
            if let Some(token) = catalog.token.as_ref().filter(|_| kind == "NESSIE") {
                of["access_token"] = json!(token);
            }
            destination.insert("catalog_type".to_owned(), of);
            destination.insert("warehouse_location".to_owned(), json!(said(&catalog.warehouse, "warehouse")?));
            destination.insert("main_branch_name".to_owned(), json!(catalog.branch.as_deref().unwrap_or("main")));
        }
    }
    Ok(Value::Object(destination))
}
