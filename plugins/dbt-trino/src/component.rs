//! What the component exports, and the host's capabilities as a [`Host`].

use asgard_sdk::transform::{Guest, QueryPlan, Request, Step};
use asgard_sdk::{Result, TableName, configuration, context, explain, http, kubernetes, processes};

use crate::host::Host;
use crate::run::Gold;

struct DbtTrino;

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
    fn read_file(&self, key: &str, path: &str) -> Result<Vec<u8>> {
        processes::read_file(key, path)
    }
    fn remove(&self, key: &str) -> Result<()> {
        processes::remove(key)
    }
    fn apply(&self, manifest: &str) -> Result<String> {
        kubernetes::apply(manifest)
    }
    fn patch(&self, reference: &kubernetes::Reference, patch: &str) -> Result<String> {
        kubernetes::patch(reference, patch)
    }
    fn get(&self, reference: &kubernetes::Reference) -> Result<String> {
        kubernetes::get(reference)
    }
    fn list(&self, api_version: &str, kind: &str, namespace: &str, selector: &str) -> Result<Vec<String>> {
        kubernetes::list(api_version, kind, namespace, selector)
    }
    fn delete(&self, reference: &kubernetes::Reference) -> Result<()> {
        kubernetes::delete(reference)
    }
    fn logs(&self, namespace: &str, pod: &str) -> Result<String> {
        let all = kubernetes::LogOptions { container: None, previous: false, tail_lines: None, since_ms: None };
        kubernetes::logs(namespace, pod, &all)
    }
    fn environment(&self) -> String {
        context::environment()
    }
    fn task_id(&self) -> String {
        context::task_id()
    }
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
    fn event(&self, kind: &str, reason: &str, message: &str) {
        context::event(kind, reason, message);
    }
    fn now_ms(&self) -> u64 {
        context::now_ms()
    }
}

fn with_gold<T>(work: impl FnOnce(&Gold) -> Result<T>) -> Result<T> {
    work(&Gold::new(&Lent, &configuration()?)?)
}

impl Guest for DbtTrino {
    fn plan(request: Request) -> Result<QueryPlan> {
        with_gold(|gold| gold.plan(request))
    }
    fn start(request: Request) -> Result<Step> {
        with_gold(|gold| gold.start(request))
    }
    fn advance(state: Vec<u8>) -> Result<Step> {
        with_gold(|gold| gold.advance(&state))
    }
    fn cancel(state: Vec<u8>) -> Result<()> {
        with_gold(|gold| gold.cancel(&state))
    }
    fn drop(target: TableName) -> Result<()> {
        with_gold(|gold| gold.drop(&target))
    }
}

impl explain::Guest for DbtTrino {
    fn explain(compiled_sql: String) -> Result<String> {
        with_gold(|gold| gold.explain(&compiled_sql))
    }
}

asgard_sdk::export_transform!(DbtTrino with_types_in asgard_sdk::bindings::transform);
asgard_sdk::export_explain!(DbtTrino with_types_in asgard_sdk::bindings::explain);
