//! Where and with what a platform team lets pods run: the part of a binding's configuration that is Kubernetes' own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// `configuration.pod`. Names and meanings are those of a pod's specification.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodOptions {
    /// With what rights in the cluster, and in the cloud behind it. None: the namespace's `default`, without its token.
    #[serde(default)]
    pub service_account: Option<String>,
    /// `requests` and `limits`.
    #[serde(default)]
    pub resources: Option<Value>,
    /// Labels of nodes.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// As Kubernetes has them.
    #[serde(default)]
    pub tolerations: Vec<Value>,
    /// As Kubernetes has it.
    #[serde(default)]
    pub affinity: Option<Value>,
    /// Secrets of the namespace that images are pulled with.
    #[serde(default)]
    pub image_pull_secrets: Vec<String>,
    /// Pods that matter more push others out.
    #[serde(default)]
    pub priority_class: Option<String>,
    /// Another container runtime: gVisor, Kata.
    #[serde(default)]
    pub runtime_class: Option<String>,
    /// For meshes, scrapers and cost reports.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Likewise.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

impl PodOptions {
    /// Adds what is set to a pod's specification.
    pub fn add_to(&self, specification: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| {
            specification.insert(name.to_owned(), value);
        };
        // Pods that nobody gave an account have no use for its token.
        set("automountServiceAccountToken", json!(self.service_account.is_some()));
        if let Some(account) = &self.service_account {
            set("serviceAccountName", json!(account));
        }
        if !self.node_selector.is_empty() {
            set("nodeSelector", json!(self.node_selector));
        }
        if !self.tolerations.is_empty() {
            set("tolerations", json!(self.tolerations));
        }
        if let Some(affinity) = &self.affinity {
            set("affinity", affinity.clone());
        }
        if let Some(class) = &self.priority_class {
            set("priorityClassName", json!(class));
        }
        if let Some(class) = &self.runtime_class {
            set("runtimeClassName", json!(class));
        }
        let mut secrets: Vec<Value> = Vec::new();
        if let Some(Value::Array(there)) = specification.get("imagePullSecrets") {
            secrets.clone_from(there);
        }
        secrets.extend(self.image_pull_secrets.iter().map(|name| json!({ "name": name })));
        if !secrets.is_empty() {
            specification.insert("imagePullSecrets".to_owned(), Value::Array(secrets));
        }
    }

    /// `requests` and `limits`, or these.
    #[must_use]
    pub fn resources_or(&self, default: Value) -> Value {
        self.resources.clone().unwrap_or(default)
    }

    /// Metadata of a pod with these labels, which the binding's do not replace.
    #[must_use]
    pub fn metadata(&self, labels: &[(&str, String)]) -> Value {
        let mut all: Map<String, Value> =
            self.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        all.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        let mut metadata = json!({ "labels": all });
        if !self.annotations.is_empty() {
            metadata["annotations"] = json!(self.annotations);
        }
        metadata
    }
}

/// No rights that a program over HTTP, or a script, needs: for containers that do not build images.
#[must_use]
pub fn confined() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    })
}

/// A user without rights, and its own group on the volumes that are written.
#[must_use]
pub fn as_user(id: u32) -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": id,
        "runAsGroup": id,
        "fsGroup": id,
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// A text as an argument: Kubernetes would put a variable in the place of `$(NAME)`.
#[must_use]
pub fn literal(text: &str) -> String {
    text.replace("$(", "$$(")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_added_and_nothing_else() {
        let mut plain = Map::new();
        PodOptions::default().add_to(&mut plain);
        assert_eq!(Value::Object(plain), json!({ "automountServiceAccountToken": false }));

        let options: PodOptions = serde_json::from_value(json!({
            "service_account": "builder", "node_selector": { "disk": "ssd" }, "image_pull_secrets": ["mine"],
            "labels": { "team": "ml", "app": "other" },
        }))
        .unwrap();
        let mut specification = Map::from_iter([("imagePullSecrets".to_owned(), json!([{ "name": "made" }]))]);
        options.add_to(&mut specification);
        assert_eq!(
            Value::Object(specification),
            json!({
                "automountServiceAccountToken": true, "serviceAccountName": "builder", "nodeSelector": { "disk": "ssd" },
                "imagePullSecrets": [{ "name": "made" }, { "name": "mine" }],
            })
        );
        assert_eq!(
            options.metadata(&[("app", "ours".to_owned())]),
            json!({ "labels": { "app": "ours", "team": "ml" } })
        );
    }
}
