//! Where the servers are on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// What `cargo xtask test --live data` fetched.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The home of the Java runtime for Trino.
    pub java: PathBuf,
    /// Trino's `lib` and `plugin`.
    pub trino: PathBuf,
    /// An interpreter with dbt-core and dbt-trino.
    pub dbt: PathBuf,
    /// An interpreter with the models of Airbyte's API.
    pub airbyte_python: PathBuf,
    pub spark: SparkHome,
    /// An interpreter with the client of Spark Connect, and no Spark.
    pub spark_client: PathBuf,
}

/// What a session of Spark with Iceberg is made of.
#[derive(Debug, Clone)]
pub struct SparkHome {
    /// The home of its Java runtime.
    pub java: PathBuf,
    /// An interpreter with PySpark.
    pub python: PathBuf,
    /// A folder with Iceberg for Spark.
    pub jars: PathBuf,
}

impl SparkHome {
    /// The jars, as Spark's setting has them.
    ///
    /// # Errors
    /// When they are not there.
    pub fn jar_list(&self) -> Result<String> {
        let jars: Vec<String> = jars(&self.jars)?.iter().map(|jar| jar.display().to_string()).collect();
        Ok(jars.join(","))
    }
}

impl SparkHome {
    /// `SCRIPT FOLDER ARGUMENT … JAR …`, in Python with PySpark and a Java runtime, in UTC.
    ///
    /// # Errors
    /// When the jars are not there.
    pub fn command(&self, script: &Path, folder: &Path, arguments: &[&str]) -> Result<Command> {
        let mut python = Command::new(&self.python);
        python
            .arg(script)
            .arg(folder)
            .args(arguments)
            .args(jars(&self.jars)?)
            .env("JAVA_HOME", &self.java)
            .env("SPARK_LOCAL_IP", "127.0.0.1")
            .env("PYSPARK_PYTHON", &self.python)
            // A Spark that is installed on this machine is another one.
            .env_remove("SPARK_HOME")
            .env_remove("SPARK_CONF_DIR")
            // Python has times in its own zone.
            .env("TZ", "UTC");
        Ok(python)
    }
}

fn jars(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut jars = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("{} is not there", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jar") {
            jars.push(path);
        }
    }
    Ok(jars)
}

impl Installed {
    /// Whether live tests are asked for at all.
    pub fn asked_for() -> bool {
        std::env::var_os("ASGARD_LIVE_TRINO").is_some()
    }

    /// What the environment names.
    ///
    /// # Errors
    /// When a variable is missing.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            java: path("JAVA")?,
            trino: path("TRINO")?,
            dbt: path("DBT")?,
            airbyte_python: path("AIRBYTE_PYTHON")?,
            spark: SparkHome { java: path("SPARK_JAVA")?, python: path("SPARK_PYTHON")?, jars: path("SPARK_JARS")? },
            spark_client: path("SPARK_CLIENT")?,
        })
    }
}

/// A path that the environment names as `ASGARD_LIVE_{name}`.
pub fn path(name: &str) -> Result<PathBuf> {
    let name = format!("ASGARD_LIVE_{name}");
    let value = std::env::var_os(&name).map(PathBuf::from);
    value.with_context(|| {
        format!("{name} is not set: run the tests with `cargo xtask test --live data`, or `--live ml`")
    })
}
