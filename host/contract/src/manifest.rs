//! `plugin.toml`: what a plugin says about itself.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An interface that a plugin may export. The host reads them off the component's exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interface {
    Connector,
    Transform,
    /// Beside `transform`.
    Explain,
    FeatureSource,
    /// Beside `feature-source`.
    FeaturePush,
    Training,
    ModelRegistry,
    ImageBuild,
    Serving,
    /// Beside `serving`.
    Canary,
    /// Beside any of the others.
    Readiness,
}

impl Interface {
    /// As in `plugin.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Transform => "transform",
            Self::Explain => "explain",
            Self::FeatureSource => "feature-source",
            Self::FeaturePush => "feature-push",
            Self::Training => "training",
            Self::ModelRegistry => "model-registry",
            Self::ImageBuild => "image-build",
            Self::Serving => "serving",
            Self::Canary => "canary",
            Self::Readiness => "readiness",
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in the pipeline that a plugin fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Ingestion,
    Silver,
    Gold,
    Features,
    Training,
    Build,
    Serving,
}

impl Role {
    /// In the order of the pipeline.
    pub const ALL: [Self; 7] =
        [Self::Ingestion, Self::Silver, Self::Gold, Self::Features, Self::Training, Self::Build, Self::Serving];

    /// The interfaces that a plugin must export to fill the role.
    pub fn interfaces(self) -> &'static [Interface] {
        match self {
            Self::Ingestion => &[Interface::Connector],
            Self::Silver | Self::Gold => &[Interface::Transform],
            Self::Features => &[Interface::FeatureSource],
            Self::Training => &[Interface::Training, Interface::ModelRegistry],
            Self::Build => &[Interface::ImageBuild],
            Self::Serving => &[Interface::Serving],
        }
    }

    /// As in TOML and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingestion => "ingestion",
            Self::Silver => "silver",
            Self::Gold => "gold",
            Self::Features => "features",
            Self::Training => "training",
            Self::Build => "build",
            Self::Serving => "serving",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something the host lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    Http,
    Sockets,
    Credentials,
    Processes,
    Services,
    Objects,
    Files,
    KeyValue,
    Lakehouse,
    Kubernetes,
}

impl Capability {
    /// As in `plugin.toml`, and as the WIT package `asgard:NAME`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sockets => "sockets",
            Self::Credentials => "credentials",
            Self::Processes => "processes",
            Self::Services => "services",
            Self::Objects => "objects",
            Self::Files => "files",
            Self::KeyValue => "key-value",
            Self::Lakehouse => "lakehouse",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The parsed `plugin.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Lower-case letters, digits and `-`.
    pub name: String,
    pub version: semver::Version,
    /// One sentence.
    pub summary: String,
    /// What it exports; checked against the component.
    pub exports: BTreeSet<Interface>,
    /// What it asks for; the environment's grant says how much of it.
    #[serde(default)]
    pub capabilities: BTreeSet<Capability>,
    /// JSON Schema of the binding's configuration, written as TOML. Default: no properties.
    #[serde(default = "no_configuration")]
    pub configuration: serde_json::Value,
}

fn no_configuration() -> serde_json::Value {
    serde_json::json!({ "type": "object", "additionalProperties": false })
}
