//! What the component exports, and the host's capabilities as a [`Host`].

use asgard_sdk::{Result, configuration, context, http, model_registry, objects, processes, training};
use asgard_workloads::cluster;

use crate::configuration::Configuration;
use crate::host::Host;
use crate::registry::Registry;
use crate::training::Trainer;

struct Mlflow;

/// The capabilities that this call was lent.
struct Lent;

impl cluster::Lent for Lent {}

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
    fn get_object(&self, key: &str) -> Result<Vec<u8>> {
        objects::get(key)
    }
    fn location(&self, key: &str) -> Result<String> {
        objects::location(key)
    }
    fn put_object(&self, key: &str, data: &[u8]) -> Result<()> {
        objects::put(key, data)
    }
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
    fn now_ms(&self) -> u64 {
        context::now_ms()
    }
}

fn with_trainer<T>(work: impl FnOnce(&Trainer) -> Result<T>) -> Result<T> {
    let configuration: Configuration = configuration()?;
    work(&Trainer::new(&Lent, &configuration)?)
}

fn with_registry<T>(work: impl FnOnce(&Registry) -> Result<T>) -> Result<T> {
    let configuration: Configuration = configuration()?;
    work(&Registry::new(&Lent, &configuration)?)
}

impl training::Guest for Mlflow {
    fn start(request: training::Request) -> Result<training::Step> {
        with_trainer(|trainer| trainer.start(request))
    }
    fn advance(state: Vec<u8>) -> Result<training::Step> {
        with_trainer(|trainer| trainer.advance(&state))
    }
    fn cancel(state: Vec<u8>) -> Result<()> {
        with_trainer(|trainer| trainer.cancel(&state))
    }
}

impl model_registry::Guest for Mlflow {
    fn register(registration: model_registry::Registration) -> Result<model_registry::Version> {
        with_registry(|registry| registry.register(&registration))
    }
    fn list_models() -> Result<Vec<model_registry::Model>> {
        with_registry(|registry| registry.list_models())
    }
    fn get_model(name: String) -> Result<model_registry::Model> {
        with_registry(|registry| registry.get_model(&name))
    }
    fn fetch(name: String, version: String, prefix: String) -> Result<Vec<(String, String)>> {
        with_registry(|registry| registry.fetch(&name, &version, &prefix))
    }
    fn information() -> Result<model_registry::BackendInformation> {
        with_registry(|registry| registry.information())
    }
}

asgard_sdk::export_training!(Mlflow with_types_in asgard_sdk::bindings::training);
asgard_sdk::export_model_registry!(Mlflow with_types_in asgard_sdk::bindings::model_registry);
