//! Secrets: encrypted in the database, readable only with a key that is not in it. Values are never logged and never shown.

mod cipher;
mod key;
mod keyring;

use chrono::{DateTime, Utc};

pub use key::KeySource;
pub(crate) use keyring::Keyring;

use crate::{Store, StoreError, StoreResult, time};

/// A secret as lists show it: without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    pub name: String,
    pub updated_at: DateTime<Utc>,
}

impl Store {
    /// The value of a secret.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] with what to do.
    pub async fn secret(&self, environment: &str, name: &str) -> StoreResult<String> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT sealed FROM secrets WHERE environment = $1 AND name = $2")
            .bind(environment)
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        let Some((sealed,)) = row else {
            return Err(StoreError::NotFound(format!(
                "environment `{environment}` has no secret `{name}`: set it with `asgard secret set {name} --environment {environment}`"
            )));
        };
        self.keyring().open(environment, name, &sealed).await
    }

    /// Sets a secret, whether it was there or not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_secret(&self, environment: &str, name: &str, value: &str) -> StoreResult<()> {
        // Alone, so that no key is changed meanwhile: what is sealed with a key that is gone is lost.
        let mut write = self.write().await?;
        let mark = keyring::mark(&mut write).await?.unwrap_or_default();
        // Another host may have changed the key: reading the mark reads that key.
        self.keyring().open("", "", &mark).await?;
        let sealed = self.keyring().seal(keyring::key_of(&mark)?, environment, name, value)?;
        keyring::put(&mut write, environment, name, &sealed).await?;
        Ok(write.commit().await?)
    }

    /// Removes a secret; one that is gone already is no error.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_secret(&self, environment: &str, name: &str) -> StoreResult<()> {
        sqlx::query("DELETE FROM secrets WHERE environment = $1 AND name = $2")
            .bind(environment)
            .bind(name)
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// The names of an environment's secrets, sorted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn secrets(&self, environment: &str) -> StoreResult<Vec<StoredSecret>> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT name, updated_at FROM secrets WHERE environment = $1 ORDER BY name")
                .bind(environment)
                .fetch_all(self.readers())
                .await?;
        let shown = |(name, updated_at)| StoredSecret { name, updated_at: time::from_millis(updated_at) };
        Ok(rows.into_iter().map(shown).collect())
    }
}
