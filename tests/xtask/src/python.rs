//! Python environments that the chores themselves need (not those of the host): made once, kept in the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::cached;
use crate::shell::run;

/// The interpreter of an environment with these packages.
pub(crate) fn environment(name: &str, requirements: &[&str]) -> Result<PathBuf> {
    let hash = cached::fingerprint(&[], requirements)?;
    let what = format!("a Python environment with {}", requirements.join(", "));
    let folder = cached::folder(&format!("python/{name}-{hash}"), &what, |folder| {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        run(Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"])
            .args(requirements)
            // Standard output is for the chore's own figures.
            .stdout(std::io::stderr()))
    })?;
    Ok(folder.join("bin/python"))
}
