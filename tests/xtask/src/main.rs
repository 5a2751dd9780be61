//! The project's chores: `cargo xtask demo` runs the journey, `cargo xtask test` all tests, `cargo xtask bench` the
//! benchmarks, `cargo xtask chaos` kills hosts while they work, `cargo xtask parity` compares the SQL engine with real ones. Each does its own set-up, from package registries alone.

mod bench;
mod build;
mod cached;
mod chaos;
mod debian;
mod demo;
mod go;
mod images;
mod java;
mod live;
mod maven;
mod parity;
mod python;
mod shell;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the Asgard repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Test(test::Test),
    Bench(bench::Bench),
    Chaos(chaos::Chaos),
    Parity(parity::Parity),
    Build(build::Build),
}

fn main() -> ExitCode {
    let result = match Xtask::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Test(test) => test.run(),
        Command::Bench(bench) => bench.run(),
        Command::Chaos(chaos) => chaos.run(),
        Command::Parity(parity) => parity.run(),
        Command::Build(build) => build.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
