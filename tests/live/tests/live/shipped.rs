//! The documents of `deploy/environments`, as they are but for the addresses in them. `production` is bound to the cluster that its host
//! runs in: its bindings are tried one by one elsewhere, and the document itself is planned only.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::steps::Journey;
use asgard_live::bindings;
use asgard_live::tracker::Tracker;
use libtest_mimic::Trial;
use serde_json::json;

use crate::lake::Lake;
use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    // A tracking server that cannot be reached is not bound.
    if !Tracker::asked_for() {
        return Vec::new();
    }
    vec![test(world, "the_staging_environment_that_comes_with_the_project_is_applied_and_works", staging)]
}

/// The document with other addresses in the place of its examples.
fn document(name: &str, addresses: &[(&str, &str)]) -> String {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("run the tests with `cargo xtask test`");
    let file = Path::new(&package).join("../../deploy/environments").join(format!("{name}.toml"));
    let mut text = std::fs::read_to_string(file).unwrap();
    for (example, address) in addresses {
        assert!(text.contains(example), "{name} has no `{example}` any more");
        text = text.replace(example, address);
    }
    let is_example = |line: &&str| !line.starts_with('#') && (line.contains(".svc") || line.contains("example.com"));
    assert_eq!(text.lines().find(is_example), None, "an address is left as it was");
    text
}

/// What a command said; it ends well.
fn asgard(world: &World, host: &Host, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(&world.built().asgard)
        .args(arguments)
        .env("ASGARD_URL", host.url())
        .env("USER", "freyja")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    command.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = command.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

fn staging(world: &World) {
    // A branch of its own: the catalog's `main` is other tests'.
    let branch = "shipped-staging";
    world.nessie().make_branch(branch).unwrap();
    let source = world.source().source();
    let text = document(
        "staging",
        &[
            ("http://nessie.data.svc:19120/iceberg", &world.nessie().iceberg_on(branch)),
            ("region = \"eu-central-1\"", &format!("region = \"us-east-1\", endpoint = \"{}\"", world.s3().endpoint())),
            ("db.staging.example.com:5432", &format!("{}:{}", source.host, source.port)),
            ("mlflow.ml.svc:5000", world.tracker().url().trim_start_matches("http://")),
        ],
    );
    let folder = world.folder("shipped");
    let file = folder.join("staging.toml");
    std::fs::write(&file, text).unwrap();
    let (file, data) = (file.to_str().unwrap(), folder.join("host"));
    let host = Host::start_light(world.built(), &data, 0).unwrap();
    let keys = ["secret", "set", "lake", "--environment", "staging", "--new", "--data", data.to_str().unwrap()];
    asgard(world, &host, &keys, &bindings::keys());
    let said = asgard(world, &host, &["apply", "-f", file], "");
    assert!(said.contains("staging is at revision 1"), "{said}");
    assert!(asgard(world, &host, &["plan", "-f", file], "").contains("nothing changes"));

    let lake = Lake(Client::new(format!("{}/environments/staging", host.url())));
    lake.ingest("factory", "warehouse/shipped", world.s3(), &source, &json!({"schemas": ["production", "inventory"]}));
    let mut journey = Journey::new(&lake.0, &|line| eprintln!("{line}"));
    journey.clean().unwrap();
    journey.aggregate().unwrap();
    for (table, rows) in [("silver.work_orders", 14_850), ("gold.operator_efficiency", 142)] {
        let count = lake.query(&format!("SELECT count(*) AS n FROM {table}"));
        assert_eq!(count.single().unwrap(), &json!(rows), "{table}");
    }
    // With a source and a sink to reach.
    let said = asgard(world, &host, &["check", "staging"], "");
    assert!(said.contains("passed"), "{said}");
}
