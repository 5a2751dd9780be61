//! `asgard export`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use asgard_pipeline::environments::documents::Format;
use clap::{Args, ValueEnum};

use crate::client::{Place, field, segment};

/// Print an environment as the file that `asgard apply` takes.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The environment.
    name: String,
    /// The form. Default: as the file's name ends, else TOML.
    #[arg(long, value_name = "FORM")]
    format: Option<Form>,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Toml,
    Yaml,
    Json,
}

impl Export {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let by_name = self.output.as_ref().map(|file| Format::of_file(&file.to_string_lossy()));
        let format = match self.format {
            Some(Form::Toml) => Format::Toml,
            Some(Form::Yaml) => Format::Yaml,
            Some(Form::Json) => Format::Json,
            None => by_name.unwrap_or(Format::Toml),
        };
        let client = self.place.client()?;
        let path = format!("/environments/{}", segment(&self.name));
        let text = if format == Format::Json {
            let answer = client.get(&path, &[]).await?;
            serde_json::to_string_pretty(field(&answer, "document")).context("the document has no JSON form")? + "\n"
        } else {
            client.text(&path, format.media_type()).await?
        };
        match &self.output {
            Some(file) => {
                std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
            }
            None => print!("{text}"),
        }
        Ok(ExitCode::SUCCESS)
    }
}
