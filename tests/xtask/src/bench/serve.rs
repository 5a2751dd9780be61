//! From starting `asgard serve` to its first answer on `/ready`, and what it needs while nothing happens; beside `mlflow
//! server`, the other server of the journey.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::ports::free_port;

use super::{Measurement, memory};
use crate::build::{self, Profile};
use crate::shell::emptied;

/// Until memory that the start needed has gone back.
const IDLE: Duration = Duration::from_secs(3);

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let built = build::everything(Profile::Release)?;
    let folder = emptied("bench-serve")?;
    // The first start makes the store; the second is what a restart costs.
    let first = Instant::now();
    let host = Host::start(&built, &folder, 0)?;
    let empty = first.elapsed().as_secs_f64() * 1000.0;
    super::super::demo::prepared(&host)?;
    let python = super::predict::python_of(&host)?;
    host.stop()?;
    let second = Instant::now();
    let host = Host::start(&built, &folder, 0)?;
    let again = second.elapsed().as_secs_f64() * 1000.0;
    std::thread::sleep(IDLE);
    let rss = memory(host.pid().context("the host has gone")?, "VmRSS")?;
    host.stop()?;

    let start = Instant::now();
    let port = free_port()?;
    let mut peer = Command::new(python)
        .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1", "--port", &port.to_string()])
        .args(["--backend-store-uri", "sqlite:///peer.db"])
        .current_dir(&folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("mlflow server does not start")?;
    let answered = answers(&mut peer, &format!("http://127.0.0.1:{port}"), "/health");
    let peer_ms = start.elapsed().as_secs_f64() * 1000.0;
    let peer_rss = memory(peer.id(), "VmRSS");
    peer.kill()?;
    peer.wait()?;
    answered?;
    Ok(vec![
        Measurement::new("serve_first", empty, Some(peer_ms), "mlflow server", "ms"),
        Measurement::new("serve", again, Some(peer_ms), "mlflow server", "ms").with_rss(rss),
        Measurement::new("serve_idle_rss", rss, peer_rss.ok(), "mlflow server", "MB").with_rss(rss),
    ])
}

/// Waits for a server's first answer.
pub(super) fn answers(server: &mut Child, base: &str, path: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(180);
    let client = Client::new(base);
    while client.send("GET", path, None, &[]).map_or(true, |answer| answer.status != 200) {
        if server.try_wait()?.is_some() || Instant::now() > deadline {
            bail!("the peer at {base} does not answer");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
