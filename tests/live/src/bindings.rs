//! How roles are bound to the servers here: parts of an environment's document.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use asgard_journey::client::Client;
use asgard_journey::s3::S3;
use asgard_journey::waiting::when_ready;
use serde_json::{Value, json};

use crate::feast::Feast;
use crate::images::Image;
use crate::kubernetes::Kubernetes;
use crate::nessie::Nessie;
use crate::trino::SECRET_KEY;

/// The secret of [`lakehouse`]: `ACCESS_KEY:SECRET_KEY`.
pub const KEYS: &str = "keys";

/// What [`KEYS`] is.
pub fn keys() -> String {
    format!("{}:{}", S3::ACCESS_KEY, S3::SECRET_KEY)
}

/// An environment of a host's: the one called `local` with what `changes` sets. Answers with a client of it.
///
/// # Errors
/// The host's.
pub fn environment_on(client: &Client, name: &str, secrets: &[(&str, &str)], changes: &Value) -> Result<Client> {
    let path = format!("/environments/{name}");
    let mut document = client.get("/environments/local")?["document"].clone();
    document["name"] = json!(name);
    let put = |path: &str, body: &Value| {
        let answer = when_ready(client, "PUT", path, body);
        ensure!(answer.status < 300, "PUT {path} was answered with {}: {}", answer.status, answer.body);
        Ok(())
    };
    put(&path, &document)?;
    for (secret, value) in secrets {
        put(&format!("{path}/secrets/{secret}"), &json!({"value": value}))?;
    }
    for (section, value) in changes.as_object().into_iter().flatten() {
        document[section.as_str()] = value.clone();
    }
    put(&path, &document)?;
    Ok(Client::new(format!("{}{path}", client.base())))
}

/// Tables in a catalog of Nessie's, on a branch or `main`, with their files in the bucket; the keys are the secret [`KEYS`].
pub fn lakehouse(s3: &S3, iceberg: &str) -> Value {
    json!({
        "catalog": {"type": "rest", "uri": iceberg, "warehouse": Nessie::WAREHOUSE},
        "storage": Nessie::storage(),
        "s3": {"endpoint": s3.endpoint(), "region": "us-east-1", "secret": KEYS},
    })
}

/// What `POST /sink` is asked for a sink where Nessie lets tables be.
pub fn sink(s3: &S3) -> Value {
    json!({"name": "lake", "type": "s3", "config": {
        "s3_bucket_name": S3::BUCKET, "s3_bucket_region": "us-east-1", "s3_bucket_path": "warehouse/factory",
        "s3_endpoint": s3.endpoint(), "access_key_id": S3::ACCESS_KEY, "secret_access_key": S3::SECRET_KEY,
    }})
}

/// Settings of a catalog of Trino's over a catalog of Nessie's.
pub fn trino_catalog(s3: &S3, iceberg: &str) -> Vec<(&'static str, String)> {
    let mut settings = trino_on(s3);
    settings.push(("iceberg.rest-catalog.uri", iceberg.to_owned()));
    settings.push(("iceberg.rest-catalog.warehouse", Nessie::WAREHOUSE.to_owned()));
    settings
}

/// Settings of a catalog of Trino's whose files are in the bucket; which catalog it is has to be said too.
pub fn trino_on(s3: &S3) -> Vec<(&'static str, String)> {
    let setting = |name, value: &str| (name, value.to_owned());
    vec![
        setting("iceberg.catalog.type", "rest"),
        // Each table gets a folder of its own, whatever was there before.
        setting("iceberg.unique-table-location", "true"),
        setting("iceberg.allowed-extra-properties", "*"),
        setting("fs.native-s3.enabled", "true"),
        setting("s3.endpoint", &s3.endpoint()),
        setting("s3.region", "us-east-1"),
        setting("s3.path-style-access", "true"),
        setting("s3.aws-access-key", S3::ACCESS_KEY),
        setting("s3.aws-secret-key", S3::SECRET_KEY),
    ]
}

/// Silver by the Spark operator in a namespace, which is made.
///
/// # Errors
/// Kubernetes' own.
pub fn spark_operator(kubernetes: &Kubernetes, image: &str, namespace: &str) -> Result<Value> {
    kubernetes.namespace(namespace)?;
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "spark", "namespace": namespace}});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "spark", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "spark", "namespace": namespace}],
    });
    for manifest in [account, role] {
        kubernetes.apply(&manifest.to_string())?;
    }
    let configuration = json!({
        "mode": "operator", "namespace": namespace, "image": image, "start_seconds": 300,
        // Two cores are all that some machines have, and everything else runs on them too.
        "spark_conf": {"spark.kubernetes.driver.request.cores": "100m", "spark.kubernetes.executor.request.cores": "100m",
            "spark.sql.shuffle.partitions": "2"},
    });
    let grants = json!([
        {"namespaces": [namespace], "kinds": ["sparkoperator.k8s.io/v1beta2/SparkApplication", "v1/ConfigMap", "v1/Pod"],
            "verbs": ["get", "list", "watch", "apply", "delete", "logs"]},
        {"namespaces": [namespace], "kinds": ["v1/Secret"], "verbs": ["apply", "delete"], "substitute_secrets": true},
    ]);
    Ok(json!({
        "kubernetes": {"type": "kubeconfig", "path": kubernetes.kubeconfig()},
        "silver": {"plugin": "spark", "configuration": configuration, "grants": {"kubernetes": grants}},
    }))
}

/// Gold on Trino at `url`, in one of the plugin's modes. `dbt`: an interpreter with dbt-trino.
pub fn dbt_trino(dbt: &Path, mode: &str, url: &str) -> Value {
    let configuration = json!({"url": url, "mode": mode, "catalog": "nessie", "table_properties": true});
    let grants = json!({"http": [{"host": url.trim_start_matches("http://")}], "processes": ["dbt"]});
    json!({
        "gold": {"plugin": "dbt-trino", "configuration": configuration, "grants": grants},
        "programs": {"dbt": {"type": "path", "path": dbt}},
    })
}

/// As [`dbt_trino`], with what runs that are audited take.
pub fn audited_dbt_trino(dbt: &Path, mode: &str, url: &str, s3: &S3) -> Value {
    let mut bound = dbt_trino(dbt, mode, url);
    let catalog = trino_catalog(s3, "${lakehouse.catalog.uri}");
    let mut catalog: BTreeMap<&str, String> = catalog.into_iter().collect();
    catalog.insert("s3.aws-secret-key", format!("${{ENV:{SECRET_KEY}}}"));
    bound["gold"]["configuration"]["audit_catalog"] = json!(catalog);
    bound
}

/// Features in Feast. Where its servers read a bucket, the secret `files` is the bucket's secret key.
pub fn feast(feast: &Feast) -> Value {
    json!({
        "features": {
            "plugin": "feast",
            "configuration": feast.configuration(),
            "grants": {
                "lakehouse": {"read": ["silver", "gold"]}, "objects": true, "key_value": true,
                "http": feast.grants(), "processes": [{"program": "feast", "substitute_secrets": true}],
            },
        },
        "programs": {"feast": {"type": "path", "path": feast.python()}},
    })
}

/// Training, build and serving in pods of a namespace, which is made. `tracker`: MLflow's address; `build`: more of the build's
/// configuration.
///
/// # Errors
/// Kubernetes' own; those of the registry.
pub fn in_pods(kubernetes: &Kubernetes, tracker: &str, name: &str, build: &Value) -> Result<Value> {
    let registry = kubernetes.registry();
    let (base, kaniko) = (Image::ModelServer.push(registry)?, Image::Kaniko.push(registry)?);
    kubernetes.namespace(name)?;
    let granted = |kinds: &[&str], verbs: &[&str]| json!({"namespaces": [name], "kinds": kinds, "verbs": verbs, "substitute_secrets": kinds.contains(&"v1/Secret")});
    let jobs = json!([
        granted(&["batch/v1/Job"], &["get", "apply", "patch", "delete"]),
        granted(&["v1/ConfigMap", "v1/Secret"], &["apply"]),
        granted(&["v1/Pod"], &["get", "list", "logs"]),
    ]);
    let models = json!([
        granted(&["apps/v1/Deployment", "v1/Service"], &["get", "apply", "delete"]),
        granted(&["v1/Pod"], &["get", "list", "logs"]),
    ]);
    // The containers of several tests, ten of a canary's among them, fit on a node of two cores.
    let small = json!({"resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}});
    let mut building = json!({
        "namespace": name, "image": kaniko, "copy_image": kubernetes.busybox(), "registry": registry.address(),
        "repository": "models/{model}", "base_image": base, "insecure": true, "pod": small,
    });
    for (key, value) in build.as_object().into_iter().flatten() {
        building[key.as_str()] = value.clone();
    }
    // Load balancers are in the network of the run.
    let [a, b, c, _] = kubernetes.address().octets();
    Ok(json!({
        "training": {
            "plugin": "mlflow",
            "configuration": {
                "tracking_uri": tracker, "runner": "kubernetes",
                "kubernetes": {"namespace": name, "image": base, "pod": small},
            },
            "grants": {"http": [{"host": tracker.trim_start_matches("http://")}], "objects": true, "kubernetes": jobs},
        },
        "build": {
            "plugin": "kaniko", "configuration": building,
            "grants": {"http": [{"host": "127.0.0.1:*"}], "objects": true, "kubernetes": jobs},
        },
        "serving": {
            "plugin": "kubernetes",
            "configuration": {"namespace": name, "verify": true, "drain_seconds": 5, "pod": small},
            "grants": {"http": [{"host": format!("{a}.{b}.{c}.0/24:*")}], "kubernetes": models},
        },
    }))
}

/// Settings as they are handed on.
pub fn borrowed<'a>(settings: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
