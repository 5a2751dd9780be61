//! Taking a version of a plugin off the host.
//!
//! Refused while anything needs it: a binding of an environment as it is now, or a task that is not at its end. What ended stays
//! as it is: the bytes are kept under their digest, so a model that is served goes on to be served, and what ran is always known.
//! An earlier revision of an environment that names the version cannot be rolled back to until it is added again, and says so.

use asgard_contract::environment::Environment;
use asgard_contract::{Error, Result};
use asgard_store::RegisteredPlugin;
use asgard_store::tasks::{TaskFilter, TaskStatus};

use super::Plugins;

/// Tasks that are looked at in one go.
const PAGE: u32 = 1000;

/// Named at most; the rest is counted.
const NAMED: usize = 5;

impl Plugins {
    /// Takes a version off the host.
    ///
    /// # Errors
    /// `not-found`; `conflict` while it is bound or used, naming where.
    pub async fn remove(&self, name: &str, version: &semver::Version) -> Result<()> {
        let registered = self.store.plugin(name, Some(version)).await?.ok_or_else(|| {
            Error::not_found(format!("plugin `{name}` is not registered in version {version}: see GET /plugins"))
        })?;
        let bound = self.bound_in(&registered).await?;
        if !bound.is_empty() {
            return Err(Error::conflict(format!(
                "plugin `{name}` {version} is bound in {}: bind another version or plugin there first",
                bound.join(", ")
            )));
        }
        let tasks = self.used_by(&super::pin(&registered.manifest, &registered.digest)).await?;
        if !tasks.is_empty() {
            let named = tasks.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = tasks.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            return Err(Error::conflict(format!(
                "tasks run on plugin `{name}` {version}: {named}{more}: wait for their end, or cancel them"
            )));
        }
        self.store.remove_plugin(name, version).await?;
        Ok(())
    }

    /// Where a version is bound: `local silver`, `production ingestion[0]`. A binding without a version counts for the one that it
    /// means now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn bound_in(&self, plugin: &RegisteredPlugin) -> Result<Vec<String>> {
        let manifest = &plugin.manifest;
        let newest = self.store.plugin(&manifest.name, None).await?;
        let is_newest = newest.is_some_and(|newest| newest.manifest.version == manifest.version);
        let mut bound = Vec::new();
        for name in self.store.environments().await? {
            if let Some(environment) = self.store.environment(&name).await? {
                bound.extend(places(&environment.document, plugin, is_newest));
            }
        }
        Ok(bound)
    }

    /// Tasks that are not at their end and name the pin: as the plugin of their step, or as one of a later step.
    async fn used_by(&self, pin: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for status in [TaskStatus::Pending, TaskStatus::Running] {
            let (mut offset, filter) = (0, TaskFilter::default().status(status));
            loop {
                let (tasks, total) = self.store.tasks(&filter, PAGE, offset).await?;
                offset += tasks.len() as u64;
                let last = tasks.is_empty() || offset >= total;
                let names = |text: String| text.contains(pin);
                found.extend(
                    tasks
                        .into_iter()
                        .filter(|task| {
                            task.plugin.clone().is_some_and(names)
                                || names(task.request.to_string())
                                || names(task.state.to_string())
                        })
                        .map(|task| format!("{} {}", task.kind, task.id)),
                );
                if last {
                    break;
                }
            }
        }
        Ok(found)
    }
}

fn places(document: &Environment, plugin: &RegisteredPlugin, is_newest: bool) -> Vec<String> {
    let manifest = &plugin.manifest;
    let binds = |binding: &asgard_contract::environment::Binding| {
        binding.plugin == manifest.name
            && match (&binding.digest, &binding.version) {
                (Some(digest), _) => *digest == plugin.digest,
                (None, Some(version)) => *version == manifest.version,
                (None, None) => is_newest,
            }
    };
    let places = document.places().into_iter().filter(|(_, _, binding)| binds(binding));
    places.map(|(_, place, _)| format!("{} {place}", document.name)).collect()
}
