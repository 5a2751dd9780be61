//! A sync is one job, whatever happens to the host.

use asgard_plugin_airbyte::configuration::Configuration;
use asgard_plugin_airbyte::inventory::Inventory;
use asgard_plugin_airbyte::jobs::{self, Run};
use asgard_sdk::connector::{Event, ResourceDefinition};
use asgard_sdk::{Error, Result};
use serde_json::{Value, json};

use crate::server::{Server, configuration, ingestion};

pub(crate) fn provisioned() -> (Server, Configuration) {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    Inventory::new(&server, &configuration).unwrap().provision(&ResourceDefinition::Ingestion(ingestion())).unwrap();
    (server, configuration)
}

fn open(server: &Server, configuration: &Configuration, task: &str) -> Result<Run<Server>> {
    Run::open(server.clone(), configuration.clone(), ingestion(), task)
}

pub(crate) fn set(server: &Server, status: &str, rows: u64) {
    let mut jobs = server.0.jobs.borrow_mut();
    let job = jobs.last_mut().unwrap();
    (job["status"], job["rowsSynced"], job["bytesSynced"]) = (json!(status), json!(rows), json!(rows * 100));
}

fn attempts(more: Value) -> Value {
    let mut attempt = json!({"id": 0, "status": "running", "createdAt": 1, "updatedAt": 2});
    for (key, value) in more.as_object().unwrap() {
        attempt[key] = value.clone();
    }
    json!({"job": {"id": 4}, "attempts": [{"attempt": attempt}]})
}

#[test]
fn a_job_is_followed_to_its_end_with_what_it_moved() {
    let (server, configuration) = provisioned();
    let mut run = open(&server, &configuration, "t1").unwrap();
    assert!(matches!(run.next_event().unwrap(), Event::Progress(progress) if progress.message.contains("pending")));
    assert!(matches!(run.next_event().unwrap(), Event::Waiting(10_000)));
    set(&server, "running", 10);
    server.own(
        "/jobs/get",
        attempts(json!({"streamStats": [{"streamName": "work_orders", "streamNamespace": "production",
        "stats": {"recordsEmitted": 20, "bytesEmitted": 2000, "recordsCommitted": 15}}]})),
    );
    let moved = run.next_event().unwrap();
    assert!(matches!(moved, Event::Moved(moved) if (moved.records, moved.bytes) == (15, 2000)));
    assert!(matches!(run.next_event().unwrap(), Event::Progress(_)));
    assert!(matches!(run.next_event().unwrap(), Event::Waiting(_)));
    set(&server, "succeeded", 20);
    server.own("/jobs/get", attempts(json!({})));
    assert!(matches!(run.next_event().unwrap(), Event::Moved(moved) if moved.records == 20));
    assert!(matches!(run.next_event().unwrap(), Event::Progress(_)));
    assert!(matches!(run.next_event().unwrap(), Event::Done));
    assert!(server.0.values.borrow().is_empty());
}

#[test]
fn why_the_last_attempt_failed_is_told() {
    let (server, configuration) = provisioned();
    let mut run = open(&server, &configuration, "t1").unwrap();
    set(&server, "failed", 0);
    server.own(
        "/jobs/get",
        attempts(json!({"failureSummary": {"failures": [{"failureOrigin": "source", "failureType": "config_error",
        "externalMessage": "Database `erp` does not exist", "internalMessage": "FATAL: 3D000", "timestamp": 1}]}})),
    );
    match run.next_event().unwrap_err() {
        Error::InvalidInput(wrong) => {
            assert!(wrong.message.contains("source: Database `erp` does not exist (FATAL: 3D000)"), "{}", wrong.message)
        }
        other => panic!("{other:?}"),
    }
    assert!(server.0.values.borrow().is_empty());
}

#[test]
fn a_job_that_is_gone_from_airbyte_ends_the_sync() {
    let (server, configuration) = provisioned();
    let mut run = open(&server, &configuration, "t1").unwrap();
    server.0.jobs.borrow_mut().clear();
    assert!(matches!(run.next_event(), Err(Error::NotFound(message)) if message.contains("no longer in Airbyte")));
    assert!(server.0.values.borrow().is_empty());
}

#[test]
fn a_job_is_started_once_however_often_the_host_dies() {
    for requests in 0..6 {
        let (server, configuration) = provisioned();
        server.0.dies_after.set(Some(requests));
        let _dead =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open(&server, &configuration, "t1").map(drop)));
        server.0.dies_after.set(None);
        for _ in 0..2 {
            open(&server, &configuration, "t1").unwrap();
        }
        assert_eq!(server.count("POST /jobs"), 1, "after {requests} requests");
    }
}

#[test]
fn a_job_whose_answer_was_lost_is_found_again() {
    let mut lost = 0;
    for answers in 0..6 {
        let (server, configuration) = provisioned();
        server.0.loses_after.set(Some(answers));
        match open(&server, &configuration, "t1") {
            Ok(_) => {}
            Err(Error::Unavailable(_)) => lost += 1,
            Err(other) => panic!("{other:?}"),
        }
        server.0.loses_after.set(None);
        let mut run = open(&server, &configuration, "t1").unwrap();
        assert_eq!(server.count("POST /jobs"), 1, "after {answers} answers");
        set(&server, "succeeded", 20);
        while !matches!(run.next_event().unwrap(), Event::Done) {}
    }
    assert!(lost > 2, "{lost} answers were lost");
}

#[test]
fn a_cancellation_whose_answer_was_lost_is_asked_again() {
    for answers in 0..3 {
        let (server, configuration) = provisioned();
        open(&server, &configuration, "t1").unwrap();
        server.0.loses_after.set(Some(answers));
        let _lost = jobs::cancel(&server, &configuration, &ingestion(), "t1");
        server.0.loses_after.set(None);
        jobs::cancel(&server, &configuration, &ingestion(), "t1").unwrap();
        assert_eq!(server.0.jobs.borrow()[0]["status"], "cancelled");
        assert_eq!(server.count("DELETE /jobs"), 1, "after {answers} answers");
    }
}

#[test]
fn a_job_that_somebody_else_started_is_waited_for() {
    let (server, configuration) = provisioned();
    server
        .0
        .jobs
        .borrow_mut()
        .push(json!({"jobId": 90, "status": "running", "jobType": "sync", "startTime": "", "connectionId": "c"}));
    assert!(matches!(open(&server, &configuration, "t1"), Err(Error::Unavailable(_))));
    set(&server, "succeeded", 1);
    server.0.jobs.borrow_mut().clear();
    open(&server, &configuration, "t1").unwrap();
    assert_eq!(server.count("POST /jobs"), 1);
}

#[test]
fn cancelling_may_be_repeated_and_cancels_what_was_started_before_a_crash() {
    let (server, configuration) = provisioned();
    open(&server, &configuration, "t1").unwrap();
    for _ in 0..2 {
        jobs::cancel(&server, &configuration, &ingestion(), "t1").unwrap();
    }
    assert_eq!(server.0.jobs.borrow()[0]["status"], "cancelled");
    assert_eq!(server.count("DELETE /jobs"), 1);
    // A sync that never began.
    jobs::cancel(&server, &configuration, &ingestion(), "t2").unwrap();
    let mut run = open(&server, &configuration, "t3").unwrap();
    set(&server, "cancelled", 0);
    assert!(matches!(run.next_event(), Err(Error::Conflict(message)) if message.contains("cancelled in Airbyte")));
    assert!(server.0.values.borrow().is_empty());
}

#[test]
fn a_server_that_is_overloaded_says_when_to_come_again() {
    let (server, configuration) = provisioned();
    for (status, headers, expected) in
        [(429, vec![("Retry-After".to_owned(), "7".to_owned())], Some(7000)), (503, Vec::new(), None)]
    {
        let mut run = open(&server, &configuration, "t1").unwrap();
        server.0.instead.borrow_mut().push((status, headers, "{\"message\":\"slow down\"}".to_owned()));
        match run.next_event().unwrap_err() {
            Error::Unavailable(away) => {
                assert_eq!(away.retry_after_ms, expected);
                assert!(away.message.contains("slow down"));
            }
            other => panic!("{other:?}"),
        }
    }
}
