//! Resources of the environment's Kubernetes cluster.
//!
//! | file | what it does |
//! | --- | --- |
//! | `policy` | which grant covers a namespace, a kind and a verb: parsed once, decided for each call |
//! | `connection` | the client, made when first needed and anew when its credentials change; which kinds the cluster knows |
//! | `manifest` | what is sent: labels of the host, secrets in the place of references. What comes back: without secrets |
//! | `failure` | the API server's errors in the contract's words |
//! | `access` | what the cluster's own rules (RBAC) allow the host, for the check of an environment |
//! | `sweep` | what cancelled and forgotten tasks left |
//!
//! Two rules decide: the grant here, and the cluster's RBAC for the host's account. Resources without a namespace (nodes, cluster
//! roles) are never lent.
//!
//! # Hazard
//! A plugin reads no value of a `v1/Secret`, but a pod that it may apply can mount any secret of its namespace. Namespaces are what
//! separates plugins, so grant each its own where that matters.

mod access;
mod connection;
mod failure;
mod manifest;
mod policy;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use asgard_contract::environment::Verb;
use asgard_contract::{Error, Result};
use futures::StreamExt;
use http_body_util::{BodyExt, Limited};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams, WatchParams};
use kube::core::Request;
use serde_json::Value;
use tokio::time::Instant;

pub use access::{Missing, missing_access};
pub use connection::Connection;
pub(crate) use policy::Policy;
pub use sweep::{Left, sweep};

use crate::holder::Holder;
use crate::secrets::Secrets;

/// Resources of one answer of the API server: what `kubectl` asks for at once.
const PAGE: u32 = 500;

/// Which resource; see `wit/kubernetes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub api_version: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl Reference {
    fn new(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    fn is_secret(&self) -> bool {
        self.api_version == "v1" && self.kind == "Secret"
    }

    fn shown(&self) -> String {
        format!("{}/{} {}/{}", self.api_version, self.kind, self.namespace, self.name)
    }
}

/// Which lines of a log; see `wit/kubernetes`.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    pub container: Option<String>,
    /// Of the container that ran before the present one.
    pub previous: bool,
    pub tail_lines: Option<u32>,
    /// Since 1970.
    pub since_ms: Option<u64>,
}

/// What is lent.
#[derive(Clone)]
pub struct Resources {
    pub(crate) holder: Holder,
    pub(crate) granted: Arc<Policy>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) secrets: Arc<dyn Secrets>,
    /// Tells this host's resources, and those of its fellows on one store, from those of others in the cluster.
    pub(crate) owner: Arc<str>,
    /// Of one answer, in bytes.
    pub(crate) largest_answer: u64,
    /// That a call may wait.
    pub(crate) longest: Duration,
}

impl Resources {
    /// Server-side apply under the plugin's own field manager; what another manager set of the same fields is taken over.
    ///
    /// # Errors
    /// `invalid-input` for what is no manifest, or what the API server refuses, with the field; `forbidden` without a grant, or
    /// by the cluster's own rules; `not-found` for a namespace or a kind that the cluster lacks.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        let parsed = manifest::parse(manifest);
        let target = parsed.as_ref().map_or_else(|_| "manifest".to_owned(), |(reference, _)| reference.shown());
        let applying = async {
            let (reference, mut manifest) = parsed?;
            let api = self.granted_api(&reference.namespace, &reference, Verb::Apply).await?;
            manifest::label(&mut manifest, &self.holder.caller, &self.owner);
            self.fill_secrets(&reference, &mut manifest).await?;
            let parameters = PatchParams::apply(&self.manager()).force();
            let applied = api.patch(&reference.name, &parameters, &Patch::Apply(&manifest)).await;
            self.answer(applied, &reference)
        };
        self.holder.using("kubernetes", "apply", &target, applying).await
    }

    /// JSON merge patch.
    ///
    /// # Errors
    /// As [`Resources::apply`].
    pub async fn patch(&self, reference: &Reference, merge_patch: &str) -> Result<String> {
        let patching = async {
            let mut patch: Value = serde_json::from_str(merge_patch)
                .map_err(|error| Error::invalid("merge-patch", format!("expected a JSON object: {error}")))?;
            let api = self.granted_api(&reference.namespace, reference, Verb::Patch).await?;
            self.fill_secrets(reference, &mut patch).await?;
            let parameters = PatchParams { field_manager: Some(self.manager()), ..PatchParams::default() };
            let patched = api.patch(&reference.name, &parameters, &Patch::Merge(&patch)).await;
            self.answer(patched, reference)
        };
        self.holder.using("kubernetes", "patch", &reference.shown(), patching).await
    }

    /// The resource as it is.
    ///
    /// # Errors
    /// `not-found`; `forbidden`.
    pub async fn get(&self, reference: &Reference) -> Result<String> {
        let getting = async {
            let api = self.granted_api(&reference.namespace, reference, Verb::Get).await?;
            self.answer(api.get(&reference.name).await, reference)
        };
        self.holder.using("kubernetes", "get", &reference.shown(), getting).await
    }

    /// Those that a label selector chooses, all of the kind with an empty one.
    ///
    /// # Errors
    /// `invalid-input` for a selector that cannot be read, or one that chooses more than a plugin could hold; `forbidden`.
    pub async fn list(&self, kind: &Reference, label_selector: &str) -> Result<Vec<String>> {
        let listing = async {
            let api = self.granted_api(&kind.namespace, kind, Verb::List).await?;
            self.pages(&api, ListParams::default().labels(label_selector), kind).await
        };
        self.holder.using("kubernetes", "list", &kind.shown(), listing).await
    }

    /// Waits until the resource is no longer at `resource_version`, or the deadline; answers with the resource either way.
    ///
    /// # Errors
    /// `not-found` when it is deleted, or was never there; `forbidden`.
    pub async fn watch(&self, reference: &Reference, resource_version: &str, deadline_ms: u32) -> Result<String> {
        let watching = async {
            let deadline = Instant::now() + Duration::from_millis(deadline_ms.into()).min(self.longest);
            let api = self.granted_api(&reference.namespace, reference, Verb::Watch).await?;
            loop {
                let resource = api.get(&reference.name).await.map_err(|error| failure::of(error, reference))?;
                let left = deadline.saturating_duration_since(Instant::now());
                let version = resource.metadata.resource_version.clone().unwrap_or_default();
                if version != resource_version || left.is_zero() {
                    return self.answer(Ok(resource), reference);
                }
                // The watch only wakes: what is answered is read afterwards, so that nothing hangs on the order of events.
                let seconds = u32::try_from(left.as_secs().max(1)).unwrap_or(u32::MAX);
                let parameters = WatchParams::default()
                    .fields(&format!("metadata.name={}", reference.name))
                    .timeout(seconds.min(290));
                let event = async {
                    match api.watch(&parameters, &version).await {
                        Ok(events) => drop(Box::pin(events).next().await),
                        // The version is too old to be watched, or the connection went: looked at again, not at once.
                        Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
                    }
                };
                let _woken = tokio::time::timeout(left, event).await;
            }
        };
        self.holder.using("kubernetes", "watch", &reference.shown(), watching).await
    }

    /// Deletes it and what it owns. Nothing happens if there is none.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn delete(&self, reference: &Reference) -> Result<()> {
        let deleting = async {
            let api = self.granted_api(&reference.namespace, reference, Verb::Delete).await?;
            match api.delete(&reference.name, &DeleteParams::foreground()).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                Err(error) => Err(failure::of(error, reference)),
            }
        };
        self.holder.using("kubernetes", "delete", &reference.shown(), deleting).await
    }

    /// Lines of a pod's log. What is no UTF-8 is replaced.
    ///
    /// # Errors
    /// `not-found` for a pod or a container that is not there; `unavailable` for one that has not started; `invalid-input` for
    /// more than a plugin could hold.
    pub async fn logs(&self, namespace: &str, pod: &str, options: LogOptions) -> Result<String> {
        let reference = Reference::new("v1", "Pod", namespace, pod);
        let reading = async {
            let api = self.granted_api(namespace, &reference, Verb::Logs).await?;
            let since = options.since_ms.and_then(|ms| Timestamp::from_millisecond(ms.try_into().ok()?).ok());
            let parameters = LogParams {
                container: options.container,
                previous: options.previous,
                tail_lines: options.tail_lines.map(i64::from),
                since_time: since,
                ..LogParams::default()
            };
            let request = Request::new(api.resource_url()).logs(pod, &parameters);
            let request = request.map_err(|error| Error::internal(error.to_string()))?.map(kube::client::Body::from);
            let answer = self.connection.client().await?.send(request).await;
            let answer = answer.map_err(|error| failure::of(error, &reference))?;
            let (status, limit) = (answer.status(), usize::try_from(self.largest_answer).unwrap_or(usize::MAX));
            let body = Limited::new(answer.into_body(), limit).collect().await.map_err(|error| {
                let message =
                    format!("the log of pod `{pod}` is longer than {limit} bytes, or cannot be read: {error}");
                Error::invalid("tail-lines", message)
            })?;
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            if status.is_success() { Ok(text) } else { Err(failure::of_log(status.as_u16(), &text, &reference)) }
        };
        self.holder.using("kubernetes", "logs", &reference.shown(), reading).await
    }

    /// Events about a resource, oldest first.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn events(&self, reference: &Reference) -> Result<Vec<String>> {
        let listing = async {
            self.granted.decide(&self.holder, &reference.namespace, reference, Verb::Get)?;
            let kind = Reference { api_version: "v1".to_owned(), kind: "Event".to_owned(), ..reference.clone() };
            let api = self.connection.api(&kind).await?;
            let about = format!("involvedObject.kind={},involvedObject.name={}", reference.kind, reference.name);
            let mut events = self.pages(&api, ListParams::default().fields(&about), &kind).await?;
            events.sort_by_cached_key(|event| manifest::time_of_event(event));
            Ok(events)
        };
        self.holder.using("kubernetes", "events", &reference.shown(), listing).await
    }

    async fn pages(&self, api: &Api<DynamicObject>, parameters: ListParams, kind: &Reference) -> Result<Vec<String>> {
        let (mut parameters, mut found, mut bytes) = (parameters.limit(PAGE), Vec::new(), 0);
        loop {
            let page = api.list(&parameters).await.map_err(|error| failure::of(error, kind))?;
            for resource in page.items {
                let text = manifest::shown(resource)?;
                bytes += text.len() as u64;
                if bytes > self.largest_answer {
                    let message = format!(
                        "the resources have more than the {} bytes that a plugin can hold: choose fewer",
                        self.largest_answer
                    );
                    return Err(Error::invalid("label-selector", message));
                }
                found.push(text);
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    async fn granted_api(&self, namespace: &str, reference: &Reference, verb: Verb) -> Result<Api<DynamicObject>> {
        self.granted.decide(&self.holder, namespace, reference, verb)?;
        self.connection.api(reference).await
    }

    async fn fill_secrets(&self, reference: &Reference, manifest: &mut Value) -> Result<()> {
        let may = self.granted.substitutes_secrets(&reference.namespace);
        manifest::fill_secrets(reference, manifest, may.then_some(&*self.secrets), &self.holder).await
    }

    fn answer(&self, answered: kube::Result<DynamicObject>, reference: &Reference) -> Result<String> {
        manifest::shown(answered.map_err(|error| failure::of(error, reference))?)
    }

    /// Who a field belongs to, in the cluster's own words.
    fn manager(&self) -> String {
        format!("asgard-{}", self.holder.caller.plugin)
    }
}
