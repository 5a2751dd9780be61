//! Python environments that the chores themselves need (not those of the host): made once, kept in the cache.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::shell::{cache, run, say};

/// The interpreter of an environment with these packages.
pub(crate) fn environment(name: &str, requirements: &[&str]) -> Result<PathBuf> {
    let hash = Sha256::digest(requirements.join("\n").as_bytes());
    let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let folder = cache()?.join("python").join(format!("{name}-{hash}"));
    let python = folder.join("bin/python");
    // Written last: an environment that was cut short is made again.
    let complete = folder.join("complete");
    if complete.is_file() {
        return Ok(python);
    }
    say(&format!("making a Python environment with {}", requirements.join(", ")));
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"])
        .args(requirements)
        // Standard output is for the chore's own figures.
        .stdout(std::io::stderr()))?;
    std::fs::write(&complete, "")?;
    Ok(python)
}
