//! Secrets: encrypted in the database, readable only with the key beside it. Values are never logged and never shown.

mod cipher;

use chrono::{DateTime, Utc};

pub(crate) use cipher::Cipher;

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
        self.cipher().open_sealed(environment, name, &sealed)
    }

    /// Sets a secret, whether it was there or not.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_secret(&self, environment: &str, name: &str, value: &str) -> StoreResult<()> {
        let sealed = self.cipher().seal(environment, name, value)?;
        sqlx::query(
            "INSERT INTO secrets (environment, name, sealed, updated_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (environment, name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at",
        )
        .bind(environment)
        .bind(name)
        .bind(sealed)
        .bind(time::now())
        .execute(self.writer())
        .await?;
        Ok(())
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
