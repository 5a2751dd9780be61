//! The folder of one process: what host and keeper tell each other. [`super::keep`] has the list of its files.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Ending;

/// What the keeper runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// Absolute.
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// All of it.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) timeout_ms: Option<u64>,
    /// Address space of each process.
    pub(crate) memory_bytes: Option<u64>,
    /// From being told to end to being killed.
    pub(crate) grace_ms: u64,
    /// Whether it ends with the host.
    pub(crate) tied_to_host: bool,
    /// How much of the output is kept; see [`super::output`].
    pub(crate) output_segments: usize,
    /// Whether the output is data: see the module `processes`. Keepers of before did not know.
    #[serde(default)]
    pub(crate) stream: bool,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exit {
    Exited(i32),
    Ended(Ending),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct KeeperMark {
    pub(super) pid: i32,
    pub(super) start_time: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the folder, for its owner's eyes only: environments of processes may hold secrets.
    pub(crate) fn make(&self) -> io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&self.0)?;
        builder.create(self.work())?;
        builder.create(self.temporary())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The process's working folder, and its home.
    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// For the process's temporary files; they go with the folder.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.0.join("tmp")
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.0.join("output")
    }

    pub(crate) fn write_launch(&self, launch: &Launch) -> io::Result<()> {
        write_json(&self.0.join("launch.json"), launch)
    }

    /// Standard error of a process whose output is a stream; among its files, so that its plugin can read it.
    pub(super) fn standard_error(&self) -> PathBuf {
        self.work().join(".asgard/stderr")
    }

    pub(super) fn read_launch(&self) -> io::Result<Launch> {
        read_json(&self.0.join("launch.json"))?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Names of secrets that the process may have been told.
    pub(super) fn write_told(&self, names: &BTreeSet<String>) -> io::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        write_json(&self.0.join("told.json"), names)
    }

    /// Empty where it was told none.
    pub(super) fn read_told(&self) -> io::Result<BTreeSet<String>> {
        Ok(read_json(&self.0.join("told.json"))?.unwrap_or_default())
    }

    pub(super) fn write_keeper(&self, mark: &KeeperMark) -> io::Result<()> {
        write_json(&self.0.join("keeper.json"), mark)
    }

    /// None when the process was never started.
    pub(super) fn read_keeper(&self) -> io::Result<Option<KeeperMark>> {
        read_json(&self.0.join("keeper.json"))
    }

    pub(super) fn write_exit(&self, exit: Exit) -> io::Result<()> {
        write_json(&self.0.join("exit.json"), &exit)
    }

    /// None while it runs, and when it was never started.
    pub(crate) fn read_exit(&self) -> io::Result<Option<Exit>> {
        read_json(&self.0.join("exit.json"))
    }

    pub(super) fn clear_exit(&self) -> io::Result<()> {
        match std::fs::remove_file(self.0.join("exit.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The keeper's lock; the kernel releases it when the keeper is gone, however it went. None while another has it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.0.join("keeper.lock"))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The keeper's end of the control FIFO. Open for writing too, so that it never ends.
    pub(super) fn open_control(&self) -> io::Result<File> {
        let path = self.0.join("control");
        match rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&path, flags, Mode::empty())?.into())
    }

    /// Asks the keeper to end the process. False when there is no keeper.
    pub(crate) fn ask_to_stop(&self) -> io::Result<bool> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let control = match rustix::fs::open(self.0.join("control"), flags, Mode::empty()) {
            Ok(control) => control,
            // Nobody reads, or nobody ever did.
            Err(Errno::NXIO | Errno::NOENT) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        match File::from(control).write(b"x") {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            // A full FIFO means that it was asked often enough.
            _ => Ok(true),
        }
    }
}

/// Readers see all of it or nothing.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let partial = path.with_extension(format!("{}.partial", uuid::Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&partial)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    // A name without its content is what a rename leaves after a power cut otherwise.
    file.sync_data()?;
    std::fs::rename(&partial, path)
}

/// None when there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(data) => Ok(Some(serde_json::from_slice(&data)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
