//! Small values by key, which plugins keep: `scope` is `environment/plugin`, a bucket is one of its sets.

use std::collections::HashMap;

use sqlx::{Any, Transaction};

use crate::statement::Statement;
use crate::{Store, StoreResult};

/// Rows in one statement: four values each, and SQLite takes 32,766 of them.
const ROWS_PER_STATEMENT: usize = 1000;

impl Store {
    /// The values of `keys` in their order, all of one moment; none where there is no value.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key_values_get(
        &self,
        scope: &str,
        bucket: &str,
        keys: &[String],
    ) -> StoreResult<Vec<Option<Vec<u8>>>> {
        let mut found: HashMap<String, Vec<u8>> = HashMap::with_capacity(keys.len());
        let mut read = self.read().await?;
        for some in keys.chunks(ROWS_PER_STATEMENT) {
            let mut query = Statement::new("SELECT key, value FROM key_values WHERE scope = ");
            query.bind(scope).push(" AND bucket = ").bind(bucket).push(" AND key IN (").bind_all(some).push(")");
            // Statements of every length would push the useful ones out of the cache.
            let rows: Vec<(String, Vec<u8>)> =
                query.query_as().persistent(some.len() == 1).fetch_all(&mut *read).await?;
            found.extend(rows);
        }
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    /// Sets all of `entries` or none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key_values_set(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> StoreResult<()> {
        let mut write = self.write().await?;
        insert(&mut write, scope, bucket, entries).await?;
        Ok(write.commit().await?)
    }

    /// Puts `entries` in the place of the whole bucket: a reader sees all of the old or all of the new.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key_values_replace(
        &self,
        scope: &str,
        bucket: &str,
        entries: Vec<(String, Vec<u8>)>,
    ) -> StoreResult<()> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM key_values WHERE scope = $1 AND bucket = $2")
            .bind(scope)
            .bind(bucket)
            .execute(&mut *write)
            .await?;
        insert(&mut write, scope, bucket, entries).await?;
        Ok(write.commit().await?)
    }

    /// Removes a bucket with all its values.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn key_values_delete(&self, scope: &str, bucket: &str) -> StoreResult<()> {
        sqlx::query("DELETE FROM key_values WHERE scope = $1 AND bucket = $2")
            .bind(scope)
            .bind(bucket)
            .execute(self.writer())
            .await?;
        Ok(())
    }
}

/// A key that comes twice gets its last value, as one statement after the other would do.
async fn insert(
    write: &mut Transaction<'static, Any>,
    scope: &str,
    bucket: &str,
    entries: Vec<(String, Vec<u8>)>,
) -> StoreResult<()> {
    let last: HashMap<String, Vec<u8>> = entries.into_iter().collect();
    let entries: Vec<(String, Vec<u8>)> = last.into_iter().collect();
    for some in entries.chunks(ROWS_PER_STATEMENT) {
        let mut query = Statement::new("INSERT INTO key_values (scope, bucket, key, value) ");
        query.bind_rows(some.iter().map(|(key, value)| [scope.into(), bucket.into(), key.into(), value.into()]));
        query.push(" ON CONFLICT (scope, bucket, key) DO UPDATE SET value = excluded.value");
        query.query().persistent(some.len() == 1).execute(&mut **write).await?;
    }
    Ok(())
}
