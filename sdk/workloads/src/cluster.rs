//! The capability `kubernetes`, with JSON as values.

use asgard_sdk::kubernetes::{self, LogOptions, Reference};
use asgard_sdk::{Error, Result};
use serde_json::Value;

/// The environment's cluster, as far as the binding is granted it. Each function as the WIT describes it.
pub trait Cluster {
    /// Server-side apply; answers with the resource.
    ///
    /// # Errors
    /// `forbidden` when it is not granted, by the environment or by the cluster; `invalid-input` when the cluster refuses it.
    fn apply(&self, manifest: &Value) -> Result<Value>;

    /// JSON merge patch.
    ///
    /// # Errors
    /// As [`apply`](Self::apply); `not-found`.
    fn patch(&self, reference: &Reference, patch: &Value) -> Result<Value>;

    /// The resource.
    ///
    /// # Errors
    /// `not-found`; `forbidden`.
    fn get(&self, reference: &Reference) -> Result<Value>;

    /// Those with these labels.
    ///
    /// # Errors
    /// `forbidden`.
    fn list(&self, api_version: &str, kind: &str, namespace: &str, label_selector: &str) -> Result<Vec<Value>>;

    /// Foreground propagation. Nothing happens if there is none.
    ///
    /// # Errors
    /// `forbidden`.
    fn delete(&self, reference: &Reference) -> Result<()>;

    /// What a container wrote.
    ///
    /// # Errors
    /// `not-found` for a pod that is gone; `invalid-input` for a container that has not started.
    fn logs(&self, namespace: &str, pod: &str, options: &LogOptions) -> Result<String>;

    /// Events about a resource, oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    fn events(&self, reference: &Reference) -> Result<Vec<Value>>;

    /// The resource, or none.
    ///
    /// # Errors
    /// `forbidden`; `unavailable`.
    fn find(&self, reference: &Reference) -> Result<Option<Value>> {
        match self.get(reference) {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What a component's own type is marked with, to have the cluster by the capability that its call was lent.
pub trait Lent {}

impl<T: Lent> Cluster for T {
    fn apply(&self, manifest: &Value) -> Result<Value> {
        parsed(&kubernetes::apply(&manifest.to_string())?)
    }
    fn patch(&self, reference: &Reference, patch: &Value) -> Result<Value> {
        parsed(&kubernetes::patch(reference, &patch.to_string())?)
    }
    fn get(&self, reference: &Reference) -> Result<Value> {
        parsed(&kubernetes::get(reference)?)
    }
    fn list(&self, api_version: &str, kind: &str, namespace: &str, label_selector: &str) -> Result<Vec<Value>> {
        kubernetes::list(api_version, kind, namespace, label_selector)?.iter().map(|text| parsed(text)).collect()
    }
    fn delete(&self, reference: &Reference) -> Result<()> {
        kubernetes::delete(reference)
    }
    fn logs(&self, namespace: &str, pod: &str, options: &LogOptions) -> Result<String> {
        kubernetes::logs(namespace, pod, options)
    }
    fn events(&self, reference: &Reference) -> Result<Vec<Value>> {
        kubernetes::events(reference)?.iter().map(|text| parsed(text)).collect()
    }
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::internal(format!("the cluster's answer is no JSON: {error}")))
}

/// The text at a JSON pointer, or an empty one.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The number at a JSON pointer, or 0: Kubernetes leaves zeros out.
pub fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// The list at a JSON pointer, or an empty one.
pub fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The status condition of a type that holds, if it does.
pub fn condition<'a>(resource: &'a Value, of: &str) -> Option<&'a Value> {
    items(resource, "/status/conditions")
        .iter()
        .find(|each| text(each, "/type") == of && text(each, "/status") == "True")
}
