//! The host's side of the keeper: starts it, and reads and ends what it keeps. See [`super::keep`].

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use asgard_contract::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::folder::{Exit, Folder};
use super::{Ending, keep, proc};
use crate::blocking::{blocking, file_error};

/// A keeper starts in milliseconds; a machine that swaps may need seconds.
const START: Duration = Duration::from_secs(20);

/// What a stop may take beyond the process's own grace.
const KILLING: Duration = Duration::from_secs(12);

/// Rounds of killing what a dead keeper left: a second in all. What is left then waits for a dead disk.
const KILLS: usize = 200;

/// The program that keeps.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    binary: PathBuf,
}

/// Whether a process ends with its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    /// Its keeper's standard input is held open by the host.
    Host,
    None,
}

/// What a folder shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No process was ever started in it.
    Nothing,
    Running,
    Ended(Exit),
}

impl Keeper {
    pub(crate) fn new(binary: PathBuf) -> Self {
        Self { binary }
    }

    /// Starts a keeper on a folder with a `launch.json`, and returns when the program runs. The child is the keeper, which
    /// ends right after the process.
    pub(crate) async fn start(&self, folder: &Folder, tie: Tie) -> Result<Child> {
        let failed =
            |what: String| Error::internal(format!("`{} keep` cannot be started: {what}", self.binary.display()));
        let mut child = Command::new(&self.binary)
            .arg("keep")
            .arg(folder.path())
            .env_clear()
            .current_dir("/")
            .stdin(if tie == Tie::Host { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let Some(stdout) = child.stdout.take() else { return Err(failed("it has no output".to_owned())) };
        let mut lines = BufReader::new(stdout).lines();
        match tokio::time::timeout(START, lines.next_line()).await {
            Ok(Ok(Some(line))) if line == keep::STARTED => Ok(child),
            Ok(Ok(Some(line))) => Err(failed(line)),
            Ok(Ok(None)) => Err(failed("it ended without a word".to_owned())),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("it did not answer within {} s", START.as_secs()))),
        }
    }
}

/// What is in the folder. A process whose keeper was killed is ended here, because nobody watches it any more.
pub(crate) async fn look(folder: &Folder) -> Result<Found> {
    let folder = folder.clone();
    blocking(move || look_now(&folder).map_err(|error| file_error("reading", folder.path(), &error))).await
}

fn look_now(folder: &Folder) -> io::Result<Found> {
    if let Some(exit) = folder.read_exit()? {
        return Ok(Found::Ended(exit));
    }
    if folder.read_keeper()?.is_none() {
        return Ok(Found::Nothing);
    }
    let Some(_lock) = folder.lock()? else { return Ok(Found::Running) };
    // It may have ended between the two looks.
    if let Some(exit) = folder.read_exit()? {
        return Ok(Found::Ended(exit));
    }
    let home = folder.work();
    for _ in 0..KILLS {
        let left = proc::at_home_in(&home);
        if left.is_empty() {
            break;
        }
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let exit = Exit::Ended(Ending::Signal);
    folder.write_exit(exit)?;
    Ok(Found::Ended(exit))
}

/// Ends the process and all that it started, and waits for the end. Nothing happens when it has ended.
pub(crate) async fn stop(folder: &Folder, grace: Duration) -> Result<()> {
    let failed = |error: io::Error| file_error("ending the process in", folder.path(), &error);
    let until = Instant::now() + grace + KILLING;
    // Asked once only: to a keeper that ends already, it says nothing new.
    let mut asked = false;
    while look(folder).await? == Found::Running {
        if !asked {
            asked = folder.ask_to_stop().map_err(failed)?;
        }
        if Instant::now() > until {
            // It hangs. Without it, the next look ends what it kept.
            kill_keeper(folder).map_err(failed)?;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn kill_keeper(folder: &Folder) -> io::Result<()> {
    let Some(mark) = folder.read_keeper()? else { return Ok(()) };
    let Some(pid) = Pid::from_raw(mark.pid) else { return Ok(()) };
    // Ids are used again, but not at the same time.
    if proc::start_time(pid) == Some(mark.start_time) {
        kill_process(pid, Signal::KILL)?;
    }
    Ok(())
}
