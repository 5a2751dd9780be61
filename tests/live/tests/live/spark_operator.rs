//! Spark in pods: a driver and its executor, made by the operator, work on the tables of Nessie in the bucket.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::s3::S3;
use asgard_live::nessie::Nessie;
use asgard_live::spark::VERSION;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, test};

/// Fetching an image of a gigabyte and starting two Java machines, on a busy machine.
const APPLICATION_WITHIN: Duration = Duration::from_secs(420);

const SCRIPT: &str = r#"
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.silver")
spark.range(1000).selectExpr("id", "upper(concat(' wo-', id)) AS work_order").createOrReplaceTempView("source_data")
cleaned = spark.sql("SELECT id, trim(work_order) AS work_order FROM source_data WHERE id >= 10")
cleaned.writeTo("lake.silver.cleaned_in_pods").createOrReplace()
print("COUNT", spark.table("lake.silver.cleaned_in_pods").count())
"#;

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "spark_in_pods_writes_what_the_host_reads_in_nessie", writes)]
}

fn writes(world: &World) {
    let (kubernetes, lake) = (world.kubernetes(), world.branch());
    let image = world.operator().image();
    kubernetes.namespace("spark").unwrap();
    for manifest in [account(), role(), job(), application(image, &settings(world))] {
        kubernetes.apply(&manifest.to_string()).unwrap();
    }
    let path = "/apis/sparkoperator.k8s.io/v1beta2/namespaces/spark/sparkapplications/cleaning";
    let state = kubernetes.wait("the end of the application", APPLICATION_WITHIN, || {
        let application = kubernetes.find(path)?.unwrap_or_default();
        let state = application["status"]["applicationState"].clone();
        let ended = ["COMPLETED", "FAILED", "SUBMISSION_FAILED"].iter().any(|end| state["state"] == *end);
        Ok(ended.then_some(state))
    });
    let log = kubernetes.kubectl(&["-n", "spark", "logs", "cleaning-driver", "--tail=60"]);
    let log = log.unwrap_or_else(|error| format!("{error:#}"));
    let state = state.unwrap_or_else(|error| panic!("{error:#}\nthe driver's log:\n{log}"));
    assert_eq!(state["state"], "COMPLETED", "{state}\n{log}");
    assert!(log.contains("COUNT 990"), "{log}");
    let sums = "SELECT count(*) AS n, min(work_order) AS first, sum(id) AS ids FROM silver.cleaned_in_pods";
    assert_eq!(lake.query(sums).rows, vec![vec![json!(990), json!("WO-10"), json!(499_455)]]);
}

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "spark", "namespace": "spark"}})
}

/// A driver makes pods, services, claims and settings for its executors.
fn role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "spark", "namespace": "spark"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "spark", "namespace": "spark"}],
    })
}

fn job() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "job", "namespace": "spark"},
        "data": {"job.py": SCRIPT},
    })
}

fn application(image: &str, settings: &Value) -> Value {
    let container = json!({"name": "spark-kubernetes-driver", "volumeMounts": [{"name": "job", "mountPath": "/job"}]});
    let template =
        json!({"spec": {"containers": [container], "volumes": [{"name": "job", "configMap": {"name": "job"}}]}});
    json!({
        "apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication",
        "metadata": {"name": "cleaning", "namespace": "spark"},
        "spec": {
            "type": "Python", "mode": "cluster", "sparkVersion": VERSION, "image": image,
            "mainApplicationFile": "local:///job/job.py", "restartPolicy": {"type": "Never"}, "sparkConf": settings,
            // Two cores are all that some machines have, and everything else runs on them too: with less, Java starves.
            "driver": {"cores": 1, "coreRequest": "400m", "memory": "512m", "serviceAccount": "spark", "template": template},
            "executor": {"instances": 1, "cores": 1, "coreRequest": "400m", "memory": "512m"},
        },
    })
}

fn settings(world: &World) -> Value {
    let catalog = [
        ("type", "rest".to_owned()),
        ("uri", world.nessie().iceberg()),
        ("warehouse", Nessie::WAREHOUSE.to_owned()),
        ("io-impl", "org.apache.iceberg.aws.s3.S3FileIO".to_owned()),
        ("client.region", "us-east-1".to_owned()),
        ("s3.endpoint", world.s3().endpoint()),
        ("s3.path-style-access", "true".to_owned()),
        ("s3.access-key-id", S3::ACCESS_KEY.to_owned()),
        ("s3.secret-access-key", S3::SECRET_KEY.to_owned()),
    ];
    let mut settings = json!({
        // Its client gives up after ten seconds, which a busy machine may need to load its classes.
        "spark.kubernetes.driver.requestTimeout": "120000",
        "spark.kubernetes.driver.connectionTimeout": "120000",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    });
    for (name, value) in catalog {
        settings[format!("spark.sql.catalog.lake.{name}")] = json!(value);
    }
    settings
}
