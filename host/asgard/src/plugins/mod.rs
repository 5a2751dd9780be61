//! `asgard plugin`: look into components, test them, register them with a host, take them off again.

mod add;
mod fetch;
mod inspect;
mod list;
mod oci;
mod remove;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use asgard_store::Store;
use clap::{Args, Subcommand};

use crate::client::Place;
use crate::data::Database;

/// Inspect, test, register, list and remove plugins.
#[derive(Debug, Args)]
pub(crate) struct Plugin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Inspect),
    Test(test::Test),
    Add(add::Add),
    List(list::List),
    Remove(remove::Remove),
}

impl Plugin {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Inspect(inspect) => inspect.run().await?,
            Command::Test(test) => return test.run().await,
            Command::Add(add) => add.run().await?,
            Command::List(list) => list.run().await?,
            Command::Remove(remove) => remove.run().await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A running host, or the data folder of one that need not run.
#[derive(Debug, Args)]
struct Target {
    /// Work on a data folder of this machine, or on the database beside it, instead of over REST; a host that runs on it sees the
    /// change at once.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    place: Place,
}

/// What a command works on.
enum Host {
    Folder(Store, PathBuf),
    Remote(crate::client::Client),
}

impl Target {
    async fn open(&self) -> Result<Host> {
        match &self.data {
            Some(folder) => {
                let folder = crate::data::opened(folder)?;
                let store =
                    Store::open_with(&folder, self.database.config()).await.map_err(asgard_contract::Error::from)?;
                Ok(Host::Folder(store, folder))
            }
            None => Ok(Host::Remote(self.place.client()?)),
        }
    }
}
