//! `cargo xtask build`: the host, and the plugins that come with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use asgard_journey::host::Built;
use clap::Args;

use crate::shell::{cargo, root, run, say};

/// Build the host and its plugins, side by side as a release has them.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Optimised, as for production.
    #[arg(long)]
    release: bool,
}

/// How the host is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Build {
    pub(crate) fn run(self) -> Result<()> {
        let built = everything(if self.release { Profile::Release } else { Profile::Dev })?;
        println!("{}", built.asgard.display());
        Ok(())
    }
}

/// Host and plugins.
pub(crate) fn everything(profile: Profile) -> Result<Built> {
    let plugins = plugins()?;
    Ok(Built { asgard: host(profile)?, plugins })
}

/// The `asgard` binary.
///
/// In development it is built as `cargo test --workspace` builds it: Cargo chooses features of shared dependencies by what is
/// built together, and another choice would build DataFusion and wasmtime a second time, which takes ten minutes.
pub(crate) fn host(profile: Profile) -> Result<PathBuf> {
    say("building the host (the first time, 700 crates: a quarter of an hour on two cores)");
    let (arguments, folder): (&[&str], _) = match profile {
        Profile::Dev => (&["build", "--workspace", "--bins", "--tests"], "debug"),
        Profile::Release => (&["build", "--package", "asgard", "--release"], "release"),
    };
    run(cargo().args(arguments))?;
    Ok(target()?.join(folder).join("asgard"))
}

/// Every plugin as `NAME/{plugin.toml,plugin.wasm}`, the form in which the host registers them at its start.
fn plugins() -> Result<PathBuf> {
    say("building the plugins");
    run(Command::new("rustup").current_dir(root()).args(["target", "add", "wasm32-wasip2"]))?;
    let mut build = cargo();
    build.args(["build", "--target", "wasm32-wasip2", "--profile", "plugin"]);
    let names = names()?;
    for name in &names {
        build.args(["--package", &format!("asgard-plugin-{name}")]);
    }
    run(&mut build)?;
    let components = target()?.join("wasm32-wasip2/plugin");
    let bundle = target()?.join("plugins");
    for name in &names {
        let folder = bundle.join(name);
        std::fs::create_dir_all(&folder)?;
        let component = components.join(format!("asgard_plugin_{}.wasm", name.replace('-', "_")));
        copy(&component, &folder.join("plugin.wasm"))?;
        copy(&root().join("plugins").join(name).join("plugin.toml"), &folder.join("plugin.toml"))?;
    }
    Ok(bundle)
}

/// The component of a plugin that only tests have.
pub(crate) fn fixture(name: &str) -> Result<PathBuf> {
    let package = format!("asgard-fixture-{name}");
    run(cargo().args(["build", "--target", "wasm32-wasip2", "--profile", "plugin", "--package", &package]))?;
    Ok(target()?.join("wasm32-wasip2/plugin").join(format!("{}.wasm", package.replace('-', "_"))))
}

/// By rename: a host that starts meanwhile sees the old file or the new one.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let half = to.with_extension("half");
    std::fs::copy(from, &half).with_context(|| format!("{} cannot be copied", from.display()))?;
    std::fs::rename(&half, to).with_context(|| format!("{} cannot be written", to.display()))
}

fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("plugins"))? {
        let entry = entry?;
        if entry.path().join("plugin.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Cargo's target folder.
pub(crate) fn target() -> Result<PathBuf> {
    let output = cargo().args(["metadata", "--format-version", "1", "--no-deps"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata answers oddly")?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
    Ok(PathBuf::from(folder))
}
