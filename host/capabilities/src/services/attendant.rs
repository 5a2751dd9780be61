//! Attends one process of a service: starts it, waits until it answers, looks after it, starts it again.

use std::path::PathBuf;
use std::sync::Weak;
use std::time::{Duration, Instant};

use asgard_contract::{Error, Result};
use tokio::process::Child;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ServiceState;
use super::first_start::FirstStart;
use super::health::answers;
use super::port;
use super::record::Generation;
use super::registry::{Key, Registry};
use crate::blocking::{blocking, file_error};
use crate::processes::{self, Exit, Folder, Keeper, Launch, Tie};

/// From being told to end to being killed: an answer under way is finished, a database is closed.
const GRACE: Duration = Duration::from_secs(5);

/// The first looks come often, since a start is waited for; the last ones do not disturb.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const SLOWEST_LOOK: Duration = Duration::from_millis(250);

/// Looks at a service that is ready. A model that computes for long answers late, so a look waits; three in a row
/// without an answer are a service that hangs.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const LOOK_LIMIT: Duration = Duration::from_secs(10);
const MISSED_LOOKS: u32 = 3;

/// Between restarts: a crash by accident is repaired at once, one that repeats does not heat the machine.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A service that was ready for so long crashes by accident, not by itself.
const SETTLED: Duration = Duration::from_secs(60);

/// A program that is being made ready (a Python environment) is waited for in turns of this length.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of output kept: 16 MiB.
const OUTPUT_SEGMENTS: usize = 4;

/// Of output in the text of a failure.
const LAST_LINES: usize = 15;

/// What others see of the process.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) state: ServiceState,
    /// What its start waits for, where that is more than the process itself.
    pub(super) waits_for: Option<String>,
    pub(super) port: u16,
    pub(super) restarts: u32,
}

pub(super) struct Attendant {
    pub(super) key: Key,
    pub(super) generation: Generation,
    pub(super) folder: Folder,
    pub(super) first_start: FirstStart,
    pub(super) keeper: Keeper,
    pub(super) view: watch::Sender<View>,
    pub(super) stop: CancellationToken,
    pub(super) registry: Weak<Registry>,
}

/// How one run of the process came to its end.
struct Run {
    why: String,
    ready_for: Option<Duration>,
}

impl Attendant {
    /// Until it is told to stop; the process has ended then.
    pub(super) async fn attend(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(run) = self.run().await else { return };
            tracing::warn!(service = %self.key, why = run.why, "a service ended");
            let state = match run.ready_for {
                Some(_) => ServiceState::Starting,
                None => ServiceState::Failed(run.why),
            };
            if run.ready_for.is_some_and(|time| time >= SETTLED) {
                pause = FIRST_PAUSE;
            }
            self.view.send_modify(|view| view.state = state);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.view.send_modify(|view| view.restarts += 1);
        }
    }

    /// One run of the process; none when it was told to stop.
    async fn run(&mut self) -> Option<Run> {
        let stop = self.stop.clone();
        let failed = |error: Error| Run { why: error.to_string(), ready_for: None };
        let launch = tokio::select! {
            () = stop.cancelled() => return None,
            launch = self.prepare() => launch,
        };
        // Not to be interrupted: a keeper that nobody knows would be left.
        let child = match launch {
            Ok(launch) => self.start(&launch).await,
            Err(error) => Err(error),
        };
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return Some(failed(error)),
        };
        // Taken out, because waiting for a child closes its standard input, and that tells the keeper to end the process.
        let tie = child.stdin.take();
        let run = tokio::select! {
            () = stop.cancelled() => None,
            run = self.watch(&mut child) => Some(run),
        };
        drop(tie);
        if tokio::time::timeout(GRACE * 2, child.wait()).await.is_err()
            && let Err(error) = processes::stop(&self.folder, GRACE).await
        {
            tracing::error!(service = %self.key, %error, "a service cannot be ended");
        }
        run
    }

    /// Everything but the start.
    async fn prepare(&mut self) -> Result<Launch> {
        let wanted = self.generation.wanted.clone();
        let executable = loop {
            let Some(programs) = self.registry.upgrade().and_then(|registry| registry.programs(&self.key.environment))
            else {
                return Err(Error::unavailable("the host is shutting down"));
            };
            match programs.executable(&wanted.program, PATIENCE).await {
                // Being made; other reasons are failures.
                Err(Error::Unavailable { message, retry_after_ms: Some(_) }) => {
                    self.view.send_modify(|view| view.waits_for = Some(message));
                }
                other => break other?,
            }
        };
        self.view.send_modify(|view| view.waits_for = None);
        // One of a host that was killed is just ending.
        processes::stop(&self.folder, GRACE).await?;
        if let Some(data) = wanted.data.clone() {
            self.prepare_data(data).await?;
        }
        let mut port = self.generation.port;
        if !port::is_free(port) {
            let registry = self.registry.upgrade().ok_or_else(|| Error::unavailable("the host is shutting down"))?;
            port = registry.move_to_another_port(&self.key, &self.generation.id)?;
            self.generation.port = port;
            self.view.send_modify(|view| view.port = port);
        }
        let fill = |text: &str| {
            let filled = text.replace("{port}", &port.to_string());
            match &wanted.data {
                Some(data) => filled.replace("{data}", &data.display().to_string()),
                None => filled,
            }
        };
        let environment = wanted.environment.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
        Ok(Launch {
            environment: processes::surroundings(&executable, &self.folder, environment),
            program: executable.path,
            arguments: wanted.arguments.iter().map(|argument| fill(argument)).collect(),
            timeout_ms: None,
            memory_bytes: wanted.memory_bytes,
            grace_ms: GRACE.as_millis() as u64,
            tied_to_host: true,
            output_segments: OUTPUT_SEGMENTS,
            stream: false,
        })
    }

    async fn prepare_data(&self, data: PathBuf) -> Result<()> {
        let first_start = self.first_start.clone();
        let prepare = move || first_start.prepare(&data).map_err(|error| file_error("preparing", &data, &error));
        if let Some(aside) = blocking(prepare).await? {
            tracing::warn!(
                service = %self.key,
                "the service was never ready: it begins with an empty folder, and what was in it is in {}",
                aside.display()
            );
        }
        Ok(())
    }

    async fn start(&self, launch: &Launch) -> Result<Child> {
        let failed = |error: std::io::Error| Error::internal(format!("{}: {error}", self.folder.path().display()));
        self.folder.write_launch(launch).map_err(failed)?;
        self.keeper.start(&self.folder, Tie::Host).await
    }

    /// From the start to the end of the process, or to the look that finds it hanging.
    async fn watch(&self, child: &mut Child) -> Run {
        if let Err(why) = self.become_ready(child).await {
            return Run { why, ready_for: None };
        }
        let first_start = self.first_start.clone();
        if let Err(error) = blocking(move || Ok(first_start.succeeded())).await.and_then(|noted| {
            noted.map_err(|error| Error::internal(format!("that it was ready cannot be written down: {error}")))
        }) {
            return Run { why: error.to_string(), ready_for: None };
        }
        let since = Instant::now();
        self.view.send_modify(|view| view.state = ServiceState::Ready);
        tracing::info!(service = %self.key, port = self.generation.port, "a service is ready");
        if let Some(registry) = self.registry.upgrade() {
            registry.is_ready(&self.key, &self.generation.id);
        }
        let why = self.stay_ready(child).await;
        // At once: one that hangs takes a while to end, and who asks in the meantime is to wait for the next.
        self.view.send_modify(|view| view.state = ServiceState::Starting);
        Run { why, ready_for: Some(since.elapsed()) }
    }

    async fn become_ready(&self, child: &mut Child) -> std::result::Result<(), String> {
        let limit = Duration::from_millis(self.generation.wanted.ready_timeout_ms.max(1));
        let started = Instant::now();
        let mut pause = FIRST_LOOK;
        loop {
            let look = async {
                tokio::time::sleep(pause).await;
                answers(self.generation.port, &self.generation.wanted.health_path, LOOK_LIMIT).await
            };
            tokio::select! {
                _ = child.wait() => return Err(self.ended().await),
                ready = look => if ready { return Ok(()) },
            }
            if started.elapsed() > limit {
                let path = &self.generation.wanted.health_path;
                let what = format!("it does not answer {path} with 200 within {} s", limit.as_secs());
                return Err(self.with_last_lines(what).await);
            }
            pause = (pause * 5 / 4).min(SLOWEST_LOOK);
        }
    }

    async fn stay_ready(&self, child: &mut Child) -> String {
        let mut missed = 0;
        loop {
            tokio::select! {
                _ = child.wait() => return self.ended().await,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let look = answers(self.generation.port, &self.generation.wanted.health_path, LOOK_LIMIT);
            let ready = tokio::select! {
                _ = child.wait() => return self.ended().await,
                ready = look => ready,
            };
            missed = if ready { 0 } else { missed + 1 };
            if missed == MISSED_LOOKS {
                let path = &self.generation.wanted.health_path;
                return self.with_last_lines(format!("it stopped answering {path}")).await;
            }
        }
    }

    /// Called when the keeper has ended; it wrote down how the process did.
    async fn ended(&self) -> String {
        let folder = self.folder.clone();
        let exit = blocking(move || Ok(folder.read_exit().ok().flatten())).await;
        let what = match exit.ok().flatten() {
            Some(Exit::Exited(code)) => format!("it exited with status {code}"),
            Some(Exit::Ended(_)) | None => "it was ended by a signal".to_owned(),
        };
        self.with_last_lines(what).await
    }

    async fn with_last_lines(&self, what: String) -> String {
        with_last_lines(&self.folder, what).await
    }
}

/// What a process said last, behind what is said of it.
pub(super) async fn with_last_lines(folder: &Folder, what: String) -> String {
    match processes::last_lines(folder, LAST_LINES).await {
        lines if lines.is_empty() => what,
        lines => format!("{what}; its last lines:\n{lines}"),
    }
}
