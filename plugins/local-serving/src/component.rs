//! What the component exports, and the host's capabilities as a [`Host`].

use asgard_sdk::{Result, configuration, context, objects, readiness, services, serving};

use crate::host::Host;
use crate::serving::Server;

struct LocalServing;

/// The capabilities that this call was lent.
struct Lent;

impl Host for Lent {
    fn ensure(&self, name: &str, spec: &services::Spec) -> Result<()> {
        services::ensure(name, spec)
    }
    fn status(&self, name: &str) -> Result<services::ServiceStatus> {
        services::status(name)
    }
    fn remove(&self, name: &str) -> Result<()> {
        services::remove(name)
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
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
    fn now_ms(&self) -> u64 {
        context::now_ms()
    }
}

fn with_server<T>(work: impl FnOnce(&Server) -> Result<T>) -> Result<T> {
    work(&Server::new(&Lent, &configuration()?))
}

impl serving::Guest for LocalServing {
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

impl readiness::Guest for LocalServing {
    fn check() -> Result<String> {
        with_server(|server| server.check())
    }
}

asgard_sdk::export_readiness!(LocalServing with_types_in asgard_sdk::bindings::readiness);
asgard_sdk::export_serving!(LocalServing with_types_in asgard_sdk::bindings::serving);
