//! Programs that grants may name, and how to get at their executables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use asgard_contract::environment::Program;
use asgard_contract::{Error, Result};

use super::python::PythonEnvironments;
use crate::blocking::blocking;

/// What every process may find, beside its own program's folder.
const STANDARD_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// An executable, and the folders where it looks for others.
#[derive(Debug, Clone)]
pub(crate) struct Executable {
    pub(crate) path: PathBuf,
    /// Its PATH.
    pub(crate) search: String,
}

/// The programs of one environment.
#[derive(Clone)]
pub(crate) struct Programs {
    environment: String,
    programs: Arc<BTreeMap<String, Program>>,
    python: Arc<PythonEnvironments>,
}

impl Programs {
    pub(crate) fn new(environment: &str, programs: BTreeMap<String, Program>, python: Arc<PythonEnvironments>) -> Self {
        Self { environment: environment.to_owned(), programs: Arc::new(programs), python }
    }

    /// The executable of a program, made first where it has to be. Waits for that at most `patience`.
    ///
    /// # Errors
    /// `invalid-input` with the program's field in the environment; `unavailable` while it is being made.
    pub(crate) async fn executable(&self, name: &str, patience: Duration) -> Result<Executable> {
        let field = format!("programs.{name}");
        let program = self.programs.get(name).ok_or_else(|| {
            Error::invalid(
                &field,
                format!("environment `{}` has no program `{name}`: add `[programs.{name}]`", self.environment),
            )
        })?;
        let path = match program {
            Program::Path { path } => {
                let path = path.clone();
                let found = blocking(move || Ok((find(&path), path))).await?;
                let missing = |path: &str| {
                    Error::invalid(
                        format!("{field}.path"),
                        format!("there is no executable `{path}` on this machine: install it, or name another"),
                    )
                };
                found.0.ok_or_else(|| missing(&found.1))?
            }
            Program::Python { requirements } => {
                let made = self.python.interpreter(requirements, patience).await;
                made.map_err(|error| error.in_field(&field))?
            }
        };
        let own = path.parent().map(|folder| format!("{}:", folder.display())).unwrap_or_default();
        Ok(Executable { search: format!("{own}{STANDARD_PATH}"), path })
    }
}

/// A path as it is, a bare name in the host's PATH.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| is_executable(path));
    }
    let search = std::env::var_os("PATH")?;
    std::env::split_paths(&search).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.is_absolute() && path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}
