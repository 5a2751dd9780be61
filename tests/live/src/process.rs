//! A server of another project as a child of this process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use asgard_journey::processes::family;
use rustix::process::{Pid, Signal, kill_process};

/// A Java server needs ten seconds alone and a minute on a busy machine, which is no defect.
const READY_WITHIN: Duration = Duration::from_secs(240);

/// A server that has nothing to save needs a second or two.
const END_WITHIN: Duration = Duration::from_secs(20);

/// Lines of a log that are told when its server does not come up.
const TOLD: usize = 40;

/// A running server, its output in a file. Ends when dropped, asked first.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a server whose output goes to `NAME.log` in `folder`.
    pub(crate) fn start(name: &'static str, command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        Self::spawn(name, command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output), folder, log)
    }

    /// As [`Process::start`], for one that is talked to: only what it complains of goes to the file.
    pub(crate) fn converse(name: &'static str, command: &mut Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        Self::spawn(name, command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output), folder, log)
    }

    fn spawn(name: &'static str, command: &mut Command, folder: &Path, log: PathBuf) -> Result<Self> {
        let child = command.current_dir(folder).spawn().with_context(|| format!("{name} does not start"))?;
        Ok(Self { name, child, log })
    }

    /// Waits until `ready` answers with something.
    ///
    /// # Errors
    /// With the end of its log, when it ends or takes too long.
    pub(crate) fn wait<T>(&mut self, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(ready) = ready() {
                eprintln!("{} is ready after {:.0} s", self.name, start.elapsed().as_secs_f64());
                return Ok(ready);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before it was ready; {}", self.name, self.end_of_log());
            }
            if start.elapsed() > READY_WITHIN {
                bail!("{} was not ready after {} s; {}", self.name, READY_WITHIN.as_secs(), self.end_of_log());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The last lines of its output, as the end of a sentence.
    pub(crate) fn end_of_log(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let told = lines.get(lines.len().saturating_sub(TOLD)..).unwrap_or_default();
        format!("the end of {}:\n{}", self.log.display(), told.join("\n"))
    }

    /// The process, to write to it.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Ends it as a power cut would, with all that it started.
    pub(crate) fn kill(&mut self) -> Result<()> {
        for id in family(self.child.id())? {
            // One or the other may have ended by itself.
            let _ended = Pid::from_raw(i32::try_from(id)?).map(|process| kill_process(process, Signal::KILL));
        }
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again after [`Process::kill`], by the same command.
    pub(crate) fn start_again(&mut self, command: &mut Command) -> Result<()> {
        let output = File::options().append(true).open(&self.log)?;
        let command = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        self.child = command.spawn().with_context(|| format!("{} does not start again", self.name))?;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > END_WITHIN {
                self.child.kill()?;
                self.child.wait()?;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{} did not end: {error:#}", self.name);
        }
    }
}
