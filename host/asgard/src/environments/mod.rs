//! Environments from the command line: compared, taken back, checked. All of it over the host's REST API.
//!
//! Exit codes are for scripts: 0 = done, or nothing differs; 1 = it could not be done; 2 = something differs (`plan`, `diff`), or is
//! wrong (`check`).

mod check;
mod diff;
mod export;
mod list;
mod promote;
mod rollback;
pub(crate) mod shown;

use std::process::ExitCode;

pub(crate) use check::Check;
pub(crate) use diff::Diff;
pub(crate) use export::Export;
pub(crate) use list::Environment;
pub(crate) use promote::Promote;
pub(crate) use rollback::Rollback;

/// Something differs, or is wrong.
const DIFFERENT: u8 = 2;

pub(crate) fn told(nothing: bool) -> ExitCode {
    if nothing { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) }
}

/// How a change is made.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Way {
    /// Apply it although a backend does not answer: catalog, storage, or that of a plugin.
    #[arg(long)]
    force: bool,
    /// Why, for the list of revisions.
    #[arg(long, short = 'm', value_name = "TEXT")]
    note: Option<String>,
}

impl Way {
    /// As parameters of a request.
    pub(crate) fn query(&self, expected_revision: Option<i64>) -> Vec<(&'static str, String)> {
        let mut query = vec![("force", self.force.to_string())];
        query.extend(self.note.clone().map(|note| ("note", note)));
        query.extend(expected_revision.map(|revision| ("expected_revision", revision.to_string())));
        query
    }
}
