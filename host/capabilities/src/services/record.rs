//! What is written down of a service, so that the next host starts it again.

use std::io;
use std::path::{Path, PathBuf};

use asgard_contract::Result;
use serde::{Deserialize, Serialize};

use crate::blocking::file_error;
use crate::processes::{Folder, children, read_json, write_json};

/// Who may replace and remove a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Owner {
    /// The environment's file names it.
    Environment,
    Plugin(String),
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// Name of a program of the environment.
    pub(crate) program: String,
    /// `{port}` stands for the port, and `{data}` for the folder below, where there is one.
    pub(crate) arguments: Vec<String>,
    /// Values likewise.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) health_path: String,
    pub(crate) ready_timeout_ms: u64,
    /// Data that outlive specifications.
    pub(crate) data: Option<PathBuf>,
}

/// One specification of a service, with its process's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Generation {
    /// Name of its folder.
    pub(super) id: String,
    /// Of all that was wanted, contents of files included.
    pub(super) digest: String,
    pub(super) wanted: Wanted,
    pub(super) port: u16,
}

/// All of a service: the newest specification last, before it the one that answers until that is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) owner: Owner,
    pub(super) generations: Vec<Generation>,
}

/// Where a service's record and processes are.
#[derive(Debug, Clone)]
pub(super) struct Place(pub(super) PathBuf);

impl Place {
    pub(super) fn folder(&self, generation: &str) -> Folder {
        Folder::new(&self.0.join(generation))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn record(&self) -> PathBuf {
        self.0.join("record.json")
    }

    pub(super) fn read(&self) -> Result<Option<Record>> {
        read_json(&self.record()).map_err(|error| file_error("reading", &self.record(), &error))
    }

    pub(super) fn write(&self, record: &Record) -> Result<()> {
        let written = std::fs::create_dir_all(&self.0).and_then(|()| write_json(&self.record(), record));
        written.map_err(|error| file_error("writing", &self.record(), &error))
    }

    pub(super) fn forget(&self) -> Result<()> {
        match std::fs::remove_file(self.record()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(file_error("deleting", &self.record(), &error))
            }
            _ => Ok(()),
        }
    }

    /// At the start of the host: removes folders of processes that the record does not name.
    pub(super) fn sweep(&self) -> Result<()> {
        let record = self.read()?;
        let known = |path: &Path| {
            let named = |generation: &Generation| path.file_name() == Some(generation.id.as_ref());
            record.as_ref().is_some_and(|record| record.generations.iter().any(named))
        };
        for path in children(&self.0).filter(|path| path.is_dir() && !known(path)) {
            std::fs::remove_dir_all(&path).map_err(|error| file_error("deleting", &path, &error))?;
        }
        Ok(())
    }
}
