//! What the component exports, and the host's capabilities as a [`Host`].

use asgard_sdk::kubernetes::{LogOptions, Reference};
use asgard_sdk::{Result, configuration, context, http, serving};
use asgard_workloads::cluster::{self, Cluster};
use serde_json::Value;

use crate::configuration::Configuration;
use crate::host::Host;
use crate::serving::Server;

struct Kubernetes;

/// The capabilities that this call was lent.
struct Lent;

impl Cluster for Lent {
    fn apply(&self, manifest: &Value) -> Result<Value> {
        cluster::Lent.apply(manifest)
    }
    fn patch(&self, reference: &Reference, patch: &Value) -> Result<Value> {
        cluster::Lent.patch(reference, patch)
    }
    fn get(&self, reference: &Reference) -> Result<Value> {
        cluster::Lent.get(reference)
    }
    fn list(&self, api_version: &str, kind: &str, namespace: &str, label_selector: &str) -> Result<Vec<Value>> {
        cluster::Lent.list(api_version, kind, namespace, label_selector)
    }
    fn delete(&self, reference: &Reference) -> Result<()> {
        cluster::Lent.delete(reference)
    }
    fn logs(&self, namespace: &str, pod: &str, options: &LogOptions) -> Result<String> {
        cluster::Lent.logs(namespace, pod, options)
    }
    fn events(&self, reference: &Reference) -> Result<Vec<Value>> {
        cluster::Lent.events(reference)
    }
}

impl Host for Lent {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        http::send(request)
    }
    fn environment(&self) -> String {
        context::environment()
    }
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
    fn now_ms(&self) -> u64 {
        context::now_ms()
    }
}

fn with_server<T>(work: impl FnOnce(&Server) -> Result<T>) -> Result<T> {
    let configuration: Configuration = configuration()?;
    work(&Server::new(&Lent, &configuration)?)
}

impl serving::Guest for Kubernetes {
    fn start(request: serving::Request) -> Result<serving::Step> {
        with_server(|server| server.start(request))
    }
    fn advance(state: Vec<u8>) -> Result<serving::Step> {
        with_server(|server| server.advance(&state))
    }
    fn cancel(state: Vec<u8>) -> Result<()> {
        with_server(|server| server.cancel(&state))
    }
    fn inspect(state: Vec<u8>) -> Result<serving::Status> {
        with_server(|server| server.inspect(&state))
    }
    fn remove(state: Vec<u8>) -> Result<()> {
        with_server(|server| server.remove(&state))
    }
}

asgard_sdk::export_serving!(Kubernetes with_types_in asgard_sdk::bindings::serving);
