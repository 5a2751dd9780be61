//! Nothing is stored before the source was reached.

use asgard_plugin_airbyte::trial;
use asgard_sdk::Error;
use serde_json::json;

use crate::server::{Server, configuration, source};

#[test]
fn a_source_is_checked_and_discovered_before_anything_is_stored() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    server.own("/scheduler/sources/check_connection", json!({"status": "succeeded", "jobInfo": {}}));
    trial::check(&server, &configuration, &source()).unwrap();
    server.own(
        "/scheduler/sources/discover_schema",
        json!({"catalog": {"streams": [{"stream": {"name": "work_orders", "namespace": "production",
            "jsonSchema": {"properties": {"id": {"type": "number", "airbyte_type": "integer"}, "at": {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"}}},
            "supportedSyncModes": ["full_refresh", "incremental"], "sourceDefinedPrimaryKey": [["id"]]}, "config": {}}]}, "jobInfo": {"succeeded": true}}),
    );
    let streams = trial::discover(&server, &configuration, &source()).unwrap();
    assert_eq!(streams[0].columns.iter().map(|c| c.data_type.as_str()).collect::<Vec<_>>(), ["timestamp", "long"]);
    assert_eq!(
        (streams[0].primary_key.clone(), streams[0].cursor_columns.clone()),
        (vec!["id".to_owned()], vec!["at".to_owned(), "id".to_owned()])
    );
    assert_eq!(server.count("POST /sources"), 0);
    let asked = server.0.asked.borrow();
    let (_, body) = asked.iter().find(|(asked, _)| asked.contains("check_connection")).unwrap();
    assert_eq!((&body["sourceDefinitionId"], &body["workspaceId"]), (&json!("def-postgres"), &json!("w1")));
    assert!(body["connectionConfiguration"].get("sourceType").is_none());
}

#[test]
fn what_airbyte_says_is_wrong_is_told_as_it_says_it() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    server.own(
        "/scheduler/sources/check_connection",
        json!({"status": "failed", "message": "State code: 28P01; Message: password authentication failed"}),
    );
    let refused = trial::check(&server, &configuration, &source()).unwrap_err();
    assert!(matches!(refused, Error::InvalidInput(wrong) if wrong.message.contains("28P01")));
    server.own(
        "/scheduler/sources/discover_schema",
        json!({"jobInfo": {"succeeded": false, "failureReason": {"externalMessage": "no such schema"}}}),
    );
    let refused = trial::discover(&server, &configuration, &source()).unwrap_err();
    assert!(matches!(refused, Error::InvalidInput(wrong) if wrong.message.contains("no such schema")));
}

#[test]
fn each_status_of_the_api_is_an_error_of_the_contract() {
    let (server, configuration) = (Server::default(), configuration(json!({})));
    let answer = |status: u16, body: &str| {
        server.0.instead.borrow_mut().push((status, Vec::new(), body.to_owned()));
        trial::check(&server, &configuration, &source()).unwrap_err()
    };
    assert!(matches!(answer(401, ""), Error::Unauthenticated(_)));
    assert!(matches!(answer(403, "{\"title\":\"Forbidden\"}"), Error::Forbidden(_)));
    assert!(matches!(answer(500, "<html>"), Error::Internal(_)));
    match answer(
        422,
        "{\"title\":\"bad\",\"detail\":\"The body is wrong\",\"validationErrors\":[{\"propertyPath\":\"workspaceId\",\"message\":\"is no UUID\"}]}",
    ) {
        Error::InvalidInput(wrong) => {
            assert!(wrong.message.contains("The body is wrong (workspaceId: is no UUID)"), "{}", wrong.message)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_connector_that_the_workspace_lacks_is_named() {
    let server = Server::default();
    let configuration = configuration(json!({"connectors": {"crm": {"source_type": "salesforce"}}}));
    let mut wanted = source();
    wanted.source_type = "crm".to_owned();
    let refused = trial::check(&server, &configuration, &wanted).unwrap_err();
    assert!(matches!(refused, Error::InvalidInput(wrong) if wrong.message.contains("`source-salesforce`")));
}
