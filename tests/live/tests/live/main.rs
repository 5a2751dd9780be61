//! Live tests: the built host beside real engines and catalogs, all at work on the same tables.
//!
//! `cargo xtask test --live data` runs them, `--live services` those on MLflow, Feast and the API of ECR, and `--live ml` those on
//! Kubernetes too. Without any of them there is nothing to run. One file per behaviour; tests share the servers (see [`world`]) and give their tables and namespaces names of their own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends with the first thing that is not as it should be"
)]

mod airbyte;
mod airbyte_server;
mod chart;
mod dbt_job;
mod dbt_trino;
mod ecr;
mod engine;
mod faults;
mod feast;
mod feast_faults;
mod kaniko;
mod kubernetes;
mod lake;
mod models;
mod nessie;
mod outages;
mod private;
mod races;
mod reads;
mod refusals;
mod shipped;
mod spark_operator;
mod spark_plugin;
mod stacks;
mod suites;
mod tracking;
mod world;
mod writes;

use std::process::ExitCode;
use std::sync::Arc;

use asgard_live::ecr::Ecr;
use asgard_live::feast::Feast;
use asgard_live::images::Image;
use asgard_live::installed::Installed;
use asgard_live::kubernetes::Home;
use asgard_live::operator::Operator;
use asgard_live::tracker::Tracker;
use libtest_mimic::Arguments;

use crate::world::World;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !Installed::asked_for() && !Home::asked_for() && !Feast::asked_for() {
        return libtest_mimic::run(&arguments, Vec::new()).exit_code();
    }
    let world = match World::new() {
        Ok(world) => Arc::new(world),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials = Vec::new();
    if Installed::asked_for() {
        trials.extend([
            reads::trials(&world),
            writes::trials(&world),
            refusals::trials(&world),
            races::trials(&world),
            nessie::trials(&world),
            airbyte::trials(&world),
            airbyte_server::trials(&world),
            dbt_trino::trials(&world),
            spark_plugin::trials(&world),
            faults::trials(&world),
            shipped::trials(&world),
        ]);
    }
    if Image::DbtTrino.asked_for() {
        trials.push(dbt_job::trials(&world));
    }
    if Operator::asked_for() {
        trials.push(faults::of_spark(&world));
        trials.push(spark_operator::trials(&world));
        trials.push(stacks::trials(&world));
    }
    if Home::asked_for() {
        trials.push(kubernetes::trials(&world));
    }
    if Image::Kaniko.asked_for() {
        trials.push(kaniko::trials(&world));
        trials.push(models::trials(&world));
        trials.push(suites::trials(&world));
        trials.push(private::trials(&world));
        trials.push(outages::trials(&world));
    }
    if Image::Asgard.asked_for() {
        trials.push(chart::trials(&world));
    }
    if Tracker::asked_for() {
        trials.push(tracking::trials(&world));
    }
    if Ecr::asked_for() {
        trials.push(ecr::trials(&world));
    }
    if Feast::asked_for() {
        trials.push(feast::trials(&world));
        trials.push(feast_faults::trials(&world));
    }
    // All servers at once; whoever needs one waits for it.
    let warm = (!arguments.list && arguments.filter.is_none()).then(|| world::warm_up(&world));
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    for starting in warm.into_iter().flatten() {
        let _ended = starting.join();
    }
    if let Ok(world) = Arc::try_unwrap(world) {
        world.end(conclusion.has_failed());
    }
    conclusion.exit_code()
}
