//! The hosts that things are done to.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::lines::SCRIPT;
use super::{LONG_PAUSE, LONG_PAUSE_EVERY};
use crate::client::Client;
use crate::database::Database;
use crate::host::{Built, Host, LIGHT};
use crate::modeller;
use crate::random::Random;
use crate::waiting::until;

/// What was done to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disturbance {
    Kill,
    Pause,
}

/// A connector whose reads are processes beside the host.
const CONNECTOR: &str = r#"
[programs.python]
type = "path"
path = "PYTHON"

[[ingestion]]
plugin = "airbyte-protocol"
grants.processes = ["python"]

[ingestion.configuration.connectors.lines]
program = "python"
arguments = ["SCRIPT"]
schema = { properties = { file = { type = "string" } } }
states = "exact"
"#;

/// A service of the environment, in a process beside the host: one that is killed leaves it behind, and the next life of the host
/// starts it again.
const SERVICE: &str = r#"
[services.web]
program = "python"
arguments = ["-m", "http.server", "{port}", "--bind", "127.0.0.1", "--directory", "{data}"]
health_path = "/"
"#;

/// A service starts within a second or two; a busy machine is no defect.
const SERVICE_WITHIN: Duration = Duration::from_secs(60);

/// One that its host left behind ends by itself when it has told its lines.
const CONNECTOR_WITHIN: Duration = Duration::from_secs(30);

/// What one host is told, the others know within a second; a busy machine is no defect.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(30);

/// One host on its own file, or several on one server.
pub(super) struct Stage {
    hosts: Vec<Host>,
    /// What the connector is run by.
    script: PathBuf,
    /// Ended after the hosts.
    _database: Option<Database>,
}

impl Stage {
    pub(super) fn alone(built: &Built, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let environment = folder.join("environment.toml");
        let (script, connector) = connector(folder)?;
        std::fs::write(&environment, format!("{LIGHT}{connector}{SERVICE}"))?;
        let arguments = ["--first-environment", &environment.to_string_lossy()];
        Ok(Self { hosts: vec![Host::start_with(built, folder, 0, &arguments)?], script, _database: None })
    }

    pub(super) fn together(built: &Built, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let database = Database::start(&folder.join("database"))?;
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (script, connector) = connector(folder)?;
        std::fs::write(path("environment.toml"), format!("{LIGHT}{connector}"))?;
        // Of no value: it lives as long as the test.
        std::fs::write(path("key"), "Y2hhb3NjaGFvc2NoYW9zY2hhb3NjaGFvc2NoYW9zY2g=\n")?;
        let (url, shared, key, first) = (database.url(), path("shared"), path("key"), path("environment.toml"));
        let arguments =
            ["--database-url", &url, "--shared", &shared, "--secret-key-file", &key, "--first-environment", &first];
        let mut hosts = Vec::new();
        for name in ["one", "other"] {
            hosts.push(Host::start_with(built, &folder.join(name), 0, &arguments)?);
        }
        Ok(Self { hosts, script, _database: Some(database) })
    }

    /// Of a host that runs.
    #[expect(clippy::expect_used, reason = "a stage has hosts")]
    pub(super) fn client(&self) -> Client {
        self.hosts.first().expect("a host").client()
    }

    /// Gives the roles of models to a plugin that needs no servers.
    pub(super) fn bind_models(&self, component: &[u8]) -> Result<()> {
        let client = self.client();
        let body = json!({"manifest": modeller::MANIFEST, "component": STANDARD.encode(component)});
        client.post("/plugins", &body)?;
        let mut document = client.get("/environments/local")?["document"].clone();
        modeller::bind(&mut document, modeller::VERSION);
        let answer = client.send("PUT", "/environments/local", Some(&document), &[])?;
        ensure!(answer.status == 200, "the models' plugin is not bound: {}", answer.body);
        for host in &self.hosts {
            let client = host.client();
            until("a host knows the models' plugin", FOLLOWED_WITHIN, || {
                client.get("/mlops/status").is_ok_and(|status| status["mlflow_available"] == true).then_some(())
            });
        }
        Ok(())
    }

    /// Where its hosts have theirs.
    pub(super) fn folder(&self) -> &Path {
        self.script.parent().unwrap_or(&self.script)
    }

    /// Kills or pauses a host, and lets it come back.
    pub(super) fn disturb(&mut self, random: &mut Random) -> Result<Disturbance> {
        let index = random.below(self.hosts.len() as u64) as usize;
        let alone = self.hosts.len() == 1;
        let host = self.hosts.get_mut(index).context("no such host")?;
        if !alone && random.below(3) == 0 {
            host.pause()?;
            let long = random.below(LONG_PAUSE_EVERY) == 0;
            std::thread::sleep(if long { LONG_PAUSE } else { Duration::from_millis(random.below(500)) });
            host.resume()?;
            Ok(Disturbance::Pause)
        } else {
            host.crash()?;
            // The other has the time to notice, or has not.
            std::thread::sleep(Duration::from_millis(if alone { 0 } else { random.below(1500) }));
            host.restart()?;
            Ok(Disturbance::Kill)
        }
    }

    /// Waits until the service runs again, and answers how many processes of it there are beside the one that there should be.
    pub(super) fn orphans_of_service(&self) -> Result<u64> {
        let data = self.hosts.first().context("no host")?.data().to_string_lossy().into_owned();
        let deadline = Instant::now() + SERVICE_WITHIN;
        loop {
            let running = processes(|command, _| command.contains("http.server") && command.contains(&data));
            if running == 1 {
                return Ok(0);
            }
            if Instant::now() > deadline {
                ensure!(running > 0, "the service does not run any more");
                return Ok(running - 1);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until no connector reads any more, and answers how many go on.
    pub(super) fn orphans_of_connector(&self) -> u64 {
        let script = self.script.to_string_lossy();
        let deadline = Instant::now() + CONNECTOR_WITHIN;
        loop {
            let running = processes(|command, _| command.contains(&*script));
            if running == 0 || Instant::now() > deadline {
                return running;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(super) fn unfinished_tasks(&self) -> Result<u64> {
        let client = self.client();
        let mut unfinished = 0;
        for status in ["pending", "running"] {
            unfinished += client.get(&format!("/tasks?status={status}"))?["total"].as_u64().unwrap_or_default();
        }
        Ok(unfinished)
    }

    pub(super) fn end(self) -> Result<()> {
        self.hosts.into_iter().try_for_each(Host::stop)
    }
}

/// The connector's script, and what an environment has for it.
fn connector(folder: &Path) -> Result<(PathBuf, String)> {
    let script = folder.join("lines.py");
    std::fs::write(&script, SCRIPT)?;
    let python = python().context("there is no `python3` in PATH")?;
    let text = CONNECTOR.replace("PYTHON", &python.to_string_lossy()).replace("SCRIPT", &script.to_string_lossy());
    Ok((script, text))
}

/// Where the interpreter is.
fn python() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("python3")).find(|file| file.is_file())
}

/// How many processes name a folder in their command lines or their environments, or work below it: hosts, keepers, and what they have
/// run.
pub(super) fn processes_of(folder: &Path) -> u64 {
    let text = folder.to_string_lossy().into_owned();
    processes(|command, process| {
        let environment =
            || String::from_utf8_lossy(&std::fs::read(process.join("environ")).unwrap_or_default()).into_owned();
        let works_there = || std::fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(folder));
        // The source's server is the caller's own, and still runs.
        !command.contains("postgres") && (command.contains(&text) || environment().contains(&text) || works_there())
    })
}

/// How many other processes have this command line, and are like that in `/proc`.
fn processes(is_meant: impl Fn(&str, &Path) -> bool) -> u64 {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let meant = processes.filter(|process| {
        let name = process.file_name();
        let other = name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && name != own);
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        other && is_meant(&String::from_utf8_lossy(&command), &process.path())
    });
    meant.count() as u64
}
