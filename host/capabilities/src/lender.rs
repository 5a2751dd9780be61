//! Puts together what one call may reach.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asgard_contract::environment::{Environment, Grants, Program};
use asgard_contract::manifest::{Capability, Role};
use asgard_contract::{Error, Result};
use serde_json::Value;

use crate::holder::Holder;
use crate::objects::{self, ObjectSpace, Objects};
use crate::policies::Policies;
use crate::processes::Programs;
use crate::resolve::{Resolver, SystemResolver};
use crate::secrets::Used;
use crate::{
    Lent, credentials, files, http, key_value, kubernetes, lakehouse, placeholders, processes, secrets, services,
    sockets,
};

/// A call waits for a service that is starting at most this long: half of what a step may take by default.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who calls; in every span and key.
#[derive(Debug, Clone)]
pub struct Caller {
    pub environment: String,
    pub plugin: String,
    pub version: String,
    /// The task's id, or the request's.
    pub task: String,
}

/// What a lender needs of the host.
#[derive(Clone)]
pub struct Backing {
    /// The environment's own folder in the host's data folder.
    pub folder: PathBuf,
    pub secrets: Arc<dyn secrets::Secrets>,
    pub key_values: Arc<dyn key_value::KeyValues>,
    pub engine: Arc<dyn lakehouse::Engine>,
    /// Resolves the names that plugins connect to.
    pub names: Arc<dyn Resolver>,
    /// Owns all processes and services of the host.
    pub supervisor: Arc<processes::Supervisor>,
    /// The bucket of the environment's storage, for objects; none = they are below `folder`.
    pub bucket: Option<Arc<dyn objects::Bucket>>,
    /// The environment's cluster, where it has one.
    pub cluster: Option<Arc<kubernetes::Connection>>,
    /// Of what is made in a cluster: the store, whose hosts are one owner. A value of a label.
    pub owner: Arc<str>,
    /// Of the lakehouse's catalog, for a run that is audited on it.
    pub branch: Option<String>,
}

/// Lends for one revision of one environment.
#[derive(Clone)]
pub struct Lender {
    environment: Arc<Environment>,
    backing: Backing,
    objects: ObjectSpace,
    programs: Programs,
    /// Of all bindings, by their grants.
    policies: Arc<Vec<(Grants, Arc<Policies>)>>,
    /// What each plugin was told, by its name: what one call was told another may say.
    used: Arc<Mutex<HashMap<String, Used>>>,
}

impl Lender {
    /// Whether [`Lender::new`] takes a document whose environment has this folder. Nothing is made for it.
    ///
    /// # Errors
    /// `invalid-input` with the field of the environment that is wrong.
    pub fn check(environment: &Environment, folder: &Path) -> Result<()> {
        policies(environment, &absolute(folder)?, &(Arc::new(SystemResolver) as Arc<dyn Resolver>)).map(drop)
    }

    /// Parses the policies of all bindings, and looks that what they name is there.
    ///
    /// # Errors
    /// `invalid-input` with the field of the environment that is wrong.
    pub fn new(environment: Arc<Environment>, mut backing: Backing) -> Result<Self> {
        backing.folder = absolute(&backing.folder)?;
        let policies = policies(&environment, &backing.folder, &backing.names)?;
        Ok(Self {
            objects: ObjectSpace::new(&backing.folder, backing.bucket.clone()),
            programs: backing.supervisor.programs(&environment),
            environment,
            backing,
            policies: Arc::new(policies),
            used: Arc::default(),
        })
    }

    /// What `caller` may reach: what it `asks` for and `grants` allow.
    ///
    /// # Errors
    /// `invalid-input` with the grant that cannot be read; `unavailable` when a service that a grant names cannot be
    /// started.
    pub fn lend(&self, caller: Caller, asks: &BTreeSet<Capability>, grants: &Grants) -> Result<Lent> {
        let policies = match self.policies.iter().find(|(known, _)| known == grants) {
            Some((_, policies)) => Arc::clone(policies),
            None => Arc::new(
                Policies::parse(grants, &self.environment, &self.backing.folder, &self.backing.names)
                    .map_err(|error| error.in_field("grants"))?,
            ),
        };
        let limits = &self.environment.limits;
        let step = Duration::from_secs(limits.step_seconds.max(1));
        // A value takes its own size in the guest and as much again on its way there.
        let largest_value = limits.memory_bytes / 2;
        let holder = Holder::new(caller, &self.environment, grants);
        let objects = policies.objects.then(|| self.objects.clone());
        let asked = |capability| asks.contains(&capability);

        let mut lent = Lent { used_secrets: self.used_by(&holder.caller.plugin), ..Lent::default() };
        let secrets: Arc<dyn secrets::Secrets> =
            Arc::new(secrets::Noting { secrets: Arc::clone(&self.backing.secrets), used: lent.used_secrets.clone() });
        if asked(Capability::Http) && !grants.http.is_empty() {
            let reachable = policies.http.with_services(|name| self.port(name))?;
            lent.http = Some(http::Client {
                holder: holder.clone(),
                reachable: Arc::new(reachable),
                secrets: Arc::clone(&secrets),
                body_limit: limits.http_body_bytes,
                longest: step,
            });
        }
        if let (true, Some(addresses)) = (asked(Capability::Sockets), &policies.sockets) {
            lent.sockets =
                Some(sockets::Dialer::new(holder.clone(), addresses.clone(), Arc::clone(&self.backing.names), step));
        }
        // A proof gives nothing away that the plugin's connection does not; the secret itself has a grant of its own.
        if asked(Capability::Credentials) {
            lent.credentials = Some(credentials::Passwords {
                holder: holder.clone(),
                secrets: Arc::clone(&secrets),
                may_reveal: policies.reveal_secrets,
            });
        }
        if asked(Capability::Processes) && !policies.processes.is_empty() {
            lent.processes = Some(processes::Processes {
                holder: holder.clone(),
                granted: Arc::clone(&policies.processes),
                substituting: Arc::clone(&policies.substituting),
                secrets: Arc::clone(&secrets),
                used: lent.used_secrets.clone(),
                remembered: Arc::default(),
                programs: self.programs.clone(),
                objects: objects.clone(),
                supervisor: Arc::clone(&self.backing.supervisor),
                largest_file: largest_value,
            });
        }
        if asked(Capability::Services) && !policies.services.is_empty() {
            lent.services = Some(services::Services {
                holder: holder.clone(),
                granted: Arc::clone(&policies.services),
                programs: self.programs.clone(),
                objects: objects.clone(),
                supervisor: Arc::clone(&self.backing.supervisor),
            });
        }
        if let (true, Some(space)) = (asked(Capability::Objects), &objects) {
            lent.objects = Some(Objects { holder: holder.clone(), space: space.clone(), largest_get: largest_value });
        }
        if let (true, Some(granted)) = (asked(Capability::Files), &policies.files) {
            lent.files = Some(files::Folders { holder: holder.clone(), granted: Arc::clone(granted) });
        }
        if asked(Capability::KeyValue) && policies.key_value {
            lent.key_value = Some(key_value::KeyValue {
                scope: format!("{}/{}", holder.caller.environment, holder.caller.plugin),
                holder: holder.clone(),
                values: Arc::clone(&self.backing.key_values),
            });
        }
        if let (true, false, Some(connection)) =
            (asked(Capability::Kubernetes), policies.kubernetes.is_empty(), &self.backing.cluster)
        {
            lent.kubernetes = Some(kubernetes::Resources {
                holder: holder.clone(),
                granted: Arc::clone(&policies.kubernetes),
                connection: Arc::clone(connection),
                secrets: Arc::clone(&secrets),
                owner: Arc::clone(&self.backing.owner),
                largest_answer: limits.http_body_bytes,
                // The rest of the step is for what the plugin makes of the answer.
                longest: step.mul_f32(0.75),
            });
        }
        if asked(Capability::Lakehouse) && !policies.lakehouse.is_empty() {
            lent.lakehouse = Some(lakehouse::Lakehouse {
                holder,
                namespaces: Arc::clone(&policies.lakehouse),
                files: policies.files.clone(),
                engine: Arc::clone(&self.backing.engine),
                objects,
                jobs: Arc::clone(self.backing.supervisor.jobs()),
            });
        }
        Ok(lent)
    }

    fn used_by(&self, plugin: &str) -> Used {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.entry(plugin.to_owned()).or_default().clone()
    }

    /// Whether a location of this machine, `file:///…`, is in a folder that grants name.
    ///
    /// # Errors
    /// `invalid-input` for what is no path, or is not there.
    pub async fn may_read(&self, grants: &Grants, location: &str) -> Result<bool> {
        files::Policy::parse(&grants.files, &self.backing.folder)?.admits(location).await
    }

    /// Replaces `${services.NAME.url}` and the other placeholders in a configuration, once the services are ready.
    ///
    /// # Errors
    /// `invalid-input` when there is no such service; `unavailable` when it is not ready in time, with the reason.
    pub async fn resolve(&self, configuration: &Value) -> Result<Value> {
        let mut ports = std::collections::HashMap::new();
        for name in placeholders::services(configuration)? {
            // Starts it where nobody has yet.
            if self.port(&name).is_ok() {
                let limit = self.environment.services.get(&name).map_or(0, |service| service.ready_timeout_seconds);
                let patience = PATIENCE.min(Duration::from_secs(limit));
                let registry = self.backing.supervisor.services();
                ports.insert(name.clone(), registry.ready(&self.environment.name, &name, patience).await?);
            }
        }
        let mut port = |name: &str| ports.get(name).map_or_else(|| self.port(name), |port| Ok(*port));
        let Backing { branch, folder, .. } = &self.backing;
        placeholders::fill(configuration, &mut port, &self.environment, branch.as_deref(), folder)
    }

    /// Where a service of the environment answers, once it is ready.
    ///
    /// # Errors
    /// `not-found` when there is no such service; `unavailable` when it is not ready in time, with the reason.
    pub async fn service_url(&self, name: &str, patience: Duration) -> Result<String> {
        self.port(name)?;
        let port = self.backing.supervisor.services().ready(&self.environment.name, name, patience).await?;
        Ok(services::url(port))
    }

    /// The port of a service of the environment, which is started first where nobody has yet.
    fn port(&self, name: &str) -> Result<u16> {
        let registry = self.backing.supervisor.services();
        let known = |name| registry.port(&self.environment.name, name);
        // Only the environment's own: a plugin's service is the plugin's business.
        if !self.environment.services.contains_key(name) {
            return Err(Error::not_found(format!("environment `{}` has no service `{name}`", self.environment.name)));
        }
        if let Some(port) = known(name) {
            return Ok(port);
        }
        registry.ensure_for_environment(&self.environment, name, &self.service_data(), &self.programs)?;
        known(name).ok_or_else(|| Error::unavailable("the host is shutting down"))
    }

    /// Looks whether a program of the environment can be run, as far as that is known without making it: where it is.
    ///
    /// # Errors
    /// `invalid-input` with the program's field; `unsupported` for one that is made when it is first needed.
    pub async fn find_program(&self, name: &str) -> Result<String> {
        if let Some(Program::Python { requirements }) = self.environment.programs.get(name) {
            let count = requirements.len();
            return Err(Error::unsupported(format!("made of {count} requirements when it is first needed")));
        }
        let executable = self.programs.executable(name, PATIENCE).await?;
        Ok(format!("program `{name}` is {}", executable.path.display()))
    }

    fn service_data(&self) -> PathBuf {
        self.backing.folder.join("services")
    }

    /// Makes the services of the environment run as its file says, and those that plugins asked for before, without
    /// waiting for them. To be called at the start of the host and for every new revision.
    pub fn start_services(&self) {
        self.backing.supervisor.services().start_environment(&self.environment, &self.service_data(), &self.programs);
    }

    /// The environment's cluster, and whose the resources in it are; none where there is none.
    pub fn cluster(&self) -> Option<(&kubernetes::Connection, &str)> {
        self.backing.cluster.as_deref().map(|cluster| (cluster, &*self.backing.owner))
    }

    /// Where an object of the environment is: `file:///…` or `s3://…`.
    ///
    /// # Errors
    /// `invalid-input` for a key that is no relative path.
    pub fn object_location(&self, key: &str) -> Result<String> {
        self.objects.location(key)
    }

    /// The keys of the objects that start with `prefix`.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.objects.list(prefix).await?.into_iter().map(|info| info.key).collect())
    }

    /// Deletes an object; not being there is no error.
    ///
    /// # Errors
    /// `internal` when the file cannot be removed.
    pub async fn delete_object(&self, key: &str) -> Result<()> {
        self.objects.delete(key).await
    }
}

/// The policies of all bindings by their grants, once what they name is known to be there.
fn policies(
    environment: &Environment,
    folder: &Path,
    names: &Arc<dyn Resolver>,
) -> Result<Vec<(Grants, Arc<Policies>)>> {
    for (name, service) in &environment.services {
        crate::paths::check_name(&format!("services.{name}"), name)?;
        if !environment.programs.contains_key(&service.program) {
            let message = format!("the environment has no program `{0}`: add `[programs.{0}]`", service.program);
            return Err(Error::invalid(format!("services.{name}.program"), message));
        }
        if !service.health_path.starts_with('/') {
            let message = format!("`{}` is no path: expected one such as `/health`", service.health_path);
            return Err(Error::invalid(format!("services.{name}.health_path"), message));
        }
    }
    let mut policies = Vec::new();
    for role in Role::ALL {
        for (index, binding) in environment.bindings(role).into_iter().enumerate() {
            let field = if role == Role::Ingestion { format!("ingestion[{index}]") } else { role.to_string() };
            for name in placeholders::services(&binding.configuration).map_err(|error| error.in_field(&field))? {
                if !environment.services.contains_key(&name) {
                    let message = format!("the environment has no service `{name}`: add `[services.{name}]`");
                    return Err(Error::invalid(format!("{field}.configuration"), message));
                }
            }
            if environment.kubernetes.is_none() && !binding.grants.kubernetes.is_empty() {
                let message = "the environment has no cluster: add `[kubernetes]`";
                return Err(Error::invalid(format!("{field}.grants.kubernetes"), message));
            }
            let parsed = Policies::parse(&binding.grants, environment, folder, names);
            let parsed = parsed.map_err(|error| error.in_field(&format!("{field}.grants")))?;
            policies.push((binding.grants.clone(), Arc::new(parsed)));
        }
    }
    Ok(policies)
}

/// Locations of objects are URLs, and those have no relative form.
fn absolute(folder: &Path) -> Result<PathBuf> {
    std::path::absolute(folder).map_err(|error| crate::blocking::file_error("finding", folder, &error))
}
