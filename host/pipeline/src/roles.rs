//! Roles resolve to plugins here, and nowhere else.

use std::sync::Arc;

use asgard_capabilities::Caller;
use asgard_contract::connector::SourceType;
use asgard_contract::environment::{Binding, Environment, Grants};
use asgard_contract::log::LogSink;
use asgard_contract::manifest::{Capability, Role};
use asgard_contract::{Error, Result};
use asgard_plugins::{Call, Plugin};

use crate::Pipeline;
use crate::environments::Active;
use crate::plugins;

/// Placeholders that mean a branch, in the configuration of a binding that a task on a branch has.
const CATALOG_URI: &str = "${lakehouse.catalog.uri}";
const CATALOG_BRANCH: &str = "${lakehouse.catalog.branch}";

/// A plugin in its place: what a call needs beside its arguments.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) plugin: Plugin,
    binding: Binding,
    active: Arc<Active>,
}

impl Bound {
    /// Everything for one call on behalf of `task`.
    ///
    /// # Errors
    /// `unavailable` while a service that the configuration names is starting.
    pub(crate) async fn call(&self, task: &str, log: Arc<dyn LogSink>) -> Result<Call> {
        let manifest = self.plugin.manifest();
        let caller = Caller {
            environment: self.active.name.clone(),
            plugin: manifest.name.clone(),
            version: manifest.version.to_string(),
            task: task.to_owned(),
        };
        // Defaults may have placeholders too.
        let configuration = self.plugin.validate_configuration(&self.binding.configuration)?;
        Ok(Call {
            configuration: self.active.lender.resolve(&configuration).await?,
            environment: self.active.name.clone(),
            task_id: task.to_owned(),
            resets: 0,
            lent: self.active.lender.lend(caller, &manifest.capabilities, &self.binding.grants)?,
            limits: self.active.document.limits.clone(),
            log,
        })
    }

    /// Whether it writes where the environment's catalog is, also when that is a branch for one task: through the lakehouse that is
    /// lent, or by the catalog's address or the branch's name in its configuration.
    pub(crate) fn follows_branches(&self) -> Result<bool> {
        let asks = self.plugin.manifest().capabilities.contains(&Capability::Lakehouse);
        let configuration = self.plugin.validate_configuration(&self.binding.configuration)?;
        Ok(asks && !self.binding.grants.lakehouse.write.is_empty()
            || configuration.to_string().contains(CATALOG_URI)
            // By default a plugin is only told of a branch; that it writes there, the binding says.
            || self.binding.configuration.to_string().contains(CATALOG_BRANCH))
    }

    /// The field of the configuration that would send it to branches, where the plugin has one and the binding leaves it out.
    pub(crate) fn branch_field(&self) -> Option<&str> {
        let properties = self.plugin.manifest().configuration.get("properties")?.as_object()?;
        let found = properties.iter().find(|(name, schema)| {
            let of_branches = schema["description"].as_str().is_some_and(|said| said.contains(CATALOG_BRANCH));
            of_branches && self.binding.configuration.get(name.as_str()).is_none()
        });
        found.map(|(name, _)| name.as_str())
    }

    /// Whether its statements can run on the host's own engine alone: it is lent the lakehouse, and no way to another program.
    pub(crate) fn runs_here(&self) -> bool {
        let asks = &self.plugin.manifest().capabilities;
        let elsewhere = [
            Capability::Http,
            Capability::Sockets,
            Capability::Processes,
            Capability::Services,
            Capability::Kubernetes,
        ];
        asks.contains(&Capability::Lakehouse) && !elsewhere.iter().any(|capability| asks.contains(capability))
    }

    /// `name@version`.
    pub(crate) fn name(&self) -> String {
        let manifest = self.plugin.manifest();
        format!("{}@{}", manifest.name, manifest.version)
    }

    /// What its answers about itself depend on.
    fn identity(&self) -> String {
        let programs = serde_json::to_string(&self.active.document.programs).unwrap_or_default();
        format!("{}/{}/{}/{programs}", self.plugin.digest(), self.active.name, self.binding.configuration)
    }

    /// What the binding lets it reach.
    pub(crate) fn grants(&self) -> &Grants {
        &self.binding.grants
    }

    /// See [`plugins::pin`].
    pub(crate) fn pin(&self) -> String {
        plugins::pin(self.plugin.manifest(), self.plugin.digest())
    }
}

impl Pipeline {
    /// The plugin that fills `role`, or none where the environment leaves it empty.
    pub(crate) async fn bound(&self, active: &Arc<Active>, role: Role) -> Result<Option<Bound>> {
        match active.document.bindings(role).first() {
            Some(binding) => self.bound_as(active, binding).await.map(Some),
            None => Ok(None),
        }
    }

    /// The plugin of one binding of the environment.
    pub(crate) async fn bound_as(&self, active: &Arc<Active>, binding: &Binding) -> Result<Bound> {
        let plugin = self.plugins.bound(binding).await?;
        Ok(Bound { plugin, binding: binding.clone(), active: Arc::clone(active) })
    }

    /// Like [`Pipeline::bound`], for roles that a request cannot do without.
    pub(crate) async fn required(&self, active: &Arc<Active>, role: Role) -> Result<Bound> {
        self.bound(active, role).await?.ok_or_else(|| {
            // The field of the environment's document.
            Error::invalid(
                role.to_string(),
                format!("environment `{}` has no plugin in this role: add a `[{role}]` binding to it", active.name),
            )
        })
    }

    /// The plugin that a running task started with: a swap changes what new tasks get, and never the code of running ones.
    ///
    /// While the environment binds the plugin, its binding of today says what it may reach, so that a grant that was taken back is
    /// gone at once. After a swap to another plugin, whose configuration and grants are none of this one's, the last binding that
    /// it had goes on to apply until the task ends.
    pub(crate) async fn pinned(&self, active: &Arc<Active>, role: Role, pin: &str) -> Result<Bound> {
        let plugin = self.plugins.pinned(pin).await?;
        let name = plugin.manifest().name.clone();
        let of_plugin = |document: &Environment| {
            document.bindings(role).into_iter().find(|binding| binding.plugin == name).cloned()
        };
        let binding = match of_plugin(&active.document) {
            Some(binding) => Some(binding),
            None => {
                let revisions = self.environments.revisions(&active.name).await?;
                revisions.iter().find_map(|revision| of_plugin(&revision.document))
            }
        };
        let binding = binding.ok_or_else(|| {
            Error::unsupported(format!("environment `{}` never had plugin `{name}` in role `{role}`", active.name))
        })?;
        Ok(Bound { plugin, binding, active: Arc::clone(active) })
    }

    /// The first connector of the environment that declares `source_type`, with the type's description.
    ///
    /// # Errors
    /// `invalid-input` for `type`, naming the types that there are.
    pub(crate) async fn connector(&self, active: &Arc<Active>, source_type: &str) -> Result<(Bound, SourceType)> {
        let mut known = Vec::new();
        for binding in active.document.bindings(Role::Ingestion) {
            let bound = self.bound_as(active, binding).await?;
            for declared in self.source_types(&bound).await? {
                if declared.name == source_type {
                    return Ok((bound, declared));
                }
                known.push(declared.name);
            }
        }
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(Error::invalid(
            "type",
            format!(
                "no connector of environment `{}` serves sources of type `{source_type}`: there are {known}; bind one that does in `[[ingestion]]`",
                active.name
            ),
        ))
    }

    /// Asked of a plugin once for each component, configuration and environment's programs: a connector that runs others serves
    /// what its configuration names.
    pub(crate) async fn source_types(&self, bound: &Bound) -> Result<Vec<SourceType>> {
        let asked = bound.identity();
        if let Some(types) = self.source_types.lock().await.get(&asked) {
            return Ok(types.clone());
        }
        let call = bound.call("source-types", Arc::new(asgard_contract::log::Discard)).await?;
        let types = bound.plugin.connector(call).source_types().await?;
        self.source_types.lock().await.insert(asked, types.clone());
        Ok(types)
    }
}
