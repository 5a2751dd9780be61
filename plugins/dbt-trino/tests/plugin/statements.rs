//! Runs by Trino's protocol: what is run, once, and what is told in the end.

use asgard_sdk::Error;
use asgard_sdk::json::{self, Value, json};
use asgard_sdk::transform::{IncrementalStrategy, Request, Status};

use crate::recorded::{
    INSERT, Recorded, WORK, answer, appending, finish, gold, incremental, model, replacing, to_the_end,
};

#[test]
fn a_table_is_replaced_in_one_statement_and_its_figures_are_told() {
    let host = replacing();
    let step = to_the_end(&gold(&host, &json!({})), model());
    let Status::Succeeded(outcome) = step.status else { panic!("{:?}", step.status) };
    assert_eq!((outcome.rows_written, outcome.total_rows), (1, 1));
    assert!(outcome.bytes_written > 0 && outcome.snapshot.is_some());
    assert!(outcome.location.starts_with("s3://lake/warehouse/gold/totals_"), "{}", outcome.location);
    let details: Value = json::from_str(&step.details).unwrap();
    assert_eq!(details["full_status"]["state"], "COMPLETED");
    assert_eq!(
        host.writes(),
        ["CREATE OR REPLACE TABLE \"gold\".\"totals\"\nAS\nSELECT id, v, 'a' AS word FROM iceberg.silver.t"]
    );
    let headers = host.headers.borrow();
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(header("x-trino-user"), Some("asgard"));
    assert_eq!(header("x-trino-catalog"), Some("iceberg"));
    assert_eq!(header("x-trino-client-tags"), Some("asgard,environment:production,task:t-1"));
}

#[test]
fn a_statement_that_was_posted_runs_once_however_often_its_step_is_repeated() {
    let host = appending();
    let gold = gold(&host, &json!({}));
    let planned = gold.start(Request::Gold(incremental(IncrementalStrategy::Append, &[]))).unwrap();
    // The host dies after the statement was posted and before that was stored: three times.
    let mut posted = gold.advance(&planned.state).unwrap();
    for _ in 0..2 {
        posted = gold.advance(&planned.state).unwrap();
    }
    assert_eq!(host.writes(), [""; 0], "nothing runs before it is known");
    let mut step = posted;
    while let Status::Running(_) = step.status {
        gold.advance(&step.state).unwrap();
        step = gold.advance(&step.state).unwrap();
    }
    assert!(matches!(step.status, Status::Succeeded(_)), "{:?}", step.status);
    assert_eq!(
        host.writes(),
        ["INSERT INTO \"gold\".\"totals\" (\"id\", \"v\", \"word\")\nSELECT id, v, 'a' AS word FROM iceberg.silver.t"]
    );
}

/// Steps until the append runs.
fn running(host: &Recorded) -> Vec<u8> {
    let gold = gold(host, &json!({}));
    let mut step = gold.start(Request::Gold(incremental(IncrementalStrategy::Append, &[]))).unwrap();
    while host.writes().is_empty() {
        step = gold.advance(&step.state).unwrap();
    }
    step.state
}

#[test]
fn a_query_that_trino_forgot_fails_the_run_when_it_left_nothing() {
    let host = appending();
    let state = running(&host);
    host.forget_queries();
    let step = gold(&host, &json!({})).advance(&state).unwrap();
    let Status::Failed(Error::Conflict(message)) = step.status else { panic!("{:?}", step.status) };
    assert!(
        message.contains("Trino no longer knows query") && message.contains("gold.totals is as it was"),
        "{message}"
    );
}

#[test]
fn a_query_that_trino_forgot_after_it_committed_is_not_repeated() {
    let host = appending();
    let state = running(&host);
    host.forget_queries();
    host.answers_now(WORK, answer!("work-found"));
    let gold = gold(&host, &json!({}));
    let step = finish(&gold, gold.advance(&state).unwrap());
    let Status::Succeeded(outcome) = step.status else { panic!("{:?}", step.status) };
    assert_eq!(outcome.rows_written, 1);
    assert_eq!(host.writes().len(), 1);
    assert!(host.log.borrow().iter().any(|line| line.contains("had committed before Trino lost it")));
}

#[test]
fn a_statement_that_ran_out_of_resources_is_tried_again_unless_it_committed() {
    for (work, writes) in [(answer!("work-none"), 2), (answer!("work-found"), 1)] {
        let host = appending();
        host.answers_now(INSERT, answer!("time-limit"));
        let gold = gold(&host, &json!({}));
        let step = finish(&gold, gold.start(Request::Gold(incremental(IncrementalStrategy::Append, &[]))).unwrap());
        let Status::Failed(Error::Unavailable(away)) = step.status else { panic!("{:?}", step.status) };
        assert!(away.message.contains("EXCEEDED_TIME_LIMIT"), "{}", away.message);
        // The host waits, and goes on from the state that the failure left.
        host.answers_now(INSERT, answer!("appended"));
        host.answers_now(WORK, work);
        let step = finish(&gold, gold.advance(&step.state).unwrap());
        assert!(matches!(step.status, Status::Succeeded(_)), "{:?}", step.status);
        assert_eq!(host.writes().len(), writes);
    }
}

#[test]
fn a_busy_trino_is_asked_again_when_it_likes() {
    let host = appending();
    let planned =
        gold(&host, &json!({})).start(Request::Gold(incremental(IncrementalStrategy::Append, &[]))).unwrap().state;
    let state = running(&host);
    for code in [429, 502, 503, 504] {
        host.status_code.set(Some(code));
        // The statement that is to be posted, and the query that is asked about.
        for state in [&planned, &state] {
            match gold(&host, &json!({})).advance(state) {
                Err(Error::Unavailable(away)) => assert_eq!(away.retry_after_ms, Some(7000), "{code}"),
                other => panic!("{code}: {other:?}"),
            }
        }
    }
    host.status_code.set(Some(401));
    assert!(matches!(gold(&host, &json!({})).advance(&state), Err(Error::Unauthenticated(_))));
}

#[test]
fn a_cancelled_run_ends_its_query_and_may_be_cancelled_again() {
    let host = appending();
    let state = running(&host);
    let gold = gold(&host, &json!({}));
    gold.cancel(&state).unwrap();
    gold.cancel(&state).unwrap();
    let deleted = host.deleted.borrow();
    assert_eq!(deleted.len(), 2);
    assert!(deleted[0].contains("/v1/statement/"), "{}", deleted[0]);
}

#[test]
fn a_foreign_state_is_refused() {
    let host = Recorded::default();
    let gold = gold(&host, &json!({}));
    for state in [&b""[..], b"{}", b"[1]", b"{\"statements\": {}}"] {
        assert!(matches!(gold.advance(state), Err(Error::Internal(_))));
        assert!(matches!(gold.cancel(state), Err(Error::Internal(_))));
    }
}

#[test]
fn the_binding_says_how_trino_is_spoken_to() {
    let host = replacing();
    let more = json!({"catalog": "lake", "user": "gold", "session": {"query_max_run_time": "30m", "a": "b c"}});
    to_the_end(&gold(&host, &more), model());
    assert_eq!(
        host.writes(),
        ["CREATE OR REPLACE TABLE \"gold\".\"totals\"\nAS\nSELECT id, v, 'a' AS word FROM silver.t"]
    );
    let headers = host.headers.borrow();
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(header("x-trino-catalog"), Some("lake"));
    assert_eq!(header("x-trino-user"), Some("gold"));
    assert_eq!(header("x-trino-session"), Some("a=b%20c,query_max_run_time=30m"));
}
