//! A host under test: the built `asgard` binary with its plugins, on a data folder and a port of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::ports::free_port;

/// How long a host may take until it is ready; far more than it needs, since a busy machine is no defect.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// An environment without model roles: no Python, no MLflow, so a host with it is up at once.
pub const LIGHT: &str = include_str!("../light.toml");

/// What `cargo xtask` built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The `asgard` binary.
    pub asgard: PathBuf,
    /// `NAME/{plugin.toml,plugin.wasm}` for every plugin.
    pub plugins: PathBuf,
}

impl Built {
    /// What `cargo xtask test` names in the environment.
    ///
    /// # Errors
    /// When a test runs without it.
    pub fn from_environment() -> Result<Self> {
        let path = |name: &str| {
            let value = std::env::var_os(name);
            value
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set: run the tests with `cargo xtask test`"))
        };
        Ok(Self { asgard: path("ASGARD_BINARY")?, plugins: path("ASGARD_PLUGINS")? })
    }
}

impl Built {
    /// Hosts of tests share what they compiled, which takes one of them seconds.
    fn share_compiled(&self, data: &Path) -> Result<()> {
        let shared = self.plugins.with_file_name("compiled");
        std::fs::create_dir_all(&shared)?;
        let own = data.join("compiled");
        if !own.exists() {
            std::os::unix::fs::symlink(&shared, &own).with_context(|| format!("{} cannot be made", own.display()))?;
        }
        Ok(())
    }
}

/// A running host; ends when dropped.
pub struct Host {
    child: Option<Child>,
    built: Built,
    data: PathBuf,
    port: u16,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Host {
    /// Starts a host on `data` and waits until it is ready. Port 0: a free one.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn start(built: &Built, data: &Path, port: u16) -> Result<Self> {
        Self::start_with(built, data, port, &[])
    }

    /// As [`Host::start`], with more arguments of `asgard serve`.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn start_with(built: &Built, data: &Path, port: u16, arguments: &[&str]) -> Result<Self> {
        Self::start_in(built, data, port, arguments, &[])
    }

    fn start_in(built: &Built, data: &Path, port: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let port = if port == 0 { free_port()? } else { port };
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let variables = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut host = Self { child: None, built: built.clone(), data: data.to_owned(), port, arguments, variables };
        host.launch()?;
        Ok(host)
    }

    /// As [`Host::start`], without model roles and their services: the environment of [`LIGHT`].
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn start_light(built: &Built, data: &Path, port: u16) -> Result<Self> {
        Self::start_light_with(built, data, port, &[])
    }

    /// As [`Host::start_light`], with variables in its environment, as name and value.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn start_light_with(built: &Built, data: &Path, port: u16, variables: &[(&str, &str)]) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let file = data.join("first-environment.toml");
        std::fs::write(&file, LIGHT)?;
        Self::start_in(built, data, port, &["--first-environment", &file.to_string_lossy()], variables)
    }

    fn launch(&mut self) -> Result<()> {
        self.built.share_compiled(&self.data)?;
        let log = self.log_file();
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(&self.built.asgard)
            .args(["serve", "--listen", &format!("127.0.0.1:{}", self.port), "--data"])
            .arg(&self.data)
            .arg("--plugins")
            .arg(&self.built.plugins)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start", self.built.asgard.display()))?;
        self.child = Some(child);
        let deadline = Instant::now() + READY_WITHIN;
        let client = self.client();
        loop {
            if client.look("/ready").is_ok() {
                return Ok(());
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(20).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                bail!("the host did not become ready; the end of {}:\n{}", self.log_file().display(), tail.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The host's own log.
    pub fn log_file(&self) -> PathBuf {
        self.data.join("host.log")
    }

    /// The host's data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client of this host.
    pub fn client(&self) -> Client {
        Client::new(self.url())
    }

    /// The process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends the host as a power cut would, and starts it again on the same folder and port.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn crash_and_restart(&mut self) -> Result<()> {
        self.crash()?;
        self.restart()
    }

    /// Ends the host as a power cut would.
    ///
    /// # Errors
    /// Those of the system.
    pub fn crash(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts a host that has ended again, on the same folder and port.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.launch()
    }

    /// Stops the host where it is, as a machine that hangs, until [`Host::resume`].
    ///
    /// # Errors
    /// Those of the system.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a paused host go on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(kill_process(pid.context("the host does not run")?, signal)?)
    }

    /// What the host is called in a database that it shares with others.
    ///
    /// # Errors
    /// When it has not run yet.
    pub fn name(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.data.join("host.id"))?.trim().to_owned())
    }

    /// Asks the host to stop and waits for it.
    ///
    /// # Errors
    /// When it does not stop within half a minute.
    pub fn stop(mut self) -> Result<()> {
        self.terminate()
    }

    /// As [`Host::stop`], of a host that is to be started again.
    ///
    /// # Errors
    /// As [`Host::stop`].
    pub fn terminate(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                bail!("the host did not stop within 30 s of SIGTERM");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Err(error) = self.terminate() {
            eprintln!("{error:#}");
        }
    }
}
