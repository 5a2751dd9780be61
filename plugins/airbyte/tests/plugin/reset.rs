//! What the host's reset means to Airbyte, which keeps by itself how far a connection's syncs came.

use asgard_plugin_airbyte::configuration::Configuration;
use asgard_plugin_airbyte::inventory::Inventory;
use asgard_plugin_airbyte::jobs::Run;
use asgard_sdk::connector::{Event, Ingestion, ResourceDefinition, SyncMode};
use asgard_sdk::{Error, Result};
use serde_json::json;

use crate::jobs::{provisioned, set};
use crate::server::{Server, configuration, ingestion, stream};

fn after(server: &Server, resets: u32) -> Ingestion {
    server.0.resets.set(resets);
    ingestion()
}

fn open(server: &Server, configuration: &Configuration, ingestion: Ingestion, task: &str) -> Result<Run<Server>> {
    Run::open(server.clone(), configuration.clone(), ingestion, task)
}

/// Ends the newest job, and the sync with it.
fn end(server: &Server, run: &mut Run<Server>) {
    set(server, "succeeded", 1);
    while !matches!(run.next_event().unwrap(), Event::Done) {}
}

/// Types of all jobs that were asked for.
fn kinds(server: &Server) -> Vec<String> {
    let asked = server.0.asked.borrow();
    let jobs = asked.iter().filter(|(request, _)| request == "POST /jobs");
    jobs.map(|(_, body)| body["jobType"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_sync_after_a_reset_has_airbyte_forget_first_and_once_whichever_answer_is_lost() {
    for answers in 0..14 {
        let (server, configuration) = provisioned();
        server.0.loses_after.set(Some(answers));
        let _lost = open(&server, &configuration, after(&server, 2), "t1");
        server.0.loses_after.set(None);
        let mut run = open(&server, &configuration, after(&server, 2), "t1").unwrap();
        assert_eq!(kinds(&server), ["reset"], "after {answers} answers");
        assert!(matches!(run.next_event().unwrap(), Event::Progress(progress) if progress.message.contains("a reset")));
        assert!(matches!(run.next_event().unwrap(), Event::Waiting(_)));
        assert_eq!(kinds(&server), ["reset"], "no sync beside it");
        set(&server, "succeeded", 0);
        while kinds(&server).len() < 2 {
            run.next_event().unwrap();
        }
        end(&server, &mut run);
        let mut next = open(&server, &configuration, after(&server, 2), "t2").unwrap();
        end(&server, &mut next);
        assert_eq!(kinds(&server), ["reset", "sync", "sync"], "after {answers} answers");
        let _third = open(&server, &configuration, after(&server, 3), "t3").unwrap();
        assert_eq!(kinds(&server), ["reset", "sync", "sync", "reset"], "after {answers} answers");
        let inventory = Inventory::new(&server, &configuration).unwrap();
        inventory.retire(&ResourceDefinition::Ingestion(after(&server, 3))).unwrap();
        assert!(server.0.values.borrow().is_empty());
    }
}

#[test]
fn a_connection_with_a_stream_that_appends_is_made_anew_and_its_tables_are_left_alone() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    let appending = |resets: u32, handle: Option<Vec<u8>>| {
        let streams = vec![stream("work_orders", "erp_work_orders", SyncMode::IncrementalAppend)];
        Ingestion { handle, streams, ..after(&server, resets) }
    };
    let inventory = Inventory::new(&server, &configuration).unwrap();
    let handle = inventory.provision(&ResourceDefinition::Ingestion(appending(0, None))).unwrap();
    let before = server.things("connections")[0]["connectionId"].clone();
    for task in ["t1", "t2"] {
        let mut run = open(&server, &configuration, appending(1, Some(handle.clone())), task).unwrap();
        end(&server, &mut run);
        let asked = ["DELETE /connections", "POST /connections"].map(|request| server.count(request));
        assert_eq!((asked, server.things("connections").len()), ([1, 2], 1));
    }
    assert_ne!(server.things("connections")[0]["connectionId"], before);
    assert_eq!(kinds(&server), ["sync", "sync"]);
}

#[test]
fn a_connection_that_is_made_after_a_reset_has_nothing_to_forget() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    let inventory = Inventory::new(&server, &configuration).unwrap();
    inventory.provision(&ResourceDefinition::Ingestion(after(&server, 1))).unwrap();
    open(&server, &configuration, after(&server, 1), "t1").unwrap();
    assert_eq!(kinds(&server), ["sync"]);
}

#[test]
fn a_reset_that_fails_starts_no_sync_and_the_next_sync_asks_for_another() {
    let (server, configuration) = provisioned();
    for (task, status) in [("t1", "failed"), ("t2", "cancelled")] {
        let mut run = open(&server, &configuration, after(&server, 1), task).unwrap();
        set(&server, status, 0);
        assert!(matches!(run.next_event(), Err(Error::Conflict(message)) if message.contains(status)));
    }
    assert_eq!(kinds(&server), ["reset", "reset"]);
    open(&server, &configuration, after(&server, 1), "t3").unwrap();
    assert_eq!(kinds(&server), ["reset", "reset", "reset"]);
}
