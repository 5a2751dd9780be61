//! `asgard keep`: stands around one process of the host, so that its end is known even when the host was not there.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Run the process that a folder describes, to its end.
#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// The process's folder.
    folder: PathBuf,
}

impl Keep {
    pub(crate) fn run(self) -> ExitCode {
        asgard_capabilities::processes::keep::run(&self.folder)
    }
}
