//! What holds a pod up, or ended it, in the pod's own words.

use asgard_sdk::kubernetes::Reference;
use asgard_sdk::{Error, Result};
use serde_json::Value;

use crate::cluster::{Cluster, items, number, text};

/// What kind of thing keeps a pod from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No node takes it. One may be added, or room may be made.
    Node,
    /// An image cannot be had. A registry may come back.
    Image,
    /// A volume, a Secret, or a setting of the container.
    Setup,
    /// The program ended, and ended again when it was started anew.
    Crash,
}

/// Why a pod does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of thing.
    pub kind: Kind,
    /// The container, where it is one's.
    pub container: Option<String>,
    /// How often the container was started anew.
    pub restarts: u64,
    /// The cluster's words.
    pub words: String,
}

impl Trouble {
    /// The trouble as an error. `image` and `program` name the fields of the request or the configuration that these came from.
    #[must_use]
    pub fn into_error(self, image: &str, program: &str, last_words: &str) -> Error {
        match self.kind {
            Kind::Node => Error::unavailable(format!("no node of the cluster takes the pod: {}", self.words)),
            Kind::Image => Error::invalid(image, self.words),
            Kind::Setup => Error::internal(format!("the pod cannot be set up: {}", self.words)),
            Kind::Crash => Error::invalid(program, with_last_words(&self.words, last_words)),
        }
    }
}

/// A sentence with what a program wrote last.
#[must_use]
pub fn with_last_words(sentence: &str, last_words: &str) -> String {
    if last_words.is_empty() {
        format!("{sentence}, without a word")
    } else {
        format!("{sentence}. Its last lines:\n{last_words}")
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The container.
    pub container: String,
    /// 128 and more: by a signal.
    pub exit_code: i64,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`.
    pub reason: String,
    /// What it left in its termination message.
    pub message: String,
}

impl Ending {
    /// In words, with `what` as the subject.
    #[must_use]
    pub fn words(&self, what: &str) -> String {
        match self.reason.as_str() {
            "OOMKilled" => format!("{what} needed more memory than its limit and was ended"),
            _ if self.exit_code > 128 => format!("{what} was ended by signal {}", self.exit_code - 128),
            _ => format!("{what} exited with status {}", self.exit_code),
        }
    }
}

/// The first thing that keeps the pod from running, if something does.
#[must_use]
pub fn trouble(pod: &Value) -> Option<Trouble> {
    unscheduled(pod).or_else(|| containers(pod).find_map(of_container))
}

fn unscheduled(pod: &Value) -> Option<Trouble> {
    let condition = items(pod, "/status/conditions").iter().find(|each| text(each, "/type") == "PodScheduled")?;
    if text(condition, "/reason") != "Unschedulable" {
        return None;
    }
    let words = text(condition, "/message").to_owned();
    Some(Trouble { kind: Kind::Node, container: None, restarts: 0, words })
}

fn of_container(status: &Value) -> Option<Trouble> {
    let name = text(status, "/name");
    let image = text(status, "/image");
    let message = text(status, "/state/waiting/message");
    let (kind, words) = match text(status, "/state/waiting/reason") {
        reason @ ("ErrImagePull"
        | "ImagePullBackOff"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "RegistryUnavailable"
        | "ImageInspectError") => {
            let why = if message.is_empty() { reason } else { message };
            (Kind::Image, format!("image `{image}` cannot be pulled: {why}"))
        }
        reason @ ("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
            (Kind::Setup, format!("container `{name}`: {}", if message.is_empty() { reason } else { message }))
        }
        _ => {
            let ending = ending(status, "/state").or_else(|| ending(status, "/lastState"))?;
            if ending.exit_code == 0 {
                return None;
            }
            (Kind::Crash, ending.words(&format!("container `{name}`")))
        }
    };
    Some(Trouble { kind, container: Some(name.to_owned()), restarts: number(status, "/restartCount"), words })
}

/// Statuses of all containers, those that prepare first.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    items(pod, "/status/initContainerStatuses").iter().chain(items(pod, "/status/containerStatuses"))
}

fn ending(status: &Value, state: &str) -> Option<Ending> {
    let terminated = status.pointer(state)?.get("terminated")?;
    Some(Ending {
        container: text(status, "/name").to_owned(),
        exit_code: terminated.get("exitCode").and_then(Value::as_i64).unwrap_or(-1),
        reason: text(terminated, "/reason").to_owned(),
        message: text(terminated, "/message").to_owned(),
    })
}

/// How the pod's work ended: the first container that failed, or else the end of `container`.
#[must_use]
pub fn ended(pod: &Value, container: &str) -> Option<Ending> {
    let mut all: Vec<Ending> = containers(pod).filter_map(|status| ending(status, "/state")).collect();
    let failed = all.iter().position(|each| each.exit_code != 0);
    let found = failed.or_else(|| all.iter().position(|each| each.container == container))?;
    Some(all.swap_remove(found))
}

/// Whether the container runs now.
#[must_use]
pub fn is_running(pod: &Value, container: &str) -> bool {
    containers(pod).any(|status| text(status, "/name") == container && status.pointer("/state/running").is_some())
}

/// Whether the container runs or has run.
#[must_use]
pub fn has_begun(pod: &Value, container: &str) -> bool {
    let begun =
        |status: &Value| status.pointer("/state/running").is_some() || status.pointer("/state/terminated").is_some();
    containers(pod).any(|status| text(status, "/name") == container && begun(status))
}

/// What a pod that does not run yet is up to.
#[must_use]
pub fn preparing(pod: &Value) -> String {
    match trouble(pod) {
        Some(Trouble { kind: Kind::Node, words, .. }) => format!("waiting for a node: {words}"),
        Some(trouble) => trouble.words,
        None if text(pod, "/spec/nodeName").is_empty() => "waiting for a node".to_owned(),
        None => "preparing the pod".to_owned(),
    }
}

/// The pod's name.
#[must_use]
pub fn name(pod: &Value) -> &str {
    text(pod, "/metadata/name")
}

/// Pods with these labels, the newest first.
///
/// # Errors
/// Those of the cluster.
pub fn list(cluster: &dyn Cluster, namespace: &str, label_selector: &str) -> Result<Vec<Value>> {
    let mut pods = cluster.list("v1", "Pod", namespace, label_selector)?;
    // RFC 3339 in UTC sorts as text.
    pods.sort_by(|a, b| text(b, "/metadata/creationTimestamp").cmp(text(a, "/metadata/creationTimestamp")));
    Ok(pods)
}

/// Warnings about a resource, the newest last, each once: what a condition does not tell, such as a volume that is not there.
/// None when events may not be read: they are a help, not a need.
#[must_use]
pub fn warnings(cluster: &dyn Cluster, api_version: &str, kind: &str, namespace: &str, name: &str) -> Vec<String> {
    let events = cluster.events(&Reference::new(api_version, kind, namespace, name)).unwrap_or_default();
    let mut told: Vec<String> = Vec::new();
    for event in events.iter().filter(|event| text(event, "/type") == "Warning") {
        let message = match text(event, "/message") {
            "" => text(event, "/note"),
            message => message,
        };
        let words = format!("{}: {message}", text(event, "/reason"));
        told.retain(|earlier| *earlier != words);
        told.push(words);
    }
    told
}
