//! What processes cost: wall time, CPU seconds and peak memory, as the kernel counts them.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use asgard_journey::host::Host;
use asgard_journey::processes::family;
use serde::{Deserialize, Serialize};

use super::memory;

/// Often enough to miss little of a process's end, seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What some work cost a process.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Costs {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Peak resident memory.
    pub(crate) rss_mb: f64,
}

impl Costs {
    /// Of this work and more of it.
    pub(super) fn and(self, more: Self) -> Self {
        Self {
            seconds: self.seconds + more.seconds,
            cpu_seconds: self.cpu_seconds + more.cpu_seconds,
            rss_mb: self.rss_mb.max(more.rss_mb),
        }
    }
}

/// Does some work that a host carries out, and tells what it cost the host.
pub(super) fn of_host<T>(host: &Host, work: impl FnOnce() -> Result<T>) -> Result<(T, Costs)> {
    of(&[host.pid().context("the host has gone")?], work)
}

/// Does some work that a server carries out by itself or by processes that it started, and tells what it cost all of them.
pub(super) fn of_server<T>(server: &Child, work: impl FnOnce() -> Result<T>) -> Result<(T, Costs)> {
    of(&family(server.id())?, work)
}

fn of<T>(pids: &[u32], work: impl FnOnce() -> Result<T>) -> Result<(T, Costs)> {
    let cpu = || pids.iter().map(|pid| cpu_seconds(*pid)).sum::<Result<f64>>();
    for pid in pids {
        // The peak counts from here on: see proc(5), `clear_refs`.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    }
    let (start, before) = (Instant::now(), cpu()?);
    let result = work()?;
    let costs = Costs {
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu()? - before,
        rss_mb: pids.iter().map(|pid| memory(*pid, "VmHWM")).sum::<Result<f64>>()?,
    };
    Ok((result, costs))
}

/// Runs a program to its end; its output goes to a file in `folder`. None: it took longer than `within` and was ended.
pub(super) fn run(command: &mut Command, folder: &Path, within: Duration) -> Result<Option<(Costs, String)>> {
    let output = folder.join("peer.out");
    let name = command.get_program().to_string_lossy().into_owned();
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&output)?)
        .spawn()
        .with_context(|| format!("{name} does not start: is it installed?"))?;
    let mut costs = Costs { seconds: 0.0, cpu_seconds: 0.0, rss_mb: 0.0 };
    let status = loop {
        // Both are gone once the process has ended: then what was seen last stays.
        if let (Ok(cpu), Ok(rss)) = (cpu_seconds(child.id()), memory(child.id(), "VmHWM")) {
            (costs.cpu_seconds, costs.rss_mb) = (cpu, rss);
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > within {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    };
    costs.seconds = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{name} failed: {status}");
    Ok(Some((costs, std::fs::read_to_string(output)?)))
}

/// Of a process and the children that it has waited for.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may have blanks. After it, utime, stime, cutime and cstime are fields 12 to 15.
    let (_, rest) = stat.rsplit_once(')').context("/proc/PID/stat is written oddly")?;
    let ticks = rest.split_whitespace().skip(11).take(4).map(|field| field.parse::<f64>().unwrap_or_default());
    // Linux counts a hundred ticks a second on every machine that we measure on.
    Ok(ticks.sum::<f64>() / 100.0)
}
