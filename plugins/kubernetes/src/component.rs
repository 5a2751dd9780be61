//! What the component exports, and the host's capabilities as a [`Host`].

use asgard_sdk::{Result, canary, configuration, context, http, readiness, serving};
use asgard_workloads::cluster;

use crate::configuration::Configuration;
use crate::host::Host;
use crate::serving::Server;

struct Kubernetes;

/// The capabilities that this call was lent.
struct Lent;

impl cluster::Lent for Lent {}

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

impl readiness::Guest for Kubernetes {
    fn check() -> Result<String> {
        with_server(|server| server.check())
    }
}

impl canary::Guest for Kubernetes {
    fn start(request: canary::Request) -> Result<Vec<u8>> {
        let canary::Request {
            deployment_id,
            model_name,
            model_version,
            image,
            model_files,
            requirements,
            replicas,
            namespace,
            weight,
        } = request;
        let request = serving::Request {
            deployment_id,
            model_name,
            model_version,
            image,
            model_files,
            requirements,
            replicas,
            namespace,
        };
        with_server(|server| server.start_canary(request, weight))
    }
}

asgard_sdk::export_canary!(Kubernetes with_types_in asgard_sdk::bindings::canary);
asgard_sdk::export_readiness!(Kubernetes with_types_in asgard_sdk::bindings::readiness);
asgard_sdk::export_serving!(Kubernetes with_types_in asgard_sdk::bindings::serving);
