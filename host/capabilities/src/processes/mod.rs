//! Local programs.
//!
//! A grant names programs of the environment; a plugin names one of these, never a path. Each process gets a working
//! folder of its own, a scrubbed environment, a memory limit, a timeout, and a keeper ([`keep`]) that enforces them and
//! remembers how it ended, whatever becomes of the host.
//!
//! A process whose output is data, and not a log, is started with the variable `ASGARD_OUTPUT=stream`, which it does not see itself:
//!
//! | | a log | a stream |
//! | --- | --- | --- |
//! | what is output | standard output and standard error, in the order written | standard output alone |
//! | standard error | as above | the newest of it, in `.asgard/stderr` and `.asgard/stderr.before` of the working folder |
//! | more of it than is kept | the oldest goes | the process waits until what is there was read |
//! | what was read | stays | goes: asking for an offset says that everything before it was read |
//!
//! What this is not: a sandbox. A granted program runs as the host's user, and sees what that user sees. Grant programs
//! to plugins as one gives shell access to people.

mod files;
mod folder;
mod keeper;
mod output;
mod proc;
mod programs;
mod python;
mod substitution;
mod supervisor;

pub mod keep;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asgard_contract::{Error, Result};
use serde::{Deserialize, Serialize};

pub(crate) use files::{Ready, digest, prepare, write};
pub(crate) use folder::{Exit, Folder, Launch, read_json, write_json};
pub(crate) use keeper::{Found, Keeper, Tie, look, stop};
pub(crate) use programs::{Executable, Programs};
pub use supervisor::Supervisor;
pub(crate) use supervisor::{check_strings, children, delete};

use crate::blocking::{blocking, file_error};
use crate::holder::Holder;
use crate::objects::{self, ObjectSpace};
use crate::secrets::{Secrets, Used};

/// How long a call waits for a Python environment that is being made: half of what a step may take by default.
const PATIENCE: Duration = Duration::from_secs(60);

/// From being told to end to being killed: time to remove what others would stumble over.
const GRACE: Duration = Duration::from_secs(2);

/// Of output kept: 64 MiB; see [`output`].
const OUTPUT_SEGMENTS: usize = 16;

/// Of a stream's output that nobody has read yet: 32 MiB.
const STREAM_SEGMENTS: usize = 8;

/// How a plugin says what a process's output is; see the module's own words.
const OUTPUT: &str = "ASGARD_OUTPUT";

/// One answer with output, at most.
const LARGEST_CHUNK: u32 = 1 << 20;

#[derive(Debug, Clone)]
pub enum Content {
    Inline(Vec<u8>),
    /// Key of an object.
    Object(String),
}

#[derive(Debug, Clone)]
pub struct File {
    pub path: String,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub struct Spec {
    pub program: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub files: Vec<File>,
    pub timeout_ms: u64,
    pub memory_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Timeout,
    Stopped,
    Signal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessStatus {
    Running,
    Exited(i32),
    Ended(Ending),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub data: Vec<u8>,
    pub next: u64,
}

/// What is lent.
#[derive(Clone)]
pub struct Processes {
    pub(crate) holder: Holder,
    /// Names of programs.
    pub(crate) granted: Arc<BTreeSet<String>>,
    /// Those of them whose processes see secrets.
    pub(crate) substituting: Arc<BTreeSet<String>>,
    pub(crate) secrets: Arc<dyn Secrets>,
    /// What the plugin was told so far, and so may have told the process.
    pub(crate) used: Used,
    /// Processes whose secrets were looked up again in this call, by key.
    pub(crate) remembered: Arc<Mutex<BTreeSet<String>>>,
    pub(crate) programs: Programs,
    /// Where there is a grant for them.
    pub(crate) objects: Option<ObjectSpace>,
    pub(crate) supervisor: Arc<Supervisor>,
    /// A larger file would not fit in the guest that asks for it.
    pub(crate) largest_file: u64,
}

impl Processes {
    /// Starts a process under the key; does nothing when there was one already.
    ///
    /// # Errors
    /// `forbidden` for a program that is not granted; `unavailable` while the program is being made ready;
    /// `invalid-input` for what cannot be run, with the field.
    pub async fn start(&self, key: &str, spec: Spec) -> Result<()> {
        let program = spec.program.clone();
        self.holder.using("processes", "start", &program, self.start_granted(key, spec)).await
    }

    async fn start_granted(&self, key: &str, mut spec: Spec) -> Result<()> {
        check_granted(&self.granted, &spec.program, &self.holder, "processes")?;
        let folder = self.supervisor.folder(&self.holder.caller, key)?;
        if look(&folder).await? != Found::Nothing {
            return Ok(());
        }
        check_strings(&spec.arguments, &spec.environment)?;
        let is_stream = is_stream(&mut spec.environment)?;
        self.substitute(&mut spec).await?;
        let files = prepare(spec.files, self.objects.as_ref(), || no_objects(&self.holder)).await?;
        let executable = self.programs.executable(&spec.program, PATIENCE).await?;
        let launch = Launch {
            environment: surroundings(&executable, &folder, spec.environment),
            program: executable.path,
            arguments: spec.arguments,
            timeout_ms: Some(spec.timeout_ms),
            memory_bytes: spec.memory_bytes,
            grace_ms: GRACE.as_millis() as u64,
            tied_to_host: false,
            output_segments: if is_stream { STREAM_SEGMENTS } else { OUTPUT_SEGMENTS },
            stream: is_stream,
        };
        let told = self.used.names();
        self.supervisor.start(&folder, files, launch, &told).await
    }

    /// How far the process is.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn status(&self, key: &str) -> Result<ProcessStatus> {
        let looking = async {
            let folder = self.supervisor.folder(&self.holder.caller, key)?;
            match look(&folder).await? {
                Found::Nothing => Err(missing(key)),
                Found::Running => Ok(ProcessStatus::Running),
                Found::Ended(Exit::Exited(code)) => Ok(ProcessStatus::Exited(code)),
                Found::Ended(Exit::Ended(ending)) => Ok(ProcessStatus::Ended(ending)),
            }
        };
        self.holder.using("processes", "status", key, looking).await
    }

    /// Standard output and standard error, at most `max` bytes from `offset`.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn output(&self, key: &str, offset: u64, max: u32) -> Result<Chunk> {
        let reading = async {
            let folder = self.known(key)?;
            self.remember(key, &folder).await;
            read_output(&folder, offset, max).await
        };
        self.holder.using("processes", "output", key, reading).await
    }

    /// A file of the working folder.
    ///
    /// # Errors
    /// `not-found`; `invalid-input` for one that no guest could hold.
    pub async fn read_file(&self, key: &str, path: &str) -> Result<Vec<u8>> {
        let reading = async {
            let folder = self.known(key)?;
            self.remember(key, &folder).await;
            let (path, largest) = (path.to_owned(), self.largest_file);
            blocking(move || {
                let (real, size) = files::find(&folder.work(), &path)?;
                if size > largest {
                    let message =
                        format!("`{path}` has {size} bytes; a plugin can hold {largest}: store it as an object");
                    return Err(Error::invalid("path", message));
                }
                std::fs::read(&real).map_err(|error| file_error("reading", &real, &error))
            })
            .await
        };
        self.holder.using("processes", "read-file", path, reading).await
    }

    /// The files below the working folder with their sizes, by path.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn list_files(&self, key: &str) -> Result<Vec<(String, u64)>> {
        let listing = async {
            let folder = self.known(key)?;
            blocking(move || files::list(&folder.work())).await
        };
        self.holder.using("processes", "list-files", key, listing).await
    }

    /// Copies a file of the working folder to an object.
    ///
    /// # Errors
    /// `not-found`; `forbidden` without a grant for objects.
    pub async fn store_file(&self, key: &str, path: &str, object: &str) -> Result<()> {
        let storing = async {
            let folder = self.known(key)?;
            let space = self.objects.as_ref().ok_or_else(|| no_objects(&self.holder))?;
            let path = path.to_owned();
            let (real, _) = blocking(move || files::find(&folder.work(), &path)).await?;
            space.put(object, objects::Content::File(real)).await
        };
        self.holder.using("processes", "store-file", object, storing).await
    }

    /// Ends the process and all that it started, and waits for the end. Nothing happens if it has ended.
    ///
    /// # Errors
    /// `invalid-input` for a key that is none.
    pub async fn stop(&self, key: &str) -> Result<()> {
        let stopping = async { stop(&self.supervisor.folder(&self.holder.caller, key)?, GRACE).await };
        self.holder.using("processes", "stop", key, stopping).await
    }

    /// Stops it and deletes its folder. Nothing happens if there is none.
    ///
    /// # Errors
    /// As `stop`.
    pub async fn remove(&self, key: &str) -> Result<()> {
        let removing = async {
            let folder = self.supervisor.folder(&self.holder.caller, key)?;
            stop(&folder, GRACE).await?;
            self.supervisor.delete(&folder).await
        };
        self.holder.using("processes", "remove", key, removing).await
    }

    /// Looks the secrets up that the process was told, on a host that has not: what is read of it is kept clean of them. Once a call: a
    /// stream is read thousands of times.
    async fn remember(&self, key: &str, folder: &Folder) {
        if !self.remembered.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned()) {
            return;
        }
        let folder = folder.clone();
        let told = blocking(move || Ok(folder.read_told().unwrap_or_default())).await.unwrap_or_default();
        for name in told.difference(&self.used.names()) {
            // One that is gone by now is nobody's secret any more.
            let _ = self.secrets.get(&self.holder.caller.environment, name).await;
        }
    }

    fn known(&self, key: &str) -> Result<Folder> {
        let folder = self.supervisor.folder(&self.holder.caller, key)?;
        if folder.path().is_dir() { Ok(folder) } else { Err(missing(key)) }
    }
}

/// Takes the variable out that says what the output is.
fn is_stream(environment: &mut Vec<(String, String)>) -> Result<bool> {
    let Some(index) = environment.iter().position(|(name, _)| name == OUTPUT) else { return Ok(false) };
    match environment.remove(index).1.as_str() {
        "stream" => Ok(true),
        "log" => Ok(false),
        other => {
            let message = format!("`{OUTPUT}` is `log` or `stream`, and not `{other}`");
            Err(Error::invalid(format!("environment[{index}]"), message))
        }
    }
}

fn missing(key: &str) -> Error {
    Error::not_found(format!("this task has no process `{key}`"))
}

/// The denial for objects in a specification, without the grant for objects.
pub(crate) fn no_objects(holder: &Holder) -> Error {
    holder.forbidden("use objects", "objects", "set to true")
}

/// Whether a program is among the granted ones.
///
/// # Errors
/// `forbidden` with what to add.
pub(crate) fn check_granted(granted: &BTreeSet<String>, program: &str, holder: &Holder, grant: &str) -> Result<()> {
    if granted.contains(program) {
        return Ok(());
    }
    Err(holder.forbidden(&format!("run `{program}`"), grant, &format!("add `{program}` to")))
}

/// All that a process sees: what every process needs, then what was asked for. Its home is not negotiable, because the
/// host finds lost processes by it.
pub(crate) fn surroundings(
    executable: &Executable,
    folder: &Folder,
    asked: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let path = |path: &Path| path.display().to_string();
    let mut all = vec![
        ("PATH".to_owned(), executable.search.clone()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("TMPDIR".to_owned(), path(&folder.temporary())),
    ];
    all.extend(asked);
    all.push(("HOME".to_owned(), path(&folder.work())));
    all
}

/// At most `max` bytes of a process's output.
pub(crate) async fn read_output(folder: &Folder, offset: u64, max: u32) -> Result<Chunk> {
    let folder = folder.clone();
    let max = max.min(LARGEST_CHUNK) as usize;
    blocking(move || {
        let path = folder.output();
        let failed = |error| file_error("reading", &path, &error);
        if output::is_behind(&path, offset) && folder.read_launch().map_err(failed)?.stream {
            output::release(&path, offset).map_err(failed)?;
        }
        output::read(&path, offset, max).map_err(failed)
    })
    .await
}

/// The last lines of a process's output.
pub(crate) async fn last_lines(folder: &Folder, count: usize) -> String {
    let path = folder.output();
    blocking(move || Ok(output::last_lines(&path, count))).await.unwrap_or_default()
}
