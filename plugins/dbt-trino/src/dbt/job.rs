//! dbt as a Job of a cluster: the project in a ConfigMap, the password in a Secret that the host fills, the output in the pod's log.
//!
//! A Job is applied suspended, and woken in a later step, once its name is stored. Applied awake, it could run, end and be forgotten
//! (`ttlSecondsAfterFinished`) before anybody knew of it, and a repeated step would run it again. ConfigMap and Secret belong to the Job
//! and go with it.

use asgard_sdk::json::{self, Map, Value, json};
use asgard_sdk::kubernetes::Reference;
use asgard_sdk::{Error, Result};

use super::project::{RUNNER, SECRET};
use super::{How, Place, Results, process, results};
use crate::configuration::{Configuration, Job};
use crate::host::Host;

/// The line of a pod's log that has what dbt left; see `asgard_run.py`.
const MARK: &str = "asgard-dbt-results: ";
const CONTAINER: &str = "dbt";
const FOLDER: &str = "/asgard/project";
const SECRET_KEY: &str = "password";

/// What a look at a Job found.
pub(super) struct Seen {
    pub(super) how: Option<How>,
    /// All that the pod wrote, but for the results.
    pub(super) output: String,
    pub(super) results: Option<Results>,
    /// Why it does not run yet, in words.
    pub(super) waits: Option<String>,
}

/// Applies ConfigMap, Secret and Job, all asleep. May be repeated.
pub(super) fn make(
    host: &dyn Host,
    configuration: &Configuration,
    job: &Job,
    model: &str,
    files: Vec<(String, String)>,
) -> Result<Place> {
    let name = format!("asgard-dbt-{}", host.task_id());
    let labels = json!({ "app.kubernetes.io/name": "dbt", "app.kubernetes.io/instance": name });
    let made = host.apply(&manifest(configuration, job, &name, &labels, model, &files).to_string())?;
    let uid = parsed(&made)?["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let metadata = json!({ "name": name, "namespace": job.namespace, "labels": labels, "ownerReferences": [
        { "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid }
    ]});
    let data: Map<String, Value> = files.iter().map(|(path, content)| (key(path), json!(content))).collect();
    host.apply(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data }).to_string())?;
    if let Some(password) = &configuration.password {
        let data = json!({ SECRET_KEY: password });
        let secret =
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": data });
        host.apply(&secret.to_string())?;
    }
    Ok(Place::Job { namespace: job.namespace.clone(), name, awake: false })
}

/// A key of a ConfigMap has no slashes.
fn key(path: &str) -> String {
    path.replace('/', "--")
}

fn manifest(
    configuration: &Configuration,
    job: &Job,
    name: &str,
    labels: &Value,
    model: &str,
    files: &[(String, String)],
) -> Value {
    let items: Vec<Value> = files.iter().map(|(path, _)| json!({ "key": key(path), "path": path })).collect();
    let mut environment: Vec<Value> =
        process::environment().into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    environment.push(json!({ "name": "ASGARD_PRINT_RESULTS", "value": "1" }));
    environment.push(json!({ "name": "HOME", "value": "/tmp" }));
    if configuration.password.is_some() {
        environment
            .push(json!({ "name": SECRET, "valueFrom": { "secretKeyRef": { "name": name, "key": SECRET_KEY } } }));
    }
    let mut pod = json!({
        // A second try is a second run: whether one may be is not Kubernetes's to say.
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "containers": [{
            "name": CONTAINER,
            "image": job.image,
            "command": ["python", format!("{FOLDER}/{RUNNER}"), model],
            "env": environment,
            "resources": { "requests": { "cpu": job.cpu, "memory": job.memory }, "limits": { "memory": job.memory } },
            "volumeMounts": [{ "name": "project", "mountPath": FOLDER, "readOnly": true }],
        }],
        "volumes": [{ "name": "project", "configMap": { "name": name, "items": items } }],
    });
    if let (Some(account), Some(fields)) = (&job.service_account, pod.as_object_mut()) {
        fields.insert("serviceAccountName".to_owned(), json!(account));
    }
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": { "name": name, "namespace": job.namespace, "labels": labels },
        "spec": {
            "suspend": true,
            "backoffLimit": 0,
            // A pod that is being ended may still run: another one beside it would run the model twice.
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": configuration.timeout_seconds,
            "ttlSecondsAfterFinished": job.ttl_seconds,
            "template": { "metadata": { "labels": labels }, "spec": pod },
        },
    })
}

/// Lets the Job run. Nothing happens if it does.
pub(super) fn wake(host: &dyn Host, namespace: &str, name: &str) -> Result<()> {
    match host.patch(&reference(namespace, name), &json!({ "spec": { "suspend": false } }).to_string()) {
        // It has run, ended and been forgotten: the look that follows says so.
        Ok(_) | Err(Error::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// How far it is.
pub(super) fn look(host: &dyn Host, namespace: &str, name: &str, model: &str, timeout_seconds: u64) -> Result<Seen> {
    let job = match host.get(&reference(namespace, name)) {
        Ok(job) => parsed(&job)?,
        Err(Error::NotFound(_)) => {
            let why = format!("the Job {namespace}/{name} is gone: somebody deleted it, or it ended long ago");
            return Ok(Seen { how: Some(How::Killed(why)), output: String::new(), results: None, waits: None });
        }
        Err(error) => return Err(error),
    };
    let pods = host.list("v1", "Pod", namespace, &format!("job-name={name}"))?;
    let pod = pods.first().map(|pod| parsed(pod)).transpose()?.unwrap_or_default();
    let container = &pod["status"]["containerStatuses"][0];
    let written = match pod["metadata"]["name"].as_str() {
        Some(pod) if container["state"].get("waiting").is_none() && !container.is_null() => {
            host.logs(namespace, pod)?
        }
        _ => String::new(),
    };
    let (output, results) = divided(&written, model);
    let how = ended(&job, container, timeout_seconds);
    let waits = waiting(&pod, container).map(|why| format!("the pod of {namespace}/{name} waits: {why}"));
    Ok(Seen { how, output, results, waits })
}

/// Why a pod does not run yet: no node has room for it, or its image cannot be fetched.
fn waiting(pod: &Value, container: &Value) -> Option<String> {
    let conditions = pod["status"]["conditions"].as_array();
    let unscheduled = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False");
    let of = unscheduled.unwrap_or(&container["state"]["waiting"]);
    let reason = of["reason"].as_str()?;
    let message = of["message"].as_str().unwrap_or_default();
    Some(format!("{reason} {message}").trim_end().to_owned())
}

/// Deletes the Job, with all that belongs to it.
pub(super) fn delete(host: &dyn Host, namespace: &str, name: &str) -> Result<()> {
    host.delete(&reference(namespace, name))
}

fn ended(job: &Value, container: &Value, timeout_seconds: u64) -> Option<How> {
    let conditions = job["status"]["conditions"].as_array();
    let holds = |kind: &str| {
        conditions.into_iter().flatten().find(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    if holds("Complete").is_some() {
        return Some(How::Exited(0));
    }
    let failed = holds("Failed")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if failed["reason"] == "DeadlineExceeded" {
        return Some(How::Timeout);
    }
    let terminated = &container["state"]["terminated"];
    Some(match terminated["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()) {
        // 128 and more are signals: 137 is what running out of memory looks like.
        Some(code) if code < 128 => How::Exited(code),
        Some(code) => How::Killed(format!("its container ended with {code} ({})", text(&terminated["reason"]))),
        None => How::Killed(format!("{} within {timeout_seconds} s", text(&failed["message"]))),
    })
}

/// A pod's log without the results, and the results.
fn divided(log: &str, model: &str) -> (String, Option<Results>) {
    let mut found = None;
    let lines = log.lines().filter(|line| match line.strip_prefix(MARK) {
        Some(printed) => {
            found = json::from_str::<Value>(printed).ok().and_then(|printed| {
                let part = |name: &str| printed[name].to_string().into_bytes();
                results::read(&part("run_results"), &part("manifest"), model)
            });
            false
        }
        None => true,
    });
    let output: String = lines.flat_map(|line| [line, "\n"]).collect();
    (output, found)
}

fn reference(namespace: &str, name: &str) -> Reference {
    Reference::new("batch/v1", "Job", namespace, name)
}

fn parsed(resource: &str) -> Result<Value> {
    json::from_str(resource).map_err(|error| Error::internal(format!("the cluster's answer is no resource: {error}")))
}
