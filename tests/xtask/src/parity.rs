//! `cargo xtask parity`: the embedded SQL engine beside real ones. The comparison is a program of its own (`tests/parity`), so
//! that these chores need no SQL engine to be built.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::build::{self, Profile};
use crate::shell::run;

/// Compare the embedded SQL engine with a real one.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Parity {
    /// `spark` or `trino`, and `--json`, `--only TEXT`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Parity {
    pub(crate) fn run(self) -> Result<()> {
        // Built with all the others: alone, it would have DataFusion built a second time.
        let program = build::host(Profile::Dev)?.with_file_name("asgard-parity");
        run(Command::new(program).args(self.arguments))
    }
}
