//! Whose a model's Deployment is, through rollouts that succeed, stand still, are cancelled and removed.

use std::collections::BTreeMap;

use asgard_sdk::Error;
use asgard_sdk::serving::{Outcome, Request, Status};
use asgard_sdk::types::InvalidInput;
use serde_json::{Value, json};

use crate::memory::{DEPLOYMENT, Memory, advance, followed, request, served, start, with_server};

fn failure(status: Status) -> (String, String) {
    match status {
        Status::Failed(Error::InvalidInput(InvalidInput { field, message })) => (field.unwrap(), message),
        other => panic!("{other:?}"),
    }
}

fn crashing(restarts: u64) -> Value {
    let waiting = json!({ "reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container" });
    let ended = json!({ "exitCode": 1, "reason": "Error" });
    json!({
        "metadata": { "name": "model-predictor-x" }, "spec": { "nodeName": "node1" },
        "status": { "containerStatuses": [{
            "name": "model", "restartCount": restarts, "state": { "waiting": waiting }, "lastState": { "terminated": ended },
        }] },
    })
}

#[test]
fn a_model_is_served_when_every_container_answers_and_there_is_an_address() {
    let host = Memory::default();
    let mut state = start(&host, "d-1", "1");
    assert!(matches!(advance(&host, &mut state), Status::Running(_)));
    host.roll_out();
    let Status::Succeeded(Outcome { url, external_ip }) = advance(&host, &mut state) else { panic!() };
    assert_eq!((url.as_str(), external_ip.as_deref()), ("http://198.51.100.10", Some("198.51.100.10")));
    let resources = host.resources.borrow();
    let specification = &resources[DEPLOYMENT]["spec"];
    assert_eq!(specification["strategy"]["rollingUpdate"], json!({ "maxUnavailable": 0, "maxSurge": 1 }));
    let pod = &specification["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["volumeMounts"][0]["mountPath"], "/tmp");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/health");
    assert_eq!(container["lifecycle"]["preStop"]["sleep"]["seconds"], 10);
    assert_eq!(
        resources[DEPLOYMENT]["metadata"]["labels"]["asgard.dev/lasts"], "true",
        "the host sweeps what does not last"
    );
    assert_eq!(resources["Service/model-predictor"]["spec"]["type"], "LoadBalancer");
}

#[test]
fn a_cluster_serves_images_and_nothing_else() {
    let host = Memory::default();
    let refused = with_server(&host, json!({}), |server| server.start(Request { image: None, ..request("d-1", "1") }));
    assert!(matches!(&refused, Err(Error::InvalidInput(why)) if why.message.contains("kaniko")), "{refused:?}");
}

#[test]
fn a_repeated_start_changes_nothing() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    start(&host, "d-2", "2");
    let resources = host.resources.borrow().clone();
    start(&host, "d-2", "2");
    assert_eq!(*host.resources.borrow(), resources);
}

#[test]
fn a_rollout_is_done_when_the_version_before_has_ended() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let mut state = start(&host, "d-2", "2");
    assert!(matches!(advance(&host, &mut state), Status::Running(_)), "the status is of the version before");
    host.resources.borrow_mut().get_mut(DEPLOYMENT).unwrap()["status"] =
        json!({ "observedGeneration": 1, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2 });
    let Status::Running(running) = advance(&host, &mut state) else { panic!() };
    assert!(running.progress.message.contains("1 containers of the version before"), "{}", running.progress.message);
    host.roll_out();
    // A Deployment does not count those that end, and they go on answering.
    *host.pods.borrow_mut() = vec![json!({
        "metadata": { "name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z", "labels": { "asgard.dev/deployment": "d-1" } },
        "status": { "phase": "Running" },
    })];
    let Status::Running(running) = advance(&host, &mut state) else { panic!() };
    assert!(running.progress.message.contains("are ending"), "{}", running.progress.message);
    host.pods.borrow_mut().clear();
    followed(&host, &mut state);
}

#[test]
fn a_version_that_crashes_gives_its_place_back_and_is_told_in_its_own_words() {
    let host = Memory::default();
    let old = served(&host, "d-1", "1");
    let mut new = start(&host, "d-2", "2");
    *host.pods.borrow_mut() = vec![crashing(1)];
    assert!(matches!(advance(&host, &mut new), Status::Running(_)), "once is no habit");
    *host.pods.borrow_mut() = vec![crashing(2)];
    *host.logs.borrow_mut() = BTreeMap::from([(true, "ModuleNotFoundError: No module named 'xgboost'\n".to_owned())]);
    let (field, message) = failure(advance(&host, &mut new));
    assert_eq!(field, "model");
    assert!(message.contains("exited with status 1 (Unhealthy: Readiness probe failed"), "{message}");
    assert!(message.ends_with("Its last lines:\nModuleNotFoundError: No module named 'xgboost'"), "{message}");
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:1"));
    host.pods.borrow_mut().clear();
    host.roll_out();
    assert!(matches!(with_server(&host, json!({}), |server| server.inspect(&old)).unwrap(), Status::Succeeded(_)));
}

#[test]
fn what_goes_on_is_what_was_there_whatever_the_binding_says_now() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let before = host.resources.borrow()[DEPLOYMENT]["spec"].clone();
    let changed = json!({ "port": 9999, "drain_seconds": 60 });
    let started = with_server(&host, changed.clone(), |server| server.start(request("d-2", "2"))).unwrap();
    {
        let resources = host.resources.borrow();
        assert_eq!(
            resources[DEPLOYMENT]["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"],
            9999
        );
        let target = &resources["Service/model-predictor"]["spec"]["ports"][0]["targetPort"];
        assert_eq!(target, "http", "pods of both versions have a port of this name");
    }
    with_server(&host, changed, |server| server.cancel(&started.state)).unwrap();
    assert_eq!(host.resources.borrow()[DEPLOYMENT]["spec"]["template"], before["template"]);
}

#[test]
fn an_image_that_is_not_there_is_given_up_after_a_minute() {
    let host = Memory::default();
    let mut state = start(&host, "d-1", "1");
    let waiting = json!({ "reason": "ErrImagePull", "message": "rpc error: code = NotFound desc = not found" });
    *host.pods.borrow_mut() = vec![json!({
        "metadata": { "name": "p" }, "spec": { "nodeName": "n" },
        "status": { "containerStatuses": [{ "name": "model", "image": "registry/x", "state": { "waiting": waiting } }] },
    })];
    assert!(matches!(advance(&host, &mut state), Status::Running(_)));
    host.now_ms.set(61_000);
    let (field, message) = failure(advance(&host, &mut state));
    assert_eq!(field, "image");
    assert!(message.contains("`registry/x` cannot be pulled: rpc error"), "{message}");
    assert!(host.resources.borrow().is_empty(), "a first version that does not come up leaves nothing");
}

#[test]
fn a_rollout_that_stands_still_is_told_by_its_probes() {
    let host = Memory::default();
    let mut state = start(&host, "d-1", "1");
    host.resources.borrow_mut().get_mut(DEPLOYMENT).unwrap()["status"] = json!({
        "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2,
        "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": "ReplicaSet \"model-predictor-1\" has timed out progressing." }],
    });
    *host.pods.borrow_mut() = vec![json!({ "metadata": { "name": "p" }, "spec": { "nodeName": "n" }, "status": {} })];
    *host.logs.borrow_mut() = BTreeMap::from([(false, "loading a very large model\n".to_owned())]);
    let (field, message) = failure(advance(&host, &mut state));
    assert_eq!(field, "model");
    for words in ["has timed out progressing", "Readiness probe failed", "loading a very large model"] {
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn removing_an_old_deployment_leaves_the_newer_one_alone() {
    let host = Memory::default();
    let old = served(&host, "d-1", "1");
    let new = served(&host, "d-2", "2");
    let superseded = with_server(&host, json!({}), |server| server.inspect(&old)).unwrap();
    assert!(matches!(&superseded, Status::Failed(Error::Conflict(why)) if why.contains("d-2")), "{superseded:?}");
    with_server(&host, json!({}), |server| server.remove(&old)).unwrap();
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:2"));
    with_server(&host, json!({}), |server| server.remove(&new)).unwrap();
    with_server(&host, json!({}), |server| server.remove(&new)).unwrap();
    assert!(host.resources.borrow().is_empty());
}

#[test]
fn a_cancelled_rollout_gives_back_to_the_last_version_that_answered() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let second = start(&host, "d-2", "2");
    let third = start(&host, "d-3", "3");
    with_server(&host, json!({}), |server| server.cancel(&second)).unwrap();
    assert_eq!(
        host.image().as_deref(),
        Some("registry:5000/predictor@sha256:3"),
        "the second has lost its place already"
    );
    with_server(&host, json!({}), |server| server.cancel(&third)).unwrap();
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:1"));
}

#[test]
fn a_deployment_that_is_being_deleted_is_waited_for() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    host.resources.borrow_mut().get_mut(DEPLOYMENT).unwrap()["metadata"]["deletionTimestamp"] =
        json!("2026-11-28T03:00:00Z");
    let mut state = start(&host, "d-2", "2");
    assert!(matches!(advance(&host, &mut state), Status::Running(_)));
    assert_eq!(
        host.image().as_deref(),
        Some("registry:5000/predictor@sha256:1"),
        "what is applied now would go with it"
    );
    host.resources.borrow_mut().remove(DEPLOYMENT);
    assert!(matches!(advance(&host, &mut state), Status::Running(_)));
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:2"));
}

#[test]
fn a_place_that_is_not_cleared_is_not_waited_for_for_ever() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    host.resources.borrow_mut().get_mut(DEPLOYMENT).unwrap()["metadata"]["deletionTimestamp"] =
        json!("2026-11-28T03:00:00Z");
    let mut state = start(&host, "d-2", "2");
    host.now_ms.set(599_000);
    assert!(matches!(advance(&host, &mut state), Status::Running(_)));
    host.now_ms.set(600_000);
    let failed = advance(&host, &mut state);
    assert!(
        matches!(&failed, Status::Failed(Error::Conflict(why)) if why.contains("600 s") && why.contains("being deleted")),
        "{failed:?}"
    );
}

#[test]
fn a_version_whose_step_fails_for_good_gives_its_place_back() {
    let host = Memory::default();
    served(&host, "d-1", "1");
    let state = start(&host, "d-2", "2");
    host.forbidden.set(Some("list Pod"));
    let failed = with_server(&host, json!({}), |server| server.advance(&state));
    assert!(matches!(&failed, Err(Error::Forbidden(_))), "{failed:?}");
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:1"));
    with_server(&host, json!({}), |server| server.cancel(&state)).unwrap();
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:1"), "once");

    // The first step, of which there is no state.
    let host = Memory::default();
    let ingress = json!({ "service": { "type": "Ingress", "host": "{model}.example.com" } });
    let old = with_server(&host, ingress.clone(), |server| server.start(request("d-1", "1"))).unwrap().state;
    host.roll_out();
    let step = with_server(&host, ingress, |server| server.advance(&old)).unwrap();
    assert!(matches!(step.status, Status::Succeeded(_)), "{:?}", step.status);
    host.forbidden.set(Some("delete Ingress"));
    let failed = with_server(&host, json!({}), |server| server.start(request("d-2", "2")));
    assert!(matches!(&failed, Err(Error::Forbidden(_))), "{failed:?}");
    assert_eq!(host.image().as_deref(), Some("registry:5000/predictor@sha256:1"));
}

#[test]
fn what_is_not_this_models_is_left_alone() {
    let host = Memory::default();
    host.resources.borrow_mut().insert(DEPLOYMENT.to_owned(), json!({ "metadata": { "name": "model-predictor" } }));
    let foreign = with_server(&host, json!({}), |server| server.start(request("d-1", "1")));
    assert!(matches!(foreign, Err(Error::Conflict(_))));

    let host = Memory::default();
    served(&host, "d-1", "1");
    *host.environment.borrow_mut() = Some("staging".to_owned());
    let other = with_server(&host, json!({}), |server| server.start(request("d-2", "2")));
    assert!(matches!(&other, Err(Error::Conflict(why)) if why.contains("production")), "{other:?}");
    *host.environment.borrow_mut() = None;
    let named = Request { model_name: "Predictor".to_owned(), ..request("d-2", "2") };
    let other = with_server(&host, json!({}), |server| server.start(named));
    assert!(matches!(&other, Err(Error::Conflict(why)) if why.contains("rename")), "{other:?}");
}

#[test]
fn a_url_is_not_told_before_it_answers_where_the_binding_says_so() {
    let (host, configuration) = (Memory::default(), json!({ "verify": true }));
    let mut state =
        with_server(&host, configuration.clone(), |server| server.start(request("d-1", "1"))).unwrap().state;
    host.roll_out();
    host.health.set(503);
    let step = with_server(&host, configuration.clone(), |server| server.advance(&state)).unwrap();
    let Status::Running(running) = step.status else { panic!() };
    assert!(running.progress.message.contains("status 503"), "{}", running.progress.message);
    state = step.state;
    host.health.set(200);
    let step = with_server(&host, configuration, |server| server.advance(&state)).unwrap();
    assert!(matches!(step.status, Status::Succeeded(_)));
}

#[test]
fn each_way_to_a_model_has_its_url() {
    for (configuration, status, expected, ip) in [
        (
            json!({ "service": { "type": "LoadBalancer", "port": 8000 } }),
            json!({ "loadBalancer": { "ingress": [{ "hostname": "x.elb.amazonaws.com" }] } }),
            "http://x.elb.amazonaws.com:8000",
            Some("x.elb.amazonaws.com"),
        ),
        (json!({ "service": { "type": "ClusterIP" } }), json!({}), "http://model-predictor.asgard.svc", None),
        (
            json!({ "service": { "type": "Ingress", "host": "{model}.example.com", "tls_secret": "{model}-tls" } }),
            json!({}),
            "https://predictor.example.com",
            None,
        ),
        (
            json!({ "service": { "type": "NodePort", "node_address": "10.0.0.7" } }),
            json!({}),
            "http://10.0.0.7:31000",
            Some("10.0.0.7"),
        ),
    ] {
        let host = Memory::default();
        let state =
            with_server(&host, configuration.clone(), |server| server.start(request("d-1", "1"))).unwrap().state;
        host.roll_out();
        let mut resources = host.resources.borrow_mut();
        let service = resources.get_mut("Service/model-predictor").unwrap();
        service["status"] = status;
        service["spec"]["ports"][0]["nodePort"] = json!(31_000);
        drop(resources);
        let step = with_server(&host, configuration.clone(), |server| server.advance(&state)).unwrap();
        let Status::Succeeded(outcome) = step.status else { panic!("{configuration}") };
        assert_eq!((outcome.url.as_str(), outcome.external_ip.as_deref()), (expected, ip));
        with_server(&host, configuration, |server| server.remove(&step.state)).unwrap();
        assert!(host.resources.borrow().is_empty());
    }
    let incomplete = with_server(&Memory::default(), json!({ "service": { "type": "Ingress" } }), |_| Ok(()));
    assert!(
        matches!(&incomplete, Err(Error::InvalidInput(why)) if why.field.as_deref() == Some("configuration.service.host"))
    );
}

#[test]
fn a_cluster_is_checked_without_making_anything() {
    let host = Memory::default();
    let told = with_server(&host, json!({ "namespace": "models" }), |server| server.check()).unwrap();
    assert!(told.contains("`models`"), "{told}");
    assert!(host.resources.borrow().is_empty());
}
