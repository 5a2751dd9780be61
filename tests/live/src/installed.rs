//! Where the servers are on this machine.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// What `cargo xtask test --live data` fetched.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The home of the Java runtime for Nessie and Trino.
    pub java: PathBuf,
    /// Nessie's server, one file.
    pub nessie: PathBuf,
    /// Trino's `lib` and `plugin`.
    pub trino: PathBuf,
    /// The home of the Java runtime for Spark.
    pub spark_java: PathBuf,
    /// An interpreter with PySpark.
    pub spark_python: PathBuf,
    /// Iceberg for Spark.
    pub spark_jars: PathBuf,
}

impl Installed {
    /// Whether live tests are asked for at all.
    pub fn asked_for() -> bool {
        std::env::var_os("ASGARD_LIVE_NESSIE").is_some()
    }

    /// What the environment names.
    ///
    /// # Errors
    /// When a variable is missing.
    pub fn from_environment() -> Result<Self> {
        let path = |name: &str| {
            let name = format!("ASGARD_LIVE_{name}");
            let value = std::env::var_os(&name).map(PathBuf::from);
            value.with_context(|| format!("{name} is not set: run the tests with `cargo xtask test --live data`"))
        };
        Ok(Self {
            java: path("JAVA")?,
            nessie: path("NESSIE")?,
            trino: path("TRINO")?,
            spark_java: path("SPARK_JAVA")?,
            spark_python: path("SPARK_PYTHON")?,
            spark_jars: path("SPARK_JARS")?,
        })
    }
}
