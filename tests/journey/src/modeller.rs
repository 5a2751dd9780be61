//! Models without a tracker and without servers: the plugin `modeller`, which only tests have, in the roles of models.

use serde_json::{Value, json};

/// What it says about itself.
pub const MANIFEST: &str = include_str!("../../fixtures/modeller/plugin.toml");

/// The version in [`MANIFEST`].
pub const VERSION: &str = "0.1.0";

/// Nobody runs it.
const SCRIPT: &str = "import mlflow\nmlflow.start_run()\n";

/// Puts a version of it into the roles `training` and `serving` of an environment's document, which then has one deployment at a time:
/// what the plugin counts by, key-values, cannot be compared and set.
pub fn bind(document: &mut Value, version: &str) {
    for role in ["training", "serving"] {
        document[role] = json!({"plugin": "modeller", "version": version, "grants": {"key_value": true}});
    }
    document["limits"]["concurrency"]["roles"] = json!({"training": 1});
}

/// What a deployment is asked with.
pub fn deployment(model: &str) -> Value {
    json!({"script_name": "train.py", "script_content": SCRIPT, "experiment_name": model, "model_name": model, "replicas": 1})
}
