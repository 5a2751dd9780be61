//! A model's resources.
//!
//! No request is lost in a rollout: a container of the old version is told to end only when one of the new version has passed
//! its readiness probe, and goes on answering for a while (`preStop`), since nodes and load balancers learn of it later.

use asgard_sdk::Result;
use asgard_workloads::names;
use asgard_workloads::options::{as_user, confined};
use serde_json::{Map, Value, json};

use crate::configuration::{Configuration, Kind, Login};
use crate::record::{ANNOTATION, Deployed, Record};

/// The container.
pub const CONTAINER: &str = "model";

/// On pods: which deployment they are of.
pub const DEPLOYMENT_LABEL: &str = "asgard.dev/deployment";

/// Selects a Deployment's pods, whatever their version. It can never change.
pub const MODEL_LABEL: &str = "asgard.dev/model";

/// Selects the pods that a model's Service asks: the model's own, and those of a canary.
const SERVICE_LABEL: &str = "asgard.dev/service";

/// Requests under way are finished within this, after the container stopped taking new ones.
const GRACE_SECONDS: u64 = 30;

/// Seconds between two looks of a probe.
const PROBE_SECONDS: u64 = 2;

/// The name of a model's resources.
pub fn name(model: &str) -> String {
    names::name("model", model)
}

/// The name of a canary's Deployment.
pub fn canary_name(model: &str) -> String {
    names::name("canary", model)
}

/// The Secret that images are pulled with, if one is made.
pub fn pull_secret(name: &str, namespace: &str, configuration: &Configuration) -> Option<Value> {
    // The host puts secrets in the places of references on the way to the cluster, inside of a JSON text too.
    let config = match (&configuration.docker_config, &configuration.registry_login) {
        (Some(reference), _) => reference.clone(),
        (None, Some(Login { registry, username, password })) => {
            json!({ "auths": { registry: { "username": username, "password": password } } }).to_string()
        }
        (None, None) => return None,
    };
    Some(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": pull_secret_name(name), "namespace": namespace, "labels": labels(name) },
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": config },
    }))
}

/// Its name.
pub fn pull_secret_name(name: &str) -> String {
    names::name("pull", name)
}

/// The Service.
pub fn service(name: &str, namespace: &str, configuration: &Configuration) -> Value {
    let asked = &configuration.service;
    let kind = match asked.kind {
        Kind::LoadBalancer => "LoadBalancer",
        Kind::NodePort => "NodePort",
        Kind::ClusterIP | Kind::Ingress => "ClusterIP",
    };
    let mut specification = json!({
        "type": kind,
        "selector": { SERVICE_LABEL: name },
        // By its name, which each pod has for a port of its own: those of an older version listen where they did.
        "ports": [{ "name": "http", "port": asked.port, "targetPort": "http", "protocol": "TCP" }],
    });
    if asked.kind == Kind::LoadBalancer {
        if let Some(class) = &asked.load_balancer_class {
            specification["loadBalancerClass"] = json!(class);
        }
        if !asked.source_ranges.is_empty() {
            specification["loadBalancerSourceRanges"] = json!(asked.source_ranges);
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": namespace, "labels": labels(name), "annotations": asked.annotations },
        "spec": specification,
    })
}

/// The Ingress, where models are reached by one.
pub fn ingress(name: &str, namespace: &str, configuration: &Configuration) -> Option<Value> {
    let asked = &configuration.service;
    if asked.kind != Kind::Ingress {
        return None;
    }
    let host = host(name, configuration)?;
    let backend = json!({ "service": { "name": name, "port": { "name": "http" } } });
    let mut specification = json!({
        "rules": [{ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] } }],
    });
    if let Some(class) = &asked.ingress_class {
        specification["ingressClassName"] = json!(class);
    }
    if let Some(secret) = &asked.tls_secret {
        specification["tls"] = json!([{ "hosts": [host], "secretName": filled(secret, name) }]);
    }
    Some(json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": { "name": name, "namespace": namespace, "labels": labels(name), "annotations": asked.ingress_annotations },
        "spec": specification,
    }))
}

/// The host name of an Ingress.
pub fn host(name: &str, configuration: &Configuration) -> Option<String> {
    configuration.service.host.as_deref().map(|host| filled(host, name))
}

fn filled(template: &str, name: &str) -> String {
    template.replace("{model}", name.strip_prefix("model-").unwrap_or(name))
}

/// The Deployment.
///
/// # Errors
/// `internal`.
pub fn deployment(name: &str, namespace: &str, record: &Record, configuration: &Configuration) -> Result<Value> {
    let deployed = &record.current;
    Ok(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels(name),
            "annotations": { ANNOTATION: record.text()? },
        },
        "spec": {
            "replicas": record.shared.unwrap_or(deployed.replicas),
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": configuration.rollout_timeout_seconds,
            "selector": { "matchLabels": { MODEL_LABEL: name } },
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": configuration.max_surge } },
            "template": { "metadata": metadata(name, deployed, configuration), "spec": pod(name, deployed, configuration) },
        },
    }))
}

/// The Deployment with its pods as they were before.
///
/// # Errors
/// `internal`.
pub fn deployment_as_it_was(
    name: &str,
    namespace: &str,
    record: &Record,
    template: Value,
    configuration: &Configuration,
) -> Result<Value> {
    let mut manifest = deployment(name, namespace, record, configuration)?;
    manifest["spec"]["template"] = template;
    Ok(manifest)
}

/// A Deployment's pods, as they are applied again.
pub fn template(deployment: &Value) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    if let Some(metadata) = template["metadata"].as_object_mut() {
        metadata.remove("creationTimestamp");
    }
    template
}

fn metadata(name: &str, deployed: &Deployed, configuration: &Configuration) -> Value {
    configuration.pod.metadata(&[
        (MODEL_LABEL, name.to_owned()),
        (SERVICE_LABEL, self::name(&deployed.model)),
        (DEPLOYMENT_LABEL, names::label(deployed.pods_of())),
        ("app.kubernetes.io/name", names::label(&deployed.model)),
        ("app.kubernetes.io/version", names::label(&deployed.version)),
        ("app.kubernetes.io/component", "model".to_owned()),
        ("app.kubernetes.io/managed-by", "asgard".to_owned()),
    ])
}

fn pod(name: &str, deployed: &Deployed, configuration: &Configuration) -> Map<String, Value> {
    let probe = |period: u64, timeout: u64, failures: u64| {
        json!({
            "httpGet": { "path": "/health", "port": "http" },
            "periodSeconds": period,
            "timeoutSeconds": timeout,
            "failureThreshold": failures,
        })
    };
    let mut environment = vec![json!({ "name": "HOME", "value": "/tmp" })];
    environment.extend(configuration.environment.iter().map(|(name, value)| json!({ "name": name, "value": value })));
    let resources = json!({ "requests": { "cpu": "100m", "memory": "256Mi" }, "limits": { "memory": "2Gi" } });
    let mut container = json!({
        "name": CONTAINER,
        "image": deployed.image,
        "ports": [{ "name": "http", "containerPort": configuration.port, "protocol": "TCP" }],
        "env": environment,
        "resources": configuration.pod.resources_or(resources),
        "securityContext": confined(),
        "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
        "startupProbe": probe(PROBE_SECONDS, 5, configuration.start_timeout_seconds.div_ceil(PROBE_SECONDS)),
        "readinessProbe": probe(PROBE_SECONDS, 5, 3),
        // A model that computes for half a minute is busy, not dead.
        "livenessProbe": probe(10, 10, 6),
    });
    if configuration.drain_seconds > 0 {
        container["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": configuration.drain_seconds } } });
    }
    let spread = json!([{
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": { "matchLabels": { MODEL_LABEL: name } },
    }]);
    let mut pod = Map::from_iter([
        ("containers".to_owned(), json!([container])),
        ("volumes".to_owned(), json!([{ "name": "tmp", "emptyDir": {} }])),
        ("securityContext".to_owned(), as_user(configuration.user)),
        ("terminationGracePeriodSeconds".to_owned(), json!(configuration.drain_seconds + GRACE_SECONDS)),
        ("topologySpreadConstraints".to_owned(), spread),
        ("enableServiceLinks".to_owned(), json!(false)),
    ]);
    if configuration.makes_pull_secret() {
        pod.insert("imagePullSecrets".to_owned(), json!([{ "name": pull_secret_name(&self::name(&deployed.model)) }]));
    }
    configuration.pod.add_to(&mut pod);
    pod
}

/// A served model outlives the task that deployed it: the host must not take it for something that was left over.
fn labels(name: &str) -> Value {
    json!({
        MODEL_LABEL: name,
        "app.kubernetes.io/component": "model",
        "app.kubernetes.io/managed-by": "asgard",
        "asgard.dev/lasts": "true",
    })
}
