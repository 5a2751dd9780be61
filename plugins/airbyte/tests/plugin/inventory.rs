//! Nothing is made twice.

use asgard_plugin_airbyte::inventory::{Inventory, prefix};
use asgard_sdk::Error;
use asgard_sdk::connector::{Ingestion, ResourceDefinition, SyncMode};
use serde_json::json;

use crate::server::{Server, configuration, ingestion, source, stream};

#[test]
fn an_ingestion_has_its_source_its_destination_and_a_connection_without_a_schedule() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    let inventory = Inventory::new(&server, &configuration).unwrap();
    inventory.provision(&ResourceDefinition::Ingestion(ingestion())).unwrap();
    let made = &server.things("sources")[0];
    assert_eq!((&made["name"], &made["definitionId"]), (&json!("erp (s1)"), &json!("def-postgres")));
    assert_eq!(made["configuration"]["password"], "secret://source-s1.password");
    let destination = &server.things("destinations")[0]["configuration"];
    assert_eq!(destination["destinationType"], "s3-data-lake");
    assert_eq!(
        destination["catalog_type"],
        json!({"catalog_type": "NESSIE", "namespace": "bronze", "server_uri": "http://nessie:19120/api/v2"})
    );
    let connection = &server.things("connections")[0];
    assert_eq!(connection["schedule"], json!({"scheduleType": "manual"}));
    assert_eq!((&connection["prefix"], &connection["namespaceFormat"]), (&json!("erp_"), &json!("bronze")));
    assert_eq!(
        connection["configurations"]["streams"][0],
        json!({"name": "work_orders", "namespace": "production", "syncMode": "incremental_deduped_history", "primaryKey": [["id"]]})
    );
}

#[test]
fn what_is_there_is_found_by_its_id_or_by_its_name_and_changed() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    let inventory = Inventory::new(&server, &configuration).unwrap();
    let handle = inventory.provision(&ResourceDefinition::Ingestion(ingestion())).unwrap();
    // The answer was lost with the host, once; then it was not.
    for handle in [None, Some(handle)] {
        let renamed = Ingestion { name: "renamed".to_owned(), handle, ..ingestion() };
        inventory.provision(&ResourceDefinition::Ingestion(renamed)).unwrap();
    }
    for kind in ["sources", "destinations", "connections"] {
        assert_eq!((server.count(&format!("POST /{kind}")), server.things(kind).len()), (1, 1), "{kind}");
    }
    assert_eq!(server.things("connections")[0]["name"], "renamed (i1)");
}

#[test]
fn a_connection_that_somebody_deleted_is_made_again_although_its_id_is_still_told() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    let inventory = Inventory::new(&server, &configuration).unwrap();
    let handle = inventory.provision(&ResourceDefinition::Ingestion(ingestion())).unwrap();
    server.0.things.borrow_mut().get_mut("connections").unwrap()[0]["status"] = json!("deprecated");
    let again = Ingestion { handle: Some(handle), ..ingestion() };
    inventory.provision(&ResourceDefinition::Ingestion(again)).unwrap();
    assert_eq!(server.count("POST /connections"), 2);
}

#[test]
fn a_host_that_dies_at_any_request_makes_nothing_twice() {
    for requests in 1..12 {
        let (server, configuration) = (Server::default(), configuration(json!({})));
        server.0.dies_after.set(Some(requests));
        let dead = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let inventory = Inventory::new(&server, &configuration).unwrap();
            inventory.provision(&ResourceDefinition::Ingestion(ingestion())).unwrap();
        }));
        server.0.dies_after.set(None);
        let inventory = Inventory::new(&server, &configuration).unwrap();
        inventory.provision(&ResourceDefinition::Ingestion(ingestion())).unwrap();
        for kind in ["sources", "destinations", "connections"] {
            assert_eq!(server.things(kind).len(), 1, "{kind} after {requests} requests ({})", dead.is_err());
        }
    }
}

#[test]
fn what_was_made_by_a_request_whose_answer_was_lost_is_found_again() {
    for answers in 0..12 {
        let (server, configuration) = (Server::default(), configuration(json!({})));
        let inventory = Inventory::new(&server, &configuration).unwrap();
        server.0.loses_after.set(Some(answers));
        let lost = inventory.provision(&ResourceDefinition::Ingestion(ingestion())).is_err();
        server.0.loses_after.set(None);
        inventory.provision(&ResourceDefinition::Ingestion(ingestion())).unwrap();
        for kind in ["sources", "destinations", "connections"] {
            assert_eq!(server.things(kind).len(), 1, "{kind} after {answers} answers (lost: {lost})");
        }
        let retired = (0..2).map(|_| inventory.retire(&ResourceDefinition::Ingestion(ingestion())));
        retired.for_each(|retired| retired.unwrap());
        assert!(server.things("connections").is_empty());
    }
}

#[test]
fn a_destination_goes_with_its_last_connection_and_retiring_may_be_repeated() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    let inventory = Inventory::new(&server, &configuration).unwrap();
    let other = Ingestion { id: "i2".to_owned(), ..ingestion() };
    for each in [ingestion(), other.clone()] {
        inventory.provision(&ResourceDefinition::Ingestion(each)).unwrap();
    }
    inventory.retire(&ResourceDefinition::Ingestion(ingestion())).unwrap();
    assert_eq!((server.things("connections").len(), server.things("destinations").len()), (1, 1));
    for _ in 0..2 {
        inventory.retire(&ResourceDefinition::Ingestion(other.clone())).unwrap();
        inventory.retire(&ResourceDefinition::Source(source())).unwrap();
    }
    assert!(["sources", "destinations", "connections"].iter().all(|kind| server.things(kind).is_empty()));
}

#[test]
fn tables_have_the_hosts_names_or_the_stream_is_refused() {
    let mode = SyncMode::FullRefreshOverwrite;
    let named = |pairs: &[(&str, &str)]| {
        prefix(&pairs.iter().map(|(name, table)| stream(name, table, mode)).collect::<Vec<_>>())
    };
    assert_eq!(named(&[("Orders", "erp_orders"), ("items", "erp_items")]).unwrap(), "erp_");
    assert!(matches!(named(&[("work orders", "work_orders")]), Err(Error::Unsupported(_))));
}

#[test]
fn a_sink_on_this_machine_is_none_that_airbyte_reaches() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    let mut wanted = ingestion();
    wanted.sink.sink_type = "local".to_owned();
    let refused = Inventory::new(&server, &configuration).unwrap().provision(&ResourceDefinition::Ingestion(wanted));
    assert!(matches!(refused, Err(Error::Unsupported(_))));
}
