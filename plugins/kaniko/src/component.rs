//! What the component exports, and the host's capabilities as a [`Host`].

use asgard_sdk::{Result, configuration, context, http, image_build, objects, readiness};
use asgard_workloads::cluster;

use crate::build::Builder;
use crate::configuration::Configuration;
use crate::host::Host;

struct Kaniko;

/// The capabilities that this call was lent.
struct Lent;

impl cluster::Lent for Lent {}

impl Host for Lent {
    fn send(&self, request: &http::Request, credential: Option<&http::Credential>) -> Result<http::Response> {
        match credential {
            Some(credential) => http::send_as(request, credential),
            None => http::send(request),
        }
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
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
    fn now_ms(&self) -> u64 {
        context::now_ms()
    }
}

fn with_builder<T>(work: impl FnOnce(&Builder) -> Result<T>) -> Result<T> {
    let configuration: Configuration = configuration()?;
    work(&Builder::new(&Lent, &configuration))
}

impl image_build::Guest for Kaniko {
    fn start(request: image_build::Request) -> Result<image_build::Step> {
        with_builder(|builder| builder.start(&request))
    }
    fn advance(state: Vec<u8>) -> Result<image_build::Step> {
        with_builder(|builder| builder.advance(&state))
    }
    fn cancel(state: Vec<u8>) -> Result<()> {
        with_builder(|builder| builder.cancel(&state))
    }
}

impl readiness::Guest for Kaniko {
    fn check() -> Result<String> {
        with_builder(|builder| builder.check())
    }
}

asgard_sdk::export_readiness!(Kaniko with_types_in asgard_sdk::bindings::readiness);
asgard_sdk::export_image_build!(Kaniko with_types_in asgard_sdk::bindings::image_build);
