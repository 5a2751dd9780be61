//! `asgard environment`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use reqwest::Method;

use super::shown;
use crate::client::{Client, Place, field, items, segment, text};

/// Look at environments, and remove them.
#[derive(Debug, Args)]
pub(crate) struct Environment {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the environments, with the plugins that they bind.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Show one environment: what is bound where.
    Show {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Remove an environment, with its revisions and its secrets. Resources in it, and tasks that have not ended, are in the way. Its
    /// tables and files stay.
    Delete {
        name: String,
        /// Although what its deployments serve cannot be ended.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        place: Place,
    },
    /// List the revisions of an environment, newest first: who changed what, when and why.
    Revisions {
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

impl Environment {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::List { place } => list(&place.client()?).await?,
            Command::Show { name, place } => show(&place.client()?, &name).await?,
            Command::Delete { name, force, place } => delete(&place.client()?, &name, force).await?,
            Command::Revisions { name, place } => revisions(&place.client()?, &name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(client: &Client) -> Result<()> {
    let answer = client.get("/environments", &[]).await?;
    for environment in items(&answer, "environments") {
        println!("{} (revision {})", text(environment, "name"), field(environment, "revision"));
    }
    Ok(())
}

async fn show(client: &Client, name: &str) -> Result<()> {
    let answer = client.get(&format!("/environments/{}", segment(name)), &[]).await?;
    println!("{} (revision {})", text(&answer, "name"), field(&answer, "revision"));
    if let Some(description) = field(&answer, "description").as_str() {
        println!("{description}");
    }
    let bindings = field(&answer, "bindings").as_object();
    for (role, plugins) in bindings.into_iter().flatten() {
        let plugins: Vec<&str> = plugins.as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
        println!("  {role:<10} {}", if plugins.is_empty() { "none".to_owned() } else { plugins.join(", ") });
    }
    Ok(())
}

async fn delete(client: &Client, name: &str, force: bool) -> Result<()> {
    let query = [("force", force.to_string())];
    client.act(Method::DELETE, &format!("/environments/{}", segment(name)), &query).await?;
    println!("{name} is removed");
    Ok(())
}

async fn revisions(client: &Client, name: &str) -> Result<()> {
    let answer = client.get(&format!("/environments/{}/revisions", segment(name)), &[]).await?;
    for revision in items(&answer, "revisions") {
        let (number, by, note) = (field(revision, "revision"), text(revision, "author"), text(revision, "note"));
        let note = if note.is_empty() { String::new() } else { format!(": {note}") };
        println!("{number} by {by}, {}{note}", text(revision, "created_at"));
        // The first one is the whole document.
        if number.as_i64() != Some(1) {
            shown::changes(items(revision, "changes"));
        }
    }
    Ok(())
}
