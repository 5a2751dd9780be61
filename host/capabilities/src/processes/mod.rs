//! Local programs.

pub mod keep;

use std::path::{Path, PathBuf};

use asgard_contract::{Error, Result};

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

#[derive(Debug, Clone)]
pub struct Chunk {
    pub data: Vec<u8>,
    pub next: u64,
}

/// Owns every process and service of the host; finds those of an earlier host again.
pub struct Supervisor {}

impl Supervisor {
    /// `folder` holds one folder per process; `keeper` is the `asgard` binary, which is run as `asgard keep FOLDER` around
    /// each process so that its exit status outlives the host.
    ///
    /// # Errors
    /// `internal` when the folder cannot be made or read.
    pub fn open(_folder: &Path, _keeper: PathBuf) -> Result<Self> {
        Ok(Self {})
    }
    /// Ends all services; processes of tasks go on.
    pub async fn shut_down(&self) {}
}

/// What is lent.
#[derive(Clone)]
pub struct Processes {}

impl Processes {
    pub async fn start(&self, _key: &str, _spec: Spec) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    pub async fn status(&self, _key: &str) -> Result<ProcessStatus> {
        Err(Error::internal("unfinished"))
    }
    pub async fn output(&self, _key: &str, _offset: u64, _max: u32) -> Result<Chunk> {
        Err(Error::internal("unfinished"))
    }
    pub async fn read_file(&self, _key: &str, _path: &str) -> Result<Vec<u8>> {
        Err(Error::internal("unfinished"))
    }
    pub async fn list_files(&self, _key: &str) -> Result<Vec<(String, u64)>> {
        Err(Error::internal("unfinished"))
    }
    pub async fn store_file(&self, _key: &str, _path: &str, _object: &str) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    pub async fn stop(&self, _key: &str) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    pub async fn remove(&self, _key: &str) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
}
