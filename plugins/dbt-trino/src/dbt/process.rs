//! dbt as a process of this machine.

use asgard_sdk::processes::{Content, Ending, File, ProcessStatus, Spec};
use asgard_sdk::{Error, Result};

use super::project::{RUNNER, SECRET};
use super::{How, Results, results};
use crate::configuration::Configuration;
use crate::host::Host;

/// The process's name within its task, of which there is one.
const KEY: &str = "dbt";

/// Read in one step; dbt writes a few lines.
const CHUNK: u32 = 1 << 20;

pub(super) fn start(
    host: &dyn Host,
    configuration: &Configuration,
    model: &str,
    files: Vec<(String, String)>,
) -> Result<()> {
    let file = |(path, content): (String, String)| File { path, content: Content::Inline(content.into_bytes()) };
    let mut environment = environment();
    // A reference: the host puts the value in its place.
    environment.extend(configuration.password.iter().map(|password| (SECRET.to_owned(), password.clone())));
    host.start(
        KEY,
        &Spec {
            program: configuration.program.clone(),
            arguments: vec![RUNNER.to_owned(), model.to_owned()],
            environment,
            files: files.into_iter().map(file).collect(),
            timeout_ms: configuration.timeout_seconds.saturating_mul(1000),
            memory_bytes: None,
        },
    )
}

pub(super) fn environment() -> Vec<(String, String)> {
    let variables = [
        ("DBT_SEND_ANONYMOUS_USAGE_STATS", "false"),
        ("DO_NOT_TRACK", "1"),
        // It would ask a registry.
        ("DBT_VERSION_CHECK", "false"),
        // Lines reach the log when they are written, not when a buffer is full.
        ("PYTHONUNBUFFERED", "1"),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// How it ended, if it has.
pub(super) fn ended(host: &dyn Host) -> Result<Option<How>> {
    let killed = |why: &str| Some(How::Killed(why.to_owned()));
    Ok(match host.status(KEY) {
        Ok(ProcessStatus::Running) => None,
        Ok(ProcessStatus::Exited(status)) => Some(How::Exited(status)),
        Ok(ProcessStatus::Ended(Ending::Timeout)) => Some(How::Timeout),
        Ok(ProcessStatus::Ended(Ending::Stopped)) => killed("it was stopped"),
        Ok(ProcessStatus::Ended(Ending::Signal)) => {
            killed("it was ended by a signal: it ran out of memory, or the machine was restarted")
        }
        // It may have committed: a second one would append twice.
        Err(Error::NotFound(_)) => {
            killed("it is a process of another host, from which this one has taken the run over")
        }
        Err(error) => return Err(error),
    })
}

/// What it wrote from `offset`, as far as lines are whole, and where to read on. Of another host's process, nothing.
pub(super) fn output(host: &dyn Host, offset: u64, ended: bool) -> Result<(String, u64)> {
    let chunk = match host.output(KEY, offset, CHUNK) {
        Err(Error::NotFound(_)) => return Ok((String::new(), offset)),
        chunk => chunk?,
    };
    let whole = match chunk.data.iter().rposition(|byte| *byte == b'\n') {
        _ if ended => chunk.data.len(),
        Some(end) => end + 1,
        None => 0,
    };
    let text = String::from_utf8_lossy(chunk.data.get(..whole).unwrap_or_default()).into_owned();
    Ok((text, chunk.next - (chunk.data.len() - whole) as u64))
}

/// What dbt said of its run; none where it did not come to saying it.
pub(super) fn results(host: &dyn Host, model: &str) -> Option<Results> {
    let run = host.read_file(KEY, "target/run_results.json").ok()?;
    let manifest = host.read_file(KEY, "target/manifest.json").unwrap_or_default();
    results::read(&run, &manifest, model)
}

pub(super) fn remove(host: &dyn Host) -> Result<()> {
    host.remove(KEY)
}
