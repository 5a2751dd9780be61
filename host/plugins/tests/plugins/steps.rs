//! Steps that go well.

use asgard_contract::environment::Limits;
use asgard_contract::manifest::Interface;
use asgard_contract::{Error, Status};
use serde_json::json;

use crate::setup::{call, plugin, run};

#[tokio::test]
async fn the_state_of_a_step_is_the_argument_of_the_next() {
    let (mut call, _) = call(Limits::default());
    call.configuration = json!({ "greeting": "hello" });
    let transform = plugin("echo").await.transform(call);

    let first = transform.start(&run("SELECT 1")).await.unwrap();
    assert!(matches!(&first.status, Status::Running { progress, .. } if progress.message == "step 1"));
    let second = transform.advance(&first.state).await.unwrap();
    let third = transform.advance(&second.state).await.unwrap();
    let Status::Succeeded { outcome } = third.status else { panic!("{:?}", third.status) };
    assert_eq!(outcome.rows_written, 3);
    assert_eq!(outcome.location, r#"{"greeting":"hello"}"#, "the configuration as the guest sees it");
}

#[tokio::test]
async fn a_guest_knows_its_task_and_environment() {
    let (call, lines) = call(Limits::default());
    let plan = plugin("echo").await.transform(call).plan(&run("SELECT 1")).await.unwrap();
    assert_eq!(plan.compiled_sql, "SELECT 1");
    assert_eq!(plan.tables[0].to_string(), "silver.orders");
    assert_eq!(lines.all(), ["Info task-1 for local"]);
}

#[tokio::test]
async fn more_calls_than_there_is_room_for_wait_for_their_turn() {
    let plugin = plugin("echo").await;
    let (call, _) = call(Limits::default());
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let transform = plugin.transform(call.clone());
            tokio::spawn(async move { transform.start(&run("SELECT 1")).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_error_of_the_guest_keeps_its_kind_and_its_field() {
    let (call, _) = call(Limits::default());
    let error = plugin("hostile").await.transform(call).start(&run("dance")).await.unwrap_err();
    assert_eq!(error, Error::invalid("sql", "there is no act `dance`"));
}

#[tokio::test]
async fn an_interface_that_is_not_exported_is_unsupported() {
    let plugin = plugin("echo").await;
    assert_eq!(plugin.interfaces().iter().copied().collect::<Vec<_>>(), [Interface::Transform]);
    let (call, _) = call(Limits::default());
    let error = plugin.connector(call).source_types().await.unwrap_err();
    assert_eq!(error, Error::unsupported("plugin `echo` does not export the interface `connector`"));
}
