//! The keys that a host has, and the one that the database says is in use.
//!
//! The database keeps a value of no use but this: it is sealed with the key in use (the *mark*, a row without environment and name).
//! So a host that has another key learns it at its start, before it seals anything that others cannot read; and a key is changed
//! in one transaction, whichever host does it. A running host that meets a key it does not know reads its source again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::AnyConnection;

use super::cipher::{Cipher, KeyId, Sealed};
use super::key::{self, KeyBytes, KeySource, random};
use crate::{Store, StoreError, StoreResult, time};

/// The value of the mark.
const MARK: &str = "asgard";

#[derive(Clone)]
pub(crate) struct Keyring {
    source: KeySource,
    folder: PathBuf,
    ciphers: Arc<RwLock<Arc<[Cipher]>>>,
}

impl Keyring {
    /// Without keys, until [`Keyring::settle`].
    pub(crate) fn new(source: KeySource, folder: &Path) -> Self {
        Self { source, folder: folder.to_owned(), ciphers: Arc::new(RwLock::new(Arc::new([]))) }
    }

    pub(super) fn ciphers(&self) -> Arc<[Cipher]> {
        Arc::clone(&self.ciphers.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn name(&self) -> String {
        self.source.name(&self.folder)
    }

    fn take(&self, keys: Vec<KeyBytes>) {
        let ciphers = keys.into_iter().map(Cipher::new).collect();
        *self.ciphers.write().unwrap_or_else(PoisonError::into_inner) = ciphers;
    }

    /// Reads the source again; answers whether it has a key.
    pub(super) async fn read(&self) -> StoreResult<bool> {
        let (source, folder) = (self.source.clone(), self.folder.clone());
        let reading = tokio::task::spawn_blocking(move || source.read(&folder));
        let keys = reading.await.map_err(|error| StoreError::Folder(error.to_string()))??;
        Ok(keys.map(|keys| self.take(keys)).is_some())
    }

    /// Opens a value with the key that it was sealed with.
    pub(super) async fn open(&self, environment: &str, name: &str, bytes: &[u8]) -> StoreResult<String> {
        let unreadable = |reason: &str| StoreError::unreadable(format!("secret `{name}`"), reason);
        let sealed = Sealed::parse(bytes).map_err(unreadable)?;
        if sealed.key.is_some_and(|id| !self.has(id)) {
            self.read().await?;
            if sealed.key.is_some_and(|id| !self.has(id)) {
                let reason = format!("{} is not the one that it was encrypted with", self.name());
                return Err(unreadable(&reason));
            }
        }
        let opened = self.ciphers().iter().find_map(|cipher| cipher.open(environment, name, &sealed));
        opened.ok_or_else(|| unreadable("it does not open with this key"))
    }

    fn has(&self, id: KeyId) -> bool {
        self.ciphers().iter().any(|cipher| cipher.id == id)
    }

    /// Seals with the key in use.
    pub(super) fn seal(&self, id: KeyId, environment: &str, name: &str, value: &str) -> StoreResult<Vec<u8>> {
        let ciphers = self.ciphers();
        let cipher = ciphers.iter().find(|cipher| cipher.id == id).ok_or_else(|| {
            StoreError::Folder(format!("{} is not the one in use: give this host the key of the others", self.name()))
        })?;
        cipher.seal(environment, name, value)
    }

    /// A key other than the one in use: the source's last one, or a new one that is written beside it.
    pub(super) fn successor(&self, of: KeyId) -> StoreResult<KeyId> {
        let last = self.ciphers().last().map(|cipher| cipher.id);
        if let Some(last) = last.filter(|last| *last != of) {
            return Ok(last);
        }
        let Some(path) = self.source.file(&self.folder) else {
            return Err(StoreError::Conflict(format!(
                "there is no other key to change to: let {} be followed by the new one, with a space between them, on every host; \
                 then change the key, and take the old one away",
                self.name()
            )));
        };
        let mut keys: Vec<KeyBytes> = self.ciphers().iter().map(|cipher| cipher.key).collect();
        keys.push(random()?);
        key::write(&path, &keys)?;
        self.take(keys);
        self.ciphers().last().map(|cipher| cipher.id).ok_or_else(|| StoreError::Folder("no key was made".to_owned()))
    }

    /// Takes keys that are not in use any more out of the file, where it is one. This process knows them to its end: another host
    /// may be reading what it read before.
    pub(super) fn forget_others(&self, than: KeyId) -> StoreResult<()> {
        let Some(path) = self.source.file(&self.folder) else { return Ok(()) };
        let used: Vec<KeyBytes> =
            self.ciphers().iter().filter(|cipher| cipher.id == than).map(|cipher| cipher.key).collect();
        key::write(&path, &used)
    }
}

/// The mark as it is stored.
pub(super) async fn mark(database: &mut AnyConnection) -> StoreResult<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT sealed FROM secrets WHERE environment = '' AND name = ''")
        .fetch_optional(database)
        .await?;
    Ok(row.map(|(sealed,)| sealed))
}

/// The key in use.
pub(super) fn key_of(mark: &[u8]) -> StoreResult<KeyId> {
    let sealed = Sealed::parse(mark).map_err(|reason| StoreError::unreadable("the mark of the key", reason))?;
    sealed.key.ok_or_else(|| StoreError::unreadable("the mark of the key", "it names no key"))
}

impl Store {
    /// Finds the host's key, makes it where there is no secret yet, and makes sure that it is the one of the database.
    ///
    /// # Errors
    /// [`StoreError::Folder`] when secrets are stored and their key is gone or another one.
    pub(crate) async fn settle_key(&self) -> StoreResult<()> {
        let keyring = self.keyring();
        let found = keyring.read().await?;
        let mut write = self.write().await?;
        let mark = mark(&mut write).await?;
        let secret: Option<(String, String, Vec<u8>)> =
            sqlx::query_as("SELECT environment, name, sealed FROM secrets WHERE environment <> '' LIMIT 1")
                .fetch_optional(&mut *write)
                .await?;
        // Without secrets, a key that went with a removed folder is no loss; other hosts may be about to use it, though.
        let binding = secret.is_some() || (mark.is_some() && self.is_shared());
        if !found {
            let name = keyring.name();
            if binding && self.is_shared() {
                return Err(StoreError::Folder(format!(
                    "{name} is gone, or never was on this host, and the database has secrets of other hosts: give this one the key of \
                     theirs, there or with `--secret-key-file`, ASGARD_SECRET_KEY or `--secret-key-command`"
                )));
            }
            if binding {
                return Err(StoreError::Folder(format!(
                    "{name} is gone, and the stored secrets cannot be read without it: put it back from a backup"
                )));
            }
            let path = keyring.source.file(&keyring.folder).unwrap_or_default();
            let key = random()?;
            key::write(&path, &[key])?;
            keyring.take(vec![key]);
        }
        let ciphers = keyring.ciphers();
        let opens = |environment: &str, name: &str, bytes: &[u8]| {
            Sealed::parse(bytes)
                .is_ok_and(|sealed| ciphers.iter().any(|cipher| cipher.open(environment, name, &sealed).is_some()))
        };
        let marked = mark.is_some_and(|mark| opens("", "", &mark));
        let readable = secret.is_none_or(|(environment, name, sealed)| opens(&environment, &name, &sealed));
        if binding && !(readable && (marked || !self.is_shared())) {
            return Err(StoreError::Folder(format!(
                "{} is not the one that the stored secrets were encrypted with: put that one back",
                keyring.name()
            )));
        }
        if !marked && let Some(cipher) = ciphers.last() {
            put(&mut write, "", "", &cipher.seal("", "", MARK)?).await?;
        }
        Ok(write.commit().await?)
    }

    /// Changes the key: seals every secret anew, in one transaction. With a key file, a new key is made and takes the place of the
    /// old one; else the source must have the new one behind the old one already. Hosts that run read their source again when they
    /// meet the new key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is no other key to change to.
    pub async fn rotate_key(&self) -> StoreResult<u64> {
        let keyring = self.keyring();
        keyring.read().await?;
        let mut write = self.write().await?;
        let in_use = key_of(&mark(&mut write).await?.unwrap_or_default())?;
        let next = keyring.successor(in_use)?;
        let rows: Vec<(String, String, Vec<u8>)> =
            sqlx::query_as("SELECT environment, name, sealed FROM secrets").fetch_all(&mut *write).await?;
        let mut changed = 0;
        for (environment, name, sealed) in rows {
            let value = keyring.open(&environment, &name, &sealed).await?;
            put(&mut write, &environment, &name, &keyring.seal(next, &environment, &name, &value)?).await?;
            changed += u64::from(!environment.is_empty());
        }
        write.commit().await?;
        keyring.forget_others(next)?;
        Ok(changed)
    }
}

/// Stores a sealed value in the place of the one before.
pub(super) async fn put(database: &mut AnyConnection, environment: &str, name: &str, sealed: &[u8]) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO secrets (environment, name, sealed, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (environment, name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at",
    )
    .bind(environment)
    .bind(name)
    .bind(sealed)
    .bind(time::now())
    .execute(database)
    .await?;
    Ok(())
}
