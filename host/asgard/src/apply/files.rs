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
    pub(super) environments: Vec<Named<Environment>>,
    pub(super) pipelines: Vec<Named<pipeline::Document>>,
}

/// A document, and the file that it is in.
#[derive(Debug)]
pub(super) struct Named<T> {
    pub(super) document: T,
    file: PathBuf,
}

impl<T> Named<T> {
    /// What came of it, under the file's name.
    pub(super) fn told<R>(&self, result: Result<R>) -> Result<R> {
        result.with_context(|| self.file.display().to_string())
    }
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
            read.add(&text, format, file).with_context(|| format!("{} is no document", file.display()))?;
        }
        Ok(read)
    }
}

impl Documents {
    fn add(&mut self, text: &str, format: Format, file: &Path) -> Result<()> {
        let file = file.to_owned();
        let Kind { kind } = documents::read("document", text, format)?;
        match kind.as_deref() {
            None => self.environments.push(Named { document: parse(text, format)?, file }),
            Some(pipeline::KIND) => {
                self.pipelines.push(Named { document: documents::read("pipeline", text, format)?, file });
            }
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
        read.add("name = \"dev\"\n", Format::Toml, Path::new("a")).unwrap();
        read.add("kind: pipeline\nname: nightly\nenvironment: dev\nsteps: []\n", Format::Yaml, Path::new("a")).unwrap();
        assert_eq!((read.environments.len(), read.pipelines.len()), (1, 1));
        assert_eq!(read.pipelines[0].document.title(), "dev/nightly");
        let error = read.add("{\"kind\": \"job\"}", Format::Json, Path::new("a")).unwrap_err().to_string();
        assert_eq!(error, "kind `job`: expected `pipeline`, or none for an environment");
        let error = read.add("kind: pipeline\nsteps: []\n", Format::Yaml, Path::new("a")).unwrap_err().to_string();
        assert!(error.contains("name"), "{error}");
    }
}
