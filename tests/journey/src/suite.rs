//! `asgard plugin test`, as an author runs it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::host::Built;

/// How it ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit code.
    pub code: i32,
    /// Everything that it printed.
    pub said: String,
}

impl Run {
    /// Tests the plugin of a folder with `plugin.wasm` and `plugin.toml`. A setup is written to `file` first.
    ///
    /// # Errors
    /// When the command does not run.
    pub fn of(built: &Built, plugin: &Path, setup: Option<(&Path, &str)>, variables: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(&built.asgard);
        command.args(["plugin", "test"]).arg(plugin.join("plugin.wasm")).stdin(Stdio::null());
        if let Some((file, text)) = setup {
            std::fs::write(file, text)?;
            command.arg("--config").arg(file);
        }
        let output = command.envs(variables.iter().copied()).output()?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok(Self { code: output.status.code().context("a signal ended it")?, said })
    }

    /// The checks with a verdict: `passed`, `skipped` or `failed`.
    pub fn lines(&self, verdict: &str) -> Vec<&str> {
        self.said.lines().filter_map(|line| line.strip_prefix(verdict)?.strip_prefix(' ')).map(str::trim).collect()
    }

    /// Whether something was asked, and nothing failed.
    pub fn is_green(&self) -> bool {
        self.code == 0 && self.lines("failed").is_empty() && !self.lines("passed").is_empty()
    }
}

/// A value as a setup has it, on one line.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{} = {}", Value::from(key.as_str()), inline(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
