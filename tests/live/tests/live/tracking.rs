//! MLflow as production runs it: runs and models in PostgreSQL, their files in a bucket, scripts and models beside the host.

use std::process::Command;
use std::sync::Arc;

use asgard_journey::database::Database;
use asgard_journey::s3::S3;
use asgard_live::tracker::Tracker;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::models::{deployed, make_features, remove};
use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "a_model_whose_tracker_is_on_postgresql_and_a_bucket_is_trained_registered_and_served", serves)]
}

/// What a bucket holds below a prefix, as boto3 lists it.
const LIST: &str = r#"
import sys, boto3
endpoint, bucket, prefix, user, password = sys.argv[1:]
store = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=user, aws_secret_access_key=password)
for found in store.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
    print(found["Key"])
"#;

/// Models are trained and served on this machine, beside a tracker.
pub(crate) fn beside(tracker: &Tracker) -> Value {
    json!({
        "programs": {"python": {"type": "path", "path": Tracker::python().unwrap()}},
        "training": {
            "plugin": "mlflow", "configuration": {"tracking_uri": tracker.url()},
            "grants": {"http": [{"host": tracker.url().trim_start_matches("http://")}], "processes": ["python"], "objects": true},
        },
        "serving": {"plugin": "local-serving", "grants": {"services": ["python"], "objects": true}},
    })
}

fn serves(world: &World) {
    let database = Database::start(&world.folder("tracking-database")).unwrap();
    let mut tracker =
        Tracker::start_on(&database.url(), world.s3(), &world.folder("tracking"), world.address()).unwrap();
    let changes = beside(&tracker);
    let environment = world.environment_with("tracking", &[], &changes).unwrap();
    make_features(&environment);
    let deployment = deployed(&environment, "tracked", &json!({"replicas": 1}));
    let predict = deployment["endpoints"]["predict"].as_str().unwrap();
    let answer = environment.post(predict, &json!({"instances": [{"a": 0, "b": 1}, {"a": 1, "b": 1}]})).unwrap();
    assert_eq!((&answer["predictions"], &answer["version"]), (&json!([1, 0]), &json!("1")), "{answer}");

    let run = deployment["run_id"].as_str().unwrap();
    let versions = format!("SELECT count(*) FROM model_versions WHERE name = 'tracked' AND run_id = '{run}'");
    assert_eq!(database.value(&versions).unwrap().as_deref(), Some("1"));
    let status = format!("SELECT status FROM runs WHERE run_uuid = '{run}'");
    assert_eq!(database.value(&status).unwrap().as_deref(), Some("FINISHED"));
    let files = files(world.s3());
    assert!(files.iter().any(|file| file.ends_with("/artifacts/MLmodel")), "{files:?}");

    // The server itself keeps nothing.
    tracker.crash().unwrap();
    tracker.restart().unwrap();
    let model = environment.get("/mlops/models/tracked").unwrap();
    let newest = &model["latest_versions"][0];
    assert_eq!((&newest["version"], &newest["run_id"]), (&json!("1"), &json!(run)), "{model}");
    remove(&environment, &deployment);
}

fn files(s3: &S3) -> Vec<String> {
    let output = Command::new(Tracker::python().unwrap())
        .args(["-c", LIST, &s3.endpoint(), S3::BUCKET, Tracker::FILES, S3::ACCESS_KEY, S3::SECRET_KEY])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
