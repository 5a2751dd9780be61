//! `asgard task`: what a host works on. All of it over the host's REST API, so any host of several will do.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;

use crate::client::{Client, Place, field, items, segment, text};

/// List, show, follow and cancel tasks.
#[derive(Debug, Args)]
pub(crate) struct Task {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the tasks of an environment, newest first.
    List {
        /// Only those of a status: pending, running, succeeded, failed or cancelled.
        #[arg(long)]
        status: Option<String>,
        /// Only those of a kind: sync, silver, gold, features, deployment or maintenance.
        #[arg(long)]
        kind: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        at: At,
    },
    /// Show a task, as JSON.
    Show {
        id: String,
        #[command(flatten)]
        at: At,
    },
    /// Print the log of a task.
    Logs {
        id: String,
        /// Go on until the task ends. The exit code is 1 when it did not succeed.
        #[arg(long, short = 'f')]
        follow: bool,
        #[command(flatten)]
        at: At,
    },
    /// Cancel a task. Nothing happens when it has ended.
    Cancel {
        id: String,
        #[command(flatten)]
        at: At,
    },
}

/// Which host, and which environment of it.
#[derive(Debug, Args)]
struct At {
    /// The environment that the task belongs to. Default: the host's default environment.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl At {
    /// A path within the environment.
    fn path(&self, path: &str) -> String {
        match &self.environment {
            Some(name) => format!("/environments/{}{path}", segment(name)),
            None => path.to_owned(),
        }
    }

    fn task(&self, id: &str) -> String {
        self.path(&format!("/tasks/{}", segment(id)))
    }
}

/// As often as a running step's lines are stored.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A host that restarts, or another one behind the same address, is there again within this many looks.
const PATIENCE: u32 = 60;

impl Task {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::List { status, kind, limit, at } => list(&at, status, kind, limit).await,
            Command::Show { id, at } => {
                let task = at.place.client()?.get(&at.task(&id), &[]).await?;
                println!("{}", serde_json::to_string_pretty(&task)?);
                Ok(ExitCode::SUCCESS)
            }
            Command::Logs { id, follow, at } => logs(&at.place.client()?, &at.task(&id), follow).await,
            Command::Cancel { id, at } => {
                let path = format!("{}/cancel", at.task(&id));
                let task = at.place.client()?.act(Method::POST, &path, &[]).await?;
                println!("{id} is {}", text(&task, "status"));
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn list(at: &At, status: Option<String>, kind: Option<String>, limit: u32) -> Result<ExitCode> {
    let mut query = vec![("page_size", limit.to_string())];
    query.extend(status.map(|status| ("status", status)));
    query.extend(kind.map(|kind| ("kind", kind)));
    let answer = at.place.client()?.get(&at.path("/tasks"), &query).await?;
    for task in items(&answer, "tasks") {
        let about = field(task, "subject").as_str().unwrap_or("-");
        let (id, kind, status) = (text(task, "id"), text(task, "kind"), text(task, "status"));
        println!("{id}  {kind:<11} {status:<9}  {}  {about}", text(task, "created_at"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints lines as they come. Where it has come is a number of the task's, so the host may restart meanwhile.
async fn logs(client: &Client, task: &str, follow: bool) -> Result<ExitCode> {
    let (mut after, mut silent) = (0, 0);
    loop {
        match page(client, task, after).await {
            Ok((next, status)) => {
                silent = 0;
                let more = next > after;
                after = next;
                if more {
                    continue;
                }
                match status.as_str() {
                    "succeeded" => return Ok(ExitCode::SUCCESS),
                    _ if !follow => return Ok(ExitCode::SUCCESS),
                    "failed" | "cancelled" => bail!("the task {status}: `asgard task show` tells more"),
                    _ => {}
                }
            }
            Err(error) if !follow || silent == PATIENCE || after == 0 => return Err(error),
            Err(_) => silent += 1,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Prints the lines after a position; answers with the next position, and the task's status before they were read.
async fn page(client: &Client, task: &str, after: i64) -> Result<(i64, String)> {
    // Before the lines: none comes after those of a task that had ended.
    let status = text(&client.get(task, &[]).await?, "status").to_owned();
    let query = [("after", after.to_string()), ("limit", "1000".to_owned())];
    let page = client.get(&format!("{task}/logs"), &query).await?;
    for line in items(&page, "lines") {
        let level = text(line, "level").to_ascii_uppercase();
        println!("{} {level:<5} {}", text(line, "time"), text(line, "message"));
    }
    Ok((field(&page, "next").as_i64().unwrap_or(after), status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Whole {
        #[command(flatten)]
        at: At,
    }

    #[test]
    fn a_task_is_looked_for_in_its_environment() {
        let at = |arguments: &[&str]| Whole::parse_from([&["task"], arguments].concat()).at;
        assert_eq!(at(&[]).task("0190"), "/tasks/0190");
        assert_eq!(at(&["--environment", "dev/1"]).task("a b"), "/environments/dev%2F1/tasks/a%20b");
    }
}
