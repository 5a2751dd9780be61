//! What the component exports, and the host's capabilities as a [`Host`].

use std::time::Duration;

use asgard_sdk::feature_source::{
    BackendInformation, FeatureService, FeatureView, Guest, OnlineRequest, Request, Step,
};
use asgard_sdk::{
    Result, TableName, configuration, context, feature_push, http, key_value, lakehouse, objects, processes, readiness,
};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::host::Host;
use crate::run::Feast;
use crate::{backend, online, push, registration, run};

struct Plugin;

/// The capabilities that this call was lent.
struct Lent;

impl Host for Lent {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        http::send(request)
    }
    fn describe(&self, table: &TableName) -> Result<lakehouse::Table> {
        lakehouse::describe(table)
    }
    fn plan(&self, statement: &lakehouse::Statement) -> Result<lakehouse::QueryPlan> {
        lakehouse::plan(statement)
    }
    fn submit(&self, key: &str, statement: &lakehouse::Statement, output: &lakehouse::Output) -> Result<()> {
        lakehouse::submit(key, statement, output)
    }
    fn poll(&self, key: &str) -> Result<lakehouse::Status> {
        lakehouse::poll(key)
    }
    fn cancel(&self, key: &str) -> Result<()> {
        lakehouse::cancel(key)
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
    fn location(&self, key: &str) -> Result<String> {
        objects::location(key)
    }
    fn get_value(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(key_value::get_many(bucket, &[key.to_owned()])?.into_iter().next().flatten())
    }
    fn set_value(&self, bucket: &str, key: &str, value: &[u8]) -> Result<()> {
        key_value::set_many(bucket, &[(key.to_owned(), value.to_vec())])
    }
    fn forget_values(&self, bucket: &str) -> Result<()> {
        key_value::delete_bucket(bucket)
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
    fn store_file(&self, key: &str, path: &str, object: &str) -> Result<()> {
        processes::store_file(key, path, object)
    }
    fn remove(&self, key: &str) -> Result<()> {
        processes::remove(key)
    }
    fn task_id(&self) -> String {
        context::task_id()
    }
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
    fn now_ms(&self) -> u64 {
        context::now_ms()
    }
    fn pause(&self, milliseconds: u32) {
        std::thread::sleep(Duration::from_millis(milliseconds.into()));
    }
}

fn with<T>(work: impl FnOnce(Feast<'_>) -> Result<T>) -> Result<T> {
    let configuration: Configuration = configuration()?;
    let client = Client::new(&Lent, &configuration);
    work(Feast { host: &Lent, configuration: &configuration, client: &client })
}

impl Guest for Plugin {
    fn register_view(view: FeatureView) -> Result<()> {
        with(|feast| registration::register_view(feast, &view))
    }

    fn remove_view(view: FeatureView) -> Result<()> {
        with(|feast| registration::remove_view(feast, &view))
    }

    fn register_service(service: FeatureService, _: Vec<FeatureView>) -> Result<()> {
        with(|feast| registration::register_service(feast, &service))
    }

    fn remove_service(name: String) -> Result<()> {
        with(|feast| registration::remove_service(feast, &name))
    }

    fn start(request: Request) -> Result<Step> {
        with(|feast| run::start(feast, request))
    }

    fn advance(state: Vec<u8>) -> Result<Step> {
        with(|feast| run::advance(feast, &state))
    }

    fn cancel(state: Vec<u8>) -> Result<()> {
        with(|feast| run::cancel(feast, &state))
    }

    fn online(request: OnlineRequest) -> Result<String> {
        with(|feast| online::read(feast, &request))
    }

    fn information() -> Result<BackendInformation> {
        with(backend::information)
    }
}

impl feature_push::Guest for Plugin {
    fn push(request: feature_push::Request) -> Result<feature_push::Outcome> {
        with(|feast| push::push(feast, request))
    }
}

impl readiness::Guest for Plugin {
    fn check() -> Result<String> {
        with(backend::check)
    }
}

asgard_sdk::export_feature_push!(Plugin with_types_in asgard_sdk::bindings::feature_push);
asgard_sdk::export_feature_source!(Plugin with_types_in asgard_sdk::bindings::feature_source);
asgard_sdk::export_readiness!(Plugin with_types_in asgard_sdk::bindings::readiness);
