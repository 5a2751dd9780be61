//! The journey with the built-in environment: the walkthrough's figures from real rows.

use std::sync::Arc;

use asgard_journey::steps::VIEW;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "the_journey_gives_the_walkthroughs_figures", figures),
        test(world, "a_deployed_model_is_in_the_registry_with_its_run_and_its_origin", registry),
        test(world, "the_lineage_of_a_model_names_the_snapshots_and_plugins_behind_it", lineage),
        test(world, "the_run_has_metrics_and_feature_importances_in_mlflow_and_the_version_its_origin", tracked),
        test(world, "the_served_model_has_health_and_docs_and_takes_instances", served),
        test(world, "the_log_of_a_deployment_has_what_the_script_printed", log),
    ]
}

fn figures(world: &World) {
    let differences = world.figures().differences();
    assert!(differences.is_empty(), "{differences:?}");
}

fn registry(world: &World) {
    let client = world.after_journey();
    let models = client.get("/mlops/models").unwrap();
    let model = models.as_array().unwrap().iter().find(|m| m["name"] == "operator_efficiency_predictor").unwrap();
    let deployments = client.get("/mlops/deployments").unwrap();
    let deployment =
        deployments.as_array().unwrap().iter().find(|d| d["model_name"] == "operator_efficiency_predictor").unwrap();
    assert_eq!(deployment["status"], "deployed");
    assert_eq!(deployment["progress"], "completed");
    assert_eq!(deployment["build"], "skipped");
    let versions = model["latest_versions"].as_array().unwrap();
    let version = versions.iter().find(|v| v["version"] == deployment["model_version"]).unwrap();
    assert_eq!(version["run_id"], deployment["run_id"]);
    let path = format!("/lineage/models/operator_efficiency_predictor/{}", version["version"].as_str().unwrap());
    let lineage = client.get(&path).unwrap();
    assert!(lineage["plugins"]["training"].as_str().unwrap().contains("sha256:"), "{lineage}");
    assert_eq!(lineage["deployment"]["subject"], deployment["deployment_id"], "{lineage}");
    let nodes = lineage["tables"].as_array().unwrap();
    for layer in ["gold.", "silver.", "bronze."] {
        let made =
            |node: &&Value| node["table"].as_str().unwrap().starts_with(layer) && node["made_by"]["id"].is_string();
        assert!(nodes.iter().any(|node| made(&node)), "no table of {layer} is behind the model: {lineage}");
    }
    assert_eq!(client.get("/mlops/models/operator_efficiency_predictor").unwrap()["name"], model["name"]);
    let status = client.get("/mlops/status").unwrap();
    assert_eq!(status["mlflow_available"], true);
    assert_eq!(status["feast_store_available"], true);
    assert!(status["registered_models"].as_u64().unwrap() >= 1);
}

fn lineage(world: &World) {
    let client = world.after_journey();
    let deployments = client.get("/mlops/deployments").unwrap();
    let deployment =
        deployments.as_array().unwrap().iter().find(|d| d["model_name"] == "operator_efficiency_predictor").unwrap();
    let version = deployment["model_version"].as_str().unwrap();
    let lineage = client.get(&format!("/lineage/models/operator_efficiency_predictor/{version}")).unwrap();
    assert_eq!((&lineage["model"], &lineage["version"]), (&json!("operator_efficiency_predictor"), &json!(version)));
    assert_eq!(lineage["deployment"]["kind"], "deployment", "{lineage}");
    for role in ["features", "training", "serving"] {
        let plugin = lineage["plugins"][role].as_str().expect(role);
        assert!(plugin.contains('@') && plugin.contains("sha256:"), "{role}: {plugin}");
    }
    let nodes = lineage["tables"].as_array().unwrap();
    let inputs = lineage["inputs"].as_array().unwrap();
    assert!(!inputs.is_empty(), "the features were read from snapshots: {lineage}");
    // What anything was made of is a node too, at that very snapshot.
    let of_nodes = nodes.iter().flat_map(|node| node["inputs"].as_array().unwrap());
    for input in inputs.iter().chain(of_nodes) {
        assert!(input["snapshot"].as_str().unwrap().parse::<i64>().is_ok(), "{input}");
        let is_node = nodes.iter().any(|node| node["table"] == input["table"] && node["snapshot"] == input["snapshot"]);
        assert!(is_node, "{input} is no node: {lineage}");
    }
    for (layer, kind) in [("gold.", "gold"), ("silver.", "silver"), ("bronze.", "sync")] {
        let of_layer: Vec<_> = nodes.iter().filter(|node| node["table"].as_str().unwrap().starts_with(layer)).collect();
        assert!(!of_layer.is_empty(), "no table of {layer} is behind the model: {lineage}");
        for node in of_layer {
            assert!(node["snapshot"].is_string() && node["committed_at"].is_string(), "{node}");
            assert_eq!(node["made_by"]["kind"], kind, "{node}");
            assert!(node["made_by"]["plugin"].as_str().unwrap().contains("sha256:"), "{node}");
            // The snapshot is one that the table has.
            let (table, snapshot) = (node["table"].as_str().unwrap(), node["snapshot"].as_str().unwrap());
            let path = format!("/lineage/tables/{}?snapshot={snapshot}", table.replace('.', "/"));
            assert_eq!(client.get(&path).unwrap()["tables"][0], *node);
        }
    }
}

fn tracked(world: &World) {
    let client = world.after_journey();
    let uri = client.get("/mlops/status").unwrap()["mlflow_tracking_uri"].as_str().unwrap().to_owned();
    let deployments = client.get("/mlops/deployments").unwrap();
    let deployment =
        deployments.as_array().unwrap().iter().find(|d| d["model_name"] == "operator_efficiency_predictor").unwrap();
    let run = deployment["run_id"].as_str().unwrap();
    let answer = client.get(&format!("{uri}/api/2.0/mlflow/runs/get?run_id={run}")).unwrap();
    let metrics: Vec<&str> =
        answer["run"]["data"]["metrics"].as_array().unwrap().iter().filter_map(|m| m["key"].as_str()).collect();
    for metric in ["accuracy", "precision", "recall", "f1"] {
        assert!(metrics.iter().any(|name| name.starts_with(metric)), "{metric} is not among {metrics:?}");
    }
    let version = deployment["model_version"].as_str().unwrap();
    let of_version = format!("name=operator_efficiency_predictor&version={version}");
    let answer = client.get(&format!("{uri}/api/2.0/mlflow/model-versions/get?{of_version}")).unwrap();
    let tags = answer["model_version"]["tags"].as_array().unwrap();
    let tag = |key: &str| tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].as_str().unwrap());
    assert_eq!(tag("asgard.feature_views"), Some(VIEW), "{tags:?}");
    for plugin in ["asgard.training_plugin", "asgard.features_plugin"] {
        assert!(tag(plugin).is_some_and(|plugin| plugin.contains("sha256:")), "{plugin}: {tags:?}");
    }
    let lineage = client.get(&format!("/lineage/models/operator_efficiency_predictor/{version}")).unwrap();
    let inputs = lineage["inputs"].as_array().unwrap();
    assert!(!inputs.is_empty(), "{lineage}");
    for input in inputs {
        let key = format!("asgard.snapshot.{}", input["table"].as_str().unwrap());
        assert_eq!(tag(&key), input["snapshot"].as_str(), "{tags:?}");
    }
    let importances = metrics.iter().filter(|name| name.contains("importance")).count();
    assert!(importances >= 6, "{metrics:?}");
}

fn served(world: &World) {
    let client = world.after_journey();
    let deployments = client.get("/mlops/deployments").unwrap();
    let endpoints = deployments
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["model_name"] == "operator_efficiency_predictor")
        .map(|d| d["endpoints"].clone())
        .unwrap();
    let health = client.get(endpoints["health"].as_str().unwrap()).unwrap();
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["model"], "operator_efficiency_predictor");
    assert_eq!(client.send("GET", endpoints["docs"].as_str().unwrap(), None, &[]).unwrap().status, 200);
    let predict = endpoints["predict"].as_str().unwrap();
    let instance = json!({"total_orders": 87, "completed_orders": 85, "total_units": 43500,
        "avg_duration_hours": 8.2, "units_per_hour": 92.5, "completion_rate": 0.977});
    let answer = client.post(predict, &json!({"instances": [instance]})).unwrap();
    assert_eq!(answer["predictions"].as_array().unwrap().len(), 1);
    let probabilities = answer["probabilities"][0].as_array().unwrap();
    let sum: f64 = probabilities.iter().filter_map(Value::as_f64).sum();
    assert!((sum - 1.0).abs() < 1e-6, "{answer}");
    for bad in
        [json!({"features": [[1.0]]}), json!({"features": "x"}), json!({}), json!({"features": [["a", 1, 2, 3, 4, 5]]})]
    {
        assert_eq!(client.send("POST", predict, Some(&bad), &[]).unwrap().status, 422, "{bad}");
    }
}

fn log(world: &World) {
    let client = world.after_journey();
    let deployments = client.get("/mlops/deployments").unwrap();
    let deployment =
        deployments.as_array().unwrap().iter().find(|d| d["model_name"] == "operator_efficiency_predictor").unwrap();
    let id = deployment["deployment_id"].as_str().unwrap();
    let log = client.get(&format!("/mlops/deployments/{id}/logs?limit=1000")).unwrap();
    let lines = log["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().contains("accuracy")), "{log}");
}
