//! `asgard plugin`: look into components, register them, list what is registered.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use asgard_contract::manifest::Manifest;
use asgard_plugins::{Runtime, RuntimeConfig};
use clap::{Args, Subcommand};

use crate::data::DataFolder;

/// Inspect, register and list plugins.
#[derive(Debug, Args)]
pub(crate) struct Plugin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what a component exports and imports, and whether this host can run it.
    Inspect {
        /// The component, such as `target/wasm32-wasip2/plugin/my_plugin.wasm`.
        component: PathBuf,
        /// Its manifest, to check the component against. Default: `plugin.toml` beside the component, if there is one.
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
    },
    /// Register a plugin with the host; a running host can bind it at once.
    Add {
        /// The component.
        component: PathBuf,
        /// Its manifest. Default: `plugin.toml` beside the component.
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
        #[command(flatten)]
        data: DataFolder,
    },
    /// List the registered plugins, newest version first.
    List {
        #[command(flatten)]
        data: DataFolder,
    },
}

impl Plugin {
    pub(crate) fn run(self) -> Result<()> {
        crate::serve::runtime()?.block_on(async {
            match self.command {
                Command::Inspect { component, manifest } => inspect(&component, manifest).await,
                Command::Add { component, manifest, data } => add(&component, manifest, &data).await,
                Command::List { data } => list(&data).await,
            }
        })
    }
}

async fn inspect(component: &Path, manifest: Option<PathBuf>) -> Result<()> {
    let bytes = read(component)?;
    let runtime = Runtime::new(RuntimeConfig { cache: None })?;
    let inspection = runtime.inspect(&bytes)?;
    println!("digest   {}", inspection.digest);
    println!("size     {} bytes", bytes.len());
    for interface in &inspection.interfaces {
        println!("exports  {interface}");
    }
    for capability in &inspection.capabilities {
        println!("asks for {capability}");
    }
    let manifest = manifest.or_else(|| Some(beside(component)).filter(|path| path.is_file()));
    if let Some(path) = manifest {
        let manifest = manifest_of(&path)?;
        runtime.load(&bytes, &manifest).await?;
        println!("fits     {} {} ({})", manifest.name, manifest.version, path.display());
    }
    Ok(())
}

async fn add(component: &Path, manifest: Option<PathBuf>, data: &DataFolder) -> Result<()> {
    let bytes = read(component)?;
    let manifest = manifest_of(&manifest.unwrap_or_else(|| beside(component)))?;
    // Compiled here, so that a component that cannot run is refused before it is stored.
    let runtime = Runtime::new(RuntimeConfig { cache: Some(data.open()?.join("compiled")) })?;
    let plugin = runtime.load(&bytes, &manifest).await?;
    let store = data.store().await?;
    store.add_plugin(&manifest, plugin.digest(), &bytes).await.map_err(asgard_contract::Error::from)?;
    println!("registered {} {} {}", manifest.name, manifest.version, plugin.digest());
    Ok(())
}

async fn list(data: &DataFolder) -> Result<()> {
    let store = data.store().await?;
    for plugin in store.plugins().await.map_err(asgard_contract::Error::from)? {
        println!("{} {} {}", plugin.manifest.name, plugin.manifest.version, plugin.digest);
        println!("    {}", plugin.manifest.summary);
    }
    Ok(())
}

fn beside(component: &Path) -> PathBuf {
    component.with_file_name("plugin.toml")
}

fn manifest_of(path: &Path) -> Result<Manifest> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the manifest {} cannot be read: name it with `--manifest FILE`", path.display()))?;
    asgard_plugins::parse_manifest(&text).with_context(|| format!("{} is no manifest", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}
