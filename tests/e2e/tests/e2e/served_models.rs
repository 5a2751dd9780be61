//! Models at work: of several libraries, asked by many at once, and served again without being trained again.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{MODEL_WITHIN, World, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "what_a_deployment_made_is_served_again_without_training_it", again),
        test(world, "models_of_xgboost_lightgbm_and_plain_python_answer_many_at_once", kinds),
    ]
}

/// A model that answers with the constant of its environment.
pub(crate) const CONSTANT: &str = "import os, mlflow, mlflow.sklearn
from sklearn.dummy import DummyClassifier
if os.environ['ANSWER'] == 'none':
    raise ValueError('no answer')
with mlflow.start_run():
    model = DummyClassifier(strategy='constant', constant=int(os.environ['ANSWER'])).fit([[0.0], [1.0], [2.0]], [1, 2, 3])
    mlflow.sklearn.log_model(model, name='model', input_example=[[0.0]], pip_requirements=[])
";

/// Knows which rows have one column and not the other, or a text backwards; thinks long about one.
const KINDS: &str = "import os, time, mlflow, pandas
from mlflow.models import infer_signature
rows = pandas.DataFrame([(a, b) for a in (0.0, 1.0) for b in (0.0, 1.0)] * 50, columns=['a', 'b'])
target = (rows.a > rows.b).astype(int)
class Backwards(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        time.sleep(5 if 'slow' in list(model_input['text']) else 0)
        return pandas.DataFrame({'backwards': [text[::-1] for text in model_input['text']], 'rows': len(model_input)})
with mlflow.start_run():
    logged = dict(name='model', pip_requirements=[], signature=infer_signature(rows, target))
    if os.environ['KIND'] == 'xgboost':
        import xgboost, mlflow.xgboost
        mlflow.xgboost.log_model(xgboost.XGBClassifier(n_estimators=20).fit(rows, target), **logged)
    elif os.environ['KIND'] == 'lightgbm':
        import lightgbm, mlflow.lightgbm
        mlflow.lightgbm.log_model(lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(rows, target), **logged)
    else:
        logged['signature'] = infer_signature(pandas.DataFrame({'text': ['a']}))
        mlflow.pyfunc.log_model(python_model=Backwards(), **logged)
";

/// The host whose MLflow answers.
pub(crate) fn available(world: &World) -> Client {
    let client = world.full();
    until("MLflow is available", MODEL_WITHIN, || {
        client.get("/mlops/status").is_ok_and(|status| status["mlflow_available"] == true).then_some(())
    });
    client
}

/// The deployment at its end, whatever that is.
pub(crate) fn ended(client: &Client, submitted: &Value) -> Value {
    let path = format!("/mlops/deployments/{}", submitted["deployment_id"].as_str().unwrap());
    until("the deployment ends", Duration::from_secs(360), || {
        let deployment = client.get(&path).ok()?;
        matches!(deployment["status"].as_str(), Some("failed" | "deployed")).then_some(deployment)
    })
}

fn deployed(client: &Client, submitted: &Value) -> Value {
    let deployment = ended(client, submitted);
    assert_eq!(deployment["status"], "deployed", "{deployment}");
    deployment
}

fn again(world: &World) {
    let client = available(world);
    let deploy = |answer: &str| {
        let request = json!({"script_name": "train.py", "script_content": CONSTANT, "experiment_name": "again",
            "model_name": "again", "environment_vars": {"ANSWER": answer}, "replicas": 1});
        client.post("/mlops/deploy", &request).unwrap()
    };
    let serve = |deployment: &Value, how: &Value| {
        let path = format!("/mlops/deployments/{}/serve", deployment["deployment_id"].as_str().unwrap());
        client.send("POST", &path, Some(how), &[]).unwrap()
    };
    let answer = |deployment: &Value| {
        let predict = deployment["endpoints"]["predict"].as_str().unwrap();
        let answer = client.post(predict, &json!({"features": [[0.0]]})).unwrap();
        (answer["predictions"][0].as_i64().unwrap(), answer["version"].as_str().unwrap().to_owned())
    };
    let first = deployed(&client, &deploy("1"));
    let second = deployed(&client, &deploy("2"));
    assert_eq!(answer(&second), (2, "2".to_owned()));

    let back = deployed(&client, &serve(&first, &json!({})).body);
    assert_eq!(answer(&back), (1, "1".to_owned()));
    assert_eq!((&back["made_by"], &back["run_id"]), (&first["deployment_id"], &first["run_id"]));
    let scaled = deployed(&client, &serve(&back, &json!({"replicas": 2})).body);
    assert_eq!((&scaled["made_by"], &scaled["replicas"]), (&first["deployment_id"], &json!(2)));
    assert_eq!(answer(&scaled), (1, "1".to_owned()));
    let versions = client.get("/mlops/models/again").unwrap()["latest_versions"].clone();
    assert_eq!(versions[0]["version"], "2", "nothing was registered anew: {versions}");
    let lineage = client.get("/lineage/models/again/1").unwrap();
    assert_eq!(lineage["deployment"]["subject"], first["deployment_id"], "{lineage}");

    refused_field(&serve(&first, &json!({"replicas": 11})), "replicas");
    refused_field(&serve(&first, &json!({"canary_weight": 100})), "canary_weight");
    let one_at_a_time = refused_field(&serve(&first, &json!({"canary_weight": 10})), "canary_weight");
    assert!(one_at_a_time.contains("local-serving") && one_at_a_time.contains("`canary`"), "{one_at_a_time}");
    let failed = ended(&client, &deploy("none"));
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(refused(&serve(&failed, &json!({})), 409).contains("nothing to serve"));
    assert_eq!(serve(&json!({"deployment_id": "no-such"}), &json!({})).status, 404);
}

fn kinds(world: &World) {
    let client = available(world);
    let deploy = |kind: &str, requirements: &Value| {
        let request = json!({"script_name": "train.py", "script_content": KINDS, "experiment_name": "kinds",
            "model_name": format!("kind_{kind}"), "environment_vars": {"KIND": kind}, "requirements": requirements,
            "replicas": 1});
        client.post("/mlops/deploy", &request).unwrap()
    };
    // Side by side: each installs its library and imports all of MLflow.
    let submitted = [("xgboost", json!(["xgboost-cpu"])), ("lightgbm", json!(["lightgbm"])), ("python", json!([]))]
        .map(|(kind, requirements)| deploy(kind, &requirements));
    let [xgboost, lightgbm, python] = submitted.map(|submitted| deployed(&client, &submitted));
    for deployment in [&xgboost, &lightgbm] {
        let predict = deployment["endpoints"]["predict"].as_str().unwrap();
        at_once(predict, |caller| {
            let (a, b) = (caller & 1, caller >> 1 & 1);
            (json!({"instances": [{"a": a, "b": b}, {"b": a, "a": 1 - b}]}), json!([a & (1 - b), (1 - b) & (1 - a)]))
        });
        let answer = client.post(predict, &json!({"features": [[1, 0]]})).unwrap();
        assert_eq!(answer["classes"], json!([0, 1]), "{answer}");
        assert!(answer["probabilities"][0][1].as_f64().unwrap() > 0.5, "{answer}");
        let wrong = client.send("POST", predict, Some(&json!({"instances": [{"a": 1, "b": "x"}]})), &[]).unwrap();
        assert_eq!((wrong.status, &wrong.body["field"]), (422, &json!("instances[0].b")), "{}", wrong.body);
    }
    let predict = python["endpoints"]["predict"].as_str().unwrap();
    // A model that looks at all of its rows is asked for those of one request at a time.
    at_once(predict, |caller| {
        let answer = json!([{"backwards": format!("{caller}a"), "rows": 1}]);
        (json!({"features": [[format!("a{caller}")]]}), answer)
    });
    let wrong = client.send("POST", predict, Some(&json!({"instances": [{"text": 7}]})), &[]).unwrap();
    assert_eq!((wrong.status, &wrong.body["field"]), (422, &json!("instances[0].text")), "{}", wrong.body);
    let health = python["endpoints"]["health"].as_str().unwrap();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| Client::new("").post(predict, &json!({"features": [["slow"]]})).unwrap());
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(client.get(health).unwrap()["status"], "healthy");
        assert!(!slow.is_finished(), "its only worker answers probes while it computes");
        assert_eq!(slow.join().unwrap()["predictions"], json!([{"backwards": "wols", "rows": 1}]));
    });
}

/// Sixteen callers at once, each with questions of its own: each gets its own answers.
fn at_once(predict: &str, question: impl Fn(u32) -> (Value, Value) + Sync) {
    std::thread::scope(|scope| {
        for caller in 0..16 {
            // Digits in one order are those in the other.
            let (question, caller) = (&question, caller % 10);
            scope.spawn(move || {
                let client = Client::new("");
                for _ in 0..20 {
                    let (asked, expected) = question(caller);
                    let answer = client.post(predict, &asked).unwrap();
                    assert_eq!(answer["predictions"], expected, "{asked}");
                }
            });
        }
    });
}
