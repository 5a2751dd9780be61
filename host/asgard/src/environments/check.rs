//! `asgard check`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use reqwest::Method;

use super::{shown, told};
use crate::client::{Place, field, items, segment, text};

/// Reach everything that an environment needs, with its real credentials, and say what is wrong. Exit code 2: something is.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The environment.
    #[arg(default_value = "local")]
    name: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Check {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let path = format!("/environments/{}/check", segment(&self.name));
        let report = self.place.client()?.act(Method::POST, &path, &[]).await?;
        let passed = field(&report, "passed").as_bool().unwrap_or_default();
        if self.json {
            shown::json(&report)?;
            return Ok(told(passed));
        }
        for finding in items(&report, "findings") {
            println!("{:<8} {:<20} {}", text(finding, "verdict"), text(finding, "field"), text(finding, "message"));
        }
        let failed = items(&report, "findings").iter().filter(|finding| text(finding, "verdict") == "failed").count();
        let verdict =
            if passed { "can work".to_owned() } else { format!("{} failed", shown::counted(failed, "check")) };
        println!("{} at revision {}: {verdict}", self.name, field(&report, "revision"));
        Ok(told(passed))
    }
}
