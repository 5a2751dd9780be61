//! The owner of every process and service of the host.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use asgard_contract::{Error, Result};
use tokio::sync::Mutex;

use super::files::{self, Ready};
use super::folder::{Folder, Launch};
use super::keeper::{self, Found, Keeper, Tie};
use super::programs::Programs;
use super::python::{PythonEnvironments, default_folder};
use crate::blocking::{blocking, file_error};
use crate::lakehouse::Jobs;
use crate::lender::Caller;
use crate::services::Registry;

/// An ended process that its plugin never removed is of no use after this long.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Owns every process and service of the host; finds those of an earlier host again. Statements of the lakehouse that run
/// on behalf of plugins belong to it too, because they outlive a revision of their environment.
pub struct Supervisor {
    tasks: PathBuf,
    /// Folders that are being filled; on the same file system as the others, so that a rename makes them whole.
    partial: PathBuf,
    keeper: Keeper,
    python: Arc<PythonEnvironments>,
    /// One process is started at a time, so that two calls with one key start one.
    starting: Mutex<()>,
    services: Arc<Registry>,
    jobs: Arc<Jobs>,
}

impl Supervisor {
    /// `folder` holds one folder per process; `keeper` is the `asgard` binary, which is run as `asgard keep FOLDER` around
    /// each process so that its exit status outlives the host.
    ///
    /// # Errors
    /// `internal` when the folder cannot be made or read.
    pub fn open(folder: &Path, keeper: PathBuf) -> Result<Self> {
        let make = |name: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(|error| file_error("making", &path, &error))?;
            // Environments of processes hold addresses of the folder, and their keepers work elsewhere.
            path.canonicalize().map_err(|error| file_error("reading", &path, &error))
        };
        let (tasks, partial, services) = (make("tasks")?, make("partial")?, make("services")?);
        sweep(&tasks, &partial);
        let keeper = Keeper::new(keeper);
        Ok(Self {
            tasks,
            partial,
            keeper: keeper.clone(),
            python: PythonEnvironments::new(default_folder()),
            starting: Mutex::new(()),
            services: Registry::new(services, keeper),
            jobs: Arc::default(),
        })
    }

    /// Ends all services; processes of tasks go on.
    pub async fn shut_down(&self) {
        self.services.shut_down().await;
    }

    /// Ends all services of an environment that is no more, and forgets them. Their data stay.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn end_services_of(&self, environment: &str) -> Result<()> {
        self.services.remove_environment(environment).await
    }

    pub(crate) fn services(&self) -> &Arc<Registry> {
        &self.services
    }

    pub(crate) fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    pub(crate) fn programs(&self, environment: &asgard_contract::environment::Environment) -> Programs {
        Programs::new(&environment.name, environment.programs.clone(), Arc::clone(&self.python))
    }

    /// Of a process of a task.
    pub(super) fn folder(&self, caller: &Caller, key: &str) -> Result<Folder> {
        crate::paths::check_name("key", key)?;
        for name in [&caller.environment, &caller.plugin, &caller.task] {
            crate::paths::check_name("caller", name)?;
        }
        let path = self.tasks.join(&caller.environment).join(&caller.plugin).join(&caller.task).join(key);
        Ok(Folder::new(&path))
    }

    /// Starts a process in `folder`, unless one was started there before. `told`: names of the secrets that it may have been told.
    pub(super) async fn start(
        &self,
        folder: &Folder,
        files: Vec<Ready>,
        launch: Launch,
        told: &BTreeSet<String>,
    ) -> Result<()> {
        let told = told.clone();
        let partial = Folder::new(&self.partial.join(uuid::Uuid::new_v4().simple().to_string()));
        let prepared = partial.clone();
        let filled = blocking(move || {
            let failed = |error: std::io::Error| file_error("making", prepared.path(), &error);
            prepared.make().map_err(failed)?;
            files::write(&files, &prepared.work())?;
            prepared.write_told(&told).map_err(failed)?;
            prepared.write_launch(&launch).map_err(failed)
        });
        let started = match filled.await {
            Ok(()) => self.start_prepared(folder, &partial).await,
            Err(error) => Err(error),
        };
        delete(partial.path()).await?;
        started
    }

    async fn start_prepared(&self, folder: &Folder, prepared: &Folder) -> Result<()> {
        let _one_at_a_time = self.starting.lock().await;
        if keeper::look(folder).await? != Found::Nothing {
            return Ok(());
        }
        // A host may have died here before, between filling the folder and starting the keeper.
        delete(folder.path()).await?;
        let failed = |error: std::io::Error| file_error("making", folder.path(), &error);
        std::fs::create_dir_all(folder.path().parent().unwrap_or(&self.tasks)).map_err(failed)?;
        std::fs::rename(prepared.path(), folder.path()).map_err(failed)?;
        // The child is the keeper: it lives on by itself, and the runtime collects it when it ends.
        self.keeper.start(folder, Tie::None).await.map(drop)
    }

    /// Deletes the folder of a process that has ended, and those around it that are empty then.
    pub(super) async fn delete(&self, folder: &Folder) -> Result<()> {
        delete(folder.path()).await?;
        let around = folder.path().ancestors().skip(1).take_while(|path| *path != self.tasks);
        for path in around {
            if std::fs::remove_dir(path).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Removes a folder with all that is in it; not being there is no error.
pub(crate) async fn delete(path: &Path) -> Result<()> {
    let path = path.to_owned();
    blocking(move || match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error("deleting", &path, &error)),
        _ => Ok(()),
    })
    .await
}

/// At the start: what a dead host was filling, and what ended long ago.
fn sweep(tasks: &Path, partial: &Path) {
    for path in children(partial) {
        let _ = std::fs::remove_dir_all(path);
    }
    let processes = children(tasks).flat_map(|p| children(&p)).flat_map(|p| children(&p)).flat_map(|p| children(&p));
    for path in processes {
        let ended = path.join("exit.json").metadata().and_then(|data| data.modified());
        let age = ended.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        if age.is_ok_and(|age| age > FORGOTTEN) {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

pub(crate) fn children(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// What no process can be given.
///
/// # Errors
/// `invalid-input` in `arguments[N]` or `environment[N]`.
pub(crate) fn check_strings(arguments: &[String], environment: &[(String, String)]) -> Result<()> {
    for (index, argument) in arguments.iter().enumerate() {
        if argument.contains('\0') {
            return Err(Error::invalid(format!("arguments[{index}]"), "an argument has no zero bytes"));
        }
    }
    for (index, (name, value)) in environment.iter().enumerate() {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            let message = format!(
                "`{name}` cannot be set: a variable's name is not empty and has no `=`, and none has zero bytes"
            );
            return Err(Error::invalid(format!("environment[{index}]"), message));
        }
    }
    Ok(())
}
