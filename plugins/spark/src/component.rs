//! The component's exports, and the host's capabilities as a [`Host`].

use asgard_sdk::transform::{Guest, QueryPlan, Request, Step};
use asgard_sdk::{
    Result, TableName, configuration, context, credentials, http, kubernetes, objects, processes, readiness,
};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::run::Runs;

struct Spark;

/// The capabilities that this call was lent.
struct Lent;

impl Host for Lent {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        http::send(request)
    }
    fn start(&self, key: &str, spec: &processes::Spec) -> Result<()> {
        processes::start(key, spec)
    }
    fn status(&self, key: &str) -> Result<processes::ProcessStatus> {
        processes::status(key)
    }
    fn output(&self, key: &str, offset: u64, max: u32) -> Result<processes::Chunk> {
        processes::output(key, offset, max)
    }
    fn remove(&self, key: &str) -> Result<()> {
        processes::remove(key)
    }
    fn apply(&self, manifest: &str) -> Result<String> {
        kubernetes::apply(manifest)
    }
    fn get(&self, reference: &kubernetes::Reference) -> Result<String> {
        kubernetes::get(reference)
    }
    fn watch(&self, reference: &kubernetes::Reference, resource_version: &str, deadline_ms: u32) -> Result<String> {
        kubernetes::watch(reference, resource_version, deadline_ms)
    }
    fn delete(&self, reference: &kubernetes::Reference) -> Result<()> {
        kubernetes::delete(reference)
    }
    fn logs(&self, namespace: &str, pod: &str, options: &kubernetes::LogOptions) -> Result<String> {
        kubernetes::logs(namespace, pod, options)
    }
    fn events(&self, reference: &kubernetes::Reference) -> Result<Vec<String>> {
        kubernetes::events(reference)
    }
    fn get_object(&self, key: &str) -> Result<Vec<u8>> {
        objects::get(key)
    }
    fn put_object(&self, key: &str, data: &[u8]) -> Result<()> {
        objects::put(key, data)
    }
    fn delete_object(&self, key: &str) -> Result<()> {
        objects::delete(key)
    }
    fn reveal(&self, secret: &str) -> Result<String> {
        credentials::reveal(secret)
    }
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
    fn event(&self, kind: &str, reason: &str, message: &str) {
        context::event(kind, reason, message);
    }
    fn task_id(&self) -> String {
        context::task_id()
    }
    fn now_ms(&self) -> u64 {
        context::now_ms()
    }
}

fn with_runs<T>(work: impl FnOnce(&Runs) -> Result<T>) -> Result<T> {
    let configuration: Configuration = configuration()?;
    work(&Runs::new(&Lent, &configuration))
}

impl Guest for Spark {
    fn plan(request: Request) -> Result<QueryPlan> {
        with_runs(|runs| runs.plan(&request))
    }

    fn start(request: Request) -> Result<Step> {
        with_runs(|runs| runs.start(request))
    }

    fn advance(state: Vec<u8>) -> Result<Step> {
        with_runs(|runs| runs.advance(&state))
    }

    fn cancel(state: Vec<u8>) -> Result<()> {
        with_runs(|runs| runs.cancel(&state))
    }

    fn drop(target: TableName) -> Result<()> {
        with_runs(|runs| runs.drop(&target))
    }
}

impl readiness::Guest for Spark {
    fn check() -> Result<String> {
        with_runs(|runs| runs.check())
    }
}

asgard_sdk::export_readiness!(Spark with_types_in asgard_sdk::bindings::readiness);
asgard_sdk::export_transform!(Spark with_types_in asgard_sdk::bindings::transform);
