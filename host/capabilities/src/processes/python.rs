//! Python environments: made from lists of requirements when they are first needed, shared by all hosts of this user.
//!
//! An environment lies under a name made of its requirements and its interpreter, so it never changes once it is there;
//! another list is another environment. It is made in its final place, because the scripts in it hold their own path, and
//! a mark at the end says that it is complete. A lock on a file keeps two hosts from making it at once, and the kernel
//! releases the lock of one that dies; what it left without the mark is thrown away.
//!
//! Making one takes from seconds to minutes, longer than a step of a plugin may. So it runs on a task of its own, which
//! belongs to this struct and ends with it, and callers wait for it only as long as they like: the next call finds it
//! further on, or ready.

use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asgard_contract::{Error, Result};
use rustix::fs::FlockOperation;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinSet;

use super::folder::{read_json, write_json};
use super::programs::find;
use crate::blocking::{blocking, file_error};

/// What the packages that train and serve models need today.
const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// How much of pip's output an error shows.
const LAST_LINES: usize = 12;

/// Another host may hold the lock for minutes; looking costs nothing.
const LOCK_LOOKS: Duration = Duration::from_millis(200);

/// The environments of this host.
pub(crate) struct PythonEnvironments {
    folder: PathBuf,
    base: OnceCell<Base>,
    making: Mutex<Making>,
}

#[derive(Default)]
struct Making {
    by_name: HashMap<String, watch::Receiver<Stage>>,
    /// Dropping it ends what is being made.
    tasks: JoinSet<()>,
}

/// How far one is.
#[derive(Debug, Clone)]
enum Stage {
    /// The last line of output.
    Working(String),
    Made,
    Failed(Error),
}

/// The interpreter that environments are made with.
#[derive(Debug, Clone, Serialize)]
struct Base {
    version: String,
    path: PathBuf,
}

impl PythonEnvironments {
    /// Below `folder`; see [`default_folder`].
    pub(crate) fn new(folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { folder, base: OnceCell::new(), making: Mutex::default() })
    }

    /// The interpreter of the environment with these requirements. Waits at most `patience`.
    ///
    /// # Errors
    /// `invalid-input` in `requirements` with pip's last lines; `unavailable` while it is being made.
    pub(crate) async fn interpreter(&self, requirements: &[String], patience: Duration) -> Result<PathBuf> {
        let base = self.base.get_or_try_init(find_base).await?.clone();
        let name = name(requirements, &base);
        let plan = Plan { folder: self.folder.join(&name), base, requirements: requirements.to_vec() };
        let interpreter = plan.interpreter();
        if plan.is_made()? {
            return Ok(interpreter);
        }
        let mut stage = self.make(name, plan);
        let waited = tokio::time::timeout(patience, stage.wait_for(|stage| !matches!(stage, Stage::Working(_)))).await;
        if matches!(waited, Ok(Err(_))) {
            return Err(Error::unavailable("making the Python environment was interrupted"));
        }
        drop(waited);
        match &*stage.borrow() {
            Stage::Made => Ok(interpreter),
            Stage::Failed(error) => Err(error.clone()),
            Stage::Working(line) => {
                let line = if line.is_empty() { String::new() } else { format!(" ({line})") };
                let message = format!("the Python environment is still being made{line}");
                Err(Error::Unavailable { message, retry_after_ms: Some(2000) })
            }
        }
    }

    fn make(&self, name: String, plan: Plan) -> watch::Receiver<Stage> {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = |stage: &&watch::Receiver<Stage>| {
            matches!(&*stage.borrow(), Stage::Working(_)) && stage.has_changed().is_ok()
        };
        if let Some(stage) = making.by_name.get(&name).filter(under_way) {
            return stage.clone();
        }
        let (sender, receiver) = watch::channel(Stage::Working(String::new()));
        making.by_name.insert(name, receiver.clone());
        while making.tasks.try_join_next().is_some() {}
        making.tasks.spawn(async move {
            let stage = match plan.make(&sender).await {
                Ok(()) => Stage::Made,
                Err(error) => Stage::Failed(error),
            };
            sender.send_replace(stage);
        });
        receiver
    }
}

/// `$ASGARD_CACHE/python`, or the same below the user's cache.
pub(crate) fn default_folder() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("ASGARD_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("asgard")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/asgard")))
        .unwrap_or_else(|| std::env::temp_dir().join("asgard"))
        .join("python")
}

/// 64 bits of SHA-256 name a few dozen environments safely.
fn name(requirements: &[String], base: &Base) -> String {
    let mut sorted: Vec<&str> = requirements.iter().map(|line| line.trim()).collect();
    sorted.sort_unstable();
    let digest = Sha256::digest(format!("{} {}\n{}", base.version, base.path.display(), sorted.join("\n")));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The first interpreter in PATH that is new enough; `ASGARD_PYTHON` names another.
async fn find_base() -> Result<Base> {
    let named = std::env::var("ASGARD_PYTHON").ok();
    let usual = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"];
    let candidates: Vec<&str> = named.as_deref().map_or(usual.to_vec(), |named| vec![named]);
    let mut found = Vec::new();
    for candidate in candidates {
        let Some(path) = find(candidate) else { continue };
        let script = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.executable)";
        let Ok(output) = Command::new(&path).args(["-c", script]).stdin(Stdio::null()).output().await else { continue };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let (Some(version), Some(executable)) = (lines.next(), lines.next()) else { continue };
        let mut numbers = version.split('.').filter_map(|number| number.parse().ok());
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST_PYTHON {
            return Ok(Base { version: version.to_owned(), path: PathBuf::from(executable) });
        }
        found.push(format!("{candidate} is {version}"));
    }
    let found = if found.is_empty() { "there is none in PATH".to_owned() } else { found.join(", ") };
    let (major, minor) = OLDEST_PYTHON;
    Err(Error::invalid(
        "type",
        format!("Python {major}.{minor} or newer is needed and {found}: install it, or name it in ASGARD_PYTHON"),
    ))
}

/// One environment to be made.
struct Plan {
    folder: PathBuf,
    base: Base,
    requirements: Vec<String>,
}

impl Plan {
    fn interpreter(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// Says for people what is in the environment, and by being there that it is complete.
    fn mark(&self) -> PathBuf {
        self.folder.join("asgard.json")
    }

    fn is_made(&self) -> Result<bool> {
        let mark = read_json::<serde_json::Value>(&self.mark());
        Ok(mark.map_err(|error| file_error("reading", &self.mark(), &error))?.is_some())
    }

    async fn make(&self, progress: &watch::Sender<Stage>) -> Result<()> {
        let _lock = self.lock(progress).await?;
        if self.is_made()? {
            return Ok(());
        }
        let started = std::time::Instant::now();
        tracing::info!(folder = %self.folder.display(), requirements = ?self.requirements, "making a Python environment");
        let folder = self.folder.clone();
        let cleared = blocking(move || match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error("removing", &folder, &error)),
            _ => Ok(()),
        });
        cleared.await?;
        match find("uv") {
            Some(uv) => self.make_with_uv(&uv, progress).await?,
            None => self.make_with_pip(progress).await?,
        }
        let mark = serde_json::json!({ "python": self.base, "requirements": self.requirements });
        write_json(&self.mark(), &mark).map_err(|error| file_error("writing", &self.mark(), &error))?;
        tracing::info!(folder = %self.folder.display(), seconds = started.elapsed().as_secs(), "the Python environment is made");
        Ok(())
    }

    async fn lock(&self, progress: &watch::Sender<Stage>) -> Result<File> {
        let path = self.folder.with_extension("lock");
        let failed = |error: std::io::Error| file_error("locking", &path, &error);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    progress.send_replace(Stage::Working("another host is making it".to_owned()));
                    tokio::time::sleep(LOCK_LOOKS).await;
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    async fn make_with_pip(&self, progress: &watch::Sender<Stage>) -> Result<()> {
        let mut venv = Command::new(&self.base.path);
        run(venv.args(["-m", "venv"]).arg(&self.folder), progress).await?;
        if self.requirements.is_empty() {
            return Ok(());
        }
        let mut pip = Command::new(self.interpreter());
        pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]);
        run(pip.arg("--").args(&self.requirements), progress).await
    }

    /// The same in a third of the time. With pip in it, as scripts may expect.
    async fn make_with_uv(&self, uv: &Path, progress: &watch::Sender<Stage>) -> Result<()> {
        let mut venv = Command::new(uv);
        run(venv.args(["venv", "--seed", "--python"]).arg(&self.base.path).arg(&self.folder), progress).await?;
        if self.requirements.is_empty() {
            return Ok(());
        }
        let mut install = Command::new(uv);
        install.args(["pip", "install", "--compile-bytecode", "--python"]).arg(self.interpreter());
        run(install.arg("--").args(&self.requirements), progress).await
    }
}

/// Runs one of the commands. They see the host's own environment: where packages come from is the operator's choice,
/// made in `PIP_INDEX_URL` and its kin.
async fn run(command: &mut Command, progress: &watch::Sender<Stage>) -> Result<()> {
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME").env_remove("VIRTUAL_ENV");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| Error::internal(format!("`{name}` cannot be run: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let lines = Mutex::new(VecDeque::new());
    let (_, _, status) = tokio::join!(follow(out, &lines, progress), follow(err, &lines, progress), child.wait());
    if status.map_err(failed)?.success() {
        return Ok(());
    }
    let lines: Vec<String> = lines.into_inner().unwrap_or_else(PoisonError::into_inner).into();
    Err(explain(&lines.join("\n")))
}

async fn follow(
    stream: Option<impl tokio::io::AsyncRead + Unpin>,
    lines: &Mutex<VecDeque<String>>,
    progress: &watch::Sender<Stage>,
) {
    let Some(stream) = stream else { return };
    let mut reader = BufReader::new(stream).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        if line.trim().is_empty() {
            continue;
        }
        let mut short: String = line.trim().to_owned();
        short.truncate(short.char_indices().nth(120).map_or(short.len(), |(at, _)| at));
        progress.send_replace(Stage::Working(short));
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// A package server that does not answer may answer later; a requirement that does not exist will not.
fn explain(output: &str) -> Error {
    const AWAY: [&str; 6] = [
        "NewConnectionError",
        "Max retries exceeded",
        "Temporary failure in name resolution",
        "Connection refused",
        "Read timed out",
        "error sending request",
    ];
    let message = format!("the Python environment cannot be made:\n{output}");
    if AWAY.iter().any(|sign| output.contains(sign)) {
        Error::unavailable(message)
    } else {
        Error::invalid("requirements", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base { version: "3.11.7".to_owned(), path: PathBuf::from("/usr/bin/python3") }
    }

    #[test]
    fn the_same_requirements_in_another_order_are_the_same_environment() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let ab = name(&lines(&["a==1", "b"]), &base());
        assert_eq!(ab, name(&lines(&["b ", "a==1"]), &base()));
        assert_ne!(ab, name(&lines(&["a==2", "b"]), &base()));
        assert_ne!(ab, name(&lines(&["a==1", "b"]), &Base { version: "3.12.0".to_owned(), ..base() }));
    }

    #[test]
    fn only_a_server_that_is_away_is_worth_another_try() {
        assert!(
            explain("ERROR: No matching distribution found for no-such-thing").to_string().contains("no-such-thing")
        );
        assert!(!explain("ERROR: No matching distribution found for no-such-thing").is_retryable());
        assert!(explain("WARNING: Retrying after NewConnectionError\nERROR: No matching distribution").is_retryable());
    }

    #[tokio::test]
    async fn two_hosts_make_an_environment_once_and_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (PythonEnvironments::new(folder.path().into()), PythonEnvironments::new(folder.path().into()));
        let long = Duration::from_secs(120);
        let (a, b, early) = tokio::join!(one.interpreter(&[], long), two.interpreter(&[], long), async {
            two.interpreter(&[], Duration::ZERO).await
        });
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a, b);
        assert!(early.unwrap_err().is_retryable());
        let output = Command::new(&a).args(["-c", "import sys; print(sys.prefix)"]).output().await.unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            a.parent().unwrap().parent().unwrap().to_str().unwrap()
        );
        let made: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).collect();
        assert_eq!(made.len(), 1);
    }

    #[tokio::test]
    async fn a_requirement_that_does_not_exist_is_told_with_pips_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let environments = PythonEnvironments::new(folder.path().into());
        let requirements = ["asgard-test == not.a.version".to_owned()];
        let error = environments.interpreter(&requirements, Duration::from_secs(120)).await.unwrap_err();
        assert!(error.to_string().contains("asgard-test"), "{error}");
        assert!(matches!(error, Error::InvalidInput { field: Some(field), .. } if field == "requirements"));
    }
}
