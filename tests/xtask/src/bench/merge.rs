//! One per cent of changes merged into ten million rows, beside PyIceberg's upsert and Spark's MERGE of the same rows into the same
//! table.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Measurement;
use super::lab::{Lab, catalog, numbers, script};
use super::process::{self, Costs};
use crate::shell::say;
use crate::{live, python};

const ROWS: u64 = 10_000_000;

/// Every hundredth row, and the last thousand of them are new.
const CHANGES: u64 = 100_000;

/// A peer that needs longer than this is told to have needed longer.
const WITHIN: Duration = Duration::from_secs(900);

const PYICEBERG: [&str; 1] = ["pyiceberg[pyarrow,sql-sqlite]==0.12.0"];

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let python = python::environment("bench-pyiceberg", &PYICEBERG)?;
    let lab = Lab::start("bench-merge", &[])?;
    say(&format!("making {ROWS} rows, and {CHANGES} changes"));
    let changes = format!("SELECT n * 100 + 100000 AS id, {COLUMNS} FROM ({}) AS t (n)", numbers(5));
    let changes = lab.gold(&json!({"name": "changes", "sql_query": changes}))?;
    ensure!(changes == CHANGES, "{changes} changes");
    let target = format!(
        "{{% if is_incremental() %}} SELECT * FROM {{{{ ref('changes') }}}} {{% else %}} SELECT n AS id, {COLUMNS} FROM ({}) AS t (n) {{% endif %}}",
        numbers(7)
    );
    let model = json!({"name": "target", "materialization": "incremental", "incremental_strategy": "merge",
        "unique_key": ["id"], "sql_query": target});
    let made = lab.gold(&model)?;
    ensure!(made == ROWS, "{made} rows");

    let folder = lab.peer_folder("pyiceberg")?;
    let prepare = |step: &str| {
        let mut command = Command::new(&python);
        command.arg(script("pyiceberg_upsert.py")).arg(step).current_dir(&folder);
        command
    };
    // The peer's table is made of our files before our merge changes them.
    let copied = process::run(prepare("copy").arg(catalog(&lab.host)?), &folder, WITHIN)?;
    let (_, metadata) = copied.context("the peer's table was not made in time")?;

    say("merging");
    let (rows, ours) = process::of_host(&lab.host, || lab.gold(&model))?;
    let expected = ROWS + 1000;
    ensure!(rows == expected, "{rows} rows after the merge, expected {expected}");

    say("PyIceberg's upsert");
    let theirs = process::run(&mut prepare("upsert"), &folder, WITHIN)?.map(|(costs, _)| costs);
    let name = if theirs.is_some() { "PyIceberg upsert" } else { "PyIceberg upsert (given up after 900 s)" };
    let seconds = theirs.map_or(WITHIN.as_secs_f64(), |costs| costs.seconds);
    let beside_pyiceberg = Measurement::new("merge", ours.seconds, Some(seconds), name, "s");

    say("Spark's MERGE");
    let spark = spark(&lab, &metadata)?;
    let beside_spark =
        Measurement::new("merge", ours.seconds, Some(spark.seconds), "Spark MERGE (its session up)", "s");
    Ok(vec![
        beside_pyiceberg.with_costs(ours, theirs).with_rows(CHANGES),
        beside_spark.with_costs(ours, Some(spark)).with_rows(CHANGES),
    ])
}

/// The costs of the statement alone. `metadata`: a line for each table that it copies.
fn spark(lab: &Lab, metadata: &str) -> Result<Costs> {
    let folder = lab.peer_folder("spark")?;
    let metadata: Vec<&str> = metadata.lines().collect();
    let mut command = live::spark()?.command(&script("spark_merge.py"), &folder, &metadata)?;
    let (_, printed) = process::run(&mut command, &folder, WITHIN)?.context("Spark did not come to the end")?;
    serde_json::from_str(&printed).with_context(|| format!("Spark printed `{printed}`"))
}

/// Beside `id`, of a number `n`.
const COLUMNS: &str = "n % 1000 AS customer, CAST(n AS DOUBLE) * 0.37 AS weight, 'order ' || CAST(n AS VARCHAR) AS label, n % 2 = 0 AS done";
