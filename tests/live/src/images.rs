//! Images that this project builds for pods, and Kaniko's.

use anyhow::Result;

use crate::installed;
use crate::registry::Registry;
use crate::spark;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Drivers and executors of Spark, of `deploy/images/spark`.
    Spark,
    /// What gold models run in, of `deploy/images/dbt-trino`.
    DbtTrino,
    /// What model servers are built on, of `deploy/images/model-server`.
    ModelServer,
    /// What builds images in a cluster.
    Kaniko,
    /// The host with its plugins, of `deploy/images/asgard`.
    Asgard,
}

impl Image {
    /// Its name in a registry.
    pub fn name(self) -> String {
        match self {
            Self::Spark => format!("spark:{}", spark::VERSION),
            Self::DbtTrino => "dbt-trino:1.11".to_owned(),
            // Of Python.
            Self::ModelServer => "python-ml:3.11".to_owned(),
            Self::Kaniko => "kaniko/executor:v1.24.0".to_owned(),
            Self::Asgard => concat!("asgard:", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Puts it into a registry; answers with its name there.
    ///
    /// # Errors
    /// The environment does not name it; those of the registry.
    pub fn push(self, registry: &Registry) -> Result<String> {
        registry.push(&installed::path(self.variable())?, &self.name())
    }

    /// Whether tests of it are asked for.
    pub fn asked_for(self) -> bool {
        installed::path(self.variable()).is_ok()
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Spark => "IMAGE_SPARK",
            Self::DbtTrino => "IMAGE_DBT_TRINO",
            Self::ModelServer => "IMAGE_MODEL_SERVER",
            Self::Kaniko => "IMAGE_KANIKO",
            Self::Asgard => "IMAGE_ASGARD",
        }
    }
}
