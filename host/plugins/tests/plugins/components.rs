//! Builds plugins of this repository as components.

use std::collections::HashMap;
use std::io::{Error, Result};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The components of `packages`, by the names of their libraries. Built as a release has them, in the profile `plugin`, in
/// the target folder of whoever calls; the second time nothing is built.
pub(crate) fn build(packages: &[String]) -> Result<HashMap<String, Vec<u8>>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--target", "wasm32-wasip2", "--profile", "plugin"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    let output = cargo.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Error::other(
            "the components do not build; is the target there? `rustup target add wasm32-wasip2`",
        ));
    }
    String::from_utf8_lossy(&output.stdout).lines().filter_map(artifact).collect()
}

/// A component that one of Cargo's messages tells of.
fn artifact(line: &str) -> Option<Result<(String, Vec<u8>)>> {
    let message: Value = serde_json::from_str(line).ok()?;
    let name = message["target"]["name"].as_str()?.to_owned();
    let file =
        message["filenames"].as_array()?.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm"))?;
    Some(std::fs::read(file).map(|bytes| (name, bytes)))
}
