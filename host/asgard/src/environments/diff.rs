//! `asgard diff`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use super::{shown, told};
use crate::client::{Place, items, segment};

/// Show what differs between two environments, or between revisions of them. Exit code 0: nothing; 2: something.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// `NAME`, or `NAME@REVISION`.
    one: String,
    /// `NAME`, or `NAME@REVISION`.
    other: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Diff {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let (name, revision) = self.one.split_once('@').map_or((self.one.as_str(), None), |(n, r)| (n, Some(r)));
        let mut query = vec![("with", self.other.clone())];
        if let Some(revision) = revision {
            let number: i64 = revision.parse().with_context(|| {
                format!("`{}` names no revision: expected NAME or NAME@REVISION, such as `local@3`", self.one)
            })?;
            query.push(("revision", number.to_string()));
        }
        let path = format!("/environments/{}/diff", segment(name));
        let answer = self.place.client()?.get(&path, &query).await?;
        let changes = items(&answer, "changes");
        if self.json {
            shown::json(&answer)?;
        } else {
            println!("{} -> {}: {}", self.one, self.other, shown::counted(changes.len(), "difference"));
            shown::changes(changes);
        }
        Ok(told(changes.is_empty()))
    }
}
