//! The database's own name: all hosts that work on it are one to the outside.

use uuid::Uuid;

use crate::{Store, StoreResult};

impl Store {
    /// Drawn once. A copy of the database has the same.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn installation(&self) -> StoreResult<String> {
        // Whoever comes first decides: several hosts may start on an empty database.
        sqlx::query("INSERT INTO installation (one, id) VALUES (1, $1) ON CONFLICT DO NOTHING")
            .bind(Uuid::new_v4().to_string())
            .execute(self.writer())
            .await?;
        let mut read = self.read().await?;
        Ok(sqlx::query_scalar("SELECT id FROM installation WHERE one = 1").fetch_one(&mut *read).await?)
    }
}
