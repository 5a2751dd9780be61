//! The Spark operator: makes drivers and executors of SparkApplications, in any namespace.
//!
//! Without its webhook, which Kubernetes would have to reach: volumes of a driver are given by its template.

use std::path::Path;

use anyhow::Result;
use asgard_journey::ports::free_port;

use crate::images::Image;
use crate::installed::{self, SparkHome};
use crate::kubernetes::Kubernetes;
use crate::process::Process;
use crate::spark_servers::spark_home;

/// A running operator; ends when dropped. What it started goes on.
pub struct Operator {
    _process: Process,
    image: String,
}

impl Operator {
    /// Whether it is installed.
    pub fn asked_for() -> bool {
        installed::path("SPARK_OPERATOR").is_ok()
    }

    /// Makes its kinds of resources known, puts the image of Spark into the registry, and waits until it is ready.
    ///
    /// # Errors
    /// When a variable of the environment is missing; with the end of its log when it does not come up.
    pub fn start(kubernetes: &Kubernetes, spark: &SparkHome, folder: &Path) -> Result<Self> {
        let operator = installed::path("SPARK_OPERATOR")?;
        let image = Image::Spark.push(kubernetes.registry())?;
        kubernetes.kubectl(&["apply", "--server-side", "-f", &operator.join("definitions").to_string_lossy()])?;
        kubernetes.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"])?;
        let port = free_port()?;
        let mut command = kubernetes.beside(&operator.join("spark-operator"));
        command
            .args(["controller", "start", "--enable-ui-service=false", "--enable-metrics=false"])
            .arg(format!("--health-probe-bind-address=127.0.0.1:{port}"))
            .arg("--kubeconfig")
            .arg(kubernetes.kubeconfig());
        // It submits by Spark's own script, which finds the API server as in a pod.
        command
            .env("SPARK_HOME", spark_home(spark)?)
            .env("JAVA_HOME", &spark.java)
            .env("KUBECONFIG", kubernetes.kubeconfig())
            .env("KUBERNETES_SERVICE_HOST", kubernetes.address().to_string())
            .env("KUBERNETES_SERVICE_PORT", "6443");
        // They would be told to the driver, where they mean nothing.
        for name in ["PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_CONF_DIR"] {
            command.env_remove(name);
        }
        let mut process = Process::start("spark-operator", &mut command, folder)?;
        let ready = format!("http://127.0.0.1:{port}/readyz");
        process.wait(|| ureq::get(&ready).call().ok())?;
        Ok(Self { _process: process, image })
    }

    /// The image of drivers and executors.
    pub fn image(&self) -> &str {
        &self.image
    }
}
