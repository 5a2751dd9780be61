//! The `asgard` binary: the host, and the commands that a person runs beside it.

mod data;
mod keep;
mod plugin;
mod secret;
mod serve;

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
    Plugin(plugin::Plugin),
    Secret(secret::Secret),
    #[command(hide = true)]
    Keep(keep::Keep),
}

fn main() -> ExitCode {
    let result = match Asgard::parse().command {
        // Before anything else is set up: one of these stands around every process of the host.
        Command::Keep(keep) => return keep.run(),
        Command::Serve(serve) => serve.run(),
        Command::Plugin(plugin) => plugin.run(),
        Command::Secret(secret) => secret.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
