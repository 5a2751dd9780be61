//! A sync's instance lives as long as the sync.

use std::time::Duration;

use asgard_contract::connector::{Event, Ingestion, RowData, Sink, Source, StreamSelection, SyncMode};
use asgard_contract::environment::Limits;
use asgard_contract::{Column, Error};
use asgard_plugins::Sync;
use serde_json::json;

use crate::setup::{call, plugin};

pub(crate) fn ingestion(stream: &str, checkpoint: Option<u8>) -> Ingestion {
    Ingestion {
        id: "ingestion-1".to_owned(),
        name: "counting".to_owned(),
        source: Source {
            id: "source-1".to_owned(),
            name: "counter".to_owned(),
            source_type: "counter".to_owned(),
            configuration: json!({}),
            handle: None,
        },
        sink: Sink {
            id: "sink-1".to_owned(),
            name: "disk".to_owned(),
            sink_type: "local".to_owned(),
            configuration: json!({}),
            handle: None,
        },
        streams: vec![StreamSelection {
            namespace: None,
            name: stream.to_owned(),
            sync_mode: SyncMode::FullRefreshAppend,
            cursor: None,
            primary_key: Vec::new(),
            columns: vec![Column { name: "n".to_owned(), data_type: "long".to_owned(), nullable: false, doc: None }],
            table: stream.to_owned(),
            checkpoint: checkpoint.map(|reached| vec![reached]),
        }],
        handle: None,
        resets: 0,
        parts: 0,
        moment: None,
    }
}

/// What a sync says until it is done, in short.
pub(crate) async fn told(sync: &mut Sync) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
    loop {
        told.push(match sync.next().await? {
            Event::Rows(rows) => match rows.data {
                RowData::JsonLines(lines) => String::from_utf8(lines).unwrap().trim_end().to_owned(),
                RowData::ArrowIpc(_) => "arrow".to_owned(),
            },
            Event::Checkpoint { state, complete, .. } => format!("checkpoint {state:?} {complete}"),
            Event::Done => return Ok(told),
            other => format!("{other:?}"),
        });
    }
}

#[tokio::test]
async fn a_sync_goes_on_in_one_instance_until_it_is_done() {
    let connector = plugin("rows").await.connector(call(Limits::default()).0);
    let mut sync = connector.open(&ingestion("counting", None)).await.unwrap();
    let expected = [
        r#"{"n":1}"#,
        "checkpoint [1] false",
        r#"{"n":2}"#,
        "checkpoint [2] false",
        r#"{"n":3}"#,
        "checkpoint [3] true",
    ];
    assert_eq!(told(&mut sync).await.unwrap(), expected);
}

#[tokio::test]
async fn a_sync_that_traps_ends_alone_and_goes_on_from_its_checkpoint() {
    let connector = plugin("rows").await.connector(call(Limits::default()).0);
    let (trapping, lines) = call(Limits::default());
    let trapping = plugin("rows").await.connector(trapping);

    let mut other = connector.open(&ingestion("counting", None)).await.unwrap();
    other.next().await.unwrap();
    let mut sync = trapping.open(&ingestion("trap", None)).await.unwrap();
    let error = told(&mut sync).await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("plugin `rows` (`next`) panicked: at ") && message.ends_with("no third row"),
        "{message}"
    );
    assert_eq!(lines.all()[0], "Warn two rows are enough", "{:?}", lines.all());

    let again = sync.next().await.unwrap_err().to_string();
    assert!(again.contains("asked again after a call that did not come back"), "{again}");
    assert_eq!(told(&mut other).await.unwrap().len(), 5, "the other sync goes on");

    let mut resumed = connector.open(&ingestion("counting", Some(2))).await.unwrap();
    assert_eq!(told(&mut resumed).await.unwrap(), [r#"{"n":3}"#, "checkpoint [3] true"]);
}

#[tokio::test]
async fn a_sync_that_stalls_is_ended_and_its_caller_told() {
    let limits = Limits { step_seconds: 1, ..Limits::default() };
    let connector = plugin("rows").await.connector(call(limits).0);
    let mut sync = connector.open(&ingestion("stall", None)).await.unwrap();
    let error = told(&mut sync).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains("did not answer within 1 s"), "{error}");
}

#[tokio::test]
async fn a_step_that_was_interrupted_ends_the_sync() {
    let connector = plugin("rows").await.connector(call(Limits::default()).0);
    let mut sync = connector.open(&ingestion("stall", Some(2))).await.unwrap();
    let interrupted = tokio::time::timeout(Duration::from_millis(50), sync.next()).await;
    assert!(interrupted.is_err());
    assert!(matches!(sync.next().await, Err(Error::Internal { .. })));
}

#[tokio::test]
async fn an_error_of_the_source_is_handed_on() {
    let connector = plugin("rows").await.connector(call(Limits::default()).0);
    let mut sync = connector.open(&ingestion("fail", Some(2))).await.unwrap();
    assert_eq!(sync.next().await.unwrap_err(), Error::unavailable("the counter is asleep"));
}

#[tokio::test]
async fn syncs_leave_room_for_steps() {
    let limits = Limits { step_seconds: 1, ..Limits::default() };
    let connector = plugin("rows").await.connector(call(limits).0);
    let mut open = Vec::new();
    let refused = loop {
        match connector.open(&ingestion("counting", None)).await {
            Ok(sync) => open.push(sync),
            Err(error) => break error,
        }
    };
    assert!(refused.is_retryable() && refused.to_string().contains("as many syncs"), "{refused}");
    assert!(open.len() > 50, "{}", open.len());
    connector.source_types().await.unwrap();
}
