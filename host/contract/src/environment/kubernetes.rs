//! The environment's Kubernetes cluster, and how much of it a binding may use.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How the host reaches the API server, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Cluster {
    /// The host runs in the cluster: its pod's service account.
    InCluster,
    /// A file as `kubectl` has it.
    Kubeconfig {
        path: String,
        /// None: the file's current one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
    },
    /// An API server and a bearer token.
    Token {
        /// `https://…`
        server: String,
        /// Names the secret with the token.
        secret: String,
        /// PEM text of the authority that signed the server's certificate; none: one that this machine trusts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate_authority: Option<String>,
    },
}

/// What a plugin may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// One resource, and the events about it.
    Get,
    List,
    Watch,
    Apply,
    Patch,
    Delete,
    /// Of `v1/Pod` alone.
    Logs,
}

impl Verb {
    /// As in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Apply => "apply",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Logs => "logs",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Every one of these verbs, on every one of these kinds, in every one of these namespaces.
///
/// # Hazard
/// Who may apply pods, or anything that makes pods, runs programs in the namespace with whatever account and secrets are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesGrant {
    pub namespaces: Vec<String>,
    /// `v1/Pod`, `batch/v1/Job`, `sparkoperator.k8s.io/v1beta2/SparkApplication`.
    pub kinds: Vec<String>,
    pub verbs: BTreeSet<Verb>,
    /// Whether references in `stringData` of a `v1/Secret` that is applied are replaced by the secrets.
    #[serde(default, skip_serializing_if = "super::is_default")]
    pub substitute_secrets: bool,
}
