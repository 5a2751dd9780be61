use asgard_plugin_mlflow::training::Trainer;
use asgard_sdk::processes::{Content, Ending, ProcessStatus};
use asgard_sdk::training::{Outcome, Request, Status, Step};
use asgard_sdk::types::InvalidInput;
use asgard_sdk::{Error, Result};

use crate::recorded::{Recorded, URI, answer, configuration};

const OUTER_RUN: &str = "e206327e57b54ec083195434e6a0981a";

pub(crate) fn request() -> Request {
    Request {
        deployment_id: "d-7".to_owned(),
        script_name: "train.py".to_owned(),
        script: "import mlflow".to_owned(),
        experiment: "rec".to_owned(),
        model_name: "predictor".to_owned(),
        requirements: vec!["scikit-learn>=1.4".to_owned()],
        environment: vec![
            ("SEED".to_owned(), "7".to_owned()),
            ("MLFLOW_TRACKING_URI".to_owned(), "http://elsewhere".to_owned()),
        ],
        timeout_ms: 60_000,
        tags: vec![("team".to_owned(), "factory".to_owned())],
        features: Some("deployments/d-7/features.parquet".to_owned()),
    }
}

fn with_trainer<T>(host: &Recorded, work: impl FnOnce(&Trainer) -> Result<T>) -> Result<T> {
    let configuration = configuration();
    work(&Trainer::new(host, &configuration)?)
}

/// The training after `start`.
fn started(host: &Recorded) -> Vec<u8> {
    with_trainer(host, |trainer| trainer.start(request())).unwrap().state
}

/// Steps until the work is done.
fn ended(host: &Recorded, mut state: Vec<u8>) -> Status {
    for _ in 0..50 {
        let step: Step = with_trainer(host, |trainer| trainer.advance(&state)).unwrap();
        match step.status {
            Status::Running(_) => state = step.state,
            end => return end,
        }
    }
    panic!("the training does not end");
}

fn failure(status: Status) -> (String, String) {
    match status {
        Status::Failed(Error::InvalidInput(InvalidInput { field, message })) => (field.unwrap(), message),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn mlflow() -> Vec<(&'static str, (u16, String))> {
    vec![
        ("GET experiments/get-by-name", answer!(200, "experiment.json")),
        ("POST experiments/search", answer!(200, "experiments.json")),
        ("POST runs/search", answer!(200, "runs.json")),
        ("GET logged-models/m-54facb128efd4af1856e450f0a5d8883", answer!(200, "logged-model-model.json")),
        ("GET logged-models/m-f1c512ee25494bc1b4140a02fcfe27cb", answer!(200, "logged-model-scaler.json")),
    ]
}

#[test]
fn a_script_finds_its_place_by_its_environment() {
    let host = Recorded::new(&mlflow());
    started(&host);
    let spec = host.spec.borrow().clone().unwrap();
    assert_eq!(spec.program, "python");
    assert_eq!(spec.arguments, [".asgard/runner.py", "train.py", "scikit-learn>=1.4"]);
    assert_eq!(spec.timeout_ms, 60_000);
    let variable = |name: &str| {
        let found: Vec<&str> = spec.environment.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].to_owned()
    };
    assert_eq!(variable("MLFLOW_TRACKING_URI"), URI);
    assert_eq!(variable("MLFLOW_EXPERIMENT_NAME"), "rec");
    assert_eq!(variable("SEED"), "7");
    let tags: serde_json::Value = serde_json::from_str(&variable("MLFLOW_RUN_CONTEXT")).unwrap();
    assert_eq!(tags, serde_json::json!({"asgard.deployment_id": "d-7", "team": "factory"}));
    let features = spec.files.iter().find(|file| file.path == variable("ASGARD_FEATURES")).unwrap();
    assert_eq!(features.content, Content::Object("deployments/d-7/features.parquet".to_owned()));
    assert!(host.log.borrow()[0].contains("MLFLOW_TRACKING_URI"), "the caller is told what was left out");
}

#[test]
fn an_experiment_is_made_when_there_is_none() {
    let host = Recorded::new(&[
        ("GET experiments/get-by-name", answer!(404, "experiment-missing.json")),
        ("POST experiments/create", answer!(200, "experiment-created.json")),
    ]);
    started(&host);
    assert_eq!(host.requests("POST experiments/create"), [r#"POST experiments/create {"name":"rec"}"#]);
}

#[test]
fn an_experiment_that_another_makes_meanwhile_is_used() {
    let host = Recorded::new(&[
        ("GET experiments/get-by-name", answer!(404, "experiment-missing.json")),
        ("GET experiments/get-by-name", answer!(200, "experiment.json")),
        ("POST experiments/create", answer!(400, "experiment-exists.json")),
    ]);
    started(&host);
    assert!(host.spec.borrow().is_some());
}

#[test]
fn a_deleted_experiment_is_told_before_anything_runs() {
    let host = Recorded::new(&[("GET experiments/get-by-name", answer!(200, "experiment-deleted.json"))]);
    let refused = with_trainer(&host, |trainer| trainer.start(request()));
    assert!(matches!(&refused, Err(Error::Conflict(message)) if message.contains("restore")), "{refused:?}");
    assert!(host.spec.borrow().is_none());
}

#[test]
fn the_outer_run_and_the_model_called_model_win() {
    let host = Recorded::new(&mlflow());
    let state = started(&host);
    host.script_began.set(true);
    *host.output.borrow_mut() = b"fitting\naccuracy 0.95".to_vec();
    host.status.set(Some(ProcessStatus::Exited(0)));
    let Status::Succeeded(Outcome { run_id, model_uri, metrics }) = ended(&host, state) else { panic!() };
    assert_eq!(run_id, OUTER_RUN);
    assert_eq!(model_uri, "models:/m-54facb128efd4af1856e450f0a5d8883");
    // `loss` is NaN, which JSON does not know.
    assert_eq!(metrics, [("accuracy".to_owned(), 0.95)]);
    assert!(host.log.borrow().iter().any(|line| line.contains("`loss`")));
    assert!(host.requests("POST runs/search")[0].contains("tags.`asgard.deployment_id` = 'd-7'"));
    assert_eq!(host.status.get(), None, "the process's folder is removed");
}

#[test]
fn lines_reach_the_log_once_and_whole() {
    let host = Recorded::new(&mlflow());
    let mut state = started(&host);
    host.log.borrow_mut().clear();
    let advance = |state: &[u8]| with_trainer(&host, |trainer| trainer.advance(state)).unwrap().state;
    *host.output.borrow_mut() = b"one\ntw".to_vec();
    state = advance(&state);
    host.output.borrow_mut().extend(b"o\n10 %\r20 %\rdone\n");
    state = advance(&state);
    advance(&state);
    assert_eq!(*host.log.borrow(), ["one", "two", "done"]);
}

#[test]
fn a_flood_of_lines_keeps_its_start_and_its_end() {
    let host = Recorded::new(&mlflow());
    let state = started(&host);
    host.log.borrow_mut().clear();
    *host.output.borrow_mut() = (0..10_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    with_trainer(&host, |trainer| trainer.advance(&state)).unwrap();
    let log = host.log.borrow();
    assert!(log.len() < 500, "{}", log.len());
    assert_eq!((log[0].as_str(), log[log.len() - 1].as_str()), ("line 0", "line 9999"));
    assert!(log.iter().any(|line| line.contains("9600 lines left out")));
}

#[test]
fn a_script_that_exits_with_1_fails_with_its_last_lines() {
    let host = Recorded::new(&mlflow());
    let state = started(&host);
    host.script_began.set(true);
    *host.output.borrow_mut() =
        b"epoch 1\nTraceback (most recent call last):\n  File \"train.py\", line 3\nValueError: out of steel\n"
            .to_vec();
    host.status.set(Some(ProcessStatus::Exited(1)));
    let (field, message) = failure(ended(&host, state));
    assert_eq!(field, "script_content");
    assert!(message.contains("status 1. Its last lines:\nTraceback"), "{message}");
    assert!(message.ends_with("ValueError: out of steel"), "{message}");
}

#[test]
fn a_requirement_that_cannot_be_had_fails_with_pips_words() {
    let host = Recorded::new(&mlflow());
    let state = started(&host);
    *host.output.borrow_mut() = b"ERROR: No matching distribution found for nope==9\n".to_vec();
    host.status.set(Some(ProcessStatus::Exited(1)));
    let (field, message) = failure(ended(&host, state));
    assert_eq!(field, "requirements");
    assert!(message.contains("nope==9"), "{message}");
}

#[test]
fn a_script_past_its_timeout_fails_and_its_run_is_closed() {
    let mut answers = mlflow();
    answers.retain(|(request, _)| *request != "POST runs/search");
    answers.push(("POST runs/search", answer!(200, "runs-open.json")));
    answers.push(("POST runs/update", (200, "{}".to_owned())));
    let host = Recorded::new(&answers);
    let state = started(&host);
    host.script_began.set(true);
    host.now_ms.set(1_700_000_060_000);
    host.status.set(Some(ProcessStatus::Ended(Ending::Timeout)));
    let (field, message) = failure(ended(&host, state));
    assert_eq!(field, "timeout");
    assert!(message.contains("timeout of 60 s"), "{message}");
    let closed = host.requests("POST runs/update");
    assert!(closed.len() == 1 && closed[0].contains("KILLED") && closed[0].contains("1700000060000"), "{closed:?}");
}

#[test]
fn a_script_that_logs_no_model_is_told_what_to_call() {
    for (answer, expected) in
        [(answer!(200, "runs-none.json"), "started no MLflow run"), (answer!(200, "runs-open.json"), "logged no model")]
    {
        let mut answers = mlflow();
        answers.retain(|(request, _)| *request != "POST runs/search");
        answers.push(("POST runs/search", answer));
        let host = Recorded::new(&answers);
        let state = started(&host);
        host.script_began.set(true);
        host.status.set(Some(ProcessStatus::Exited(0)));
        let (_, message) = failure(ended(&host, state));
        assert!(message.contains(expected) && message.contains("log_model"), "{message}");
    }
}

#[test]
fn a_run_that_mlflows_client_made_twice_is_deleted_and_no_other() {
    let mut answer: serde_json::Value = serde_json::from_str(include_str!("answers/runs.json")).unwrap();
    let open: serde_json::Value = serde_json::from_str(include_str!("answers/runs-open.json")).unwrap();
    let outer = answer["runs"][1]["info"].clone();
    assert_eq!(outer["run_id"], OUTER_RUN);
    let left_open = |id: &str, began_after: u64| {
        let mut run = open["runs"][0].clone();
        run["info"]["run_id"] = id.into();
        run["info"]["start_time"] = (outer["start_time"].as_u64().unwrap() + began_after).into();
        run["data"]["metrics"] = serde_json::Value::Array(Vec::new());
        run
    };
    let mut used = left_open("used", 0);
    used["data"]["params"] = serde_json::json!([{"key": "depth", "value": "3"}]);
    // Both of the last pair are empty: one of them is the script's own.
    let more = [left_open("double", 0), used, left_open("alone", 1), left_open("pair-1", 2), left_open("pair-2", 2)];
    answer["runs"].as_array_mut().unwrap().extend(more);
    let mut answers = mlflow();
    answers.retain(|(request, _)| *request != "POST runs/search");
    answers.push(("POST runs/search", (200, answer.to_string())));
    answers.push(("POST runs/delete", (200, "{}".to_owned())));
    let host = Recorded::new(&answers);
    let state = started(&host);
    host.script_began.set(true);
    host.status.set(Some(ProcessStatus::Exited(0)));
    let Status::Succeeded(outcome) = ended(&host, state) else { panic!() };
    assert_eq!(outcome.run_id, OUTER_RUN);
    let deleted = ["pair-2", "double"].map(|id| format!(r#"POST runs/delete {{"run_id":"{id}"}}"#));
    assert_eq!(host.requests("POST runs/delete"), deleted);
}

#[test]
fn a_script_of_another_host_is_not_run_again_and_its_run_is_closed() {
    let mut answers = mlflow();
    answers.retain(|(request, _)| *request != "POST runs/search");
    answers.push(("POST runs/search", answer!(200, "runs-open.json")));
    answers.push(("POST runs/update", (200, "{}".to_owned())));
    let host = Recorded::new(&answers);
    let state = started(&host);
    host.status.set(None);
    let failed = ended(&host, state);
    assert!(matches!(&failed, Status::Failed(Error::Conflict(why)) if why.contains("another host")), "{failed:?}");
    assert_eq!(host.status.get(), None, "nothing was started");
    assert!(host.requests("POST runs/update")[0].contains("KILLED"));
}

#[test]
fn a_cancelled_training_leaves_no_process() {
    let host = Recorded::new(&mlflow());
    let state = started(&host);
    with_trainer(&host, |trainer| trainer.cancel(&state)).unwrap();
    assert_eq!(host.status.get(), None);
}
