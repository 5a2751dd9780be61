//! What is sent to the API server, and what a plugin sees of its answers.
//!
//! | label | value |
//! | --- | --- |
//! | `app.kubernetes.io/managed-by` | `asgard` |
//! | `asgard.dev/owner` | the store whose hosts made it |
//! | `asgard.dev/environment`, `asgard.dev/plugin`, `asgard.dev/task` | who made it, and for what |
//! | `asgard.dev/lasts` | set by a plugin, to `true`, on what stays when its task has ended: see [`super::sweep`] |

use asgard_contract::{Error, Result};
use kube::api::DynamicObject;
use serde_json::{Map, Value, json};

use super::Reference;
use crate::holder::Holder;
use crate::lender::Caller;
use crate::secrets::{MASK, Secrets, substitute};

pub(super) const OWNER: &str = "asgard.dev/owner";
pub(super) const ENVIRONMENT: &str = "asgard.dev/environment";
pub(super) const TASK: &str = "asgard.dev/task";
pub(super) const LASTS: &str = "asgard.dev/lasts";
const PLUGIN: &str = "asgard.dev/plugin";

/// A manifest and what it is of.
///
/// # Errors
/// `invalid-input` with the field that is missing.
pub(super) fn parse(text: &str) -> Result<(Reference, Value)> {
    let manifest: Value = serde_json::from_str(text)
        .map_err(|error| Error::invalid("manifest", format!("expected a JSON object: {error}")))?;
    let text = |pointer: &str, field: &str| match manifest.pointer(pointer).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Error::invalid(format!("manifest.{field}"), "is missing: expected a text")),
    };
    let reference = Reference {
        api_version: text("/apiVersion", "apiVersion")?,
        kind: text("/kind", "kind")?,
        namespace: text("/metadata/namespace", "metadata.namespace")?,
        name: text("/metadata/name", "metadata.name")?,
    };
    Ok((reference, manifest))
}

/// Adds the host's labels, whatever the plugin said of them.
pub(super) fn label(manifest: &mut Value, caller: &Caller, owner: &str) {
    let labels = &mut manifest["metadata"]["labels"];
    if !labels.is_object() {
        *labels = Value::Object(Map::new());
    }
    for (name, value) in [
        ("app.kubernetes.io/managed-by", "asgard"),
        (OWNER, owner),
        (ENVIRONMENT, &caller.environment),
        (PLUGIN, &caller.plugin),
        (TASK, &caller.task),
    ] {
        labels[name] = json!(value);
    }
}

/// Puts secrets in the place of references in `stringData` of a `v1/Secret`. A text that is itself a JSON object, as a registry's
/// credentials are, has them replaced in its own texts.
///
/// # Errors
/// `forbidden` for a reference without `substitute_secrets`; those of the secret store.
pub(super) async fn fill_secrets(
    reference: &Reference,
    manifest: &mut Value,
    secrets: Option<&dyn Secrets>,
    holder: &Holder,
) -> Result<()> {
    if !reference.is_secret() {
        return Ok(());
    }
    let Some(Value::Object(data)) = manifest.get_mut("stringData") else { return Ok(()) };
    for value in data.values_mut() {
        if !value.as_str().is_some_and(|text| text.contains("secret://")) {
            continue;
        }
        let Some(secrets) = secrets else {
            let act = format!("make {} of the environment's secrets", reference.shown());
            return Err(holder.forbidden(&act, "kubernetes", "set `substitute_secrets = true` of the grant in"));
        };
        let environment = &holder.caller.environment;
        let inner = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object);
        match inner {
            Some(mut inner) => {
                substitute(&mut inner, environment, secrets).await?;
                *value = Value::String(inner.to_string());
            }
            None => drop(substitute(value, environment, secrets).await?),
        }
    }
    Ok(())
}

/// A resource as a plugin sees it: values of a `v1/Secret` are masked, and who set which field is left out.
///
/// # Errors
/// `internal` for what cannot be written as JSON.
pub(super) fn shown(mut resource: DynamicObject) -> Result<String> {
    resource.metadata.managed_fields = None;
    let is_secret = resource.types.as_ref().is_some_and(|types| types.api_version == "v1" && types.kind == "Secret");
    if is_secret {
        for part in ["data", "stringData"] {
            if let Some(Value::Object(data)) = resource.data.get_mut(part) {
                data.values_mut().for_each(|value| *value = json!(MASK));
            }
        }
    }
    serde_json::to_string(&resource).map_err(|error| Error::internal(error.to_string()))
}

/// When an event happened last, as a text that sorts by time.
pub(super) fn time_of_event(event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let times = ["/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    let time = times.iter().find_map(|pointer| event.pointer(pointer).and_then(Value::as_str));
    time.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    struct One;

    #[async_trait]
    impl Secrets for One {
        async fn get(&self, _: &str, name: &str) -> Result<String> {
            Ok(format!("value of {name}"))
        }
    }

    #[test]
    fn a_manifest_says_what_it_is_of() {
        let complete = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"a","namespace":"n"}}"#;
        let (reference, _) = parse(complete).unwrap();
        assert_eq!(reference.shown(), "batch/v1/Job n/a");
        for (manifest, missing) in [
            ("[", "manifest"),
            (r#"{"kind":"Job","metadata":{"name":"a","namespace":"n"}}"#, "manifest.apiVersion"),
            (r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#, "manifest.metadata.namespace"),
            (r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"","namespace":"n"}}"#, "manifest.metadata.name"),
        ] {
            let error = parse(manifest).unwrap_err();
            assert!(matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == missing), "{error:?}");
        }
    }

    #[test]
    fn the_hosts_labels_are_the_hosts() {
        let caller = Holder::for_test("spark").caller;
        let mut manifest = json!({"metadata": {"labels": {"app": "x", "asgard.dev/owner": "somebody else"}}});
        label(&mut manifest, &caller, "store-1");
        assert_eq!(manifest["metadata"]["labels"]["app"], "x");
        assert_eq!(manifest["metadata"]["labels"]["asgard.dev/owner"], "store-1");
        assert_eq!(manifest["metadata"]["labels"]["asgard.dev/plugin"], "spark");
    }

    #[tokio::test]
    async fn secrets_are_filled_in_where_the_grant_says_so_and_never_shown() {
        let holder = Holder::for_test("kaniko");
        let text = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"n"},"stringData":{
            "key":"secret://a","plain":"as it is",
            ".dockerconfigjson":"{\"auths\":{\"r\":{\"username\":\"u\",\"password\":\"secret://b\"}}}"}}"#;
        let (reference, mut manifest) = parse(text).unwrap();
        let denied = fill_secrets(&reference, &mut manifest.clone(), None, &holder).await.unwrap_err();
        assert!(denied.to_string().contains("substitute_secrets"), "{denied}");
        fill_secrets(&reference, &mut manifest, Some(&One), &holder).await.unwrap();
        let data = &manifest["stringData"];
        assert_eq!((data["key"].as_str(), data["plain"].as_str()), (Some("value of a"), Some("as it is")));
        let credentials: Value = serde_json::from_str(data[".dockerconfigjson"].as_str().unwrap()).unwrap();
        assert_eq!(credentials["auths"]["r"]["password"], "value of b");

        let mut stored: DynamicObject = serde_json::from_value(manifest).unwrap();
        stored.data["data"] = json!({"key": "dmFsdWU="});
        let shown = shown(stored).unwrap();
        assert!(!shown.contains("value of") && !shown.contains("dmFs") && shown.contains(r#""key":"**********""#));
    }

    #[tokio::test]
    async fn references_elsewhere_stay_what_they_are() {
        let text = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"s","namespace":"n"},"stringData":{"a":"secret://a"}}"#;
        let (reference, mut manifest) = parse(text).unwrap();
        fill_secrets(&reference, &mut manifest, Some(&One), &Holder::for_test("p")).await.unwrap();
        assert_eq!(manifest["stringData"]["a"], "secret://a");
    }
}
