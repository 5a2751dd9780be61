use asgard_plugin_mlflow::configuration::Configuration;
use asgard_plugin_mlflow::registry::Registry;
use asgard_sdk::model_registry::Registration;
use asgard_sdk::{Error, Result};
use serde_json::{Value, json};

use crate::recorded::{Recorded, URI, answer, configuration};

const RUN: &str = "e206327e57b54ec083195434e6a0981a";
const MODEL: &str = "m-54facb128efd4af1856e450f0a5d8883";

fn registry(host: &Recorded) -> Registry<'_> {
    Registry::new(host, &configuration()).unwrap()
}

/// The model, and where its alias `candidate` points.
fn model(version: Option<&str>) -> (u16, String) {
    let aliases: Vec<Value> =
        version.iter().map(|version| json!({ "alias": "candidate", "version": version })).collect();
    (200, json!({ "registered_model": { "name": "predictor", "aliases": aliases } }).to_string())
}

fn nothing() -> (u16, String) {
    (200, "{}".to_owned())
}

/// What was sent with requests that start like this.
fn bodies(host: &Recorded, start: &str) -> Vec<Value> {
    let body = |asked: &String| serde_json::from_str(asked.strip_prefix(start).unwrap()).unwrap();
    host.requests(start).iter().map(body).collect()
}

fn registration() -> Registration {
    Registration {
        model_name: "predictor".to_owned(),
        run_id: RUN.to_owned(),
        model_uri: format!("models:/{MODEL}"),
        tags: vec![("team".to_owned(), "factory".to_owned())],
        description: None,
    }
}

#[test]
fn a_run_is_registered_once_however_often_it_is_asked() {
    let host = Recorded::new(&[
        ("GET model-versions/search", answer!(200, "versions-none.json")),
        ("GET model-versions/search", answer!(200, "versions.json")),
        // The model is there from an earlier version: a 400 in MLflow's words.
        ("POST registered-models/create", answer!(400, "model-exists.json")),
        ("POST model-versions/create", answer!(200, "version-created.json")),
        ("GET registered-models/get", model(None)),
        ("GET registered-models/get", model(Some("1"))),
        ("POST registered-models/alias", nothing()),
    ]);
    let first = registry(&host).register(&registration()).unwrap();
    let again = registry(&host).register(&registration()).unwrap();
    assert_eq!((first.version.as_str(), first.stage.as_str(), first.run_id.as_deref()), ("1", "None", Some(RUN)));
    assert_eq!(first.tags, [("team".to_owned(), "factory".to_owned())]);
    assert_eq!(first.description, None);
    assert_eq!((&again.version, &again.run_id), (&first.version, &first.run_id));
    let created = host.requests("POST model-versions/create");
    assert_eq!(created.len(), 1);
    assert!(created[0].contains(&format!("\"source\":\"models:/{MODEL}\"")), "{created:?}");
    let searched = &host.requests("GET model-versions/search")[0];
    assert!(
        searched.contains(&format!("filter=name%20%3D%20%27predictor%27%20and%20run_id%20%3D%20%27{RUN}%27")),
        "{searched}"
    );
    let alias = json!({ "name": "predictor", "alias": "candidate", "version": "1" });
    assert_eq!(bodies(&host, "POST registered-models/alias"), [alias]);
}

#[test]
fn a_version_that_the_script_registered_gets_the_tags_that_it_lacks() {
    let host = Recorded::new(&[
        ("GET model-versions/search", answer!(200, "versions.json")),
        ("POST model-versions/set-tag", nothing()),
        ("GET registered-models/get", model(None)),
        ("POST registered-models/alias", nothing()),
    ]);
    let origin = ("asgard.feature_views".to_owned(), "operators".to_owned());
    let mut asked = registration();
    asked.tags.push(origin.clone());
    let version = registry(&host).register(&asked).unwrap();
    assert_eq!(version.tags, [("team".to_owned(), "factory".to_owned()), origin]);
    let tag = json!({ "name": "predictor", "version": "1", "key": "asgard.feature_views", "value": "operators" });
    assert_eq!(bodies(&host, "POST model-versions/set-tag"), [tag]);
    assert_eq!(bodies(&host, "POST registered-models/alias").len(), 1);
}

#[test]
fn an_alias_never_points_back() {
    for (there, moved) in [(None, true), (Some("0"), true), (Some("1"), false), (Some("10"), false)] {
        let host = Recorded::new(&[
            ("GET model-versions/search", answer!(200, "versions.json")),
            ("GET registered-models/get", model(there)),
            ("POST registered-models/alias", nothing()),
        ]);
        registry(&host).register(&registration()).unwrap();
        assert_eq!(host.requests("POST registered-models/alias").len(), usize::from(moved), "{there:?}");
    }
}

#[test]
fn an_alias_is_the_bindings_to_choose() {
    let registered = |alias: &str| -> Result<Vec<Value>> {
        let host = Recorded::new(&[
            ("GET model-versions/search", answer!(200, "versions.json")),
            ("GET registered-models/get", model(None)),
            ("POST registered-models/alias", nothing()),
        ]);
        let configuration = Configuration { model_alias: alias.to_owned(), ..configuration() };
        Registry::new(&host, &configuration)?.register(&registration())?;
        Ok(bodies(&host, "POST registered-models/alias"))
    };
    assert_eq!(registered("").unwrap().len(), 0);
    assert_eq!(registered("blue-green_2").unwrap()[0]["alias"], "blue-green_2");
    assert_eq!(registered("version").unwrap().len(), 1);
    for alias in ["latest", "Latest", "v1", "V22", "a b", "a.b", "a".repeat(256).as_str()] {
        let refused = registered(alias);
        assert!(
            matches!(&refused, Err(Error::InvalidInput(why)) if why.field.as_deref() == Some("configuration.model_alias")),
            "{refused:?}"
        );
    }
}

#[test]
fn models_of_all_pages_are_listed_newest_first() {
    let host = Recorded::new(&[
        ("GET registered-models/search", answer!(200, "models-page-1.json")),
        ("GET registered-models/search", answer!(200, "models-page-2.json")),
    ]);
    let models = registry(&host).list_models().unwrap();
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["predictor", "pred"]);
    assert_eq!(models[0].latest_versions[0].stage, "None");
    assert!(host.requests("GET registered-models/search")[1].contains("page_token=eyJvZmZzZXQiOiAxfQ%3D%3D"));
}

#[test]
fn a_version_is_fetched_file_by_file() {
    let mut answers = vec![
        ("GET model-versions/get-download-uri".to_owned(), answer!(200, "download-uri.json")),
        ("GET mlflow-artifacts/artifacts".to_owned(), answer!(200, "artifacts.json")),
    ];
    let files = ["MLmodel", "conda.yaml", "model.pkl", "python_env.yaml", "requirements.txt"];
    for file in files {
        let path = format!("GET mlflow-artifacts/artifacts/4/models/{MODEL}/artifacts/{file}");
        answers.push((path, (200, format!("bytes of {file}"))));
    }
    let answers: Vec<_> = answers.iter().map(|(path, answer)| (path.as_str(), answer.clone())).collect();
    let host = Recorded::new(&answers);
    let fetched = registry(&host).fetch("predictor", "1", "deployments/7/model/").unwrap();
    assert_eq!(fetched.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), files);
    assert_eq!(host.objects.borrow()["deployments/7/model/model.pkl"], b"bytes of model.pkl");
    assert_eq!(fetched[0], ("MLmodel".to_owned(), "deployments/7/model/MLmodel".to_owned()));
}

#[test]
fn an_artifact_that_points_out_of_its_folder_is_not_fetched() {
    let host = Recorded::new(&[
        ("GET model-versions/get-download-uri", answer!(200, "download-uri.json")),
        ("GET mlflow-artifacts/artifacts", (200, r#"{"files":[{"path":"../../secrets","is_dir":false}]}"#.to_owned())),
    ]);
    let fetched = registry(&host).fetch("predictor", "1", "p/");
    assert!(matches!(fetched, Err(Error::Internal(_))), "{fetched:?}");
    assert!(host.objects.borrow().is_empty());
}

#[test]
fn artifacts_that_the_server_does_not_hand_out_are_refused_with_what_to_do() {
    let elsewhere = (200, r#"{"artifact_uri":"s3://bucket/models/1"}"#.to_owned());
    let host = Recorded::new(&[("GET model-versions/get-download-uri", elsewhere)]);
    let fetched = registry(&host).fetch("predictor", "1", "p/");
    assert!(
        matches!(&fetched, Err(Error::Unsupported(message)) if message.contains("--serve-artifacts")),
        "{fetched:?}"
    );
}

#[test]
fn mlflows_errors_become_the_contracts() {
    let host = Recorded::new(&[("GET registered-models/get", answer!(404, "model-missing.json"))]);
    let missing = registry(&host).get_model("nope");
    assert!(matches!(&missing, Err(Error::NotFound(message)) if message.contains("`nope`")), "{missing:?}");

    let host = Recorded::new(&[("GET registered-models/get", answer!(403, "foreign-host.txt"))]);
    let refused = registry(&host).get_model("x");
    assert!(matches!(&refused, Err(Error::Forbidden(message)) if message.contains("--allowed-hosts")), "{refused:?}");

    let host = Recorded::new(&[("GET registered-models/get", (503, "<html>busy</html>".to_owned()))]);
    let away = registry(&host).get_model("x");
    assert!(matches!(&away, Err(Error::Unavailable(why)) if why.message.contains("busy")), "{away:?}");
}

#[test]
fn the_server_is_counted_without_what_was_deleted() {
    let host = Recorded::new(&[
        ("POST experiments/search", answer!(200, "experiments.json")),
        ("GET registered-models/search", answer!(200, "models-page-2.json")),
    ]);
    let information = registry(&host).information().unwrap();
    assert_eq!(information.tracking_uri, URI);
    assert_eq!(information.registered_models, 1);
    let active = include_str!("answers/experiments.json").matches("\"active\"").count() as u64;
    assert_eq!(information.active_experiments, active);
}
