//! Images built in the cluster: what the image of model servers promises to builds without a way out.

use std::sync::Arc;
use std::time::Duration;

use asgard_live::images::Image;
use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{World, test};

/// Kaniko unpacks a gigabyte, and the node fetches it.
const BUILT_WITHIN: Duration = Duration::from_secs(420);

/// Its requirements are in the base: the build finds them there.
const CONTAINER_FILE: &str = "ARG BASE
FROM ${BASE}
COPY answer.py /app/
RUN pip install scikit-learn pandas fastapi uvicorn mlflow && python -c 'import sklearn, mlflow'
CMD [\"python\", \"/app/answer.py\"]
";

const ANSWER: &str = "
from sklearn.ensemble import RandomForestClassifier
model = RandomForestClassifier(20, random_state=7).fit([[0, 0], [1, 1], [0, 1], [1, 0]], [0, 1, 0, 1])
print('PREDICTED', model.predict([[1, 1]])[0])
";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "kaniko_builds_on_the_model_servers_image_without_a_way_out", builds)]
}

fn builds(world: &World) {
    let kubernetes = world.kubernetes();
    let registry = kubernetes.registry();
    let (base, kaniko) = (Image::ModelServer.push(registry).unwrap(), Image::Kaniko.push(registry).unwrap());
    let built = registry.image("models/answer:1");
    kubernetes.namespace("builds").unwrap();
    let context = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "context", "namespace": "builds"},
        "data": {"Containerfile": CONTAINER_FILE, "answer.py": ANSWER},
    });
    kubernetes.apply(&context.to_string()).unwrap();
    // Files of a ConfigMap are links, which Kaniko would copy as links.
    let copy = json!({"name": "copy", "image": kubernetes.busybox(), "command": ["sh", "-c", "cp -L /config/* /workspace/"],
        "volumeMounts": [{"name": "config", "mountPath": "/config"}, {"name": "workspace", "mountPath": "/workspace"}]});
    let build = json!({"name": "build", "image": kaniko,
        "args": ["--context=dir:///workspace", "--dockerfile=Containerfile", format!("--build-arg=BASE={base}"),
            format!("--destination={built}"), "--insecure", "--insecure-pull", "--digest-file=/dev/termination-log"],
        "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}]});
    let volumes = json!([{"name": "config", "configMap": {"name": "context"}}, {"name": "workspace", "emptyDir": {}}]);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "build", "namespace": "builds"},
        "spec": {"restartPolicy": "Never", "initContainers": [copy], "containers": [build], "volumes": volumes},
    });
    kubernetes.apply(&pod.to_string()).unwrap();
    let (phase, log) = kubernetes.ended("builds", "build", BUILT_WITHIN).unwrap();
    assert_eq!(phase, "Succeeded", "{log}");
    let pod = kubernetes.find("/api/v1/namespaces/builds/pods/build").unwrap().unwrap();
    let digest = pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"].as_str().unwrap();
    assert!(digest.starts_with("sha256:"), "{digest}");

    let image = format!("{}@{digest}", registry.image("models/answer"));
    let answer = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "answer", "namespace": "builds"},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "answer", "image": image}]},
    });
    kubernetes.apply(&answer.to_string()).unwrap();
    let (phase, log) = kubernetes.ended("builds", "answer", BUILT_WITHIN).unwrap();
    assert_eq!((phase.as_str(), log.contains("PREDICTED 1")), ("Succeeded", true), "{log}");
}
