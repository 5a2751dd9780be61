//! `cargo xtask parity`: the embedded SQL engine beside real ones. The comparison is a program of its own (`tests/parity`), so
//! that these chores need no SQL engine to be built.

use anyhow::Result;
use clap::Args;

use crate::shell::{cargo, run};

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
        run(cargo().args(["run", "--quiet", "--locked", "-p", "asgard-parity", "--"]).args(self.arguments))
    }
}
