//! Pipelines that end with a model: from a source's rows to one that answers, rolled over by the next run, repeated, cancelled.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::bad_models::processes;
use crate::pipelines::{adds, ended, put, start, statuses};
use crate::served_models::{CONSTANT, available};
use crate::world::{World, ended_job, ingest, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "one_run_goes_from_the_rows_of_a_source_to_a_model_that_answers", from_rows),
        test(world, "each_run_rolls_a_version_over_the_one_before_which_answers_until_then", rolls_over),
        test(world, "a_deployment_that_fails_ends_its_run_with_the_reason_and_is_repeated_alone", repeated),
        test(world, "a_run_that_is_cancelled_while_its_model_is_trained_leaves_nothing_behind", cancelled),
    ]
}

/// Learns the target from one feature.
const LEARNER: &str = "import os, mlflow, mlflow.sklearn, pandas
from mlflow.models import infer_signature
from sklearn.tree import DecisionTreeClassifier
rows = pandas.read_parquet(os.environ['ASGARD_FEATURES'])
inputs, target = rows[['liquid']].astype('float64'), rows[os.environ['ASGARD_TARGET']].astype('int64')
with mlflow.start_run():
    mlflow.log_metric('rows', len(rows))
    model = DecisionTreeClassifier(random_state=0).fit(inputs, target)
    mlflow.sklearn.log_model(model, name='model', signature=infer_signature(inputs, target), pip_requirements=[])
";

/// Never ends, and starts a process that would outlive it.
const ENDLESS: &str = "import subprocess, sys, time
child = 'import time; time.sleep(3600) # orphan-of-a-run'
subprocess.Popen([sys.executable, '-c', child], start_new_session=True)
time.sleep(3600)
";

/// Loading all of MLflow, on a busy machine.
const TRAINED_WITHIN: Duration = Duration::from_secs(180);

/// The step `model`.
fn model(name: &str, script: &str, needs: &[&str], more: Value) -> Value {
    let mut with = json!({"script_name": "train.py", "script_content": script, "experiment_name": name,
        "model_name": name, "replicas": 1});
    if let (Some(with), Some(more)) = (with.as_object_mut(), more.as_object()) {
        with.extend(more.clone());
    }
    json!({"id": "model", "kind": "deployment", "needs": needs, "with": with})
}

/// What the step `model` of a run made.
fn deployment(client: &Client, run: &Value) -> Value {
    let id = run["steps"]["model"]["subject"].as_str().expect("the step names its deployment");
    client.get(&format!("/mlops/deployments/{id}")).unwrap()
}

fn deployed(client: &Client, run: &Value) -> Value {
    assert_eq!(run["status"], "succeeded", "{run}");
    let deployment = deployment(client, run);
    assert_eq!(deployment["status"], "deployed", "{deployment}");
    deployment
}

/// What a model of [`CONSTANT`] answers, and of which version it is.
fn answer(client: &Client, deployment: &Value) -> (Value, Value) {
    let predict = deployment["endpoints"]["predict"].as_str().unwrap();
    let answer = client.post(predict, &json!({"features": [[0.0]]})).unwrap();
    (answer["predictions"][0].clone(), answer["version"].clone())
}

fn remove(client: &Client, deployment: &Value) {
    let path = format!("/mlops/deployments/{}", deployment["deployment_id"].as_str().unwrap());
    assert_eq!(client.send("DELETE", &path, None, &[]).unwrap().status, 204);
}

/// Processes that serve a version of a model.
fn serving(model: &str, version: &str) -> usize {
    processes(&format!("--name={model}\0--version={version}\0"))
}

fn from_rows(world: &World) {
    let client = available(world);
    let streams = json!({"streams": [{"namespace": "inventory", "name": "materials"}]});
    let ingestion = ingest(&client, &world.source(), "modelled", streams).unwrap();
    ended_job(&client, &ingestion);
    let rows = "SELECT material_code, CAST(CASE WHEN unit_of_measure = 'l' THEN 1 ELSE 0 END AS DOUBLE) AS liquid,
        CAST(CASE WHEN is_hazardous THEN 1 ELSE 0 END AS BIGINT) AS hazardous, TIMESTAMP '${date} 00:00:00' AS seen
        FROM {{ ref('modelled_materials') }}";
    let features = json!({"features": {"view": "modelled_view", "target": "hazardous"}});
    let steps = json!([
        {"id": "load", "kind": "ingestion", "with": {"ingestion": "modelled ingestion"}},
        {"id": "clean", "kind": "silver", "needs": ["load"], "with": {"source_path": "bronze.modelled_materials",
            "table": "modelled_materials", "sql": "SELECT material_code, unit_of_measure, is_hazardous FROM source_data"}},
        {"id": "rows", "kind": "gold", "needs": ["clean"], "with": {"name": "modelled_rows", "sql_query": rows}},
        {"id": "view", "kind": "features", "needs": ["rows"], "with": {"name": "modelled_view",
            "entities": ["material_code"], "ttl_seconds": 0, "online": true,
            "features": [{"name": "liquid", "dtype": "float64"}, {"name": "hazardous", "dtype": "int64"}],
            "source": {"table_name": "modelled_rows", "timestamp_field": "seen"}}},
        model("modelled", LEARNER, &["view"], features),
    ]);
    put(&client, "modelled", steps);
    let run = ended(&client, "modelled", &start(&client, "modelled", json!({"date": "2026-03-01"})));
    let deployment = deployed(&client, &run);
    assert_eq!((&deployment["model_name"], &deployment["model_version"]), (&json!("modelled"), &json!("1")));
    assert_eq!(deployment["metrics"]["rows"].as_f64(), Some(2323.0), "{deployment}");
    let step = &run["steps"]["model"];
    assert_eq!(step["status"], "succeeded", "{run}");
    assert!(step["plugin"].as_str().unwrap().starts_with("mlflow@"), "{run}");
    let url = step["outcome"]["url"].as_str().map(|url| url.trim_end_matches('/'));
    assert_eq!(url, deployment["inference_url"].as_str(), "{run}");
    let task = client.get(&format!("/tasks/{}", step["task"].as_str().unwrap())).unwrap();
    assert_eq!((&task["kind"], &task["subject"]), (&json!("deployment"), &deployment["deployment_id"]));

    let predict = deployment["endpoints"]["predict"].as_str().unwrap();
    let answer = client.post(predict, &json!({"features": [[1.0], [0.0]]})).unwrap();
    assert_eq!(answer["predictions"], json!([1, 0]), "what is liquid is hazardous: {answer}");

    let lineage = client.get("/lineage/models/modelled/1").unwrap();
    assert_eq!(lineage["deployment"]["id"], step["task"], "{lineage}");
    let nodes = lineage["tables"].as_array().unwrap().iter();
    let back: Vec<(&str, &Value)> =
        nodes.map(|node| (node["table"].as_str().unwrap(), &node["made_by"]["id"])).collect();
    let expected =
        [("gold.modelled_rows", "rows"), ("silver.modelled_materials", "clean"), ("bronze.modelled_materials", "load")];
    assert_eq!(back, expected.map(|(table, step)| (table, &run["steps"][step]["task"])), "{lineage}");
    remove(&client, &deployment);
}

fn rolls_over(world: &World) {
    let client = available(world);
    let environment = json!({"environment_vars": {"ANSWER": "${word}"}});
    put(&client, "rolled", json!([model("rolled", CONSTANT, &[], environment)]));
    let begin = |word: &str| start(&client, "rolled", json!({"parameters": {"word": word}}));
    let first = deployed(&client, &ended(&client, "rolled", &begin("1")));
    assert_eq!(answer(&client, &first), (json!(1), json!("1")));
    assert!(serving("rolled", "1") > 0);

    let second = begin("2");
    let path = format!("/pipelines/rolled/runs/{}", second["id"].as_str().unwrap());
    until("the second is trained", TRAINED_WITHIN, || {
        let answer = client.post(first["endpoints"]["predict"].as_str()?, &json!({"features": [[0.0]]}));
        let run = client.get(&path).ok()?;
        let id = run["steps"]["model"]["subject"].as_str()?;
        let progress = client.get(&format!("/mlops/deployments/{id}")).ok()?["progress"].clone();
        if progress == "training" {
            assert_eq!(answer.unwrap()["version"], "1");
            return None;
        }
        Some(())
    });
    let second = deployed(&client, &ended(&client, "rolled", &second));
    assert_ne!(second["deployment_id"], first["deployment_id"]);
    assert_eq!(answer(&client, &second), (json!(2), json!("2")));
    until("only one version is served", Duration::from_secs(30), || (serving("rolled", "1") == 0).then_some(()));

    let all = client.get("/mlops/deployments?page_size=1000").unwrap();
    let of_model = all.as_array().unwrap().iter().filter(|deployment| deployment["model_name"] == "rolled").count();
    assert_eq!(of_model, 2, "one of each run: {all}");
    let versions = client.get("/mlops/models/rolled").unwrap()["latest_versions"].clone();
    assert_eq!(versions[0]["version"], "2", "{versions}");
    assert_eq!(ended(&client, "rolled", &begin("none"))["status"], "failed");
    assert_eq!(answer(&client, &second), (json!(2), json!("2")), "what fails takes nobody's place");
    // What it served has ended already: its successor is not touched.
    remove(&client, &first);
    assert_eq!(answer(&client, &second), (json!(2), json!("2")));
    remove(&client, &second);
    until("no version is served", Duration::from_secs(30), || (serving("rolled", "2") == 0).then_some(()));
}

fn repeated(world: &World) {
    let client = available(world);
    let steps = |answer: &str| {
        json!([
            {"id": "before", "kind": "gold", "with": adds("trained_before", "SELECT 1 AS one, 'before' AS step")},
            model("trained_again", CONSTANT, &["before"], json!({"environment_vars": {"ANSWER": answer}})),
            {"id": "after", "kind": "gold", "needs": ["model"], "with": adds("trained_after", "SELECT 2 AS two, 'after' AS step")},
        ])
    };
    put(&client, "trained-again", steps("none"));
    let run = ended(&client, "trained-again", &start(&client, "trained-again", json!({})));
    assert_eq!(run["status"], "failed", "{run}");
    assert_eq!(statuses(&run), json!({"before": "succeeded", "model": "failed", "after": "skipped"}));
    let error = run["error"].as_str().unwrap();
    assert!(error.contains("step `model`") && error.contains("no answer"), "{error}");
    let failed = deployment(&client, &run);
    assert_eq!((&failed["status"], &failed["error"]), (&json!("failed"), &run["steps"]["model"]["error"]));

    put(&client, "trained-again", steps("3"));
    let path = format!("/pipelines/trained-again/runs/{}/rerun", run["id"].as_str().unwrap());
    let again = ended(&client, "trained-again", &client.post(&path, &json!({})).unwrap());
    let deployment = deployed(&client, &again);
    assert_ne!(deployment["deployment_id"], failed["deployment_id"]);
    assert_eq!(answer(&client, &deployment), (json!(3), json!("1")));
    assert_eq!(again["repeats"], run["id"]);
    assert_eq!(again["steps"]["before"]["task"], run["steps"]["before"]["task"], "it was not run again");
    assert_eq!(again["steps"]["after"]["status"], "succeeded", "{again}");
    remove(&client, &deployment);

    // What only the environment can tell is told when the step would begin, and there is no deployment.
    let features = json!({"features": {"view": "no_such_view", "target": "x"}});
    put(&client, "trained-on-nothing", json!([model("trained_on_nothing", CONSTANT, &[], features)]));
    let run = ended(&client, "trained-on-nothing", &start(&client, "trained-on-nothing", json!({})));
    assert_eq!(run["status"], "failed", "{run}");
    let error = run["error"].as_str().unwrap();
    assert!(error.contains("step `model`") && error.contains("no_such_view"), "{error}");
    let step = &run["steps"]["model"];
    assert!(step["task"].is_null() && step["started_at"].is_null() && step["finished_at"].is_string(), "{step}");
}

fn cancelled(world: &World) {
    let client = available(world);
    let after = adds("broken_off_after", "SELECT 1 AS one, 'after' AS step");
    put(
        &client,
        "broken-off",
        json!([
            model("broken_off", ENDLESS, &[], json!({})),
            {"id": "after", "kind": "gold", "needs": ["model"], "with": after},
        ]),
    );
    let run = start(&client, "broken-off", json!({}));
    let path = format!("/pipelines/broken-off/runs/{}", run["id"].as_str().unwrap());
    until("the script runs", TRAINED_WITHIN, || (processes("orphan-of-a-run") > 0).then_some(()));
    let under_way = client.get(&path).unwrap();
    assert_eq!(under_way["steps"]["model"]["status"], "running", "{under_way}");
    let shown = deployment(&client, &under_way);
    assert_eq!((&shown["status"], &shown["progress"]), (&json!("running"), &json!("training")), "{shown}");

    client.post(&format!("{path}/cancel"), &json!({})).unwrap();
    assert_eq!(ended(&client, "broken-off", &run)["status"], "cancelled");
    let run = until("the step has ended", Duration::from_secs(30), || {
        let run = client.get(&path).ok()?;
        (run["steps"]["model"]["status"] != "running").then_some(run)
    });
    assert_eq!(run["steps"]["model"]["status"], "cancelled", "{run}");
    assert!(run["steps"]["after"]["task"].is_null(), "{run}");
    let ended = deployment(&client, &run);
    assert_eq!(ended["status"], "failed", "{ended}");
    assert!(ended["error"].as_str().unwrap().contains("cancelled"), "{ended}");
    until("the script's children have ended", Duration::from_secs(20), || {
        (processes("orphan-of-a-run") == 0).then_some(())
    });
    assert_eq!(processes("--name=broken_off\0"), 0, "nothing is served");
    let models = client.get("/mlops/models").unwrap();
    assert!(models.as_array().unwrap().iter().all(|model| model["name"] != "broken_off"), "{models}");
    assert_eq!(client.send("DELETE", "/pipelines/broken-off", None, &[]).unwrap().status, 204);
}
