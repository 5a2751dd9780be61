use asgard_plugin_spark::configuration::Configuration;
use asgard_plugin_spark::run::Runs;
use asgard_sdk::Error;
use asgard_sdk::transform::Status;
use serde_json::{Value, json};

use crate::recorded::{Recorded, configuration, ended, failure, start};

const DRIVER: &str = "driver-20261128034009-0000";
const CREATED: &str = r#"{"action": "CreateSubmissionResponse", "message": "Driver successfully submitted as driver-20261128034009-0000",
    "serverSparkVersion": "4.1.4", "submissionId": "driver-20261128034009-0000", "success": true}"#;
const UNKNOWN: &str = r#"{"action": "SubmissionStatusResponse", "serverSparkVersion": "4.1.4", "submissionId": "driver-none", "success": false}"#;
const CREATE: &str = "POST http://spark:6066/v1/submissions/create";
const STATUS: &str = "GET http://spark:6066/v1/submissions/status/driver-20261128034009-0000";
const KILL: &str = "POST http://spark:6066/v1/submissions/kill/driver-20261128034009-0000";
const DONE: &str = "ASGARD {\"started\": {\"spark_version\": \"4.1.4\", \"ui\": \"http://127.0.0.1:4040\"}}\nASGARD {\"done\": {\"rows_written\": 1, \"bytes_written\": 1169, \"rows_read\": 0, \"bytes_read\": 0, \"total_rows\": 1, \"snapshot\": 5, \"location\": \"s3://lake/x\"}}\n";
const FAILED: &str = "ASGARD {\"failed\": {\"kind\": \"invalid-input\", \"field\": \"sql\", \"message\": \"Syntax error at or near 'SELEC'. (line 1, column 1) [PARSE_SYNTAX_ERROR]\"}}\n";
const STDERR: &str = "26/11/28 03:41:01 INFO Utils: Successfully started service\n26/11/28 03:41:02 WARN Utils: Service 'SparkUI' could not bind on port 4040\n";

fn standalone() -> Configuration {
    configuration(
        json!({"mode": "standalone", "url": "http://spark:6066/", "master": "spark://spark:7077", "master_ui": "http://spark:8080",
        "job_program": "/opt/asgard/job.py", "spark_conf": {"spark.jars": "/a.jar"}}),
    )
}

fn status(word: &str) -> String {
    json!({"action": "SubmissionStatusResponse", "driverState": word, "serverSparkVersion": "4.1.4", "submissionId": DRIVER, "success": true,
        "workerHostPort": "127.0.0.1:40047", "workerId": "worker-20261128032753-127.0.0.1-40047"})
    .to_string()
}

/// A cluster whose driver ends like this, and says that.
fn cluster(word: &str, stdout: &str) -> Recorded {
    Recorded::default()
        .answer(CREATE, 200, CREATED)
        .answer(STATUS, 200, &status("RUNNING"))
        .answer(STATUS, 200, &status(word))
        .answer("GET http://spark:8080/json/", 200, include_str!("answers/cluster.json"))
        .answer("GET http://127.0.0.1:28082/log/#stdout", 200, stdout)
        .answer("GET http://127.0.0.1:28082/log/#stderr", 200, STDERR)
        .answer(KILL, 200, r#"{"action": "KillSubmissionResponse", "success": true}"#)
}

#[test]
fn a_driver_gets_the_request_its_resources_and_references_to_the_keys() {
    let host = cluster("FINISHED", DONE);
    start(&host, &standalone());
    let submission: Value = serde_json::from_str(&host.asked.borrow()[0].1).unwrap();
    assert_eq!(submission["environmentVariables"]["AWS_SECRET_ACCESS_KEY"], "secret://keys#secret_access_key");
    let properties = &submission["sparkProperties"];
    assert_eq!((&properties["spark.cores.max"], &properties["spark.driver.memory"]), (&json!("2"), &json!("640m")));
    let arguments: Vec<&str> =
        submission["appArgs"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(arguments.contains(&"spark.jars=/a.jar"), "{arguments:?}");
    let program = arguments.iter().position(|argument| *argument == "/opt/asgard/job.py").unwrap();
    let request: Value = serde_json::from_str(&arguments[program + 1..].concat()).unwrap();
    assert_eq!((&request["version"], &request["target"]), (&json!(1), &json!(["silver", "orders"])));
    assert_eq!(request["settings"]["spark.hadoop.fs.s3a.endpoint"], "http://s3:8333");
}

#[test]
fn a_run_that_is_started_twice_has_one_driver_and_ends_with_what_it_said() {
    let host = cluster("FINISHED", DONE);
    start(&host, &standalone());
    let state = start(&host, &standalone()).state;
    assert_eq!(host.requests(CREATE), 1);
    let step = ended(&host, &standalone(), state);
    let Status::Succeeded(outcome) = &step.status else { panic!("{:?}", step.status) };
    assert_eq!((outcome.bytes_written, outcome.location.as_str()), (1169, "s3://lake/x"));
    let details: Value = serde_json::from_str(&step.details).unwrap();
    assert_eq!((&details["executor_count"], &details["spark_version"]), (&json!(2), &json!("4.1.4")));
    assert_eq!(details["full_status"]["driverState"], "FINISHED");
    assert_eq!(details.get("ui"), None, "the page went with the driver");
    let log = host.log.borrow();
    let once = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!((once("could not bind"), once("Successfully started")), (1, 1), "{log:?}");
    assert!(host.objects.borrow().is_empty());
}

#[test]
fn a_statement_that_is_none_is_told_with_its_field() {
    let host = cluster("FAILED", FAILED);
    let state = start(&host, &standalone()).state;
    let step = ended(&host, &standalone(), state);
    let Error::InvalidInput(input) = failure(&step.status) else { panic!("{:?}", step.status) };
    assert_eq!(input.field.as_deref(), Some("sql"));
    assert!(input.message.contains("line 1, column 1"), "{}", input.message);
}

#[test]
fn a_driver_that_ends_without_a_word_is_told_with_its_last_lines() {
    let host = cluster("FAILED", "");
    let state = start(&host, &standalone()).state;
    let step = ended(&host, &standalone(), state);
    let Error::Internal(message) = failure(&step.status) else { panic!("{:?}", step.status) };
    assert!(message.contains("FAILED") && message.contains("could not bind"), "{message}");
}

#[test]
fn a_driver_that_the_master_has_forgotten_is_submitted_again() {
    let host = cluster("FINISHED", DONE);
    let state = start(&host, &standalone()).state;
    host.answers_now(STATUS, 200, UNKNOWN);
    let step = Runs::new(&host, &standalone()).advance(&state).unwrap();
    assert!(matches!(step.status, Status::Running(_)));
    host.answers_now(STATUS, 200, &status("FINISHED"));
    assert!(matches!(ended(&host, &standalone(), step.state).status, Status::Succeeded(_)));
    assert_eq!(host.requests(CREATE), 2);
}

#[test]
fn a_driver_whose_answer_was_lost_and_the_one_after_it_commit_under_one_key() {
    let host = cluster("FINISHED", DONE);
    *host.loses.borrow_mut() = Some(CREATE.to_owned());
    let lost = Runs::new(&host, &standalone()).start(crate::recorded::request()).unwrap_err();
    assert!(matches!(lost, Error::Unavailable(_)), "{lost:?}");
    let state = start(&host, &standalone()).state;
    // The master knows no name by which the first could be found: what both are told is the same, and its key is committed once.
    let asked = host.asked.borrow().iter().map(|(_, body)| body.clone()).collect::<Vec<_>>();
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]));
    let submission: Value = serde_json::from_str(&asked[0]).unwrap();
    let told: Value =
        serde_json::from_str(submission["appArgs"].as_array().unwrap().last().unwrap().as_str().unwrap()).unwrap();
    assert_eq!(told["key"], "task-1/ab12cd34");
    assert!(matches!(ended(&host, &standalone(), state).status, Status::Succeeded(_)));
}

#[test]
fn an_answer_about_a_driver_that_was_lost_is_asked_for_again() {
    for request in [STATUS, "GET http://spark:8080/json/", "GET http://127.0.0.1:28082/log/#stdout"] {
        let host = cluster("FINISHED", DONE);
        let mut state = start(&host, &standalone()).state;
        *host.loses.borrow_mut() = Some(request.to_owned());
        let runs = (Runs::new(&host, &standalone()).advance(&state), host.loses.borrow().is_none());
        match runs {
            (Ok(step), true) => state = step.state,
            (Err(Error::Unavailable(_)), true) => {}
            other => panic!("{request}: {other:?}"),
        }
        let step = ended(&host, &standalone(), state);
        assert!(matches!(step.status, Status::Succeeded(_)), "{request}: {:?}", step.status);
        assert_eq!(host.requests(CREATE), 1, "{request}");
    }
}

#[test]
fn a_driver_that_no_worker_takes_is_given_up_and_killed() {
    let host = cluster("FINISHED", DONE);
    let state = start(&host, &standalone()).state;
    host.answers_now(STATUS, 200, r#"{"driverState": "SUBMITTED", "success": true}"#);
    host.now_ms.set(700_000);
    let step = ended(&host, &standalone(), state);
    let Error::Internal(message) = failure(&step.status) else { panic!("{:?}", step.status) };
    assert!(message.contains("no worker had room for the driver (1 cores, 640m)"), "{message}");
    assert_eq!(host.requests(KILL), 1);
}

#[test]
fn a_cancelled_driver_is_killed_as_often_as_it_is_asked() {
    let host = cluster("KILLED", "");
    let state = start(&host, &standalone()).state;
    Runs::new(&host, &standalone()).cancel(&state).unwrap();
    Runs::new(&host, &standalone()).cancel(&state).unwrap();
    assert_eq!(host.requests(KILL), 2);
    assert!(host.objects.borrow().is_empty());
}

#[test]
fn a_master_that_is_away_or_does_not_let_us_in_is_told_as_such() {
    for (status, body, expected) in [
        (503, "busy", "unavailable"),
        (401, "", "unauthenticated"),
        (500, "<html>", "internal"),
        (400, r#"{"action": "ErrorResponse", "message": "Malformed request", "success": false}"#, "Malformed"),
    ] {
        let host = Recorded::default().answer(CREATE, status, body);
        let error = Runs::new(&host, &standalone()).start(crate::recorded::request()).unwrap_err();
        let kind = match &error {
            Error::Unavailable(_) => "unavailable",
            Error::Unauthenticated(_) => "unauthenticated",
            Error::Internal(message) if message.contains("Malformed") => "Malformed",
            Error::Internal(_) => "internal",
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, expected);
    }
}

#[test]
fn a_master_is_checked_by_its_workers() {
    let page = "GET http://spark:8080/json/";
    let host = Recorded::default().answer(page, 200, include_str!("answers/cluster.json"));
    let told = Runs::new(&host, &standalone()).check().unwrap();
    assert!(told.contains("workers"), "{told}");
    let host = Recorded::default().answer(page, 200, r#"{"workers": []}"#);
    let alone = Runs::new(&host, &standalone()).check().unwrap_err();
    assert!(matches!(alone, Error::Unavailable(_)), "{alone:?}");
}
