//! `asgard plugin test`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use asgard_conformance::{Outcome, Setup, Subject};
use clap::Args;

use super::fetch;

/// Test a plugin as every plugin of its interfaces is tested. No host is needed. Exit code 2: a check failed.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The component, such as `target/wasm32-wasip2/plugin/my_plugin.wasm`.
    component: PathBuf,
    /// Its manifest. Default: `plugin.toml` beside the component.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// What to test it with: configuration, grants, a source. Without it, what needs a backend is skipped.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Test {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let path = self.manifest.unwrap_or_else(|| fetch::beside(&self.component));
        let setup = match &self.config {
            Some(file) => {
                let text =
                    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
                Setup::parse(&text).with_context(|| format!("{} is no setup", file.display()))?
            }
            None => Setup::default(),
        };
        let subject = Subject {
            component: fetch::read(&self.component)?,
            manifest: fetch::manifest(&fetch::read_text(&path)?, &path.display().to_string())?,
            setup,
            keeper: std::env::current_exe().context("the path of this binary is not known")?,
        };
        let report = asgard_conformance::run(subject).await?;
        let (mut passed, mut skipped, mut failed) = (0, 0, 0);
        for check in &report.checks {
            match &check.outcome {
                Outcome::Passed => {
                    passed += 1;
                    println!("passed   {}", check.name);
                }
                Outcome::Skipped(reason) => {
                    skipped += 1;
                    println!("skipped  {}: {reason}", check.name);
                }
                Outcome::Failed(message) => {
                    failed += 1;
                    println!("failed   {}: {message}", check.name);
                }
            }
        }
        println!("{passed} passed, {skipped} skipped, {failed} failed");
        Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::from(2) })
    }
}
