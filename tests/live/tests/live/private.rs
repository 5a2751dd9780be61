//! A registry of images that asks who pushes and who pulls.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_live::registry::Registry;
use libtest_mimic::Trial;
use serde_json::json;

use crate::models::{ended, ended_again, in_pods, make_features, remove, served_again};
use crate::world::{World, test, until};

/// Of the namespace and of the environment.
const NAME: &str = "private";

const REPOSITORY: &str = "models/pairs";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "an_image_is_pushed_and_pulled_by_the_passwords_that_secrets_have", asks)]
}

fn asks(world: &World) {
    let kubernetes = world.kubernetes();
    let registry = kubernetes.private_registry(&world.folder("private-registry")).unwrap();
    let anybody = ureq::get(format!("http://{}/v2/{REPOSITORY}/tags/list", registry.address())).call();
    assert!(matches!(anybody, Err(ureq::Error::StatusCode(401))), "{anybody:?}");
    let login = |secret: &str| json!({"registry": registry.address(), "username": Registry::USER, "password": secret});
    let mut bindings = in_pods(kubernetes, world.tracker().url(), NAME, &login("secret://wrong"));
    bindings["kubernetes"] = json!({"type": "kubeconfig", "path": kubernetes.kubeconfig()});
    let secrets = [("right", Registry::PASSWORD), ("wrong", "guessed")];
    let environment = world.environment_with(NAME, &secrets, &bindings).unwrap();
    make_features(&environment);

    let refused = ended(&environment, "pairs", &json!({"replicas": 1}));
    let why = refused["error"].as_str().unwrap();
    assert_eq!(refused["progress"], "building", "{refused}");
    assert!(why.contains("checking push permission") && why.contains("UNAUTHORIZED"), "{why}");
    assert_eq!(registry.tags(REPOSITORY).unwrap(), Vec::<String>::new());

    // What it trained is built with the right one, and pulled by nobody in particular.
    bindings["build"]["configuration"]["password"] = json!("secret://right");
    world.rebind(NAME, &json!({"build": bindings["build"]})).unwrap();
    let unseen = ended_again(&environment, &refused, &json!({}));
    let why = unseen["error"].as_str().unwrap();
    assert_eq!(unseen["progress"], "deploying", "{unseen}");
    assert!(why.contains(registry.address()) && why.contains("auth"), "{why}");
    let tags = registry.tags(REPOSITORY).unwrap();
    assert_eq!(tags.len(), 1, "{tags:?}");
    assert_eq!(registry.missing(REPOSITORY, &tags[0]).unwrap(), Vec::<String>::new());

    bindings["serving"]["configuration"]["registry_login"] = login("secret://right");
    let grant =
        json!({"namespaces": [NAME], "kinds": ["v1/Secret"], "verbs": ["apply", "delete"], "substitute_secrets": true});
    bindings["serving"]["grants"]["kubernetes"].as_array_mut().unwrap().push(grant);
    world.rebind(NAME, &json!({"serving": bindings["serving"]})).unwrap();
    let served = served_again(&environment, &unseen, &json!({}));
    assert_eq!(served["ecr_image"], unseen["ecr_image"], "it is not built again");
    let url = served["inference_url"].as_str().unwrap();
    let answer = Client::new(url).post("/predict", &json!({"features": [[0, 1], [1, 1]]})).unwrap();
    assert_eq!(answer["predictions"], json!([1, 0]), "{answer}");

    // No password stays where the model was.
    remove(&environment, &served);
    until("the model is gone", Duration::from_secs(120), || {
        let left = kubernetes.kubectl(&["-n", NAME, "get", "deployments,jobs,secrets", "-o", "name"]).unwrap();
        left.is_empty().then_some(())
    });
}
