//! A PostgreSQL server of our own: the source of the demo, and what the connector's tests read.
//!
//! An installed server is preferred (see [`Installation`]). Data lie in the folder that the caller names, and are there
//! again when a server is started in it a second time. They are safe from a killed process, not from a power cut: `fsync` is
//! off, since every row can be made again.
//!
//! PostgreSQL refuses to run as root. Under root, `initdb` and the server run as an [`Account`] without privileges, and a
//! folder that this account cannot reach (one below `/root`) is replaced by one under `/var/tmp`.
//!
//! The server is a child of this process in a process group of its own, so that a terminal's Ctrl-C ends it only through its
//! owner. One that outlived its owner is stopped by the next start in the same folder.

mod account;
mod installation;
mod tls;

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

pub use account::Account;
pub use installation::Installation;

use crate::ports::free_port;

const USER: &str = "asgard";
const PASSWORD: &str = "factory-floor";
const DATABASE: &str = "factory";

/// Recovery after a kill is part of it; a slow disk needs most of it for `initdb`.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A fast shutdown rolls back what runs and writes a checkpoint.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Between looking for a port and binding it, another process may take it.
const PORT_TRIES: u32 = 5;

/// A running server. Dropping it ends the server without a checkpoint; [`PostgresServer::stop`] does it with one.
#[derive(Debug)]
pub struct PostgresServer {
    port: u16,
    data: PathBuf,
    settings: Vec<(String, String)>,
    process: Child,
}

impl PostgresServer {
    /// Starts a server whose data lie below `folder`, made if they are not there yet.
    ///
    /// # Errors
    /// No binaries and none to be had, `initdb` or the server failed: with the last lines of its log.
    pub async fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &[]).await
    }

    /// As [`PostgresServer::start`], with settings as in `postgresql.conf`, such as `("wal_level", "logical")`.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub async fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let account = Account::unprivileged()?;
        let folder = account.prepare(folder)?;
        let installation = Installation::find_or_unpack(&account).await?;
        let data = folder.join("data");
        if data.join("PG_VERSION").exists() {
            stop_survivor(&data).await?;
        } else {
            initialise(&installation, &account, &folder, &data)?;
        }
        let settings: Vec<_> = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut last = None;
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            match Self::launch(&installation, &account, &folder, &data, &settings, port).await {
                Ok(server) => {
                    server.create_database().await?;
                    return Ok(server);
                }
                Err(error) if error.to_string().contains("could not bind") => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port is free")))
    }

    /// `127.0.0.1`.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A superuser with a SCRAM-SHA-256 password.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The password of [`PostgresServer::user`].
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// An empty database at the first start.
    pub fn database(&self) -> &'static str {
        DATABASE
    }

    /// The data folder, with `pg_hba.conf` in it.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The server's own process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A session of an independent client.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn connect(&self, database: &str) -> Result<tokio_postgres::Client> {
        let (client, connection) = tokio_postgres::Config::new()
            .host(self.host())
            .port(self.port)
            .user(USER)
            .password(PASSWORD)
            .dbname(database)
            .connect(tokio_postgres::NoTls)
            .await
            .with_context(|| format!("connecting to database `{database}` on port {}", self.port))?;
        // Ends by itself when the client is dropped.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs a script of statements in [`PostgresServer::database`].
    ///
    /// # Errors
    /// Those of the first statement that fails.
    pub async fn execute(&self, script: &str) -> Result<()> {
        let client = self.connect(DATABASE).await?;
        client.batch_execute(script).await.map_err(|error| match error.as_db_error() {
            Some(told) => anyhow::anyhow!("{told} (at {:?})", told.position()),
            None => error.into(),
        })
    }

    /// Ends it as [`PostgresServer::stop`] does, and starts it again on the same port, where its clients look for it.
    ///
    /// # Errors
    /// It does not end or start in time.
    pub async fn restart(&mut self) -> Result<()> {
        signal(self.process.id(), Signal::INT);
        let limit = Instant::now() + STOP_LIMIT;
        while self.process.try_wait()?.is_none() {
            if Instant::now() > limit {
                bail!("PostgreSQL in {} did not stop in {} s", self.data.display(), STOP_LIMIT.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.start_again().await
    }

    /// Ends it with no word, as `kill -9` does.
    ///
    /// # Errors
    /// Those of the system.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts one that has ended again, on the same port, where its clients look for it.
    ///
    /// # Errors
    /// It does not start in time.
    pub async fn start_again(&mut self) -> Result<()> {
        let account = Account::unprivileged()?;
        let installation = Installation::find_or_unpack(&account).await?;
        let folder = self.data.parent().context("the data folder has no parent")?.to_owned();
        let limit = Instant::now() + START_LIMIT;
        loop {
            let again = Self::launch(&installation, &account, &folder, &self.data, &self.settings, self.port).await;
            match again {
                Ok(again) => {
                    *self = again;
                    return Ok(());
                }
                Err(error) if Instant::now() > limit => return Err(error),
                // Sessions of a killed server hold its memory until they have noticed.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Ends it; sessions are cut, data are written.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn stop(mut self) -> Result<()> {
        signal(self.process.id(), Signal::INT);
        let limit = Instant::now() + STOP_LIMIT;
        while Instant::now() < limit {
            if self.process.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("PostgreSQL in {} did not stop in {} s", self.data.display(), STOP_LIMIT.as_secs())
    }

    async fn launch(
        installation: &Installation,
        account: &Account,
        folder: &Path,
        data: &Path,
        settings: &[(String, String)],
        port: u16,
    ) -> Result<Self> {
        let log = folder.join("server.log");
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut command = installation.command("postgres", account, folder);
        command.arg("-D").arg(data).arg("-p").arg(port.to_string()).process_group(0);
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", ""),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("synchronous_commit", "off"),
        ];
        let settings_given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(settings_given) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let process = command.spawn().with_context(|| format!("starting {}", installation.folder().display()))?;
        let mut server = Self { port, data: data.to_owned(), settings: settings.to_vec(), process };
        let limit = Instant::now() + START_LIMIT;
        while Instant::now() < limit {
            if server.process.try_wait()?.is_some() {
                bail!("PostgreSQL did not start: {}", last_lines(&log));
            }
            if PidFile::read(data).is_some_and(|file| file.ready && file.process == server.process.id()) {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("PostgreSQL was not ready after {} s: {}", START_LIMIT.as_secs(), last_lines(&log))
    }

    async fn create_database(&self) -> Result<()> {
        let client = self.connect("postgres").await?;
        if client.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE]).await?.is_none() {
            client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
        }
        Ok(())
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // Immediate shutdown: the postmaster ends its children, which SIGKILL would leave behind.
            signal(self.process.id(), Signal::QUIT);
            if let Err(error) = self.process.wait() {
                eprintln!("PostgreSQL in {} was not waited for: {error}", self.data.display());
            }
        }
    }
}

fn initialise(installation: &Installation, account: &Account, folder: &Path, data: &Path) -> Result<()> {
    let password = folder.join("password");
    std::fs::write(&password, PASSWORD)?;
    account.own(&password)?;
    let mut command: Command = installation.command("initdb", account, folder);
    command.args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]);
    command.arg("--pwfile").arg(&password).arg("--pgdata").arg(data);
    let output = command.output().with_context(|| format!("running {}", installation.folder().display()))?;
    std::fs::remove_file(&password)?;
    if !output.status.success() {
        bail!("initdb in {} failed: {}", data.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Ends the server that an owner left behind, told by the lock file that PostgreSQL keeps in its data folder.
async fn stop_survivor(data: &Path) -> Result<()> {
    let Some(survivor) = PidFile::read(data).filter(PidFile::is_alive) else { return Ok(()) };
    signal(survivor.process, Signal::INT);
    let limit = Instant::now() + STOP_LIMIT;
    while survivor.is_alive() {
        if Instant::now() > limit {
            bail!("another PostgreSQL (process {}) works in {} and does not stop", survivor.process, data.display());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// `postmaster.pid`: process on the first line, status on the eighth.
struct PidFile {
    process: u32,
    ready: bool,
}

impl PidFile {
    fn read(data: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let process = lines.next()?.trim().parse().ok()?;
        Some(Self { process, ready: lines.nth(6).is_some_and(|status| status.trim() == "ready") })
    }

    /// A number that went to another program after a reboot is not ours to end; a process that has ended and was not waited
    /// for has no program any more.
    fn is_alive(&self) -> bool {
        let program = std::fs::read_link(format!("/proc/{}/exe", self.process));
        program.is_ok_and(|program| program.file_name().is_some_and(|name| name == "postgres"))
    }
}

fn process(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

fn signal(id: u32, signal: Signal) {
    // Failing means that it has ended, which is what was wanted.
    let _ = process(id).map(|pid| kill_process(pid, signal));
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_are_there_again_after_a_restart_and_a_survivor_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let first = PostgresServer::start(folder.path()).await.unwrap();
        first.execute("CREATE TABLE orders (id int); INSERT INTO orders VALUES (7)").await.unwrap();
        let survivor = std::mem::ManuallyDrop::new(first);

        let second = PostgresServer::start(folder.path()).await.unwrap();
        assert_ne!(survivor.process_id(), second.process_id());
        let rows = second.connect("factory").await.unwrap().query("SELECT id FROM orders", &[]).await.unwrap();
        assert_eq!(rows[0].get::<_, i32>(0), 7);
        second.stop().await.unwrap();
    }

    #[tokio::test]
    async fn the_archive_serves_where_nothing_is_installed() {
        let account = Account::unprivileged().unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let folder = account.prepare(temporary.path()).unwrap();
        let installation = Installation::unpacked(&account).await.unwrap();
        let data = folder.join("data");
        initialise(&installation, &account, &folder, &data).unwrap();
        let port = free_port().unwrap();
        let server = PostgresServer::launch(&installation, &account, &folder, &data, &[], port).await.unwrap();
        let rows = server.connect("postgres").await.unwrap().query("SHOW server_version", &[]).await.unwrap();
        assert!(rows[0].get::<_, &str>(0).starts_with("17."));
        server.stop().await.unwrap();
    }
}
