//! Helm, which installs charts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};

use crate::installed;
use crate::kubernetes::Kubernetes;

/// The program, for one cluster.
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    folder: PathBuf,
}

impl Helm {
    /// Helm on `cluster`, with what it keeps in `folder`.
    ///
    /// # Errors
    /// When the environment does not name it.
    pub fn on(cluster: &Kubernetes, folder: &Path) -> Result<Self> {
        Ok(Self { program: installed::path("HELM")?, kubeconfig: cluster.kubeconfig(), folder: folder.to_owned() })
    }

    /// Runs it, and answers with what it says and whether it is content.
    ///
    /// # Errors
    /// When it does not start.
    pub fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--kubeconfig").arg(&self.kubeconfig);
        // Neither the user's plugins nor their repositories.
        for (name, folder) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
        {
            command.env(name, self.folder.join(folder));
        }
        command.output().with_context(|| format!("{} does not start", self.program.display()))
    }
}
