//! The `asgard` binary: the host, and the commands that a person runs beside it.

mod access;
mod apply;
mod client;
mod data;
mod environments;
mod keep;
mod plugins;
mod secret;
mod serve;
mod tasks;
mod token;
mod trail;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// From raw tables to a deployed model behind one REST API, on backends that are WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "asgard", version, max_term_width = 100, arg_required_else_help = true)]
struct Asgard {
    #[command(subcommand)]
    command: Command,
}

/// As `.cargo/config.toml` sets it up.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Plan(apply::Plan),
    Apply(apply::Apply),
    Diff(environments::Diff),
    Rollback(environments::Rollback),
    Promote(environments::Promote),
    Check(environments::Check),
    Export(environments::Export),
    Environment(environments::Environment),
    Plugin(plugins::Plugin),
    Task(tasks::Task),
    Secret(secret::Secret),
    Token(token::Token),
    #[command(hide = true)]
    Keep(keep::Keep),
}

fn main() -> ExitCode {
    let result = match Asgard::parse().command {
        // Before anything else is set up: one of these stands around every process of the host.
        Command::Keep(keep) => return keep.run(),
        Command::Serve(serve) => serve.run().map(|()| ExitCode::SUCCESS),
        Command::Plan(plan) => waited(plan.run()),
        Command::Apply(apply) => waited(apply.run()),
        Command::Diff(diff) => waited(diff.run()),
        Command::Rollback(rollback) => waited(rollback.run()),
        Command::Promote(promote) => waited(promote.run()),
        Command::Check(check) => waited(check.run()),
        Command::Export(export) => waited(export.run()),
        Command::Environment(environment) => waited(environment.run()),
        Command::Plugin(plugin) => waited(plugin.run()),
        Command::Task(task) => waited(task.run()),
        Command::Secret(secret) => secret.run().map(|()| ExitCode::SUCCESS),
        Command::Token(token) => token.run().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", words(&error));
        ExitCode::FAILURE
    })
}

/// All of an error, with the field that it is about where it is about one.
fn words(error: &anyhow::Error) -> String {
    let parts = error.chain().map(|cause| match cause.downcast_ref() {
        Some(asgard_contract::Error::InvalidInput { field: Some(field), message }) => format!("{field}: {message}"),
        _ => cause.to_string(),
    });
    parts.collect::<Vec<_>>().join(": ")
}

fn waited(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    serve::runtime()?.block_on(command)
}
