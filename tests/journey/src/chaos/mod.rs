//! Syncs, and the steps that follow them, while hosts are killed and paused, many times: nothing lost, nothing doubled, nothing stuck,
//! nothing left behind.
//!
//! Each run changes rows of a source and has them synced, by a sync alone, by a pipeline that cleans and counts them too, makes features
//! of the counts and deploys a model of those, or by a connector that is a process beside the host; or it joins the features; and does
//! something to a host at a random moment: kills it, alone on its SQLite file; kills or pauses one of two on one PostgreSQL, the paused
//! one past its lease every now and then. What was begun ends by itself, with no more help than starting again what was killed. At
//! times, and at the end, tables and source are compared row by row, and the pipeline's ledger, its features and the model's versions
//! with its runs.
//!
//! Runs with the same seed do the same things in the same order; what they meet depends on the machine.

mod features;
mod journey;
mod lines;
mod models;
mod rows;
mod stage;
mod syncs;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::host::Built;
use crate::random::Random;
use crate::source::FactorySource;

use self::journey::Journey;
use self::lines::Lines;
use self::rows::Rows;
use self::stage::{Disturbance, Stage};
use self::syncs::Differences;

/// How much chaos.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub runs: u32,
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub runs: u32,
    /// Hosts that were killed.
    pub kills: u32,
    /// Hosts that were stopped where they were, and went on later.
    pub pauses: u32,
    /// Rows of the source that are not in the table as they are in the source; features that are not those of their rows; runs without a
    /// version of the model that is theirs.
    pub rows_lost: u64,
    /// Rows of a table that the source has not, or has once; features of no row, or twice of one; versions of the model that no run made,
    /// or that two have.
    pub rows_doubled: u64,
    /// Tasks that did not end in time.
    pub tasks_stuck: u64,
    /// Processes that outlived their hosts, and models that are served after they were removed.
    pub orphans: u64,
}

impl Report {
    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.rows_lost + self.rows_doubled + self.tasks_stuck + self.orphans == 0
    }

    fn add_differences(&mut self, differences: Differences) {
        // The same loss is found again and again; the most that was found at once is how bad it was.
        self.rows_lost = self.rows_lost.max(differences.lost);
        self.rows_doubled = self.rows_doubled.max(differences.doubled);
    }
}

/// A sync or a run that has not ended after this is stuck: another host takes over within 15 s, and retries pause for 30 s at most.
const STUCK_AFTER: Duration = Duration::from_secs(120);

/// Tables are compared after so many runs.
const COMPARE_EVERY: u32 = 10;

/// One of so many pauses lasts longer than a lease: it takes a quarter of a minute.
const LONG_PAUSE_EVERY: u64 = 10;

/// Longer than a lease: another host has the task when this one goes on.
const LONG_PAUSE: Duration = Duration::from_secs(12);

/// Runs a plan in `folder`, with the component of the plugin `modeller`; `say` is told how it goes.
///
/// # Errors
/// When a host or a server does not start, or does not come back.
pub fn run(built: &Built, modeller: &[u8], folder: &Path, plan: Plan, say: &dyn Fn(&str)) -> Result<Report> {
    let source = FactorySource::start(&folder.join("source"))?;
    let mut stages = [Stage::alone(built, &folder.join("alone"))?, Stage::together(built, &folder.join("together"))?];
    let mut all = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        let client = stage.client();
        stage.bind_models(modeller)?;
        let rows = Rows::prepare(&source, &client, &format!("chaos_{index}"))?;
        let journey = Journey::prepare(&client, &rows)?;
        let lines = Lines::prepare(&client, stage.folder(), &format!("chaos_{index}_process"))?;
        all.push((rows, journey, lines));
    }
    let mut random = Random(plan.seed);
    let mut report = Report::default();
    for run in 1..=plan.runs {
        let index = usize::from(random.below(2) == 1);
        let (stage, (rows, journey, lines)) = (&mut stages[index], &mut all[index]);
        for _ in 0..random.below(4) {
            rows.change(&source, &mut random)?;
        }
        let client = stage.client();
        match random.below(4) {
            0 => journey.start(&client)?,
            1 => journey.join(&client)?,
            2 => lines.sync(&client, &mut random)?,
            _ => rows.syncs().ask(&client)?,
        }
        std::thread::sleep(Duration::from_millis(random.below(700)));
        match stage.disturb(&mut random)? {
            Disturbance::Kill => report.kills += 1,
            Disturbance::Pause => report.pauses += 1,
        }
        report.runs = run;
        if run % COMPARE_EVERY == 0 || run == plan.runs {
            for (stage, (rows, journey, lines)) in stages.iter().zip(&mut all) {
                let client = stage.client();
                report.tasks_stuck +=
                    journey.settle(&client)? + rows.syncs().settle(&client)? + lines.settle(&client)?;
                report.add_differences(rows.compare(&source, &client)?);
                report.add_differences(journey.compare(&client)?);
                report.add_differences(lines.compare(&client)?);
                report.orphans = report.orphans.max(stage.orphans_of_connector());
            }
            report.orphans = report.orphans.max(stages[0].orphans_of_service()?);
            say(&format!("{run} runs: {}", serde_json::to_string(&report)?));
        }
    }
    for (stage, (_, journey, _)) in stages.into_iter().zip(&all) {
        report.tasks_stuck = report.tasks_stuck.max(stage.unfinished_tasks()?);
        report.orphans = report.orphans.max(journey.end(&stage.client())?);
        stage.end()?;
    }
    report.orphans = report.orphans.max(stage::processes_of(folder));
    Ok(report)
}
