//! Gold by dbt as a Job of a cluster: real dbt in a pod, on real Trino over Nessie and the bucket. The journey's model is made so in
//! [`crate::dbt_trino`].

use std::sync::Arc;
use std::time::Duration;

use asgard_live::bindings::{KEYS, keys};
use asgard_live::forward;
use asgard_live::images::Image;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::dbt_trino::{ENDLESS, completed, ended};
use crate::faults::{model, no_queries, numbers, one_query};
use crate::nessie::walked;
use crate::world::{World, test, until};

/// An ended Job stays for a minute; a pod that is deleted may take half of one to end.
const GONE_WITHIN: Duration = Duration::from_secs(180);

/// The namespace of the test that looks at what is left there.
const NAMESPACE: &str = "dbt-ends";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "dbt_trino_by_job_tells_why_a_model_fails_and_leaves_nothing_in_the_cluster", ends)]
}

/// The parts of an environment's document that bind gold to dbt as a Job of a namespace, which is made, on Trino at `url`.
pub(crate) fn binding(world: &World, namespace: &str, url: &str) -> Value {
    let kubernetes = world.kubernetes();
    kubernetes.namespace(namespace).unwrap();
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let outside = forward::at(world.address(), port).unwrap();
    let job = json!({
        "image": Image::DbtTrino.push(kubernetes.registry()).unwrap(), "namespace": namespace,
        "url": format!("http://{}:{outside}", world.address()), "cpu": "100m", "ttl_seconds": 60,
    });
    // This Trino asks for no password: it comes as far as dbt.
    let configuration = json!({
        "url": url, "mode": "dbt", "catalog": "nessie", "table_properties": true, "password": format!("secret://{KEYS}"), "job": job,
    });
    let granted = |kinds: &[&str], verbs: &[&str]| json!({"namespaces": [namespace], "kinds": kinds, "verbs": verbs, "substitute_secrets": kinds.contains(&"v1/Secret")});
    let grants = json!({"http": [{"host": url.trim_start_matches("http://")}], "kubernetes": [
        granted(&["batch/v1/Job"], &["get", "apply", "patch", "delete"]),
        granted(&["v1/ConfigMap"], &["apply"]),
        granted(&["v1/Secret"], &["apply"]),
        granted(&["v1/Pod"], &["list", "logs"]),
    ]});
    json!({
        "kubernetes": {"type": "kubeconfig", "path": kubernetes.kubeconfig()},
        "gold": {"plugin": "dbt-trino", "configuration": configuration, "grants": grants},
    })
}

fn ends(world: &World) {
    const NAME: &str = "ended_by_job";
    walked(world);
    let (kubernetes, trino) = (world.kubernetes(), world.trino());
    let lake = world.branch_with("gold-job-ends", &binding(world, NAMESPACE, trino.url())).unwrap();
    let table = format!("gold.{NAME}");
    completed(&lake, &model(NAME, "SELECT BIGINT '1' AS n"));

    let divided =
        "SELECT quantity / (quantity - quantity) AS n FROM {{ ref('work_orders') }} WHERE quantity IS NOT NULL";
    let failed = ended(&lake, &json!({"name": "divided_by_job", "sql_query": divided}));
    let message = failed["error_message"].as_str().unwrap();
    assert!(message.contains("Division by zero (DIVISION_BY_ZERO)"), "{message}");
    let task = lake.newest("gold")["id"].as_str().unwrap().to_owned();
    let log = lake.0.look(&format!("/tasks/{task}/logs?limit=1000")).unwrap()["lines"].to_string();
    assert!(log.contains("Database Error in model divided_by_job"), "{log}");

    std::thread::scope(|scope| {
        let run = scope.spawn(|| ended(&lake, &model(NAME, ENDLESS)));
        one_query(trino, NAME);
        let task = lake.newest("gold")["id"].as_str().unwrap().to_owned();
        let name = format!("asgard-dbt-{task}");
        let of_run = || left(world).into_iter().filter(|resource| resource.contains(&name)).collect::<Vec<_>>();
        let made = of_run();
        assert_eq!(made.len(), 4, "Job, pod, ConfigMap and Secret: {made:?}");
        let template = "go-template={{.data.password | base64decode}}";
        let password = kubernetes.kubectl(&["-n", NAMESPACE, "get", "secret", &name, "-o", template]).unwrap();
        assert_eq!(password, keys());
        lake.0.post(&format!("/tasks/{task}/cancel"), &json!({})).unwrap();
        assert_eq!(run.join().unwrap()["error_message"], "the run was cancelled");
        until("what was made for a cancelled run is gone", GONE_WITHIN, || of_run().is_empty().then_some(()));
    });
    no_queries(trino, NAME);
    assert_eq!(numbers(&lake, &table), [json!(1)]);
    until("what was made for ended runs is gone", GONE_WITHIN, || left(world).is_empty().then_some(()));
}

/// What is in the namespace, but for what Kubernetes puts into each.
fn left(world: &World) -> Vec<String> {
    let kinds = "jobs,pods,configmaps,secrets";
    let found = world.kubernetes().kubectl(&["-n", NAMESPACE, "get", kinds, "-o", "name"]).unwrap();
    found.lines().filter(|resource| *resource != "configmap/kube-root-ca.crt").map(str::to_owned).collect()
}
