//! What Kubernetes tells of a run: the operator's status, and of pods what the operator never says.

use asgard_sdk::json::{Value, json};
use asgard_sdk::{Error, Result};

/// A SparkApplication as it is.
#[derive(Debug)]
pub struct Application(Value);

/// Where an application stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The operator has not taken it up.
    Unseen,
    Going,
    Completed,
    Failed,
}

impl Application {
    /// Reads a resource.
    ///
    /// # Errors
    /// `internal` when it is no JSON.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|error| Error::internal(format!("the SparkApplication cannot be read: {error}")))
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.0.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub fn uid(&self) -> Option<&str> {
        self.text("/metadata/uid")
    }

    pub fn resource_version(&self) -> &str {
        self.text("/metadata/resourceVersion").unwrap_or_default()
    }

    /// It is on its way out.
    pub fn is_going(&self) -> bool {
        self.text("/metadata/deletionTimestamp").is_some()
    }

    /// The operator's word.
    pub fn state(&self) -> &str {
        self.text("/status/applicationState/state").unwrap_or_default()
    }

    pub fn phase(&self) -> Phase {
        match self.state() {
            "" | "NEW" => Phase::Unseen,
            "COMPLETED" => Phase::Completed,
            "FAILED" | "SUBMISSION_FAILED" => Phase::Failed,
            _ => Phase::Going,
        }
    }

    pub fn error(&self) -> Option<&str> {
        self.text("/status/applicationState/errorMessage")
    }

    pub fn driver_pod(&self) -> Option<&str> {
        self.text("/status/driverInfo/podName")
    }

    /// Executors that run or have run.
    pub fn executors(&self) -> Vec<(String, String)> {
        let executors = self.0.pointer("/status/executorState").and_then(Value::as_object);
        let state = |(name, state): (&String, &Value)| (name.clone(), state.as_str().unwrap_or_default().to_owned());
        executors.into_iter().flatten().map(state).collect()
    }

    /// The driver's web page: by the ingress, else inside of the cluster.
    pub fn ui(&self) -> Option<String> {
        let address = self
            .text("/status/driverInfo/webUIIngressAddress")
            .or_else(|| self.text("/status/driverInfo/webUIAddress"))?;
        Some(if address.contains("://") { address.to_owned() } else { format!("http://{address}") })
    }

    /// The operator's own words.
    pub fn status(&self) -> Value {
        self.0.get("status").cloned().unwrap_or_else(|| json!({}))
    }
}

/// A pod as it is.
#[derive(Debug)]
pub struct Pod(Value);

/// What keeps a pod from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing that waiting would mend.
    Fatal(String),
    /// A registry or a volume may be away for a moment.
    Passing(String),
    /// A node may become free.
    Unschedulable(String),
}

impl Pod {
    /// Reads a resource.
    ///
    /// # Errors
    /// `internal` when it is no JSON.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|error| Error::internal(format!("the pod cannot be read: {error}")))
    }

    pub fn phase(&self) -> &str {
        self.0.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its containers are at their end.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase(), "Succeeded" | "Failed")
    }

    fn containers(&self) -> impl Iterator<Item = &Value> {
        self.0.pointer("/status/containerStatuses").and_then(Value::as_array).into_iter().flatten()
    }

    /// What a container said at its end.
    pub fn last_words(&self) -> Option<&str> {
        self.containers().find_map(|container| container.pointer("/state/terminated/message")?.as_str())
    }

    /// Why it ended, in words.
    pub fn reason(&self) -> Option<String> {
        let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        if let Some(reason) = text(&self.0, "/status/reason") {
            let message = text(&self.0, "/status/message").unwrap_or_default();
            return Some(format!("the driver's pod was ended by Kubernetes: {reason}: {message}"));
        }
        let terminated = self.containers().find_map(|container| container.pointer("/state/terminated"))?;
        let code = terminated.get("exitCode").and_then(Value::as_i64).unwrap_or_default();
        let reason = text(terminated, "/reason").unwrap_or_default();
        Some(if reason == "OOMKilled" {
            "the driver ran out of memory (OOMKilled): raise `driver_memory`".to_owned()
        } else {
            format!("the driver exited with status {code} ({reason})")
        })
    }

    /// What keeps it from running.
    pub fn trouble(&self) -> Option<Trouble> {
        for container in self.containers() {
            let Some(waiting) = container.pointer("/state/waiting") else { continue };
            let text = |field: &str| waiting.get(field).and_then(Value::as_str).unwrap_or_default();
            let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
            let (reason, message) = (text("reason"), text("message"));
            match reason {
                "InvalidImageName" | "ErrImageNeverPull" => {
                    return Some(Trouble::Fatal(format!("the image `{image}` cannot be used: {reason}: {message}")));
                }
                "ErrImagePull" | "ImagePullBackOff" => {
                    return Some(Trouble::Passing(format!(
                        "the image `{image}` cannot be pulled: {reason}: {message}"
                    )));
                }
                "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "CrashLoopBackOff" => {
                    return Some(Trouble::Passing(format!("the container does not start: {reason}: {message}")));
                }
                _ => {}
            }
        }
        let conditions = self.0.pointer("/status/conditions").and_then(Value::as_array);
        let scheduled = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False")?;
        let message = scheduled.get("message").and_then(Value::as_str).unwrap_or_default();
        Some(Trouble::Unschedulable(format!("no node takes the pod: {message}")))
    }
}

/// An event about a resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub uid: String,
    pub kind: String,
    pub reason: String,
    pub message: String,
}

impl Event {
    /// Reads a resource; none for what is no event.
    pub fn parse(text: &str) -> Option<Self> {
        let event: Value = serde_json::from_str(text).ok()?;
        let field = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let message = if field("/message").is_empty() { field("/note") } else { field("/message") };
        let kind = if field("/type") == "Warning" { "Warning" } else { "Normal" }.to_owned();
        Some(Self { uid: field("/metadata/uid"), kind, reason: field("/reason"), message })
    }
}
