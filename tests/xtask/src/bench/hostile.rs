//! What a well-behaved client notices of a hostile plugin: the time of its requests while several guests loop, take memory, trap and
//! flood their logs without a pause, beside the time of the same requests on the same host in peace.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Measurement, quantile};
use crate::build::{self, Profile};
use crate::shell::emptied;

/// Guests that are hostile at the same time.
const HOSTILE: usize = 4;

/// Peace and war take turns, so that a noisy moment of the machine meets both.
const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_secs(6);

const ACTS: [&str; 7] = ["loop", "allocate", "panic", "flood", "recurse", "endless line", "exit"];

const MANIFEST: &str = "name = \"hostile\"\nversion = \"0.1.0\"\nsummary = \"Harms\"\nexports = [\"transform\"]\n\
    capabilities = [\"http\", \"sockets\", \"files\"]\n";

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let built = build::everything(Profile::Release)?;
    let component = std::fs::read(build::fixture("hostile")?)?;
    let folder = emptied("bench-hostile")?;
    let host = Host::start_light(&built, &folder, 0)?;
    let client = host.client();
    client.post("/plugins", &json!({"manifest": MANIFEST, "component": STANDARD.encode(component)}))?;
    let document = json!({"name": "wild", "silver": {"plugin": "hostile"}, "limits": {"cpu_seconds": 2}});
    let applied = client.send("PUT", "/environments/wild", Some(&document), &[])?;
    ensure!(applied.status == 200, "{}", applied.body);

    let (mut peace, mut war) = (Vec::new(), Vec::new());
    let acts = AtomicU64::new(0);
    // The first calls compile and connect.
    times(&client, Duration::from_secs(1))?;
    for _ in 0..ROUNDS {
        peace.extend(times(&client, ROUND)?);
        let over = AtomicBool::new(false);
        war.extend(std::thread::scope(|scope| {
            for number in 0..HOSTILE {
                let (client, over, acts) = (&client, &over, &acts);
                scope.spawn(move || act(client, number, over, acts));
            }
            std::thread::sleep(Duration::from_millis(500));
            let found = times(&client, ROUND);
            over.store(true, Ordering::Relaxed);
            found
        })?);
    }
    host.stop()?;
    ensure!(acts.load(Ordering::Relaxed) > 0, "nothing hostile was done");
    for list in [&mut peace, &mut war] {
        list.sort_by(f64::total_cmp);
    }
    let of =
        |name, share| Measurement::new(name, quantile(&war, share), Some(quantile(&peace, share)), "in peace", "ms");
    Ok(vec![of("hostile_p50", 0.5), of("hostile_p99", 0.99)])
}

/// What a client of the platform asks most, in turn.
fn times(client: &Client, time: Duration) -> Result<Vec<f64>> {
    let query = json!({"dialect": "trino", "sql": "SELECT 1 AS one"});
    let mut found = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        for path in ["/datasource", "/tasks?page_size=10", "/environments/local"] {
            let start = Instant::now();
            client.get(path)?;
            found.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        let start = Instant::now();
        client.post("/lakehouse/query", &query)?;
        found.push(start.elapsed().as_secs_f64() * 1000.0);
        // A client thinks between its requests.
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(found)
}

/// One hostile act after the other; how they end is not the point here.
fn act(client: &Client, first: usize, over: &AtomicBool, acts: &AtomicU64) {
    let mut number = first;
    while !over.load(Ordering::Relaxed) {
        let sql = format!("SELECT '{}'", ACTS[number % ACTS.len()]);
        let body = json!({"sql": sql, "source_path": "bronze.x", "table": format!("t{first}")});
        let ended = run(client, &body);
        if ended.is_ok() {
            acts.fetch_add(1, Ordering::Relaxed);
        }
        number += 1;
    }
}

fn run(client: &Client, body: &serde_json::Value) -> Result<()> {
    let made = client.post("/environments/wild/spark/transform", body)?;
    let id = made["run_id"].as_str().context("no run")?;
    let path = format!("/environments/wild/spark/transform/{id}/status");
    loop {
        let status = client.get(&path)?;
        if matches!(status["state"].as_str(), Some("FAILED" | "COMPLETED" | "CANCELLED")) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
