//! The suites of `image-build`, `serving` and `canary`, as an author runs them, with a model, a registry and a cluster.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use asgard_journey::suite::{Run, inline};
use asgard_live::installed;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::models::in_pods;
use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "builds_serving_and_canaries_pass_the_suites_of_their_interfaces_with_a_model", pass)]
}

/// A model that answers 7.
const MODEL: &str = "import sys, mlflow.sklearn
from sklearn.dummy import DummyClassifier
model = DummyClassifier(strategy='constant', constant=7).fit([[0.0], [1.0]], [3, 7])
mlflow.sklearn.save_model(model, sys.argv[1], input_example=[[0.0]], pip_requirements=[], serialization_format='cloudpickle')
";

fn pass(world: &World) {
    let folder = world.folder("suites");
    let model = folder.join("model");
    let python = installed::path("MLFLOW_PYTHON").unwrap();
    let saved = Command::new(python).args(["-c", MODEL]).arg(&model).output().unwrap();
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let kubernetes = world.kubernetes();
    let bindings = in_pods(kubernetes, world.tracker().url(), "suites", &json!({}));

    let mut asked = json!({"folder": model, "namespace": "suites", "question": {"features": [[0.5]]}});
    complete(world, &folder, &bindings["build"], &asked);
    asked["image"] = json!(kubernetes.registry().pinned("models/conformance").unwrap());
    complete(world, &folder, &bindings["serving"], &asked);
}

/// Nothing fails, and nothing is skipped.
fn complete(world: &World, folder: &Path, binding: &Value, model: &Value) {
    let plugin = binding["plugin"].as_str().unwrap();
    let cluster = json!({"type": "kubeconfig", "path": world.kubernetes().kubeconfig()});
    let setup = [
        ("configuration", &binding["configuration"]),
        ("grants", &binding["grants"]),
        ("kubernetes", &cluster),
        ("model", model),
    ]
    .map(|(name, value)| format!("{name} = {}\n", inline(value)))
    .concat();
    let file = folder.join(format!("{plugin}.toml"));
    let built = world.built();
    let run = Run::of(built, &built.plugins.join(plugin), Some((&file, &setup)), &[]).unwrap();
    assert!(run.is_green() && run.lines("skipped").is_empty(), "{}", run.said);
}
