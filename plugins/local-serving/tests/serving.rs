//! Who a model's service belongs to, through deployments that follow, fail, are cancelled and removed.

#![expect(clippy::unwrap_used, reason = "a test ends with the first thing that is not as it should be")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use asgard_plugin_local_serving::configuration::Configuration;
use asgard_plugin_local_serving::host::Host;
use asgard_plugin_local_serving::serving::Server;
use asgard_sdk::context::Level;
use asgard_sdk::processes::Content;
use asgard_sdk::services::{ServiceState, ServiceStatus, Spec};
use asgard_sdk::serving::{Request, Status};
use asgard_sdk::{Error, Result};

/// Services and objects in memory. A service keeps the newest specification, as the host's status does.
#[derive(Default)]
struct Memory {
    services: RefCell<BTreeMap<String, (Spec, ServiceState)>>,
    objects: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Memory {
    fn set(&self, service: &str, state: ServiceState) {
        self.services.borrow_mut().get_mut(service).unwrap().1 = state;
    }
    fn version(&self, service: &str) -> Option<String> {
        let services = self.services.borrow();
        let (spec, _) = services.get(service)?;
        spec.arguments.iter().find_map(|argument| argument.strip_prefix("--version=")).map(str::to_owned)
    }
}

impl Host for Memory {
    fn ensure(&self, name: &str, spec: &Spec) -> Result<()> {
        let mut services = self.services.borrow_mut();
        if services.get(name).is_none_or(|(running, _)| running != spec) {
            services.insert(name.to_owned(), (spec.clone(), ServiceState::Starting));
        }
        Ok(())
    }
    fn status(&self, name: &str) -> Result<ServiceStatus> {
        let services = self.services.borrow();
        let (_, state) = services.get(name).ok_or_else(|| Error::NotFound(name.to_owned()))?;
        Ok(ServiceStatus { state: state.clone(), url: "http://127.0.0.1:4711".to_owned(), restarts: 0 })
    }
    fn remove(&self, name: &str) -> Result<()> {
        self.services.borrow_mut().remove(name);
        Ok(())
    }
    fn get_object(&self, key: &str) -> Result<Vec<u8>> {
        self.objects.borrow().get(key).cloned().ok_or_else(|| Error::NotFound(key.to_owned()))
    }
    fn put_object(&self, key: &str, data: &[u8]) -> Result<()> {
        self.objects.borrow_mut().insert(key.to_owned(), data.to_vec());
        Ok(())
    }
    fn delete_object(&self, key: &str) -> Result<()> {
        self.objects.borrow_mut().remove(key);
        Ok(())
    }
    fn log(&self, _level: Level, _message: &str) {}
    fn now_ms(&self) -> u64 {
        0
    }
}

const SERVICE: &str = "model-predictor";

fn request(deployment: &str, version: &str) -> Request {
    let object = |path: &str| (path.to_owned(), format!("deployments/{deployment}/model/{path}"));
    Request {
        deployment_id: deployment.to_owned(),
        model_name: "predictor".to_owned(),
        model_version: version.to_owned(),
        image: None,
        model_files: vec![object("MLmodel"), object("model.pkl")],
        requirements: vec!["scikit-learn".to_owned()],
        replicas: 2,
        namespace: "asgard".to_owned(),
    }
}

fn with_server<T>(host: &Memory, work: impl FnOnce(&Server) -> Result<T>) -> Result<T> {
    let configuration = Configuration { program: "python".to_owned(), memory_mb: None, ready_timeout_seconds: 300 };
    work(&Server::new(host, &configuration))
}

fn start(host: &Memory, deployment: &str, version: &str) -> Vec<u8> {
    with_server(host, |server| server.start(request(deployment, version))).unwrap().state
}

fn advance(host: &Memory, state: &[u8]) -> Status {
    with_server(host, |server| server.advance(state)).unwrap().status
}

fn served(host: &Memory, deployment: &str, version: &str) -> Vec<u8> {
    let state = start(host, deployment, version);
    host.set(SERVICE, ServiceState::Ready);
    assert!(matches!(advance(host, &state), Status::Succeeded(_)));
    state
}

#[test]
fn a_model_is_served_when_its_service_answers() {
    let host = Memory::default();
    let state = start(&host, "d-1", "1");
    assert!(matches!(advance(&host, &state), Status::Running(_)));
    host.set(SERVICE, ServiceState::Ready);
    let Status::Succeeded(outcome) = advance(&host, &state) else { panic!() };
    assert_eq!(outcome.url, "http://127.0.0.1:4711");
    let services = host.services.borrow();
    let (spec, _) = &services[SERVICE];
    assert_eq!(spec.health_path, "/health");
    assert!(spec.arguments.contains(&"--port={port}".to_owned()) && spec.arguments.contains(&"--workers=2".to_owned()));
    let file = |path: &str| spec.files.iter().find(|file| file.path == path).map(|file| file.content.clone());
    assert_eq!(file("model/MLmodel"), Some(Content::Object("deployments/d-1/model/MLmodel".to_owned())));
    assert!(matches!(file("service/__main__.py"), Some(Content::Inline(_))));
}

#[test]
fn files_that_are_no_model_are_refused() {
    let host = Memory::default();
    let mut request = request("d-1", "1");
    request.model_files.remove(0);
    let refused = with_server(&host, |server| server.start(request));
    assert!(matches!(&refused, Err(Error::InvalidInput(why)) if why.message.contains("MLmodel")), "{refused:?}");
}

#[test]
fn a_repeated_start_changes_nothing() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let state = start(&host, "d-2", "2");
    let objects = host.objects.borrow().clone();
    assert_eq!(start(&host, "d-2", "2"), state);
    assert_eq!(*host.objects.borrow(), objects);
}

#[test]
fn removing_an_old_deployment_leaves_the_newer_one_alone() {
    let host = Memory::default();
    let old = served(&host, "d-1", "1");
    let new = served(&host, "d-2", "2");
    let superseded = with_server(&host, |server| server.inspect(&old)).unwrap();
    assert!(matches!(&superseded, Status::Failed(Error::Conflict(why)) if why.contains("d-2")), "{superseded:?}");
    with_server(&host, |server| server.remove(&old)).unwrap();
    assert_eq!(host.version(SERVICE).as_deref(), Some("2"));
    with_server(&host, |server| server.remove(&new)).unwrap();
    with_server(&host, |server| server.remove(&new)).unwrap();
    assert!(host.services.borrow().is_empty() && host.objects.borrow().is_empty());
}

#[test]
fn a_version_that_does_not_come_up_gives_its_place_back() {
    let host = Memory::default();
    let old = served(&host, "d-1", "1");
    let new = start(&host, "d-2", "2");
    host.set(SERVICE, ServiceState::Failed("it exited with status 1; its last lines:\nno module `xgboost`".to_owned()));
    let failed = advance(&host, &new);
    assert!(matches!(&failed, Status::Failed(Error::Internal(why)) if why.contains("xgboost")), "{failed:?}");
    assert_eq!(host.version(SERVICE).as_deref(), Some("1"));
    assert!(matches!(with_server(&host, |server| server.inspect(&old)).unwrap(), Status::Running(_)));
}

#[test]
fn a_first_version_that_does_not_come_up_leaves_nothing() {
    let host = Memory::default();
    let state = start(&host, "d-1", "1");
    host.set(SERVICE, ServiceState::Failed("no".to_owned()));
    assert!(matches!(advance(&host, &state), Status::Failed(_)));
    assert!(host.services.borrow().is_empty() && host.objects.borrow().is_empty());
}

#[test]
fn a_cancelled_start_gives_back_to_the_last_one_that_answered() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let second = start(&host, "d-2", "2");
    let third = start(&host, "d-3", "3");
    // The second has lost its place: its end is not the third's.
    with_server(&host, |server| server.cancel(&second)).unwrap();
    assert_eq!(host.version(SERVICE).as_deref(), Some("3"));
    with_server(&host, |server| server.cancel(&third)).unwrap();
    assert_eq!(host.version(SERVICE).as_deref(), Some("1"));
}

#[test]
fn readiness_is_told_and_makes_no_service() {
    let host = Memory::default();
    let told = with_server(&host, |server| server.check()).unwrap();
    assert!(told.contains("services of this host"), "{told}");
    assert!(host.services.borrow().is_empty());
}
