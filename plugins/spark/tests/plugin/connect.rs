use asgard_plugin_spark::configuration::Configuration;
use asgard_plugin_spark::run::Runs;
use asgard_sdk::Error;
use asgard_sdk::processes::{Content, Ending, ProcessStatus};
use asgard_sdk::transform::Status;
use serde_json::{Value, json};

use crate::recorded::{Recorded, configuration, ended, failure, start};

const STARTED: &str = "ASGARD {\"started\": {\"spark_version\": \"4.1.4\"}}\n";
const DONE: &str = "ASGARD {\"done\": {\"rows_written\": 2, \"bytes_written\": 1250, \"rows_read\": 3, \"bytes_read\": 4185, \"total_rows\": 2, \"snapshot\": 3847273089128589783, \"location\": \"s3://lake/warehouse/silver/app\"}}\n";
const AWAY: &str = "ASGARD {\"failed\": {\"kind\": \"unavailable\", \"field\": null, \"message\": \"Spark Connect at sc://spark:15002 cannot be reached: [Errno 111] Connection refused\"}}\n";

fn connect() -> Configuration {
    configuration(
        json!({"mode": "connect", "url": "sc://spark:15002", "program": "spark-client", "timeout_seconds": 90}),
    )
}

#[test]
fn the_client_gets_the_program_the_request_and_the_keys() {
    let host = Recorded::default();
    start(&host, &connect());
    let spec = host.spec.borrow().clone().unwrap();
    assert_eq!((spec.program.as_str(), spec.timeout_ms), ("spark-client", 90_000));
    assert_eq!(spec.arguments, ["job.py", "@request.json"]);
    let Content::Inline(request) = &spec.files[1].content else { panic!("{:?}", spec.files) };
    let request: Value = serde_json::from_slice(request).unwrap();
    assert_eq!(request["remote"], "sc://spark:15002");
    assert_eq!(
        request["inputs"],
        json!([["source_data", {"table": ["bronze", "orders"]}], ["more", {"location": "s3://lake/raw/more/"}]])
    );
    assert_eq!((&request["write_mode"], &request["key"]), (&json!("append"), &json!("task-1/ab12cd34")));
    assert_eq!(request["settings"]["spark.sql.catalog.iceberg.uri"], "http://nessie:19120/iceberg/main");
    assert_eq!(request["settings"]["fs.s3a.endpoint"], "http://s3:8333");
    assert!(!request.to_string().contains("secret"), "{request}");
    let keys: Vec<_> = spec.environment.iter().filter(|(name, _)| name.starts_with("AWS")).collect();
    assert_eq!(keys[1].1, "revealed keys#secret_access_key");
}

#[test]
fn a_run_ends_with_what_the_program_said_however_often_its_last_step_is_taken() {
    let host = Recorded::default();
    let mut state = start(&host, &connect()).state;
    host.output.borrow_mut().extend_from_slice(format!("{STARTED}a warning of somebody's\n{DONE}").as_bytes());
    host.status.set(Some(ProcessStatus::Exited(0)));
    let step = ended(&host, &connect(), state.clone());
    let Status::Succeeded(outcome) = &step.status else { panic!("{:?}", step.status) };
    assert_eq!((outcome.rows_written, outcome.total_rows, outcome.snapshot), (2, 2, Some(3_847_273_089_128_589_783)));
    let details: Value = serde_json::from_str(&step.details).unwrap();
    assert_eq!((&details["spark_version"], &details["full_status"]["state"]), (&json!("4.1.4"), &json!("COMPLETED")));
    assert!(host.log.borrow().iter().any(|line| line.contains("a warning")), "{:?}", host.log);
    assert!(!host.log.borrow().iter().any(|line| line.contains("ASGARD")), "{:?}", host.log);
    assert_eq!(host.status.get(), None, "its folder is gone");
    // The host crashed before it stored the last step: the process is gone, and the one before knows enough.
    state = step.state;
    assert!(matches!(ended(&host, &connect(), state).status, Status::Succeeded(_)));
}

#[test]
fn a_server_that_is_away_is_tried_again_by_a_new_client() {
    let host = Recorded::default();
    let state = start(&host, &connect()).state;
    host.output.borrow_mut().extend_from_slice(AWAY.as_bytes());
    host.status.set(Some(ProcessStatus::Exited(1)));
    let step = ended(&host, &connect(), state);
    assert!(matches!(failure(&step.status), Error::Unavailable(away) if away.message.contains("refused")));
    host.output.borrow_mut().clear();
    let again = Runs::new(&host, &connect()).advance(&step.state).unwrap();
    assert!(matches!(again.status, Status::Running(_)));
    host.output.borrow_mut().extend_from_slice(format!("{STARTED}{DONE}").as_bytes());
    host.status.set(Some(ProcessStatus::Exited(0)));
    assert!(matches!(ended(&host, &connect(), again.state).status, Status::Succeeded(_)));
}

#[test]
fn an_end_without_a_word_is_told_with_the_last_lines() {
    for (status, words) in [
        (ProcessStatus::Exited(1), "ended with status 1"),
        (ProcessStatus::Ended(Ending::Timeout), "raise `timeout_seconds`"),
        (ProcessStatus::Ended(Ending::Signal), "ended by a signal"),
    ] {
        let host = Recorded::default();
        let state = start(&host, &connect()).state;
        host.output.borrow_mut().extend_from_slice(b"ModuleNotFoundError: No module named 'pyspark'\n");
        host.status.set(Some(status));
        let step = ended(&host, &connect(), state);
        let Error::Internal(message) = failure(&step.status) else { panic!("{:?}", step.status) };
        assert!(message.contains(words) && message.contains("No module named"), "{message}");
    }
}
