//! What a step costs: a fresh instance of the fixture `echo` to its answer, beside the same work as a native call.
//!
//! ```text
//! cargo run --release -p asgard-plugins --example step
//! ```
//! Prints one line of JSON, in microseconds: medians, and the 99th percentile of ours.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use asgard_capabilities::Lent;
use asgard_contract::environment::Limits;
use asgard_contract::log::Discard;
use asgard_contract::transform::{Compute, Outcome, Request, SilverRun, WriteMode};
use asgard_contract::{Progress, Status, Step, TableName};
use asgard_plugins::{Call, Runtime, RuntimeConfig, parse_manifest};
use serde_json::json;

#[path = "../tests/plugins/components.rs"]
mod components;

const FIXTURE: &str = "asgard-fixture-echo";

const STEPS: usize = 20_000;

/// Fills the pool, the caches and the branch predictors.
const WARM_UP: usize = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let component = components::build(&[FIXTURE.to_owned()])?.remove("asgard_fixture_echo").ok_or("no component")?;
    let manifest =
        parse_manifest("name = \"echo\"\nversion = \"0.1.0\"\nsummary = \"A fixture.\"\nexports = [\"transform\"]")?;
    let runtime = Runtime::new(RuntimeConfig { cache: None })?;
    let plugin = runtime.load(&component, &manifest).await?;
    let transform = plugin.transform(Call {
        configuration: json!({}),
        environment: "local".to_owned(),
        task_id: "bench".to_owned(),
        resets: 0,
        lent: Lent::default(),
        limits: Limits::default(),
        log: Arc::new(Discard),
    });
    let request = request();

    let mut ours = Vec::with_capacity(STEPS);
    for step in 0..WARM_UP + STEPS {
        let started = Instant::now();
        black_box(transform.start(black_box(&request)).await?);
        if step >= WARM_UP {
            ours.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    let mut peer = Vec::with_capacity(STEPS);
    for _ in 0..STEPS {
        let started = Instant::now();
        black_box(native(black_box(&request)).await);
        peer.push(started.elapsed().as_secs_f64() * 1e6);
    }
    ours.sort_by(f64::total_cmp);
    peer.sort_by(f64::total_cmp);
    println!(
        "{}",
        json!({
            "ours_us": ours[STEPS / 2], "ours_p99_us": ours[STEPS * 99 / 100], "peer_us": peer[STEPS / 2],
            "rss_mb": resident_megabytes(),
        })
    );
    Ok(())
}

/// The work of `echo`'s first step.
async fn native(_: &Request) -> Step<Outcome> {
    Step {
        state: vec![1],
        status: Status::Running {
            progress: Progress { message: format!("step {}", 1), fraction: None },
            poll_after_ms: 0,
        },
        details: json!({}),
    }
}

fn request() -> Request {
    Request::Silver(SilverRun {
        run_id: "run-1".to_owned(),
        sql: "SELECT 1".to_owned(),
        inputs: Vec::new(),
        target: TableName::new("silver", "orders"),
        write_mode: WriteMode::Overwrite,
        compute: Compute {
            executor_instances: 1,
            executor_cores: 1,
            executor_memory: "1g".to_owned(),
            driver_cores: 1,
            driver_memory: "1g".to_owned(),
        },
    })
}

fn resident_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
