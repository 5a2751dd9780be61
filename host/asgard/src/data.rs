//! The data folder and the database: everything a host remembers.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use asgard_store::{KeySource, Store, StoreConfig};
use clap::Args;

/// No argument: those of other users' processes can be read by everyone.
const SECRET_KEY: &str = "ASGARD_SECRET_KEY";

/// Where the host keeps its things.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataFolder {
    /// The host's data folder: store, tables, objects, processes. Made when it does not exist.
    #[arg(long = "data", value_name = "DIR", default_value = ".asgard", env = "ASGARD_DATA")]
    path: PathBuf,
    #[command(flatten)]
    database: Database,
}

/// Where the store is, and the key of its secrets.
#[derive(Debug, Clone, Args)]
pub(crate) struct Database {
    /// The database, as `postgres://USER:PASSWORD@HOST/DATABASE`. Several hosts may share one. Default: a file in the data
    /// folder.
    #[arg(long, value_name = "URL", env = "ASGARD_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A file with the key of the secrets. Default: `secret.key` in the data folder, or the key in ASGARD_SECRET_KEY.
    #[arg(long, value_name = "FILE", env = "ASGARD_SECRET_KEY_FILE")]
    secret_key_file: Option<PathBuf>,
    /// A command that prints the key of the secrets, such as a key service's client; run by a shell.
    #[arg(long, value_name = "COMMAND", env = "ASGARD_SECRET_KEY_COMMAND", conflicts_with = "secret_key_file")]
    secret_key_command: Option<String>,
}

impl DataFolder {
    /// The folder as an absolute path, made if need be: processes of the host run in other folders.
    pub(crate) fn open(&self) -> Result<PathBuf> {
        opened(&self.path)
    }

    /// The folder's store, for commands that work beside a running host: both see each other's changes at once.
    pub(crate) async fn store(&self) -> Result<Store> {
        Ok(Store::open_with(&self.open()?, self.store_config()).await.map_err(asgard_contract::Error::from)?)
    }

    /// Which database it is, and where its key is from.
    pub(crate) fn store_config(&self) -> StoreConfig {
        self.database.config()
    }

    /// As [`Self::store`], of a host that there is, with these environments. One that a slip of the keyboard made would hold what
    /// nobody finds. `new`: it is to come.
    pub(crate) async fn store_of(&self, environments: &[String], new: bool) -> Result<Store> {
        const OR_NEW: &str = "or say that it is to come, with `--new`";
        ensure!(
            new || self.database.database_url.is_some() || Store::is_in(&self.path),
            "{} is no data folder of a host: name that with `--data`, {OR_NEW}",
            self.path.display()
        );
        let store = self.store().await?;
        let known = store.environments().await.map_err(asgard_contract::Error::from)?;
        if let Some(unknown) = environments.iter().find(|name| !new && !known.contains(name)) {
            let there = if known.is_empty() { "is none yet".to_owned() } else { format!("are {}", known.join(", ")) };
            bail!("there is no environment `{unknown}`: there {there}; name one with `--environment`, {OR_NEW}");
        }
        Ok(store)
    }
}

impl Database {
    /// As the store is opened with.
    pub(crate) fn config(&self) -> StoreConfig {
        let key = match (&self.secret_key_file, &self.secret_key_command, std::env::var(SECRET_KEY)) {
            (Some(file), _, _) => KeySource::File(file.clone()),
            (None, Some(command), _) => KeySource::Command(command.clone()),
            (None, None, Ok(key)) => KeySource::Text(key),
            (None, None, Err(_)) => KeySource::Folder,
        };
        StoreConfig { database_url: self.database_url.clone(), key }
    }
}

/// A folder as an absolute path, made if need be.
pub(crate) fn opened(path: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(path).with_context(|| format!("the folder {} cannot be made", path.display()))?;
    path.canonicalize().with_context(|| format!("the folder {} cannot be read", path.display()))
}

/// Makes sure that one host works on the folder. The lock ends with the process, however it ends.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("serve.lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another host works on the data folder {}: stop it first, or give this one a folder of its own with `--data`",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{} cannot be locked", path.display())),
    }
}
