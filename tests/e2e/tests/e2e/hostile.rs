//! A plugin that means harm, on a running host, under grants that look generous: each of its acts is refused or contained in words, and
//! the host goes on.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::swaps::register;
use crate::world::{World, fixture, gold, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_hostile_plugin_does_not_get_out_of_the_folder_that_it_was_lent", escape),
        test(world, "a_hostile_plugin_does_not_reach_the_metadata_service_however_it_is_written", metadata),
        test(world, "a_forged_handle_ends_the_call_and_nothing_else", forged),
        test(world, "a_plugin_that_logs_for_ever_fills_no_disk", flood),
    ]
}

const MANIFEST: &str = r#"
name = "hostile"
version = "0.1.0"
summary = "Harms"
exports = ["transform"]
capabilities = ["http", "sockets", "files"]
"#;

fn component(world: &World) -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| fixture(world, "hostile"))
}

/// An environment of this name with the plugin in it, on the shared host.
fn wild(world: &World, name: &str, grants: Value) -> Client {
    let client = world.light();
    register(&client, MANIFEST, component(world));
    let document = json!({"name": name, "silver": {"plugin": "hostile", "grants": grants}});
    let put = client.send("PUT", &format!("/environments/{name}"), Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    client
}

fn begin(client: &Client, environment: &str, act: &str) -> String {
    let body = json!({"sql": format!("SELECT '{act}'"), "source_path": "bronze.x", "table": "wild"});
    let made = client.post(&format!("/environments/{environment}/spark/transform"), &body).unwrap();
    made["run_id"].as_str().unwrap().to_owned()
}

/// The task of a run, as it is now.
fn task(client: &Client, environment: &str, run: &str) -> Option<Value> {
    let tasks = client.get(&format!("/environments/{environment}/tasks?kind=silver")).ok()?;
    tasks["tasks"].as_array()?.iter().find(|task| task["subject"] == run).cloned()
}

/// What the act came to, in words; and the host answers.
fn perform(client: &Client, environment: &str, act: &str) -> String {
    let run = begin(client, environment, act);
    let task = until(&format!("`{act}` ends"), Duration::from_secs(120), || {
        task(client, environment, &run).filter(|task| task["finished_at"].is_string())
    });
    assert_eq!(task["status"], "failed", "{task}");
    client.get("/ready").unwrap();
    task["error"].to_string()
}

fn escape(world: &World) {
    let folder = world.folder("hostile-files");
    let inside = folder.join("inside");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(folder.join("outside.txt"), "a secret of the machine").unwrap();
    std::fs::write(inside.join("inside.txt"), "what may be read").unwrap();
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, inside.join(name)).unwrap();
    link(&folder.join("outside.txt"), "link");
    link(&folder, "linked");
    let client = wild(world, "wild-files", json!({"files": [inside]}));
    let told = perform(&client, "wild-files", &format!("escape from: {}", inside.display()));
    assert!(told.contains("what may be read"), "what was lent is read: {told}");
    for got_out in ["READ", "LOCATED", "DONE", "a secret of the machine"] {
        assert!(!told.contains(got_out), "{got_out}: {told}");
    }
    assert!(told.matches("refused").count() >= 14, "{told}");
    let names: Vec<_> = std::fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing was written or removed: {names:?}");
}

fn metadata(world: &World) {
    let everything = ["*:80", "0.0.0.0/0:80", "[::/0]:80", "169.254.169.254:80"];
    let http: Vec<Value> = everything.iter().map(|host| json!({"host": host})).collect();
    let client = wild(world, "wild-metadata", json!({"http": http, "sockets": everything}));
    let told = perform(&client, "wild-metadata", "reach metadata");
    assert!(!told.contains("REACHED"), "{told}");
    assert_eq!(
        told.matches("metadata services are never lent").count(),
        10,
        "five forms, by HTTP and by socket: {told}"
    );
}

fn forged(world: &World) {
    let client = wild(world, "wild-handles", json!({"sockets": ["*:80"]}));
    let told = perform(&client, "wild-handles", "forge a handle");
    assert!(told.contains("broke the contract") && told.contains("handle"), "{told}");
    assert_eq!(gold(&client, "after_a_forgery", "SELECT 1 AS one, 2 AS two").unwrap()["row_count"], 1);
}

/// Kept of a log, and room for what the database has beside it.
const MOST_KEPT: u64 = 32 << 20;

fn flood(world: &World) {
    let client = wild(world, "wild-log", json!({}));
    let run = begin(&client, "wild-log", "flood for ever");
    // A call's lines are 16 MB, and one call follows the other: the cut is there soon.
    let id = until("the task is there", Duration::from_secs(60), || {
        task(&client, "wild-log", &run)?["id"].as_str().map(str::to_owned)
    });
    let base = format!("/environments/wild-log/tasks/{id}");
    let logs = |after: i64, limit: u32| client.get(&format!("{base}/logs?after={after}&limit={limit}")).unwrap();
    let first = until("the log was cut", Duration::from_secs(300), || {
        let first = logs(0, 1)["lines"].get(0)?.clone();
        first["message"].as_str()?.contains("the log was cut here").then_some(first)
    });
    assert!(first["message"].as_str().unwrap().contains("32 MiB"), "{first}");
    client.get("/ready").unwrap();
    client.post(&format!("{base}/cancel"), &json!({})).unwrap();
    until("the task has ended", Duration::from_secs(60), || {
        task(&client, "wild-log", &run).filter(|task| task["finished_at"].is_string())
    });
    let (mut after, mut bytes, mut cut_lines) = (0, 0, 0);
    loop {
        let page = logs(after, 1000);
        let lines = page["lines"].as_array().unwrap();
        for line in lines {
            let message = line["message"].as_str().unwrap();
            bytes += message.len() as u64;
            cut_lines += usize::from(message.ends_with("(cut: more than 16384 bytes)"));
            assert!(message.len() <= 16 << 10, "{} bytes in a line", message.len());
        }
        match page["next"].as_i64() {
            Some(next) if !lines.is_empty() => after = next,
            _ => break,
        }
    }
    assert!(cut_lines > 100 && bytes <= MOST_KEPT, "{bytes} bytes, {cut_lines} lines that were cut");
}
