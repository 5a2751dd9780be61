//! `asgard plan` and `asgard apply`: documents of environments and of pipelines are made true.

mod environment;
mod files;
mod pipeline;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use self::files::{Documents, Files};
use crate::client::{Place, items};
use crate::environments::{Way, shown, told};

/// Show what files would change. Exit code 0: nothing; 2: something.
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

/// Make files true. An environment is checked whole, becomes a numbered revision, and is swapped in at once; a pipeline counts from its
/// next run on.
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
        let Documents { environments, pipelines } = self.files.read()?;
        let mut nothing = true;
        let mut tell = |name: &str, is_new: bool, plan: &Value| -> Result<()> {
            nothing &= items(plan, "changes").is_empty() && !is_new;
            if self.json {
                return shown::json(plan);
            }
            show(name, is_new, plan);
            Ok(())
        };
        let mut to_come = Vec::new();
        for named in &environments {
            let document = &named.document;
            let plan = named.told(environment::plan(&client, document).await)?;
            let is_new = environment::is_new(&plan);
            tell(&document.name, is_new, &plan)?;
            to_come.extend(is_new.then_some(document.name.as_str()));
        }
        for named in &pipelines {
            let document = &named.document;
            // No host knows the environment yet that would have to judge it.
            let waits = document.environment().is_some_and(|name| to_come.contains(&name));
            let plan = if waits { pipeline::new() } else { named.told(document.plan(&client).await)? };
            tell(&document.title(), pipeline::is_new(&plan), &plan)?;
        }
        Ok(told(nothing))
    }
}

impl Apply {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let client = self.place.client()?;
        let Documents { environments, pipelines } = self.files.read()?;
        // Before the first is made true, all of them are known to fit. Pipelines come after: one may be in an environment that is new.
        let mut plans = Vec::new();
        for named in &environments {
            plans.push(named.told(environment::plan(&client, &named.document).await)?);
        }
        for (named, plan) in environments.iter().zip(plans) {
            let document = &named.document;
            show(&document.name, environment::is_new(&plan), &plan);
            let revision = named.told(environment::apply(&client, document, &plan, &self.way).await)?;
            println!("{} is at revision {revision}", document.name);
        }
        let mut plans = Vec::new();
        for named in &pipelines {
            plans.push(named.told(named.document.plan(&client).await)?);
        }
        for (named, plan) in pipelines.iter().zip(plans) {
            let document = &named.document;
            show(&document.title(), pipeline::is_new(&plan), &plan);
            named.told(document.apply(&client).await)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(name: &str, is_new: bool, plan: &Value) {
    let changes = items(plan, "changes");
    let what = match changes.len() {
        _ if is_new => "is new".to_owned(),
        0 => "nothing changes".to_owned(),
        count => shown::counted(count, "change"),
    };
    println!("{name}: {what}");
    shown::changes(changes);
}
