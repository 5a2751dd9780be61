//! The resources of a run: the SparkApplication, the program and its request as a ConfigMap, the keys as a Secret.
//!
//! The ConfigMap is mounted by the driver's pod template: without its webhook, which many clusters do without, the operator ignores
//! `driver.configMaps` and `volumes`. Executors get no keys: those of the catalog come with the tables that the driver hands them.

use asgard_sdk::json::{Value, json};
use asgard_sdk::{Error, Result};

use crate::configuration::{Configuration, REFERENCE, told};
use crate::request::PROGRAM;
use crate::run::Job;

/// The operator's kind.
pub const API: &str = "sparkoperator.k8s.io/v1beta2";

/// The driver's container, by the name that Spark looks for in a template.
pub const DRIVER: &str = "spark-kubernetes-driver";

/// Where the driver finds program and request.
const FOLDER: &str = "/opt/asgard";

/// Spark's own 10 s are short for an API server, and a driver, that come up on a busy node.
const PATIENCE_MS: &str = "120000";

/// etcd takes 1 MiB and a half; Kubernetes takes 1 MiB of data in a ConfigMap.
const CONFIG_MAP: usize = 1 << 20;

/// Variables that a Secret of the platform team's may have; the first two always.
const OF_A_SECRET: [(&str, bool); 5] = [
    ("AWS_ACCESS_KEY_ID", true),
    ("AWS_SECRET_ACCESS_KEY", true),
    ("AWS_SESSION_TOKEN", false),
    ("ICEBERG_TOKEN", false),
    ("ICEBERG_CREDENTIAL", false),
];

/// Makes the resources of one run.
pub struct Manifests<'a> {
    pub configuration: &'a Configuration,
    pub namespace: &'a str,
    pub job: &'a Job,
}

impl Manifests<'_> {
    /// The SparkApplication.
    ///
    /// # Errors
    /// `invalid-input` with the field of the configuration that is missing.
    pub fn application(&self) -> Result<Value> {
        let (of, compute) = (self.configuration, &self.job.compute);
        let image = of.needed("image", &of.image)?;
        let mut container = json!({ "name": DRIVER, "volumeMounts": [{ "name": "asgard-job", "mountPath": FOLDER, "readOnly": true }] });
        container["env"] = self.environment()?;
        let mut settings = of.spark_conf.clone();
        for limit in ["spark.kubernetes.driver.connectionTimeout", "spark.kubernetes.driver.requestTimeout"] {
            settings.entry(limit.to_owned()).or_insert_with(|| PATIENCE_MS.to_owned());
        }
        Ok(json!({
            "apiVersion": API,
            "kind": "SparkApplication",
            "metadata": { "name": self.name(), "namespace": self.namespace },
            "spec": {
                "type": "Python",
                "mode": "cluster",
                "pythonVersion": "3",
                "sparkVersion": of.spark_version,
                "image": image,
                "imagePullPolicy": of.image_pull_policy,
                "imagePullSecrets": of.image_pull_secrets,
                "mainApplicationFile": format!("local://{FOLDER}/job.py"),
                "arguments": [format!("@{FOLDER}/request.json")],
                "restartPolicy": { "type": "Never" },
                "timeToLiveSeconds": of.keep_seconds,
                "sparkConf": settings,
                "driver": {
                    "cores": compute.driver_cores,
                    "memory": compute.driver_memory,
                    "serviceAccount": of.service_account,
                    "template": { "spec": {
                        "containers": [container],
                        "volumes": [{ "name": "asgard-job", "configMap": { "name": self.name() } }],
                    } },
                },
                "executor": {
                    "instances": compute.executor_instances,
                    "cores": compute.executor_cores,
                    "memory": compute.executor_memory,
                },
            },
        }))
    }

    fn environment(&self) -> Result<Value> {
        let of_secret = |variable: &str, secret: &str, optional: bool| {
            let reference = json!({ "name": secret, "key": variable, "optional": optional });
            json!({ "name": variable, "valueFrom": { "secretKeyRef": reference } })
        };
        let mut variables = vec![json!({ "name": "PYTHONUNBUFFERED", "value": "1" })];
        if let Some(secret) = told(&self.configuration.credentials_secret) {
            variables.extend(OF_A_SECRET.map(|(variable, needed)| of_secret(variable, secret, !needed)));
            return Ok(variables.into());
        }
        for (variable, value) in self.configuration.secrets()? {
            variables.push(if value.starts_with(REFERENCE) {
                of_secret(variable, &self.name(), false)
            } else {
                json!({ "name": variable, "value": value })
            });
        }
        Ok(variables.into())
    }

    /// What the SparkApplication needs: with its identifier they go when it goes.
    ///
    /// # Errors
    /// `invalid-input` for a statement that is too long.
    pub fn belongings(&self, owner: Option<&str>) -> Result<Vec<Value>> {
        let request = self.job.request.to_json()?;
        if request.len() + PROGRAM.len() > CONFIG_MAP {
            let message =
                format!("the run has {} bytes, and Kubernetes takes {CONFIG_MAP} with the program", request.len());
            return Err(Error::invalid("sql", message));
        }
        let mut belongings = vec![json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata(owner),
            "data": { "job.py": PROGRAM, "request.json": request },
        })];
        if self.has_secret()? {
            let references: serde_json::Map<String, Value> = self
                .configuration
                .secrets()?
                .into_iter()
                .filter(|(_, value)| value.starts_with(REFERENCE))
                .map(|(variable, value)| (variable.to_owned(), json!(value)))
                .collect();
            // The host puts the secrets in.
            belongings.push(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": self.metadata(owner),
                "type": "Opaque",
                "stringData": references,
            }));
        }
        Ok(belongings)
    }

    /// Whether the run has a Secret of its own.
    ///
    /// # Errors
    /// `invalid-input` for keys that are none.
    pub fn has_secret(&self) -> Result<bool> {
        Ok(told(&self.configuration.credentials_secret).is_none()
            && self.configuration.secrets()?.iter().any(|(_, value)| value.starts_with(REFERENCE)))
    }

    fn metadata(&self, owner: Option<&str>) -> Value {
        let mut metadata = json!({ "name": self.name(), "namespace": self.namespace });
        if let Some(uid) = owner {
            metadata["ownerReferences"] =
                json!([{ "apiVersion": API, "kind": "SparkApplication", "name": self.name(), "uid": uid }]);
        }
        metadata
    }

    fn name(&self) -> String {
        self.job.request.name.clone()
    }
}
