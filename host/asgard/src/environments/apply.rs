//! `asgard plan` and `asgard apply`.

use std::process::ExitCode;

use anyhow::Result;
use asgard_contract::environment::Environment;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::files::Files;
use super::{Way, shown, told};
use crate::client::{Client, Place, field, items, segment};

/// Show what environment files would change. Exit code 0: nothing; 2: something.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    files: Files,
    /// Print the answers as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Make environment files true: each is checked whole, becomes a numbered revision, and is swapped in at once.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    place: Place,
}

impl Plan {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let client = self.place.client()?;
        let mut nothing = true;
        for document in self.files.read()? {
            let plan = plan(&client, &document).await?;
            nothing &= items(&plan, "changes").is_empty();
            if self.json { shown::json(&plan)? } else { show(&document, &plan) }
        }
        Ok(told(nothing))
    }
}

impl Apply {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let client = self.place.client()?;
        let documents = self.files.read()?;
        let mut plans = Vec::new();
        // Before the first is made true, all of them are known to fit.
        for document in &documents {
            plans.push(plan(&client, document).await?);
        }
        for (document, plan) in documents.iter().zip(plans) {
            show(document, &plan);
            let path = format!("/environments/{}", segment(&document.name));
            let query = self.way.query(field(&plan, "revision").as_i64());
            let applied = client.change(Method::PUT, &path, &query, document).await?;
            println!("{} is at revision {}", document.name, field(&applied, "revision"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn plan(client: &Client, document: &Environment) -> Result<Value> {
    let path = format!("/environments/{}/plan", segment(&document.name));
    client.change(Method::POST, &path, &[], document).await
}

fn show(document: &Environment, plan: &Value) {
    let changes = items(plan, "changes");
    let what = match (changes.len(), field(plan, "revision").as_i64()) {
        (0, _) => "nothing changes".to_owned(),
        (_, Some(0)) => "is new".to_owned(),
        (count, _) => shown::counted(count, "change"),
    };
    println!("{}: {what}", document.name);
    shown::changes(changes);
}
