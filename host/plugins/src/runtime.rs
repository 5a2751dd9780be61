//! Takes components and makes plugins of them.

use std::path::PathBuf;
use std::sync::Arc;

use asgard_contract::manifest::Manifest;
use asgard_threads::{Standing, Threads};
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::cache::Cache;
use crate::engine::{self, CONCURRENT_CALLS, CONCURRENT_SYNCS};
use crate::host::Host;
use crate::inspection::{self, Inspection};
use crate::plugin::{Loaded, Plugin};
use crate::refusal::{RefusedPlugin, RuntimeError};
use crate::schema::Schema;
use crate::ticker::Ticker;
use crate::{manifest, v0_1_0, wasi};

/// How a runtime is set up.
#[derive(Debug, Clone, Default)]
pub struct RuntimeConfig {
    /// The folder for compiled code; made when it does not exist. None: each start compiles anew.
    pub cache: Option<PathBuf>,
}

/// Loads plugins. One per host; cheap to clone.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

/// What all calls of all plugins share.
pub(crate) struct Shared {
    engine: Engine,
    linker: Linker<Host>,
    cache: Option<Cache>,
    pub(crate) ticker: Ticker,
    /// Where guests compute.
    pub(crate) threads: Threads,
    /// One permit per instance that may live at one time.
    pub(crate) instances: Arc<Semaphore>,
    /// Of those, how many may be syncs, which live for hours: steps must find a free one.
    pub(crate) syncs: Arc<Semaphore>,
}

impl Runtime {
    /// Builds the engine, and starts the threads that guests run on and the one that interrupts long calls.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly. A cache that cannot be used is no error: it is logged, and each start
    /// compiles anew.
    pub fn new(config: RuntimeConfig) -> Result<Self, RuntimeError> {
        let engine = engine::build()?;
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker)
            .and_then(|()| v0_1_0::link(&mut linker))
            .map_err(|reason| RuntimeError::Engine { reason: format!("{reason:#}") })?;
        let ticker = Ticker::start(&engine).map_err(RuntimeError::Ticker)?;
        let threads = Threads::start("guests", Standing::Behind, None).map_err(RuntimeError::Threads)?;
        let cache = config.cache.and_then(|folder| Cache::open(&folder, &engine));
        Ok(Self(Arc::new(Shared {
            engine,
            linker,
            cache,
            ticker,
            threads,
            instances: Arc::new(Semaphore::new(CONCURRENT_CALLS as usize)),
            syncs: Arc::new(Semaphore::new(CONCURRENT_SYNCS as usize)),
        })))
    }

    /// What a component exports and imports, without compiling it: milliseconds.
    ///
    /// # Errors
    /// As [`Runtime::load`], as far as the component alone is concerned.
    pub fn inspect(&self, component: &[u8]) -> Result<Inspection, RefusedPlugin> {
        inspection::inspect(component)
    }

    /// Checks a component against its manifest and compiles it, or finds it compiled. Seconds for a large one that is
    /// new; on a thread of its own.
    ///
    /// # Errors
    /// What does not fit, in words for its author. None of its code has run.
    pub async fn load(&self, component: &[u8], manifest: &Manifest) -> Result<Plugin, RefusedPlugin> {
        manifest::check(manifest)?;
        let inspection = inspection::inspect(component)?;
        inspection.agrees_with(manifest)?;
        let configuration =
            Schema::compile(&manifest.configuration).map_err(|reason| RefusedPlugin::ConfigurationSchema { reason })?;

        let shared = Arc::clone(&self.0);
        let bytes = component.to_vec();
        let digest = inspection.digest.clone();
        let compiled = tokio::task::spawn_blocking(move || shared.compile(&digest, &bytes))
            .await
            .map_err(|failure| RefusedPlugin::Uncompilable { reason: failure.to_string() })??;

        let incompatible = |reason: wasmtime::Error| RefusedPlugin::Incompatible { reason: format!("{reason:#}") };
        let linked = self.0.linker.instantiate_pre(&compiled).map_err(incompatible)?;
        let exports = v0_1_0::Exports::find(&linked, &inspection.interfaces).map_err(incompatible)?;
        Ok(Plugin::new(Loaded {
            manifest: manifest.clone(),
            digest: inspection.digest,
            interfaces: inspection.interfaces,
            configuration,
            exports,
            runtime: Arc::clone(&self.0),
        }))
    }
}

impl Shared {
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    fn compile(&self, digest: &str, bytes: &[u8]) -> Result<Component, RefusedPlugin> {
        if let Some(found) = self.cache.as_ref().and_then(|cache| cache.get(&self.engine, digest)) {
            return Ok(found);
        }
        let started = std::time::Instant::now();
        let component = Component::new(&self.engine, bytes)
            .map_err(|reason| RefusedPlugin::Uncompilable { reason: format!("{reason:#}") })?;
        tracing::debug!(digest, milliseconds = started.elapsed().as_millis() as u64, "compiled a plugin");
        if let Some(cache) = &self.cache {
            cache.put(digest, &component);
        }
        Ok(component)
    }
}
