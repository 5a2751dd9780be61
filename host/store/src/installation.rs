//! The database's own name: all hosts that work on it are one to the outside.

use uuid::Uuid;

use crate::{Store, StoreResult};

impl Store {
    /// Drawn once. A copy of the database has the same.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn installation(&self) -> StoreResult<String> {
        const KNOWN: &str = "SELECT id FROM installation WHERE one = 1";
        if let Some(id) = sqlx::query_scalar(KNOWN).fetch_optional(&mut *self.read().await?).await? {
            return Ok(id);
        }
        // Whoever comes first decides: several hosts may start on an empty database.
        sqlx::query("INSERT INTO installation (one, id) VALUES (1, $1) ON CONFLICT DO NOTHING")
            .bind(Uuid::new_v4().to_string())
            .execute(self.writer())
            .await?;
        Ok(sqlx::query_scalar(KNOWN).fetch_one(&mut *self.read().await?).await?)
    }
}
