//! End-to-end tests: the built host with its plugins, real servers, and nothing but the REST API and the command line.
//!
//! One file per behaviour. Tests share hosts (see [`world`]) and give their resources names of their own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends with the first thing that is not as it should be"
)]

mod access;
mod bad_models;
mod capture;
mod catalogs;
mod chaos;
mod cli;
mod cluster;
mod commands;
mod conformance;
mod deployment_steps;
mod disks;
mod durability;
mod environment_commands;
mod environments;
mod faults;
mod features;
mod files;
mod given_up;
mod gold;
mod hostile;
mod hosts;
mod iceberg;
mod idempotency;
mod ingestion;
mod interruptions;
mod journey;
mod lakehouse;
mod model_faults;
mod openapi;
mod pipelines;
mod plugins;
mod quality;
mod readback;
mod readme;
mod requests;
mod s3;
mod served_models;
mod silver;
mod streams;
mod swaps;
mod swaps_under_load;
mod tasks;
mod world;

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Arguments;

use crate::world::World;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Half of a test's time is waiting: for a lease that runs out, a schedule, a server that starts.
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    arguments.test_threads.get_or_insert(cores + 1);
    let world = match World::new() {
        Ok(world) => Arc::new(world),
        Err(_) if arguments.list => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = [
        ingestion::trials(&world),
        streams::trials(&world),
        capture::trials(&world),
        quality::trials(&world),
        silver::trials(&world),
        gold::trials(&world),
        features::trials(&world),
        given_up::trials(&world),
        files::trials(&world),
        journey::trials(&world),
        lakehouse::trials(&world),
        interruptions::trials(&world),
        pipelines::trials(&world),
        readback::trials(&world),
        iceberg::trials(&world),
        s3::trials(&world),
        catalogs::trials(&world),
        faults::trials(&world),
        bad_models::trials(&world),
        served_models::trials(&world),
        deployment_steps::trials(&world),
        model_faults::trials(&world),
        requests::trials(&world),
        idempotency::trials(&world),
        environments::trials(&world),
        environment_commands::trials(&world),
        swaps::trials(&world),
        swaps_under_load::trials(&world),
        plugins::trials(&world),
        conformance::trials(&world),
        durability::trials(&world),
        disks::trials(&world),
        hostile::trials(&world),
        hosts::trials(&world),
        tasks::trials(&world),
        chaos::trials(&world),
        cli::trials(&world),
        access::trials(&world),
        openapi::trials(&world),
        readme::trials(&world),
        cluster::trials(&world),
        commands::trials(&world),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    if let Ok(world) = Arc::try_unwrap(world) {
        world.end();
    }
    conclusion.exit_code()
}
