//! `${services.NAME.url}` and its like in the configuration of a binding.
//!
//! | placeholder | stands for |
//! | --- | --- |
//! | `${services.NAME.url}`, `${services.NAME.address}` | `http://127.0.0.1:PORT`, `127.0.0.1:PORT` of a service of the environment |
//! | `${lakehouse.catalog.uri}`, `${lakehouse.catalog.warehouse}` | the Iceberg REST catalog of the environment |
//! | `${lakehouse.catalog.branch}` | the branch of it that is a run's own; empty in a run that is not audited |
//! | `${lakehouse.storage}` | where its tables are: `s3://bucket/prefix`, `file:///…` |
//! | `${lakehouse.s3.endpoint}`, `${lakehouse.s3.region}`, `${lakehouse.s3.secret}` | how that bucket is reached; the secret as a reference |
//!
//! What an environment leaves at its default is an empty text, such as the endpoint of AWS itself. A catalog that no other program
//! can share has no address, and asking for it is an error.

use asgard_contract::environment::{Catalog, Environment};
use asgard_contract::{Error, Result};
use serde_json::Value;

const SERVICES: &str = "${services.";
const LAKEHOUSE: &str = "${lakehouse.";

/// What a placeholder of a service stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `http://127.0.0.1:PORT`
    Url,
    /// `127.0.0.1:PORT`
    Address,
}

/// The names of the services that `configuration` refers to, in its order.
///
/// # Errors
/// `invalid-input` with the field of a placeholder that cannot be read.
pub(crate) fn services(configuration: &Value) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut note = |name: &str| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        Ok(0)
    };
    replace(&mut configuration.clone(), "configuration", &mut |text, field| service(text, &mut note, field))?;
    Ok(names)
}

/// The configuration with each service's port filled in, and with what `environment` says of its lakehouse, which is in `folder`
/// where it does not say; `branch` is the one of its catalog that it is on.
///
/// # Errors
/// As [`services`], and those of `port`; `invalid-input` for a catalog that has no address.
pub(crate) fn fill(
    configuration: &Value,
    port: &mut impl FnMut(&str) -> Result<u16>,
    environment: &Environment,
    branch: Option<&str>,
    folder: &std::path::Path,
) -> Result<Value> {
    let mut filled = configuration.clone();
    replace(&mut filled, "configuration", &mut |text, field| {
        let text = service(text, port, field)?;
        lakehouse(&text, environment, branch, folder, field)
    })?;
    Ok(filled)
}

fn replace(value: &mut Value, field: &str, replaced: &mut impl FnMut(&str, &str) -> Result<String>) -> Result<()> {
    match value {
        Value::String(text) if text.contains("${") => *text = replaced(text, field)?,
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                replace(item, &format!("{field}[{index}]"), replaced)?;
            }
        }
        Value::Object(fields) => {
            for (name, inner) in fields {
                replace(inner, &format!("{field}.{name}"), replaced)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The text with all that starts like `start` and ends in `}` replaced by what `stands` makes of the part between.
fn each(text: &str, start: &str, mut stands: impl FnMut(&str) -> Result<String>) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(start) {
        // One without its end is one that nobody can read.
        let (inside, after) = after.split_once('}').unwrap_or_default();
        filled.push_str(before);
        filled.push_str(&stands(inside)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn service(text: &str, port: &mut impl FnMut(&str) -> Result<u16>, field: &str) -> Result<String> {
    each(text, SERVICES, |inside| {
        let (name, part) = parse(inside).ok_or_else(|| {
            let message = "a placeholder is `${services.NAME.url}` or `${services.NAME.address}`";
            Error::invalid(field, format!("`{text}` cannot be read: {message}"))
        })?;
        let port = port(name).map_err(|error| match error {
            Error::NotFound { message } => Error::invalid(field, message),
            other => other,
        })?;
        let scheme = if part == Part::Url { "http://" } else { "" };
        Ok(format!("{scheme}127.0.0.1:{port}"))
    })
}

fn parse(inside: &str) -> Option<(&str, Part)> {
    // A service's name may have dots in it.
    let (name, part) = inside.rsplit_once('.')?;
    let part = match part {
        "url" => Part::Url,
        "address" => Part::Address,
        _ => return None,
    };
    (!name.is_empty()).then_some((name, part))
}

fn lakehouse(
    text: &str,
    environment: &Environment,
    branch: Option<&str>,
    folder: &std::path::Path,
    field: &str,
) -> Result<String> {
    let said = &environment.lakehouse;
    let rest = match &said.catalog {
        Catalog::Sqlite => None,
        Catalog::Rest { uri, warehouse, .. } => Some((uri.clone(), warehouse.clone().unwrap_or_default())),
    };
    each(text, LAKEHOUSE, |inside| {
        let s3 = said.s3.as_ref();
        Ok(match inside {
            "catalog.uri" | "catalog.warehouse" => {
                let (uri, warehouse) = rest.clone().ok_or_else(|| {
                    let message = format!(
                        "`{text}` has no meaning in environment `{}`, whose catalog is a file of the host: name an \
                         Iceberg REST catalog under `lakehouse.catalog`",
                        environment.name
                    );
                    Error::invalid(field, message)
                })?;
                if inside == "catalog.uri" { uri } else { warehouse }
            }
            "catalog.branch" => branch.unwrap_or_default().to_owned(),
            "storage" => match &said.storage {
                Some(storage) => storage.clone(),
                None => format!("file://{}", folder.join("lakehouse").display()),
            },
            "s3.endpoint" => s3.and_then(|s3| s3.endpoint.clone()).unwrap_or_default(),
            "s3.region" => s3.map(|s3| s3.region.clone()).unwrap_or_default(),
            "s3.secret" => s3.map(|s3| format!("secret://{}", s3.secret)).unwrap_or_default(),
            _ => {
                let known =
                    "catalog.uri, catalog.warehouse, catalog.branch, storage, s3.endpoint, s3.region and s3.secret";
                return Err(Error::invalid(
                    field,
                    format!("`{text}` cannot be read: of the lakehouse there are {known}"),
                ));
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(configuration: &Value, port: &mut impl FnMut(&str) -> Result<u16>, lakehouse: &str) -> Result<Value> {
        let environment: Environment = toml::from_str(&format!("name = \"e\"\n{lakehouse}")).unwrap();
        fill(configuration, port, &environment, None, std::path::Path::new("/data"))
    }

    #[test]
    fn the_lakehouse_is_what_the_environment_says() {
        let asked = json!({
            "uri": "${lakehouse.catalog.uri}", "warehouse": "${lakehouse.catalog.warehouse}", "storage": "${lakehouse.storage}/x",
            "endpoint": "${lakehouse.s3.endpoint}", "region": "${lakehouse.s3.region}", "keys": "${lakehouse.s3.secret}#access_key_id",
        });
        let said = r#"
            [lakehouse]
            catalog = { type = "rest", uri = "http://nessie:19120/iceberg" }
            storage = "s3://lake/a"
            s3 = { endpoint = "http://s3:8333", secret = "keys" }
        "#;
        assert_eq!(
            filled(&asked, &mut |_| Ok(1), said).unwrap(),
            json!({
                "uri": "http://nessie:19120/iceberg", "warehouse": "", "storage": "s3://lake/a/x",
                "endpoint": "http://s3:8333", "region": "us-east-1", "keys": "secret://keys#access_key_id",
            })
        );
        let error = filled(&asked, &mut |_| Ok(1), "").unwrap_err();
        assert!(
            matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "configuration.uri"),
            "{error:?}"
        );
        let own = filled(&json!("${lakehouse.storage}"), &mut |_| Ok(1), "").unwrap();
        assert_eq!(own, "file:///data/lakehouse");
        assert!(filled(&json!("${lakehouse.other}"), &mut |_| Ok(1), "").is_err());
    }

    #[test]
    fn a_branch_is_told_where_there_is_one() {
        let environment: Environment = toml::from_str("name = \"e\"").unwrap();
        let asked = json!("http://nessie/iceberg/${lakehouse.catalog.branch}");
        for (branch, expected) in
            [(Some("asgard-1"), "http://nessie/iceberg/asgard-1"), (None, "http://nessie/iceberg/")]
        {
            let folder = std::path::Path::new("/data");
            assert_eq!(fill(&asked, &mut |_| Ok(1), &environment, branch, folder).unwrap(), expected);
        }
    }

    #[test]
    fn placeholders_are_found_and_filled_wherever_they_stand() {
        let configuration = json!({
            "tracking_uri": "${services.mlflow.url}",
            "list": [{"at": "x ${services.a.b.address}/y ${services.mlflow.url}!"}],
            "other": "${HOME} ${service} $",
            "number": 1,
        });
        assert_eq!(services(&configuration).unwrap(), ["a.b", "mlflow"]);
        let filled = filled(&configuration, &mut |name| Ok(if name == "mlflow" { 5000 } else { 6000 }), "").unwrap();
        assert_eq!(
            filled,
            json!({
                "tracking_uri": "http://127.0.0.1:5000",
                "list": [{"at": "x 127.0.0.1:6000/y http://127.0.0.1:5000!"}],
                "other": "${HOME} ${service} $",
                "number": 1,
            })
        );
    }

    #[test]
    fn what_cannot_be_filled_is_refused_with_its_field() {
        for text in ["${services.mlflow}", "${services.mlflow.port}", "${services..url}", "${services.mlflow.url"] {
            let error = services(&json!({"a": ["", text]})).unwrap_err();
            assert!(
                matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "configuration.a[1]"),
                "{error:?}"
            );
        }
        let error =
            filled(&json!({"a": "${services.x.url}"}), &mut |_| Err(Error::not_found("no `x`")), "").unwrap_err();
        assert!(matches!(error, Error::InvalidInput { field: Some(field), .. } if field == "configuration.a"));
    }
}
