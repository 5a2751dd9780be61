//! `cargo xtask parity`: see the library.

#![recursion_limit = "256"]

use anyhow::Result;
use asgard_parity::{Engine, Outcome, compare};
use clap::Parser;

/// Compare the embedded SQL engine with a real one.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask parity", max_term_width = 100)]
struct Parity {
    engine: Engine,
    /// End with the figures as one line of JSON, and nothing else on standard output.
    #[arg(long)]
    json: bool,
    /// Only the statements that hold this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Parity { engine, json, only } = Parity::parse();
    let report = compare(engine, only.as_deref(), &mut |sql, outcome| {
        let told = match outcome {
            Outcome::Same => return,
            Outcome::Refused(why) => format!("refused  {sql}\n         {why}"),
            Outcome::Wrong(how) => format!("WRONG    {sql}\n         {how}"),
        };
        if json {
            eprintln!("{told}");
        } else {
            println!("{told}");
        }
    })
    .await?;
    eprintln!(
        "==> {} of {} cases are the same, {} of them refused by both; of worked examples with an answer {} are the same, \
         {} refused, {} wrong",
        report.all.same,
        report.cases,
        report.refused_by_both,
        report.examples.same,
        report.examples.refused,
        report.examples.wrong
    );
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
