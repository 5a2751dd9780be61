//! `asgard secret`: secrets by name, for configurations and grants to refer to. Write-only: a value goes in and never comes out.

use std::io::{IsTerminal, Read};

use anyhow::{Context, Result, ensure};
use asgard_store::Store;
use clap::{Args, Subcommand};

use crate::data::DataFolder;
use crate::trail::{self, Done};

/// Keep secrets that environments and sources name.
#[derive(Debug, Args)]
pub(crate) struct Secret {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Store a secret: `asgard secret set NAME < FILE`, or type it. A configuration names it as `secret://NAME`.
    Set {
        name: String,
        /// For a host that has not been started yet, or an environment whose document is to come.
        #[arg(long)]
        new: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Print the names of the secrets; never their values.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Encrypt all secrets with another key, while hosts run: a new one in the place of that in the key file, or the one that
    /// ASGARD_SECRET_KEY or `--secret-key-command` has behind the one in use.
    RotateKey {
        #[command(flatten)]
        data: DataFolder,
    },
    /// Forget a secret.
    Remove {
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// The environment that the secret belongs to.
    #[arg(long, default_value = "local")]
    environment: String,
    #[command(flatten)]
    data: DataFolder,
}

impl Secret {
    pub(crate) fn run(self) -> Result<()> {
        crate::serve::runtime()?.block_on(async {
            match self.command {
                Command::Set { name, new, place } => {
                    let store = place.store(new).await?;
                    let value = value()?;
                    store.set_secret(&place.environment, &name, &value).await.map_err(asgard_contract::Error::from)?;
                    record(&store, "set", &name, Some(&place.environment)).await?;
                    eprintln!("stored `{name}` of environment `{}`; name it as secret://{name}", place.environment);
                }
                Command::List { place } => {
                    let store = place.store(false).await?;
                    for secret in store.secrets(&place.environment).await.map_err(asgard_contract::Error::from)? {
                        println!("{}", secret.name);
                    }
                }
                Command::RotateKey { data } => {
                    let store = data.store_of(&[], false).await?;
                    let changed = store.rotate_key().await.map_err(asgard_contract::Error::from)?;
                    record(&store, "rotate-key", "", None).await?;
                    eprintln!("{changed} secrets are encrypted with the new key");
                }
                Command::Remove { name, place } => {
                    let store = place.store(false).await?;
                    store.delete_secret(&place.environment, &name).await.map_err(asgard_contract::Error::from)?;
                    record(&store, "remove", &name, Some(&place.environment)).await?;
                }
            }
            Ok(())
        })
    }
}

impl Place {
    async fn store(&self, new: bool) -> Result<Store> {
        self.data.store_of(std::slice::from_ref(&self.environment), new).await
    }
}

async fn record(store: &Store, what: &str, name: &str, environment: Option<&str>) -> Result<()> {
    let command = format!("asgard secret {what}");
    trail::record(store, Done { command: &command, name, environment, subject: None }).await
}

/// From standard input, so that it stands in no process list and no shell history.
fn value() -> Result<String> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("type the secret, then Enter and Ctrl-D:");
    }
    let mut value = String::new();
    input.read_to_string(&mut value).context("the secret cannot be read from standard input: expected UTF-8 text")?;
    let value = value.trim_end_matches(['\r', '\n']).to_owned();
    ensure!(!value.is_empty(), "the secret is empty: give it on standard input, as in `asgard secret set NAME < FILE`");
    Ok(value)
}
