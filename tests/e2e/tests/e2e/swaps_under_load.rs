//! The whole journey, and more beside it, while the plugin of every role is swapped again and again: nothing fails, nothing is another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::modeller;
use asgard_journey::steps::Journey;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::plugins::{deployed, other_bytes};
use crate::swaps::register;
use crate::world::{MODEL_WITHIN, World, ended_job, fixture, gold, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "every_role_is_swapped_under_load_and_no_work_notices", swapped)]
}

const ROLES: [&str; 7] = ["ingestion", "silver", "gold", "features", "training", "build", "serving"];

/// What builds images here, where no registry is.
const BUILDER: &str = "builder";

/// Another version of each plugin beside its own, of other bytes.
const OTHER: &str = "99.0.0";

/// Models that take no minutes: an environment of its own, whose plugin says at each step which code takes it.
const MODELLED: &str = "/environments/modelled";

/// What that plugin notes of a deployment, each once.
const NOTES: [&str; 4] =
    ["started the training", "finished the training", "registered the version", "served the version"];

fn swapped(world: &World) {
    let host = Host::start(world.built(), &world.folder("swapped-under-load"), 0).unwrap();
    let client = host.client();
    until("MLflow is available", MODEL_WITHIN, || {
        client.get("/mlops/status").is_ok_and(|status| status["mlflow_available"] == true).then_some(())
    });
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["build"] = json!({"plugin": BUILDER});
    let own = others(world, &client, &document);
    register_modellers(world, &client);
    put(&client, MODELLED, &modelled(modeller::VERSION));
    let (over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let figures = std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ends = Ends(&over);
            while !over.load(Ordering::Relaxed) {
                let others_turn = swaps.load(Ordering::Relaxed).is_multiple_of(2);
                let wanted =
                    with_versions(&document, |plugin| if others_turn { OTHER.to_owned() } else { own[plugin].clone() });
                put(&client, "/environments/local", &wanted);
                put(&client, MODELLED, &modelled(if others_turn { OTHER } else { modeller::VERSION }));
                swaps.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        scope.spawn(|| {
            let _ends = Ends(&over);
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                let model = gold(&client, "beside", &format!("SELECT {number} AS number")).unwrap();
                assert_eq!(model["row_count"], 1, "{model}");
            }
        });
        scope.spawn(|| {
            let _ends = Ends(&over);
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                let made = deployed(&client, &format!("{MODELLED}/mlops"), "swapped", Duration::from_secs(120));
                assert_eq!(made["model_version"], number.to_string(), "{made}");
            }
        });
        let _ends = Ends(&over);
        let figures = Journey::new(&client, &|line| println!("{line}")).run(&world.source()).unwrap();
        let ingestion = client.get("/ingestion").unwrap()["ingestions"][0]["connectionId"].as_str().unwrap().to_owned();
        for _ in 0..8 {
            client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
            let job = ended_job(&client, &ingestion);
            assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(45_823)), "{job}");
        }
        figures
    });
    assert!(figures.differences().is_empty(), "{:?}", figures.differences());
    assert!(swaps.load(Ordering::Relaxed) >= 8, "{swaps:?} swaps");
    let tasks = client.get("/tasks?page_size=1000").unwrap();
    assert_both_worked(&tasks, &["sync", "gold"]);
    let tasks = client.get(&format!("{MODELLED}/tasks?page_size=1000")).unwrap();
    assert_both_worked(&tasks, &["deployment"]);
    for task in tasks["tasks"].as_array().unwrap() {
        assert_one_code_deployed(&client, task);
    }
    let deployments = client.get("/mlops/deployments").unwrap();
    assert!(deployments.to_string().contains("registry.example.com/"), "the build phase was taken: {deployments}");
}

const BUILDER_MANIFEST: &str = r#"
name = "builder"
version = "0.1.0"
summary = "Names images that nobody made"
exports = ["image-build"]
"#;

fn put(client: &Client, path: &str, document: &Value) {
    let answer = client.send("PUT", path, Some(document), &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The plugin in two versions: code `A`, and in the other one `B`.
fn register_modellers(world: &World, client: &Client) {
    let component = fixture(world, "modeller");
    register(client, modeller::MANIFEST, &component);
    let at = component.windows(6).position(|window| window == b"code A").unwrap();
    let mut other = component.clone();
    other[at + 5] = b'B';
    register(client, &modeller::MANIFEST.replace(modeller::VERSION, OTHER), &other);
}

/// The environment's document with a version of the plugin.
fn modelled(version: &str) -> Value {
    let mut document = json!({"name": "modelled"});
    modeller::bind(&mut document, version);
    document
}

/// All tasks have succeeded, and those of these kinds by both versions of their plugins.
fn assert_both_worked(tasks: &Value, kinds: &[&str]) {
    let mut plugins: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for task in tasks["tasks"].as_array().unwrap() {
        assert_eq!(task["status"], "succeeded", "{task}");
        plugins.entry(task["kind"].as_str().unwrap()).or_default().extend(task["plugin"].as_str());
    }
    for kind in kinds {
        let used = &plugins[*kind];
        assert!(used.iter().any(|plugin| plugin.contains(OTHER)), "{kind}: {used:?}");
        assert!(used.iter().any(|plugin| !plugin.contains(OTHER)), "{kind}: {used:?}");
        let digests: BTreeSet<_> = used.iter().filter_map(|plugin| plugin.split("sha256:").nth(1)).collect();
        assert_eq!(digests.len(), used.len(), "each version has bytes of its own: {used:?}");
    }
}

/// Training, registration and serving were of the version that the deployment began with, and each was done once.
fn assert_one_code_deployed(client: &Client, task: &Value) {
    let path = format!("{MODELLED}/mlops/deployments/{}/logs?limit=1000", task["subject"].as_str().unwrap());
    let log = client.get(&path).unwrap();
    let lines: Vec<&str> =
        log["lines"].as_array().unwrap().iter().filter_map(|line| line["message"].as_str()).collect();
    let (own, foreign) =
        if task["plugin"].as_str().unwrap().contains(OTHER) { ("code B", "code A") } else { ("code A", "code B") };
    assert!(lines.iter().all(|line| !line.contains(foreign)), "{task}: {lines:?}");
    for note in NOTES {
        let note = format!("{own} {note}");
        assert_eq!(lines.iter().filter(|line| **line == note).count(), 1, "{note}: {lines:?}");
    }
}

/// The others do not wait for one that panicked.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Registers the other version of each bound plugin; answers with their own versions.
fn others(world: &World, client: &Client, document: &Value) -> BTreeMap<String, String> {
    let mut own = BTreeMap::new();
    with_versions(document, |plugin| {
        let folder = world.built().plugins.join(plugin);
        let manifest = if plugin == BUILDER {
            BUILDER_MANIFEST.to_owned()
        } else {
            std::fs::read_to_string(folder.join("plugin.toml")).unwrap()
        };
        let line = manifest.lines().find(|line| line.starts_with("version = ")).unwrap();
        let version = line.trim_start_matches("version = ").trim_matches('"').to_owned();
        if !own.contains_key(plugin) {
            let component = if plugin == BUILDER {
                let component = fixture(world, BUILDER);
                register(client, &manifest, &component);
                component
            } else {
                std::fs::read(folder.join("plugin.wasm")).unwrap()
            };
            let manifest = manifest.replace(line, &format!("version = \"{OTHER}\""));
            register(client, &manifest, &other_bytes(&component, "other"));
            own.insert(plugin.to_owned(), version.clone());
        }
        version
    });
    own
}

/// The document with the version of each binding's plugin said.
fn with_versions(document: &Value, mut version: impl FnMut(&str) -> String) -> Value {
    let mut document = document.clone();
    for role in ROLES {
        let bindings = match &mut document[role] {
            Value::Array(bindings) => bindings.iter_mut().collect(),
            binding => vec![binding],
        };
        for binding in bindings {
            binding["version"] = json!(version(binding["plugin"].as_str().unwrap()));
        }
    }
    document
}
