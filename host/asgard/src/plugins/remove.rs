//! `asgard plugin remove`.

use anyhow::{Context, Result};
use clap::Args;
use reqwest::Method;

use crate::client::{Place, segment};

/// Take a version of a plugin off a host. Refused while it is bound, or while a task runs on it.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// `NAME@VERSION`.
    plugin: String,
    #[command(flatten)]
    place: Place,
}

impl Remove {
    pub(crate) async fn run(self) -> Result<()> {
        let (name, version) = self
            .plugin
            .split_once('@')
            .with_context(|| format!("`{}`: expected NAME@VERSION, as `asgard plugin list` has them", self.plugin))?;
        let path = format!("/plugins/{}/{}", segment(name), segment(version));
        self.place.client()?.act(Method::DELETE, &path, &[]).await?;
        println!("removed {name} {version}");
        Ok(())
    }
}
