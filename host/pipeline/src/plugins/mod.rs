//! Registered plugins: stored by name, version and digest; compiled when first used, once per digest.

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
    /// By digest. Two tasks that start with the same new plugin wait for one compilation instead of doing two.
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
        let digest = plugin.digest().to_owned();
        self.lock().insert(digest, Arc::new(OnceCell::new_with(Some(plugin))));
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
            return self.pinned(binding, digest).await;
        }
        let found = self.store.plugin(&binding.plugin, binding.version.as_ref()).await?;
        let registered = found.ok_or_else(|| {
            let version = binding.version.as_ref().map_or_else(String::new, |version| format!(" in version {version}"));
            Error::not_found(format!(
                "plugin `{}` is not registered{version}: add it with `asgard plugin add FILE`",
                binding.plugin
            ))
        })?;
        self.by_digest(&registered.digest).await
    }

    /// The plugin of a binding that names a digest: those bytes, whatever is registered under the name by now.
    async fn pinned(&self, binding: &Binding, digest: &str) -> Result<Plugin> {
        let plugin = self.by_digest(digest).await?;
        let manifest = plugin.manifest();
        let fits = manifest.name == binding.plugin
            && binding.version.as_ref().is_none_or(|version| *version == manifest.version);
        if !fits {
            let (name, version) = (&manifest.name, &manifest.version);
            return Err(Error::not_found(format!("{digest} is plugin `{name}` {version}, not what the binding names")));
        }
        Ok(plugin)
    }

    /// The plugin with exactly these bytes.
    ///
    /// # Errors
    /// `not-found` when it is not registered.
    pub(crate) async fn by_digest(&self, digest: &str) -> Result<Plugin> {
        let cell = Arc::clone(self.lock().entry(digest.to_owned()).or_default());
        cell.get_or_try_init(|| self.load(digest)).await.cloned()
    }

    async fn load(&self, digest: &str) -> Result<Plugin> {
        let stored = self.store.plugin_component(digest).await?;
        let (manifest, component): (Manifest, Vec<u8>) =
            stored.ok_or_else(|| Error::not_found(format!("no registered plugin has the digest {digest}")))?;
        Ok(self.runtime.load(&component, &manifest).await?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<Plugin>>>> {
        // Entries are put in at once: a panic while the lock is held leaves them whole.
        self.loaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
