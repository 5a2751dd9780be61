//! Documents on this machine.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use asgard_contract::environment::Environment;
use asgard_pipeline::environments::documents::{self, Format, parse};
use clap::Args;
use serde::Deserialize;

use super::pipeline;

/// The files that a command is about.
#[derive(Debug, Args)]
pub(super) struct Files {
    /// Documents of environments, and of pipelines (`kind = "pipeline"`): TOML, JSON or YAML, as the file's name ends. `-`: standard
    /// input, TOML or JSON.
    #[arg(short, long = "file", value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
}

/// What the files say, each kind in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) environments: Vec<Environment>,
    pub(super) pipelines: Vec<pipeline::Document>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    kind: Option<String>,
}

impl Files {
    pub(super) fn read(&self) -> Result<Documents> {
        let mut read = Documents::default();
        for file in &self.files {
            let (text, format) = text(file)?;
            read.add(&text, format).with_context(|| format!("{} is no document", file.display()))?;
        }
        Ok(read)
    }
}

impl Documents {
    fn add(&mut self, text: &str, format: Format) -> Result<()> {
        let Kind { kind } = documents::read("document", text, format)?;
        match kind.as_deref() {
            None => self.environments.push(parse(text, format)?),
            Some(pipeline::KIND) => self.pipelines.push(documents::read("pipeline", text, format)?),
            Some(other) => bail!("kind `{other}`: expected `{}`, or none for an environment", pipeline::KIND),
        }
        Ok(())
    }
}

fn text(file: &Path) -> Result<(String, Format)> {
    if file != Path::new("-") {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        return Ok((text, Format::of_file(&file.to_string_lossy())));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("standard input cannot be read as text")?;
    let format = if text.trim_start().starts_with('{') { Format::Json } else { Format::Toml };
    Ok((text, format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_what_its_kind_says() {
        let mut read = Documents::default();
        read.add("name = \"dev\"\n", Format::Toml).unwrap();
        read.add("kind: pipeline\nname: nightly\nenvironment: dev\nsteps: []\n", Format::Yaml).unwrap();
        assert_eq!((read.environments.len(), read.pipelines.len()), (1, 1));
        assert_eq!(read.pipelines[0].title(), "dev/nightly");
        let error = read.add("{\"kind\": \"job\"}", Format::Json).unwrap_err().to_string();
        assert_eq!(error, "kind `job`: expected `pipeline`, or none for an environment");
        let error = read.add("kind: pipeline\nsteps: []\n", Format::Yaml).unwrap_err().to_string();
        assert!(error.contains("name"), "{error}");
    }
}
