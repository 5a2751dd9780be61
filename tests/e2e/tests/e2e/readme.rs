//! The README's plugin, built from the README's own text, registered and used as the README says.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{World, ended_job, test};

const README: &str = include_str!("../../../../README.md");

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "the_readmes_plugin_is_built_registered_and_bound_while_the_host_runs", plugin)]
}

/// The code block behind a line that says "`FILE`:".
fn block(file: &str) -> &'static str {
    let heading = format!("`{file}`:\n");
    let rest = README.split_once(&heading).unwrap().1;
    let rest = rest.split_once("```").unwrap().1;
    rest.split_once('\n').unwrap().1.split_once("```").unwrap().0
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
}

fn plugin(world: &World) {
    let root = Path::new("../..").canonicalize().unwrap();
    let folder = world.folder("readme");
    let manifest = block("Cargo.toml").replace("sdk/rust", root.join("sdk/rust").to_str().unwrap());
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("plugin.toml"), block("plugin.toml")).unwrap();
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("src/lib.rs"), block("src/lib.rs")).unwrap();
    // The versions that are known to fit, and are there already.
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = folder.join("target");
    run(Command::new("cargo")
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(&folder));

    let host = world.start_light(&world.folder("readme-host")).unwrap();
    let component = target.join("wasm32-wasip2/release/numbers.wasm");
    for word in ["inspect", "test", "add"] {
        let mut command = Command::new(&world.built().asgard);
        command.args(["plugin", word]).arg(&component).arg("--manifest").arg(folder.join("plugin.toml"));
        run(command.env("ASGARD_URL", host.url()));
    }
    // Bound while the host runs: no restart.
    let client = host.client();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["ingestion"].as_array_mut().unwrap().push(json!({"plugin": "numbers"}));
    assert_eq!(client.send("PUT", "/environments/local", Some(&document), &[]).unwrap().status, 200);
    let source =
        client.post("/datasource", &json!({"name": "count", "type": "numbers", "config": {"count": 1000}})).unwrap();
    let sink = client.post("/sink", &json!({"name": "lake", "type": "local", "config": {"path": "lake"}})).unwrap();
    let body = json!({"name": "counting", "sourceId": source["id"], "destinationId": sink["id"]});
    let ingestion = client.post("/ingestion", &body).unwrap();
    let job = ended_job(&client, ingestion["connectionId"].as_str().unwrap());
    assert_eq!((job["status"].as_str(), job["recordsCopied"].as_u64()), (Some("succeeded"), Some(1000)), "{job}");
    let sum = "SELECT SUM(n) AS total FROM iceberg.bronze.numbers HAVING SUM(n) = 500500";
    assert_eq!(crate::world::gold(&client, "sum", sum).unwrap()["row_count"], 1);
}
