//! All services of this host.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use asgard_contract::environment::Environment;
use asgard_contract::{Error, Result};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::attendant::{Attendant, View, with_last_lines};
use super::first_start::FirstStart;
use super::port;
pub(crate) use super::record::Wanted;
use super::record::{Generation, Owner, Place, Record};
use super::{ServiceState, ServiceStatus};
use crate::blocking::{blocking, file_error};
use crate::processes::{self, Folder, Keeper, Programs, Ready};

/// An old process goes on for so long after the new one is ready: who just asked for the address must find it there.
const LINGER: Duration = Duration::from_secs(2);

/// A service, in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) environment: String,
    pub(super) name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.environment, self.name)
    }
}

/// Owns the attendants of all services. Dropping it ends them all.
pub(crate) struct Registry {
    folder: PathBuf,
    keeper: Keeper,
    inner: Mutex<Inner>,
    /// The host's own threads: whoever asks for a service may do so on ones with less priority, which its process would have too.
    threads: Handle,
    this: Weak<Registry>,
}

#[derive(Default)]
struct Inner {
    services: HashMap<Key, Service>,
    /// Of each environment, as its newest revision has them.
    programs: HashMap<String, Programs>,
    closed: bool,
}

struct Service {
    owner: Owner,
    /// As in [`Record::generations`].
    running: Vec<Attended>,
}

struct Attended {
    generation: Generation,
    view: watch::Receiver<View>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _stop_on_drop: DropGuard,
}

impl Attended {
    /// The attendant ends by itself; who needs to know when waits for the handle.
    fn stop(self) -> JoinHandle<()> {
        self.stop.cancel();
        self.task
    }
}

impl Service {
    fn record(&self) -> Record {
        Record { owner: self.owner.clone(), generations: self.running.iter().map(|r| r.generation.clone()).collect() }
    }
}

impl Registry {
    pub(crate) fn new(folder: PathBuf, keeper: Keeper) -> Arc<Self> {
        for path in processes::children(&folder).flat_map(|environment| processes::children(&environment)) {
            if let Err(error) = Place(path).sweep() {
                tracing::warn!(%error, "what a service left stays");
            }
        }
        let threads = Handle::current();
        Arc::new_cyclic(|this| Self { folder, keeper, inner: Mutex::default(), threads, this: this.clone() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: &Key) -> Place {
        Place(self.folder.join(&key.environment).join(&key.name))
    }

    pub(super) fn programs(&self, environment: &str) -> Option<Programs> {
        self.inner().programs.get(environment).cloned()
    }

    /// Makes the services of an environment's file run, ends those that it names no more, and starts again what plugins
    /// asked for before. Nobody waits for any of them here.
    pub(crate) fn start_environment(&self, environment: &Environment, data: &std::path::Path, programs: &Programs) {
        self.inner().programs.insert(environment.name.clone(), programs.clone());
        for name in environment.services.keys() {
            if let Err(error) = self.ensure_for_environment(environment, name, data, programs) {
                tracing::error!(environment = environment.name, service = name, %error, "a service cannot be started");
            }
        }
        for path in processes::children(&self.folder.join(&environment.name)) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            let key = Key { environment: environment.name.clone(), name };
            if let Err(error) = self.recall(&key, environment) {
                tracing::error!(service = %key, %error, "a service of before cannot be started");
            }
        }
    }

    /// Starts a service of before again, or forgets it when it was one of the environment's file and is there no more.
    fn recall(&self, key: &Key, environment: &Environment) -> Result<()> {
        let place = self.place(key);
        let Some(record) = place.read()? else { return Ok(()) };
        if record.owner == Owner::Environment && !environment.services.contains_key(&key.name) {
            place.forget()?;
            for old in self.inner().services.remove(key).map(|service| service.running).unwrap_or_default() {
                self.retire(key, old);
            }
            return Ok(());
        }
        let mut inner = self.inner();
        if inner.closed || inner.services.contains_key(key) {
            return Ok(());
        }
        let running =
            record.generations.into_iter().map(|generation| self.attend(key, generation, Vec::new())).collect();
        inner.services.insert(key.clone(), Service { owner: record.owner, running });
        Ok(())
    }

    /// One service of the environment's file: started, or replaced when the file says otherwise than before.
    ///
    /// # Errors
    /// `not-found` when the file names none; `unavailable` when there is no port, or the host is shutting down.
    pub(crate) fn ensure_for_environment(
        &self,
        environment: &Environment,
        name: &str,
        data: &std::path::Path,
        programs: &Programs,
    ) -> Result<()> {
        let Some(service) = environment.services.get(name) else {
            return Err(Error::not_found(format!("environment `{}` has no service `{name}`", environment.name)));
        };
        crate::paths::check_name("services", name)?;
        let key = Key { environment: environment.name.clone(), name: name.to_owned() };
        let data = data.join(name);
        let wanted = Wanted {
            program: service.program.clone(),
            arguments: service.arguments.clone(),
            environment: service.environment.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            memory_bytes: None,
            health_path: service.health_path.clone(),
            ready_timeout_ms: service.ready_timeout_seconds.saturating_mul(1000),
            data: Some(data.clone()),
        };
        // Another list of Python packages is another service, though its own lines are the same.
        let program = format!("{:?}", environment.programs.get(&service.program));
        let digest = digest(&wanted, &[], &program)?;
        let place = self.place(&key);
        let before = place.read()?.filter(|record| record.owner == Owner::Environment);

        let mut inner = self.inner();
        if inner.closed {
            return Err(Error::unavailable("the host is shutting down"));
        }
        inner.programs.insert(environment.name.clone(), programs.clone());
        let is_so = |service: &Service| {
            let newest = service.running.last().is_some_and(|newest| newest.generation.digest == digest);
            service.owner == Owner::Environment && newest
        };
        if inner.services.get(&key).is_some_and(is_so) {
            return Ok(());
        }
        let make =
            |path: &std::path::Path| std::fs::create_dir_all(path).map_err(|error| file_error("making", path, &error));
        make(&data)?;
        // A service that moves to another specification keeps its port: it is the same one to those who use it.
        let known = before.as_ref().and_then(|record| record.generations.last());
        let port = match known {
            Some(known) => known.port,
            None => inner.free_port()?,
        };
        let id = match known {
            Some(known) if known.digest == digest => known.id.clone(),
            _ => new_id(),
        };
        let folder = place.folder(&id);
        folder.make().map_err(|error| file_error("making", folder.path(), &error))?;
        // One after the other: the old one lets go of its data first.
        let old = inner.services.remove(&key).map(|service| service.running.into_iter().map(Attended::stop).collect());
        let generation = Generation { id, digest, wanted, port };
        let running = vec![self.attend(&key, generation, old.unwrap_or_default())];
        let service = Service { owner: Owner::Environment, running };
        place.write(&service.record())?;
        inner.services.insert(key, service);
        Ok(())
    }

    /// A plugin's service: started, or another put beside the old one.
    pub(crate) async fn ensure_for_plugin(
        &self,
        environment: &str,
        plugin: &str,
        name: &str,
        wanted: Wanted,
        files: Vec<Ready>,
        programs: &Programs,
    ) -> Result<()> {
        let key = Key { environment: environment.to_owned(), name: name.to_owned() };
        let owner = Owner::Plugin(plugin.to_owned());
        let place = self.place(&key);
        let read = {
            let (wanted, files) = (wanted.clone(), files.clone());
            blocking(move || digest(&wanted, &files, ""))
        };
        let digest = read.await?;
        if self.goes_back_to(&key, &owner, &digest)? {
            return Ok(());
        }
        let id = new_id();
        let folder = place.folder(&id);
        let fill = folder.clone();
        let filled = blocking(move || {
            fill.make().map_err(|error| file_error("making", fill.path(), &error))?;
            processes::write(&files, &fill.work())
        });
        let begun = match filled.await {
            Ok(()) => self.begin(&key, &owner, Generation { id, digest, wanted, port: 0 }, programs),
            Err(error) => Err(error),
        };
        match begun {
            Ok(true) => Ok(()),
            Ok(false) => processes::delete(folder.path()).await,
            Err(error) => {
                processes::delete(folder.path()).await?;
                Err(error)
            }
        }
    }

    /// Whether one with this digest is there already. Is it the old one of two, the new one goes.
    fn goes_back_to(&self, key: &Key, owner: &Owner, digest: &str) -> Result<bool> {
        let mut inner = self.inner();
        let Some(service) = inner.services.get_mut(key) else { return Ok(false) };
        check_owner(key, &service.owner, owner)?;
        let Some(index) = service.running.iter().position(|r| r.generation.digest == digest) else { return Ok(false) };
        if index + 1 < service.running.len() {
            for newer in service.running.drain(index + 1..) {
                self.retire(key, newer);
            }
            self.place(key).write(&service.record())?;
        }
        Ok(true)
    }

    /// Puts a new generation beside those that answer. False when another call was faster.
    fn begin(&self, key: &Key, owner: &Owner, mut generation: Generation, programs: &Programs) -> Result<bool> {
        let mut inner = self.inner();
        if inner.closed {
            return Err(Error::unavailable("the host is shutting down"));
        }
        inner.programs.entry(key.environment.clone()).or_insert_with(|| programs.clone());
        generation.port = inner.free_port()?;
        let fresh = || Service { owner: owner.clone(), running: Vec::new() };
        let service = inner.services.entry(key.clone()).or_insert_with(fresh);
        check_owner(key, &service.owner, owner)?;
        if service.running.last().is_some_and(|r| r.generation.digest == generation.digest) {
            return Ok(false);
        }
        // Only one that answers is worth keeping until the new one does.
        let (keep, go): (Vec<_>, Vec<_>) =
            service.running.drain(..).partition(|r| r.view.borrow().state == ServiceState::Ready);
        service.running = keep;
        for old in go {
            self.retire(key, old);
        }
        let attended = self.attend(key, generation, Vec::new());
        service.running.push(attended);
        self.place(key).write(&service.record())?;
        Ok(true)
    }

    /// Called by the attendant of a generation that became ready: older ones have done their duty.
    pub(super) fn is_ready(&self, key: &Key, id: &str) {
        let mut inner = self.inner();
        let Some(service) = inner.services.get_mut(key) else { return };
        let Some(index) = service.running.iter().position(|r| r.generation.id == id) else { return };
        if index == 0 {
            return;
        }
        for old in service.running.drain(..index) {
            self.retire(key, old);
        }
        if let Err(error) = self.place(key).write(&service.record()) {
            tracing::error!(service = %key, %error, "a service's record cannot be written");
        }
    }

    /// Ends one generation a little later, and deletes its folder.
    fn retire(&self, key: &Key, old: Attended) {
        let folder = self.place(key).folder(&old.generation.id);
        let lingers = old.view.borrow().state == ServiceState::Ready;
        // It ends by itself within a known time, and what it leaves undone at the end of the host is nothing: the process
        // is tied to the host, and a folder that no record names goes with the service.
        self.threads.spawn(async move {
            if lingers {
                tokio::time::sleep(LINGER).await;
            }
            let _ = old.stop().await;
            if let Err(error) = processes::delete(folder.path()).await {
                tracing::warn!(%error, "the folder of an old service stays");
            }
        });
    }

    /// Starts the attendant of a generation, once `before` have ended.
    fn attend(&self, key: &Key, generation: Generation, before: Vec<JoinHandle<()>>) -> Attended {
        let first = View { state: ServiceState::Starting, waits_for: None, port: generation.port, restarts: 0 };
        let (sender, view) = watch::channel(first);
        let stop = CancellationToken::new();
        let attendant = Attendant {
            key: key.clone(),
            folder: self.place(key).folder(&generation.id),
            first_start: FirstStart::new(self.place(key).path()),
            generation: generation.clone(),
            keeper: self.keeper.clone(),
            view: sender,
            stop: stop.clone(),
            registry: self.this.clone(),
        };
        let task = self.threads.spawn(async move {
            for old in before {
                let _ = old.await;
            }
            attendant.attend().await;
        });
        Attended { generation, view, _stop_on_drop: stop.clone().drop_guard(), stop, task }
    }

    /// Another process took the port of a service.
    pub(super) fn move_to_another_port(&self, key: &Key, id: &str) -> Result<u16> {
        let mut inner = self.inner();
        let port = inner.free_port()?;
        let Some(service) = inner.services.get_mut(key) else { return Ok(port) };
        for running in &mut service.running {
            if running.generation.id == id {
                running.generation.port = port;
            }
        }
        self.place(key).write(&service.record())?;
        Ok(port)
    }

    pub(super) fn status(&self, environment: &str, plugin: &str, name: &str) -> Result<ServiceStatus> {
        let inner = self.inner();
        let newest = inner.owned_by(environment, plugin, name)?;
        let view = newest.view.borrow().clone();
        Ok(ServiceStatus { state: view.state, url: url(view.port), restarts: view.restarts })
    }

    pub(super) fn folder(&self, environment: &str, plugin: &str, name: &str) -> Result<Folder> {
        let inner = self.inner();
        let newest = inner.owned_by(environment, plugin, name)?;
        let key = Key { environment: environment.to_owned(), name: name.to_owned() };
        Ok(self.place(&key).folder(&newest.generation.id))
    }

    /// The newest view of a service, whosever it is; none when there is no such service.
    pub(crate) fn port(&self, environment: &str, name: &str) -> Option<u16> {
        self.watch(environment, name).map(|view| view.borrow().port)
    }

    fn watch(&self, environment: &str, name: &str) -> Option<watch::Receiver<View>> {
        let key = Key { environment: environment.to_owned(), name: name.to_owned() };
        Some(self.inner().services.get(&key)?.running.last()?.view.clone())
    }

    /// Waits until the service is ready, and gives its port.
    ///
    /// # Errors
    /// `unavailable` when it is not ready in time, with the reason.
    pub(crate) async fn ready(&self, environment: &str, name: &str, patience: Duration) -> Result<u16> {
        let gone = || Error::unavailable(format!("service `{name}` of environment `{environment}` is gone"));
        let waiting = async {
            loop {
                let mut view = self.watch(environment, name).ok_or_else(gone)?;
                let Ok(view) = view.wait_for(|view| view.state != ServiceState::Starting).await else {
                    // It was just replaced by another specification.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                return match &view.state {
                    ServiceState::Failed(why) => Err(Error::unavailable(format!(
                        "service `{name}` of environment `{environment}` does not run: {why}"
                    ))),
                    _ => Ok(view.port),
                };
            }
        };
        if let Ok(found) = tokio::time::timeout(patience, waiting).await {
            return found;
        }
        let what = format!("service `{name}` of environment `{environment}` is still starting");
        let waits_for = self.watch(environment, name).and_then(|view| view.borrow().waits_for.clone());
        let message = match (waits_for, self.newest_folder(environment, name)) {
            (Some(why), _) => format!("{what}: {why}"),
            (None, Some(folder)) => with_last_lines(&folder, what).await,
            (None, None) => what,
        };
        Err(Error::Unavailable { message, retry_after_ms: Some(1000) })
    }

    fn newest_folder(&self, environment: &str, name: &str) -> Option<Folder> {
        let key = Key { environment: environment.to_owned(), name: name.to_owned() };
        let id = self.inner().services.get(&key)?.running.last()?.generation.id.clone();
        Some(self.place(&key).folder(&id))
    }

    /// Ends a service and forgets it. `plugin` must own it.
    pub(crate) async fn remove(&self, environment: &str, plugin: Option<&str>, name: &str) -> Result<()> {
        crate::paths::check_name("name", name)?;
        let key = Key { environment: environment.to_owned(), name: name.to_owned() };
        let place = self.place(&key);
        let running = {
            let mut inner = self.inner();
            if let Some(service) = inner.services.get(&key) {
                let owner = plugin.map_or(Owner::Environment, |plugin| Owner::Plugin(plugin.to_owned()));
                check_owner(&key, &service.owner, &owner)?;
            }
            let Some(service) = inner.services.remove(&key) else { return Ok(()) };
            place.forget()?;
            service.running
        };
        for old in running.into_iter().map(Attended::stop).collect::<Vec<_>>() {
            let _ = old.await;
        }
        processes::delete(place.path()).await
    }

    /// Ends and forgets all services of an environment, whosever they are.
    pub(crate) async fn remove_environment(&self, environment: &str) -> Result<()> {
        crate::paths::check_name("environment", environment)?;
        let gone: Vec<(Key, Service)> = {
            let mut inner = self.inner();
            inner.programs.remove(environment);
            inner.services.extract_if(|key, _| key.environment == environment).collect()
        };
        let mut ending = Vec::new();
        for (key, service) in gone {
            self.place(&key).forget()?;
            ending.extend(service.running.into_iter().map(Attended::stop));
        }
        for task in ending {
            let _ = task.await;
        }
        processes::delete(&self.folder.join(environment)).await
    }

    /// Ends all services, and waits for their ends. What they are stays written down.
    pub(crate) async fn shut_down(&self) {
        let services: Vec<Service> = {
            let mut inner = self.inner();
            inner.closed = true;
            inner.services.drain().map(|(_, service)| service).collect()
        };
        let tasks: Vec<_> = services.into_iter().flat_map(|service| service.running).map(Attended::stop).collect();
        for task in tasks {
            let _ = task.await;
        }
    }
}

impl Inner {
    fn free_port(&self) -> Result<u16> {
        let taken =
            |port| self.services.values().flat_map(|service| &service.running).any(|r| r.generation.port == port);
        port::pick(taken)
    }

    fn owned_by(&self, environment: &str, plugin: &str, name: &str) -> Result<&Attended> {
        let key = Key { environment: environment.to_owned(), name: name.to_owned() };
        let owner = Owner::Plugin(plugin.to_owned());
        let missing =
            || Error::not_found(format!("plugin `{plugin}` has no service `{name}` in environment `{environment}`"));
        let service = self.services.get(&key).filter(|service| service.owner == owner).ok_or_else(missing)?;
        service.running.last().ok_or_else(missing)
    }
}

fn check_owner(key: &Key, owner: &Owner, asking: &Owner) -> Result<()> {
    if owner == asking {
        return Ok(());
    }
    let whose = match owner {
        Owner::Environment => "its environment".to_owned(),
        Owner::Plugin(plugin) => format!("plugin `{plugin}`"),
    };
    Err(Error::conflict(format!("service `{}` belongs to {whose}: use another name", key.name)))
}

fn digest(wanted: &Wanted, files: &[Ready], program: &str) -> Result<String> {
    let mut hasher = Sha256::new();
    let text = serde_json::to_string(wanted).map_err(|error| Error::internal(error.to_string()))?;
    hasher.update(text);
    hasher.update(program);
    processes::digest(files, &mut hasher)?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Where a service answers.
pub(crate) fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
