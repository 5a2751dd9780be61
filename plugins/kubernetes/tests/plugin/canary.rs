//! Two versions that share requests, and a version that is served again.

use asgard_sdk::Error;
use asgard_sdk::serving::{Request, Status};
use serde_json::{Value, json};

use crate::memory::{DEPLOYMENT, Memory, advance, followed, request, served, start, with_server};

const CANARY: &str = "Deployment/canary-predictor";

fn begin(host: &Memory, deployment: &str, version: &str, weight: u32) -> Vec<u8> {
    with_server(host, json!({}), |server| server.start_canary(request(deployment, version), weight)).unwrap()
}

fn shared(host: &Memory, deployment: &str, version: &str, weight: u32) -> Vec<u8> {
    let mut state = begin(host, deployment, version, weight);
    followed(host, &mut state);
    state
}

fn containers(host: &Memory, deployment: &str) -> Option<Value> {
    host.resources.borrow().get(deployment).map(|deployment| deployment["spec"]["replicas"].clone())
}

fn labels(host: &Memory, deployment: &str) -> Value {
    host.resources.borrow()[deployment]["spec"]["template"]["metadata"]["labels"].clone()
}

fn remove(host: &Memory, state: &[u8]) {
    with_server(host, json!({}), |server| server.remove(state)).unwrap();
}

#[test]
fn a_canary_is_asked_by_the_same_service_and_leaves_the_rest_to_the_version_beside_it() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let before = host.resources.borrow()[DEPLOYMENT]["spec"]["template"].clone();
    let mut state = begin(&host, "d-2", "2", 25);
    assert_eq!(containers(&host, DEPLOYMENT), Some(json!(2)), "nothing is taken away before the canary answers");
    host.roll_out();
    assert!(matches!(advance(&host, &mut state), Status::Running(_)));
    assert_eq!((containers(&host, DEPLOYMENT), containers(&host, CANARY)), (Some(json!(3)), Some(json!(1))));
    followed(&host, &mut state);
    let resources = host.resources.borrow();
    assert_eq!(resources[DEPLOYMENT]["spec"]["template"], before, "no container is started anew");
    let selector = &resources["Service/model-predictor"]["spec"]["selector"];
    for (label, value) in selector.as_object().unwrap() {
        for deployment in [DEPLOYMENT, CANARY] {
            assert_eq!(&resources[deployment]["spec"]["template"]["metadata"]["labels"][label], value);
        }
    }
    assert_ne!(resources[DEPLOYMENT]["spec"]["selector"], resources[CANARY]["spec"]["selector"]);
    assert_eq!(resources[CANARY]["metadata"]["labels"]["asgard.dev/lasts"], "true");
    drop(resources);
    let status = with_server(&host, json!({}), |server| server.inspect(&state)).unwrap();
    assert!(matches!(&status, Status::Succeeded(outcome) if outcome.url == "http://198.51.100.10"), "{status:?}");
}

#[test]
fn a_removed_canary_gives_all_requests_back() {
    let host = Memory::default();
    let old = served(&host, "d-1", "1");
    let canary = shared(&host, "d-2", "2", 50);
    assert_eq!(containers(&host, DEPLOYMENT), Some(json!(1)));
    remove(&host, &canary);
    remove(&host, &canary);
    assert_eq!((containers(&host, DEPLOYMENT), containers(&host, CANARY)), (Some(json!(2)), None));
    host.roll_out();
    assert!(matches!(with_server(&host, json!({}), |server| server.inspect(&old)).unwrap(), Status::Succeeded(_)));
}

#[test]
fn a_share_that_grows_keeps_the_canarys_containers() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let first = shared(&host, "d-2", "2", 10);
    let before = labels(&host, CANARY);
    shared(&host, "d-3", "2", 50);
    assert_eq!((containers(&host, DEPLOYMENT), containers(&host, CANARY)), (Some(json!(1)), Some(json!(1))));
    assert_eq!(labels(&host, CANARY), before);
    let superseded = with_server(&host, json!({}), |server| server.inspect(&first)).unwrap();
    assert!(matches!(superseded, Status::Failed(Error::Conflict(_))), "{superseded:?}");
}

#[test]
fn a_version_that_takes_the_place_ends_the_canary_when_all_its_containers_answer() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let canary = shared(&host, "d-2", "2", 50);
    let mut promoted = start(&host, "d-3", "2");
    assert_eq!(containers(&host, DEPLOYMENT), Some(json!(1)), "shared as before, while it is rolled out");
    host.roll_out();
    assert!(matches!(advance(&host, &mut promoted), Status::Running(_)));
    assert_eq!((containers(&host, DEPLOYMENT), containers(&host, CANARY)), (Some(json!(2)), Some(json!(1))));
    followed(&host, &mut promoted);
    assert_eq!((containers(&host, DEPLOYMENT), containers(&host, CANARY)), (Some(json!(2)), None));
    let ended = with_server(&host, json!({}), |server| server.inspect(&canary)).unwrap();
    assert!(matches!(ended, Status::Failed(Error::NotFound(_))), "{ended:?}");
    remove(&host, &canary);
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:2"));
}

/// Between the moment that the canary reads the version beside it and the moment that it changes that one's containers.
#[test]
fn a_version_that_is_rolled_out_while_a_canary_takes_its_share_keeps_its_place() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let mut canary = begin(&host, "d-2", "2", 50);
    host.roll_out();
    let rollout: Box<dyn FnOnce(&Memory)> = Box::new(|host| drop(start(host, "d-3", "3")));
    host.meanwhile.replace(Some((DEPLOYMENT, rollout)));
    assert!(matches!(advance(&host, &mut canary), Status::Running(_)));
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:3"));
    assert!(host.meanwhile.borrow().is_none(), "the rollout came in between");
}

#[test]
fn a_canary_that_does_not_come_up_takes_nothing_away() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let mut state = begin(&host, "d-2", "2", 50);
    let waiting = json!({ "reason": "CrashLoopBackOff", "message": "back-off" });
    *host.pods.borrow_mut() = vec![json!({
        "metadata": { "name": "p" }, "spec": { "nodeName": "n" },
        "status": { "containerStatuses": [{ "name": "model", "restartCount": 2, "state": { "waiting": waiting },
            "lastState": { "terminated": { "exitCode": 1, "reason": "Error" } } }] },
    })];
    let failed = advance(&host, &mut state);
    assert!(matches!(&failed, Status::Failed(Error::InvalidInput(_))), "{failed:?}");
    assert_eq!((containers(&host, DEPLOYMENT), containers(&host, CANARY)), (Some(json!(2)), None));
}

#[test]
fn a_canary_waits_for_a_rollout_and_is_refused_beside_nothing() {
    let host = Memory::default();
    let alone = with_server(&host, json!({}), |server| server.start_canary(request("d-1", "1"), 10));
    assert!(matches!(&alone, Err(Error::Conflict(why)) if why.contains("without `canary_weight`")), "{alone:?}");

    served(&host, "d-1", "1");
    let mut second = start(&host, "d-2", "2");
    let mut third = begin(&host, "d-3", "3", 50);
    assert_eq!(containers(&host, CANARY), None);
    followed(&host, &mut second);
    followed(&host, &mut third);
    assert_eq!((containers(&host, DEPLOYMENT), containers(&host, CANARY)), (Some(json!(1)), Some(json!(1))));
    *host.environment.borrow_mut() = Some("staging".to_owned());
    let other = with_server(&host, json!({}), |server| server.start_canary(request("d-4", "4"), 10));
    assert!(matches!(&other, Err(Error::Conflict(why)) if why.contains("production")), "{other:?}");
}

#[test]
fn a_canary_does_not_wait_for_ever_beside_a_rollout_that_nobody_ends() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    start(&host, "d-2", "2");
    let mut canary = begin(&host, "d-3", "3", 50);
    assert!(matches!(advance(&host, &mut canary), Status::Running(_)));
    host.now_ms.set(600_000);
    let failed = advance(&host, &mut canary);
    assert!(matches!(&failed, Status::Failed(Error::Conflict(why)) if why.contains("beside it")), "{failed:?}");
    assert_eq!(containers(&host, CANARY), None);
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:2"), "the rollout is another's");
}

#[test]
fn a_canary_whose_step_fails_for_good_takes_nothing_away() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let state = begin(&host, "d-2", "2", 50);
    host.forbidden.set(Some("list Pod"));
    let failed = with_server(&host, json!({}), |server| server.advance(&state));
    assert!(matches!(&failed, Err(Error::Forbidden(_))), "{failed:?}");
    assert_eq!((containers(&host, DEPLOYMENT), containers(&host, CANARY)), (Some(json!(2)), None));
}

#[test]
fn the_same_version_served_again_is_scaled_and_starts_no_container_anew() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let before = host.resources.borrow()[DEPLOYMENT]["spec"]["template"].clone();
    let more = Request { replicas: 5, ..request("d-2", "1") };
    let mut state = with_server(&host, json!({}), |server| server.start(more)).unwrap().state;
    followed(&host, &mut state);
    assert_eq!(containers(&host, DEPLOYMENT), Some(json!(5)));
    assert_eq!(host.resources.borrow()[DEPLOYMENT]["spec"]["template"], before);
    let mut back = start(&host, "d-3", "0");
    followed(&host, &mut back);
    assert_eq!(labels(&host, DEPLOYMENT)["asgard.dev/deployment"], "d-3");
}

#[test]
fn a_removed_model_takes_its_canary_along() {
    let host = Memory::default();
    let old = served(&host, "d-1", "1");
    shared(&host, "d-2", "2", 50);
    remove(&host, &old);
    assert!(host.resources.borrow().is_empty());
}
