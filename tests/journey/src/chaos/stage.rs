//! The hosts that things are done to.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{LONG_PAUSE, LONG_PAUSE_EVERY};
use crate::client::Client;
use crate::database::Database;
use crate::host::{Built, Host, LIGHT};
use crate::random::Random;

/// One host on its own file, or several on one server.
pub(super) struct Stage {
    hosts: Vec<Host>,
    /// Ended after the hosts.
    _database: Option<Database>,
}

impl Stage {
    pub(super) fn alone(built: &Built, folder: &Path) -> Result<Self> {
        Ok(Self { hosts: vec![Host::start_light(built, folder, 0)?], _database: None })
    }

    pub(super) fn together(built: &Built, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let database = Database::start(&folder.join("database"))?;
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        std::fs::write(path("environment.toml"), LIGHT)?;
        // Of no value: it lives as long as the test.
        std::fs::write(path("key"), "Y2hhb3NjaGFvc2NoYW9zY2hhb3NjaGFvc2NoYW9zY2g=\n")?;
        let (url, shared, key, first) = (database.url(), path("shared"), path("key"), path("environment.toml"));
        let arguments =
            ["--database-url", &url, "--shared", &shared, "--secret-key-file", &key, "--first-environment", &first];
        let mut hosts = Vec::new();
        for name in ["one", "other"] {
            hosts.push(Host::start_with(built, &folder.join(name), 0, &arguments)?);
        }
        Ok(Self { hosts, _database: Some(database) })
    }

    /// Of a host that runs.
    #[expect(clippy::expect_used, reason = "a stage has hosts")]
    pub(super) fn client(&self) -> Client {
        self.hosts.first().expect("a host").client()
    }

    /// Kills or pauses a host, and lets it come back; answers how many were.
    pub(super) fn disturb(&mut self, random: &mut Random) -> Result<u32> {
        let index = random.below(self.hosts.len() as u64) as usize;
        let alone = self.hosts.len() == 1;
        let host = self.hosts.get_mut(index).context("no such host")?;
        if !alone && random.below(3) == 0 {
            host.pause()?;
            let long = random.below(LONG_PAUSE_EVERY) == 0;
            std::thread::sleep(if long { LONG_PAUSE } else { Duration::from_millis(random.below(500)) });
            host.resume()?;
        } else {
            host.crash()?;
            // The other has the time to notice, or has not.
            std::thread::sleep(Duration::from_millis(if alone { 0 } else { random.below(1500) }));
            host.restart()?;
        }
        Ok(1)
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

/// How many processes name a folder in their command lines.
pub(super) fn processes_of(folder: &Path) -> u64 {
    let folder = folder.to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let named = processes.filter(|process| {
        let name = process.file_name();
        let other = name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && name != own);
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        // The source's server is the caller's own, and still runs.
        other && command.contains(&folder) && !command.contains("postgres")
    });
    named.count() as u64
}
