//! A plugin's step from fresh instance to result, beside the same work as a native call. Measured inside of the runtime's
//! crate, by its example `step`.

use anyhow::{Context, Result};

use super::Measurement;
use crate::shell::cargo;

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let output = cargo()
        .args(["run", "--release", "--quiet", "--package", "asgard-plugins", "--example", "step"])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().context("the example printed nothing")?;
    let found: serde_json::Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
    let number = |field: &str| found[field].as_f64().with_context(|| format!("no `{field}` in {line}"));
    Ok(vec![Measurement::new("step", number("ours_us")?, Some(number("peer_us")?), "native call", "µs")])
}
