//! `cargo xtask chaos`: syncs, pipelines and joins of features while hosts are killed and paused.

use anyhow::{Result, ensure};
use asgard_journey::chaos::{self, Plan};
use clap::Args;

use crate::build::{self, Profile};
use crate::shell::{cache, say};

/// Kill and pause hosts while they sync, transform and join features, and look whether anything is lost, doubled, stuck or left behind.
#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// How many times.
    #[arg(long, default_value_t = 1000)]
    runs: u32,
    /// Another seed does other things.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End with the figures as one line of JSON, and nothing else on standard output.
    #[arg(long)]
    json: bool,
}

impl Chaos {
    pub(crate) fn run(self) -> Result<()> {
        let built = build::everything(Profile::Dev)?;
        let modeller = std::fs::read(build::fixture("modeller")?)?;
        let folder = cache()?.join(format!("chaos-{}", std::process::id()));
        let plan = Plan { runs: self.runs, seed: self.seed };
        say(&format!("{} runs of seed {} in {}", plan.runs, plan.seed, folder.display()));
        let report = chaos::run(&built, &modeller, &folder, plan, &|how| say(how))?;
        let figures = serde_json::to_string(&report)?;
        if self.json {
            println!("{figures}");
        } else {
            println!("{} runs, {} hosts killed, {} paused: {figures}", report.runs, report.kills, report.pauses);
        }
        // What is left is looked at when something went wrong.
        ensure!(report.is_clean(), "the hosts' folders and logs are in {}", folder.display());
        Ok(std::fs::remove_dir_all(&folder)?)
    }
}
