//! Commands and folders, with errors that name them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Says what is being done, apart from the output of the commands themselves.
pub(crate) fn say(what: &str) {
    eprintln!("==> {what}");
}

/// Runs a command to its end, its output passing through.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("{shown} does not start: is it installed?"))?;
    ensure!(status.success(), "{shown} failed: {status}");
    Ok(())
}

/// The repository's root.
///
/// Cargo says where this package is when it runs it. What was true when it was built is not asked: clones that share a target folder
/// share the built program too.
pub(crate) fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    package.and_then(|package| package.ancestors().nth(2).map(Path::to_owned)).unwrap_or_else(|| ".".into())
}

/// An empty folder in the clone, for what one chore makes.
pub(crate) fn emptied(name: &str) -> Result<PathBuf> {
    let folder = root().join(".asgard").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    Ok(folder)
}

/// What is kept between runs and clones: Python environments, servers.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let cache = base.context("neither XDG_CACHE_HOME nor HOME is set")?.join("asgard");
    std::fs::create_dir_all(&cache).with_context(|| format!("{} cannot be made", cache.display()))?;
    Ok(cache)
}

/// `cargo`, in the repository, as a person would call it.
///
/// `cargo run` tells this process which package it is. Told on, build scripts that watch those variables (ring's does) would run
/// again, and all that stands on them would be built again: ten minutes each time the two ways of calling take turns.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let of_this_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if of_this_package.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}
