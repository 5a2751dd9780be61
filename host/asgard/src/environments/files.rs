//! Documents on this machine.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgard_contract::environment::Environment;
use asgard_pipeline::environments::documents::{Format, parse};
use clap::Args;

/// The files that a command is about.
#[derive(Debug, Args)]
pub(super) struct Files {
    /// Documents: TOML, JSON or YAML, as the file's name ends. `-`: standard input, TOML or JSON.
    #[arg(short, long = "file", value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
}

impl Files {
    /// All of them, in order.
    pub(super) fn read(&self) -> Result<Vec<Environment>> {
        self.files.iter().map(|file| read(file)).collect()
    }
}

fn read(file: &Path) -> Result<Environment> {
    let (text, format) = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read as text")?;
        let format = if text.trim_start().starts_with('{') { Format::Json } else { Format::Toml };
        (text, format)
    } else {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        (text, Format::of_file(&file.to_string_lossy()))
    };
    parse(&text, format).with_context(|| format!("{} is no environment's document", file.display()))
}
