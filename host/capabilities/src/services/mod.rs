//! Long-lived local programs under supervision: the served models of plugins, and the services that an environment's
//! file names.
//!
//! Each service is attended by a task of the host ([`attendant`]) that starts it, waits until it answers, looks after it,
//! and starts it again when it ends. What is to run is written down ([`record`]), so the next host starts it again, on
//! the same port. A service ends with its host, however the host ends: see [`crate::processes::keep`].
//!
//! A plugin that ensures another specification gets a new process beside the old one. The old one answers until the new
//! one is ready, and a little longer for those who just learned its address. The environment's own services are replaced
//! one after the other instead: they own data, and two servers on one SQLite file break it.

mod attendant;
mod first_start;
mod health;
mod port;
mod record;
mod registry;

use std::collections::BTreeSet;
use std::sync::Arc;

use asgard_contract::{Error, Result};

pub(crate) use registry::{Registry, Wanted, url};

use crate::holder::Holder;
use crate::objects::ObjectSpace;
use crate::processes::{self, Chunk, File, Programs, Supervisor};

#[derive(Debug, Clone)]
pub struct Spec {
    pub program: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub files: Vec<File>,
    pub memory_bytes: Option<u64>,
    pub health_path: String,
    pub ready_timeout_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceState {
    Starting,
    Ready,
    Failed(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    pub state: ServiceState,
    pub url: String,
    pub restarts: u32,
}

/// What is lent.
#[derive(Clone)]
pub struct Services {
    pub(crate) holder: Holder,
    /// Names of programs.
    pub(crate) granted: Arc<BTreeSet<String>>,
    pub(crate) programs: Programs,
    pub(crate) objects: Option<ObjectSpace>,
    pub(crate) supervisor: Arc<Supervisor>,
}

impl Services {
    /// Starts the service, or replaces it when the specification differs from the newest one.
    ///
    /// # Errors
    /// `forbidden` for a program that is not granted; `conflict` for a name of another's; `invalid-input` with the field.
    pub async fn ensure(&self, name: &str, spec: Spec) -> Result<()> {
        self.holder.using("services", "ensure", name, self.ensure_granted(name, spec)).await
    }

    async fn ensure_granted(&self, name: &str, spec: Spec) -> Result<()> {
        crate::paths::check_name("name", name)?;
        processes::check_granted(&self.granted, &spec.program, &self.holder, "services")?;
        processes::check_strings(&spec.arguments, &spec.environment)?;
        if !spec.health_path.starts_with('/') {
            let message = format!("`{}` is no path: expected one such as `/health`", spec.health_path);
            return Err(Error::invalid("health-path", message));
        }
        let objects = self.objects.as_ref();
        let files = processes::prepare(spec.files, objects, || processes::no_objects(&self.holder)).await?;
        let wanted = Wanted {
            program: spec.program,
            arguments: spec.arguments,
            environment: spec.environment,
            memory_bytes: spec.memory_bytes,
            health_path: spec.health_path,
            ready_timeout_ms: spec.ready_timeout_ms,
            data: None,
        };
        let caller = &self.holder.caller;
        let registry = self.supervisor.services();
        registry.ensure_for_plugin(&caller.environment, &caller.plugin, name, wanted, files, &self.programs).await
    }

    /// The state of the newest specification, and where it answers.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn status(&self, name: &str) -> Result<ServiceStatus> {
        let caller = &self.holder.caller;
        let status = async { self.supervisor.services().status(&caller.environment, &caller.plugin, name) };
        self.holder.using("services", "status", name, status).await
    }

    /// Standard output and standard error of the newest specification, all its restarts after one another.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn output(&self, name: &str, offset: u64, max: u32) -> Result<Chunk> {
        let caller = &self.holder.caller;
        let reading = async {
            let folder = self.supervisor.services().folder(&caller.environment, &caller.plugin, name)?;
            processes::read_output(&folder, offset, max).await
        };
        self.holder.using("services", "output", name, reading).await
    }

    /// Ends it and forgets it. Nothing happens if there is none.
    ///
    /// # Errors
    /// `conflict` for a name of another's.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let caller = &self.holder.caller;
        let removing = self.supervisor.services().remove(&caller.environment, Some(&caller.plugin), name);
        self.holder.using("services", "remove", name, removing).await
    }
}
