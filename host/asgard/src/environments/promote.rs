//! `asgard promote`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Way, shown, told};
use crate::client::{Place, field, items, segment};

/// Make one environment's bindings true in another. Secrets, endpoints, storage and limits stay as they are there.
#[derive(Debug, Args)]
pub(crate) struct Promote {
    /// The environment whose bindings are taken.
    from: String,
    /// The environment that gets them.
    to: String,
    /// Only show what would change. Exit code 0: nothing; 2: something.
    #[arg(long)]
    plan: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    place: Place,
}

impl Promote {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let client = self.place.client()?;
        let path = format!("/environments/{}/promotion", segment(&self.to));
        let plan = client.get(&path, &[("from", self.from.clone())]).await?;
        let nothing = items(&plan, "changes").is_empty();
        self.show(&plan);
        if self.plan || nothing {
            return Ok(told(nothing));
        }
        if !self.yes {
            self.ask()?;
        }
        let query = self.way.query(field(&plan, "revision").as_i64());
        let answer = client.change(Method::POST, &path, &query, &json!({"from": self.from})).await?;
        println!("{} is at revision {}", self.to, field(field(&answer, "environment"), "revision"));
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self, plan: &Value) {
        let changes = items(plan, "changes");
        println!("{} -> {}: {}", self.from, self.to, shown::counted(changes.len(), "change"));
        shown::changes(changes);
        let kept = items(plan, "kept");
        if !kept.is_empty() {
            println!("stays as it is in {}:", self.to);
            for each in kept {
                println!("  = {} = {}", crate::client::text(each, "field"), field(each, "before"));
            }
        }
        let brought = items(plan, "brought");
        if !brought.is_empty() {
            println!("comes along from {}, look whether it may: ", self.from);
            for each in brought {
                println!("  ! {}", each.as_str().unwrap_or_default());
            }
        }
    }

    fn ask(&self) -> Result<()> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            bail!("nothing was changed: say `--yes` to promote without being asked, or `--plan` to only look");
        }
        print!("promote {} to {}? [y/N] ", self.from, self.to);
        std::io::stdout().flush().context("the question cannot be shown")?;
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer).context("no answer could be read")?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            bail!("nothing was changed");
        }
        Ok(())
    }
}
