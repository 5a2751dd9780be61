//! Registered plugins: stored by name, version and digest; compiled when first used, once per version.

mod removal;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use asgard_contract::environment::Binding;
use asgard_contract::manifest::Manifest;
use asgard_contract::{Error, Result};
use asgard_plugins::{Plugin, Runtime};
use asgard_store::{RegisteredPlugin, Store};
use tokio::sync::OnceCell;

/// The plugins of this host.
pub struct Plugins {
    store: Store,
    runtime: Runtime,
    /// By pin. Two tasks that start with the same new plugin wait for one compilation instead of doing two.
    loaded: Mutex<HashMap<String, Arc<OnceCell<Plugin>>>>,
}

impl Plugins {
    pub(crate) fn new(store: Store, runtime: Runtime) -> Self {
        Self { store, runtime, loaded: Mutex::new(HashMap::new()) }
    }

    /// Registers a component under the name and version of its manifest. Adding the same again changes nothing.
    ///
    /// # Errors
    /// `invalid-input` with what is wrong with component or manifest; `conflict` when the version exists with other bytes.
    pub async fn add(&self, manifest: &str, component: &[u8]) -> Result<RegisteredPlugin> {
        let manifest = asgard_plugins::parse_manifest(manifest)?;
        let plugin = self.runtime.load(component, &manifest).await?;
        let registered = self.store.add_plugin(&manifest, plugin.digest(), component).await?;
        let pin = pin(&manifest, plugin.digest());
        self.lock().insert(pin, Arc::new(OnceCell::new_with(Some(plugin))));
        Ok(registered)
    }

    /// Registers the plugins that came with the host: `FOLDER/NAME/{plugin.toml,plugin.wasm}`. A bundled version that
    /// changed (a rebuilt host) takes the place of the one before; running tasks keep the digest they started with.
    ///
    /// # Errors
    /// As [`Plugins::add`], with the file's name.
    pub async fn add_bundled(&self, folder: &Path) -> Result<()> {
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        let mut folders: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        folders.sort();
        for folder in folders {
            let (manifest, component) = (folder.join("plugin.toml"), folder.join("plugin.wasm"));
            if !manifest.is_file() || !component.is_file() {
                continue;
            }
            let read = |path: &Path| {
                std::fs::read(path)
                    .map_err(|error| Error::internal(format!("{} cannot be read: {error}", path.display())))
            };
            let text = String::from_utf8_lossy(&read(&manifest)?).into_owned();
            let manifest = asgard_plugins::parse_manifest(&text)?;
            let component = read(&component)?;
            let inspection = self.runtime.inspect(&component)?;
            self.store.replace_plugin(&manifest, &inspection.digest, &component).await?;
        }
        Ok(())
    }

    /// All registered versions, by name, newest version first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self) -> Result<Vec<RegisteredPlugin>> {
        Ok(self.store.plugins().await?)
    }

    /// The plugin of a binding.
    ///
    /// # Errors
    /// `not-found` when it is not registered.
    pub(crate) async fn bound(&self, binding: &Binding) -> Result<Plugin> {
        if let Some(digest) = &binding.digest {
            return self.of_digest(binding, digest).await;
        }
        let found = self.store.plugin(&binding.plugin, binding.version.as_ref()).await?;
        let registered = found.ok_or_else(|| {
            let version = binding.version.as_ref().map_or_else(String::new, |version| format!(" in version {version}"));
            Error::not_found(format!(
                "plugin `{}` is not registered{version}: add it with `asgard plugin add FILE`",
                binding.plugin
            ))
        })?;
        self.compiled(&registered.manifest, &registered.digest).await
    }

    /// The plugin of a binding that names a digest: those bytes, whatever is registered under the name by now.
    async fn of_digest(&self, binding: &Binding, digest: &str) -> Result<Plugin> {
        let manifests = self.manifests(digest).await?;
        let fits = |manifest: &&Manifest| {
            manifest.name == binding.plugin
                && binding.version.as_ref().is_none_or(|version| *version == manifest.version)
        };
        match manifests.iter().find(fits) {
            Some(manifest) => self.compiled(manifest, digest).await,
            None => {
                let known = manifests.iter().map(|known| format!("plugin `{}` {}", known.name, known.version));
                let known = known.collect::<Vec<_>>().join(" and ");
                Err(Error::not_found(format!("{digest} is {known}, not what the binding names")))
            }
        }
    }

    /// The plugin that a task has started with.
    ///
    /// # Errors
    /// `not-found` when it is not registered.
    pub(crate) async fn pinned(&self, pinned: &str) -> Result<Plugin> {
        let digest = pinned.rsplit(' ').next().unwrap_or(pinned);
        let manifests = self.manifests(digest).await?;
        let manifest = manifests.iter().find(|manifest| pin(manifest, digest) == pinned);
        let manifest = manifest.ok_or_else(|| Error::not_found(format!("no registered plugin was {pinned}")))?;
        self.compiled(manifest, digest).await
    }

    async fn manifests(&self, digest: &str) -> Result<Vec<Manifest>> {
        let manifests = self.store.plugin_manifests(digest).await?;
        if manifests.is_empty() {
            return Err(Error::not_found(format!("no registered plugin has the digest {digest}")));
        }
        Ok(manifests)
    }

    async fn compiled(&self, manifest: &Manifest, digest: &str) -> Result<Plugin> {
        let cell = Arc::clone(self.lock().entry(pin(manifest, digest)).or_default());
        let load = || async {
            let component = self.store.plugin_component(digest).await?;
            let component =
                component.ok_or_else(|| Error::not_found(format!("no registered plugin has the digest {digest}")))?;
            Ok::<Plugin, Error>(self.runtime.load(&component, manifest).await?)
        };
        cell.get_or_try_init(load).await.cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<Plugin>>>> {
        // Entries are put in at once: a panic while the lock is held leaves them whole.
        self.loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// `name@version sha256:…`: what a task writes down, so that what ran is always known.
pub(crate) fn pin(manifest: &Manifest, digest: &str) -> String {
    format!("{}@{} {digest}", manifest.name, manifest.version)
}
