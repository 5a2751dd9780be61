use asgard_plugin_feast::run::{advance, start};
use asgard_sdk::Error;
use asgard_sdk::feature_source::{Dtype, EntityRows, HistoricalRequest, Request, Selection, Status, Step};
use asgard_sdk::processes::ProcessStatus;

use crate::recorded::{Recorded, view};

fn request() -> Request {
    let view = view(&[("i", Dtype::Int64), ("s", Dtype::String)]);
    Request::Historical(HistoricalRequest {
        rows: EntityRows::ArrowIpc(b"rows".to_vec()),
        selections: vec![Selection { view, features: vec!["i".to_owned()] }],
        full_names: false,
        output: "answer.parquet".to_owned(),
    })
}

/// Steps to the end.
fn ended(host: &Recorded) -> Step {
    host.with(|feast| {
        let mut step = start(feast, request()).unwrap();
        for _ in 0..50 {
            if !matches!(step.status, Status::Running(_)) {
                return step;
            }
            step = advance(feast, &step.state).unwrap();
        }
        panic!("it does not end");
    })
}

#[test]
fn a_join_writes_the_snapshot_asks_feast_and_gives_the_features_back_to_the_rows() {
    let host = Recorded::new(&[]);
    let Status::Succeeded(outcome) = ended(&host).status else { panic!("it failed") };
    assert_eq!((outcome.rows, outcome.snapshots), (3, vec![("gold.rows".to_owned(), 7)]));
    let written = host.written.borrow();
    let objects: Vec<&str> = written.iter().map(|(object, _)| object.as_str()).collect();
    assert_eq!(
        objects,
        [
            "feast/views/v.parquet",
            "feast/tasks/task/rows.parquet",
            "feast/tasks/task/asked-0.parquet",
            "answer.parquet"
        ]
    );
    assert!(written[0].1.contains("FOR VERSION AS OF 7"), "{}", written[0].1);
    let asked = &host.requests()[0];
    assert_eq!(asked["apply"][0], "v", "once, since the registry server alone does not know its entities' columns");
    assert_eq!(asked["joins"][0]["features"][0], "v:i");
    // All that it was made of is gone.
    assert!(host.objects.borrow().is_empty(), "{:?}", host.objects.borrow().keys());
    assert_eq!(host.removed.borrow().as_slice(), ["join-1"]);
}

#[test]
fn a_file_is_written_again_when_the_table_has_a_newer_snapshot_and_a_view_is_applied_once() {
    let host = Recorded::new(&[]);
    ended(&host);
    ended(&host);
    assert_eq!(host.requests()[1]["apply"].as_array().unwrap().len(), 0);
    let views =
        |host: &Recorded| host.written.borrow().iter().filter(|(object, _)| object == "feast/views/v.parquet").count();
    assert_eq!(views(&host), 1);
    host.snapshot.set(8);
    ended(&host);
    assert_eq!(views(&host), 2);
}

#[test]
fn feast_is_not_asked_for_rows_that_nobody_has() {
    let host = Recorded::new(&[]);
    host.rows.borrow_mut().insert("feast/tasks/task/asked-0.parquet".to_owned(), 0);
    assert!(matches!(ended(&host).status, Status::Succeeded(_)));
    assert!(host.specs.borrow().is_empty());
    let written = host.written.borrow();
    assert!(written.iter().any(|(object, _)| object == "feast/tasks/task/answer-0.parquet"), "{written:?}");
}

#[test]
fn a_join_that_another_host_began_is_made_again() {
    let host = Recorded::new(&[]);
    host.elsewhere.set(true);
    let Status::Succeeded(outcome) = ended(&host).status else { panic!("it failed") };
    assert_eq!((outcome.rows, outcome.snapshots), (3, vec![("gold.rows".to_owned(), 7)]));
    let asked = host.requests();
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]));
    assert_eq!(host.written.borrow().len(), 4, "what was written is there for every host");
    assert!(host.objects.borrow().is_empty(), "{:?}", host.objects.borrow().keys());
}

#[test]
fn what_the_sdk_said_last_is_told_and_a_server_that_is_away_is_tried_again() {
    let host = Recorded::new(&[]);
    *host.output.borrow_mut() = b"Traceback (most recent call last):\nValueError: no such column\n".to_vec();
    host.status.set(ProcessStatus::Exited(1));
    let Status::Failed(Error::Internal(message)) = ended(&host).status else { panic!("it is a defect") };
    assert!(message.contains("ValueError: no such column"), "{message}");
    assert!(host.objects.borrow().is_empty());
    host.status.set(ProcessStatus::Exited(75));
    assert!(matches!(ended(&host).status, Status::Failed(Error::Unavailable(_))));
}

#[test]
fn a_join_whose_server_was_away_goes_on_with_what_is_written() {
    let host = Recorded::new(&[]);
    *host.output.borrow_mut() = b"pyarrow._flight.FlightUnavailableError: failed to connect\n".to_vec();
    host.status.set(ProcessStatus::Exited(75));
    let failed = ended(&host);
    assert!(matches!(failed.status, Status::Failed(Error::Unavailable(_))));
    assert!(host.objects.borrow().contains_key("feast/tasks/task/given.arrow"), "the rows came with the request alone");
    assert_eq!(host.removed.borrow().as_slice(), ["join-1"]);

    host.status.set(ProcessStatus::Exited(0));
    host.with(|feast| {
        let mut step = advance(feast, &failed.state).unwrap();
        let Status::Running(running) = &step.status else { panic!("it is tried again") };
        assert!(running.progress.message.contains("failed to connect"), "{}", running.progress.message);
        for _ in 0..50 {
            if !matches!(step.status, Status::Running(_)) {
                break;
            }
            step = advance(feast, &step.state).unwrap();
        }
        let Status::Succeeded(outcome) = step.status else { panic!("it failed") };
        assert_eq!(outcome.rows, 3);
    });
    let asked = host.requests();
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]));
    let specs = host.specs.borrow();
    assert_ne!(specs[0].0, specs[1].0, "a process that ended is found by its key");
    assert_eq!(host.written.borrow().len(), 4, "what was written is there");
    assert!(host.objects.borrow().is_empty(), "{:?}", host.objects.borrow().keys());
}
