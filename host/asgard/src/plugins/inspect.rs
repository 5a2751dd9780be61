//! `asgard plugin inspect`.

use std::path::PathBuf;

use anyhow::Result;
use asgard_plugins::{Runtime, RuntimeConfig};
use clap::Args;

use super::fetch;

/// Show what a component exports and imports, and whether this host can run it.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The component, such as `target/wasm32-wasip2/plugin/my_plugin.wasm`.
    component: PathBuf,
    /// Its manifest, to check the component against. Default: `plugin.toml` beside the component, if there is one.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

impl Inspect {
    pub(crate) async fn run(self) -> Result<()> {
        let bytes = fetch::read(&self.component)?;
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
        let beside = || Some(fetch::beside(&self.component)).filter(|path| path.is_file());
        if let Some(path) = self.manifest.clone().or_else(beside) {
            let manifest = fetch::manifest(&fetch::read_text(&path)?, &path.display().to_string())?;
            runtime.load(&bytes, &manifest).await?;
            println!("fits     {} {} ({})", manifest.name, manifest.version, path.display());
        }
        Ok(())
    }
}
