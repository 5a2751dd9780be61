//! Spark's servers: a standalone cluster that takes submissions over REST, and a Spark Connect server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use asgard_journey::ports::free_port;

use crate::installed::SparkHome;
use crate::process::Process;

/// A master with one worker; ends when dropped.
pub struct Standalone {
    _worker: Process,
    _master: Process,
    rest: u16,
    port: u16,
    page: u16,
    worker_page: u16,
}

impl Standalone {
    /// Starts both and waits until the master has its worker.
    ///
    /// # Errors
    /// With the end of a log when one does not come up.
    pub fn start(home: &SparkHome, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder.join("work"))?;
        let [rest, port, page, worker_page] = [free_port()?, free_port()?, free_port()?, free_port()?];
        let mut master = of_spark(home, folder, "spark-class")?;
        let options = format!(
            "-Dspark.master.rest.enabled=true -Dspark.master.rest.host=127.0.0.1 -Dspark.master.rest.port={rest}"
        );
        master.env("SPARK_MASTER_OPTS", options).arg("org.apache.spark.deploy.master.Master");
        master.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--webui-port", &page.to_string()]);
        let mut master = Process::start("spark-master", &mut master, folder)?;
        let cluster =
            || ureq::get(format!("http://127.0.0.1:{page}/json/")).call().ok()?.body_mut().read_to_string().ok();
        master.wait(cluster)?;
        let mut worker = of_spark(home, folder, "spark-class")?;
        worker.arg("org.apache.spark.deploy.worker.Worker").args([
            "--host",
            "127.0.0.1",
            "--cores",
            "4",
            "--memory",
            "3g",
        ]);
        // More cores than the machine has: drivers wait more than they compute.
        worker.args(["--webui-port", &worker_page.to_string(), "--work-dir"]).arg(folder.join("work"));
        worker.arg(format!("spark://127.0.0.1:{port}"));
        let mut worker = Process::start("spark-worker", &mut worker, folder)?;
        worker.wait(|| cluster().filter(|page| page.replace(' ', "").contains("\"aliveworkers\":1")))?;
        Ok(Self { _worker: worker, _master: master, rest, port, page, worker_page })
    }

    /// Where drivers are submitted.
    pub fn rest(&self) -> String {
        format!("127.0.0.1:{}", self.rest)
    }

    /// Where drivers find the master.
    pub fn master(&self) -> String {
        format!("spark://127.0.0.1:{}", self.port)
    }

    /// The master's web page, and its worker's.
    pub fn pages(&self) -> [String; 2] {
        [self.page, self.worker_page].map(|port| format!("127.0.0.1:{port}"))
    }
}

/// A Spark Connect server; ends when dropped.
pub struct Connect {
    _process: Process,
    port: u16,
}

impl Connect {
    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(home: &SparkHome, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let port = free_port()?;
        let mut server = of_spark(home, folder, "spark-submit")?;
        // The launcher sizes this class by the daemons' memory.
        server.env("SPARK_DAEMON_MEMORY", "768m").args(["--master", "local[2]", "--name", "connect"]);
        server.args(["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]);
        let settings = [
            ("spark.jars", home.jar_list()?),
            ("spark.ui.enabled", "false".to_owned()),
            ("spark.sql.shuffle.partitions", "2".to_owned()),
            ("spark.connect.grpc.binding.address", "127.0.0.1".to_owned()),
            ("spark.connect.grpc.binding.port", port.to_string()),
        ];
        for (name, value) in settings {
            server.arg("--conf").arg(format!("{name}={value}"));
        }
        let mut process = Process::start("spark-connect", server.arg("spark-internal"), folder)?;
        process.wait(|| std::net::TcpStream::connect(("127.0.0.1", port)).ok())?;
        Ok(Self { _process: process, port })
    }

    /// `sc://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("sc://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// One of the scripts that come with Spark.
fn of_spark(home: &SparkHome, folder: &Path, script: &str) -> Result<Command> {
    let spark = spark_home(home)?;
    let mut command = Command::new(spark.join("bin").join(script));
    command
        .env("SPARK_HOME", &spark)
        .env("JAVA_HOME", &home.java)
        .env("SPARK_LOCAL_IP", "127.0.0.1")
        .env("SPARK_LOCAL_DIRS", folder.join("local"))
        .env("SPARK_DAEMON_MEMORY", "256m")
        .env("PYSPARK_PYTHON", &home.python)
        .env("PYSPARK_DRIVER_PYTHON", &home.python)
        .env("TZ", "UTC")
        .env_remove("SPARK_CONF_DIR");
    Ok(command)
}

/// Where Spark is in its Python package.
pub(crate) fn spark_home(spark: &SparkHome) -> Result<PathBuf> {
    let script = "import os, pyspark; print(os.path.dirname(pyspark.__file__))";
    let output = Command::new(&spark.python).args(["-c", script]).output();
    let output = output.with_context(|| format!("{} does not start", spark.python.display()))?;
    ensure!(output.status.success(), "PySpark is not there: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}
