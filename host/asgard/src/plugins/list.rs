//! `asgard plugin list`.

use anyhow::Result;
use clap::Args;

use super::{Host, Target};
use crate::client::{items, text};

/// List the registered plugins, newest version first, with where they are bound.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    target: Target,
}

impl List {
    pub(crate) async fn run(self) -> Result<()> {
        match self.target.open().await? {
            Host::Folder(store, _) => {
                for plugin in store.plugins().await.map_err(asgard_contract::Error::from)? {
                    println!("{} {} {}", plugin.manifest.name, plugin.manifest.version, plugin.digest);
                    println!("    {}", plugin.manifest.summary);
                }
            }
            Host::Remote(client) => {
                let answer = client.get("/plugins", &[]).await?;
                for plugin in items(&answer, "plugins") {
                    println!("{} {} {}", text(plugin, "name"), text(plugin, "version"), text(plugin, "digest"));
                    println!("    {}", text(plugin, "summary"));
                    let bound: Vec<&str> = items(plugin, "bound").iter().filter_map(|place| place.as_str()).collect();
                    if !bound.is_empty() {
                        println!("    bound in {}", bound.join(", "));
                    }
                }
            }
        }
        Ok(())
    }
}
