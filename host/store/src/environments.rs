//! Environments: every document that ever was, as numbered revisions. The greatest is the one that is true.

use asgard_contract::environment::Environment;
use chrono::{DateTime, Utc};
use sqlx::{Any, FromRow, Transaction};

use crate::{Store, StoreError, StoreResult, time};

/// One revision of an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentRevision {
    /// From 1, without gaps.
    pub revision: i64,
    pub document: Environment,
    /// Who made it.
    pub author: String,
    /// Why, in their words.
    pub note: String,
    pub created_at: DateTime<Utc>,
}

/// Which revision of an environment is true now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentRevision {
    pub environment: String,
    pub revision: i64,
    /// An environment that was removed and made again has the same numbers, and other times.
    pub created_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    environment: String,
    revision: i64,
    document: String,
    author: String,
    note: String,
    created_at: i64,
}

impl Row {
    fn revision(self) -> StoreResult<EnvironmentRevision> {
        let document = serde_json::from_str(&self.document).map_err(|error| {
            StoreError::unreadable(format!("revision {} of environment `{}`", self.revision, self.environment), error)
        })?;
        Ok(EnvironmentRevision {
            revision: self.revision,
            document,
            author: self.author,
            note: self.note,
            created_at: time::from_millis(self.created_at),
        })
    }
}

impl Store {
    /// The names of all environments, sorted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn environments(&self) -> StoreResult<Vec<String>> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT name FROM environments ORDER BY name").fetch_all(self.readers()).await?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// The revision of each environment that is true now, without its document.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn current_revisions(&self) -> StoreResult<Vec<CurrentRevision>> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT r.environment, r.revision, r.created_at
             FROM environments e JOIN environment_revisions r ON r.environment = e.name AND r.revision = e.revision
             ORDER BY e.name",
        )
        .fetch_all(self.readers())
        .await?;
        let current = |(environment, revision, created_at)| CurrentRevision {
            environment,
            revision,
            created_at: time::from_millis(created_at),
        };
        Ok(rows.into_iter().map(current).collect())
    }

    /// The revision that is true now.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn environment(&self, name: &str) -> StoreResult<Option<EnvironmentRevision>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT r.environment, r.revision, r.document, r.author, r.note, r.created_at
             FROM environments e JOIN environment_revisions r ON r.environment = e.name AND r.revision = e.revision
             WHERE e.name = $1",
        )
        .bind(name)
        .fetch_optional(self.readers())
        .await?;
        row.map(Row::revision).transpose()
    }

    /// Every revision, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn environment_revisions(&self, name: &str) -> StoreResult<Vec<EnvironmentRevision>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT environment, revision, document, author, note, created_at FROM environment_revisions
             WHERE environment = $1 ORDER BY revision DESC",
        )
        .bind(name)
        .fetch_all(self.readers())
        .await?;
        rows.into_iter().map(Row::revision).collect()
    }

    /// Whether an environment may be removed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] while there are resources in it, or tasks that have not ended.
    pub async fn check_environment_deletable(&self, name: &str) -> StoreResult<()> {
        // What it deletes comes back with the end of the transaction.
        self.deleting(name).await.map(drop)
    }

    /// Removes an environment: its revisions, secrets and schedules, and what plugins and clients keep in it. Tasks that have ended stay.
    ///
    /// # Errors
    /// As [`Store::check_environment_deletable`].
    pub async fn delete_environment(&self, name: &str) -> StoreResult<()> {
        let mut write = self.deleting(name).await?;
        for statement in [
            "DELETE FROM environment_revisions WHERE environment = $1",
            "DELETE FROM secrets WHERE environment = $1",
            "DELETE FROM schedules WHERE environment = $1",
            // `environment/plugin`: names have no `/`.
            "DELETE FROM key_values WHERE SUBSTR(scope, 1, LENGTH($1) + 1) = $1 || '/'",
            "DELETE FROM idempotency_keys WHERE scope = $1 OR SUBSTR(scope, 1, LENGTH($1) + 1) = $1 || ' '",
        ] {
            sqlx::query(statement).bind(name).execute(&mut *write).await?;
        }
        Ok(write.commit().await?)
    }

    async fn deleting(&self, name: &str) -> StoreResult<Transaction<'static, Any>> {
        let mut write = self.write().await?;
        let deleted = sqlx::query("DELETE FROM environments WHERE name = $1").bind(name).execute(&mut *write).await?;
        if deleted.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("there is no environment `{name}`")));
        }
        let (tasks,): (i64,) =
            sqlx::query_as("SELECT COUNT(*) FROM tasks WHERE environment = $1 AND status IN ('pending', 'running')")
                .bind(name)
                .fetch_one(&mut *write)
                .await?;
        if tasks > 0 {
            return Err(StoreError::Conflict(format!(
                "environment `{name}` has {tasks} tasks that have not ended: wait for them, or cancel them (`asgard task list`)"
            )));
        }
        let kinds: Vec<(String, i64)> =
            sqlx::query_as("SELECT kind, COUNT(*) FROM resources WHERE environment = $1 GROUP BY kind ORDER BY kind")
                .bind(name)
                .fetch_all(&mut *write)
                .await?;
        if !kinds.is_empty() {
            let counted: Vec<String> =
                kinds.iter().map(|(kind, count)| format!("{} ({count})", kind.replace('_', " "))).collect();
            return Err(StoreError::Conflict(format!(
                "environment `{name}` is not empty: delete what is in it first: {}",
                counted.join(", ")
            )));
        }
        Ok(write)
    }

    /// Makes a document the revision of its environment that comes after `seen`; 0 = there is no such environment yet.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the environment is at another revision, whichever host made it.
    pub async fn put_environment(
        &self,
        document: &Environment,
        seen: i64,
        author: &str,
        note: &str,
    ) -> StoreResult<EnvironmentRevision> {
        let text = serde_json::to_string(document)
            .map_err(|error| StoreError::unreadable(format!("environment `{}`", document.name), error))?;
        let created_at = time::now();
        let revision = seen + 1;
        let mut write = self.write().await?;
        let moved = if seen == 0 {
            sqlx::query("INSERT INTO environments (name, revision) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
                .bind(&document.name)
                .bind(revision)
        } else {
            sqlx::query("UPDATE environments SET revision = $1 WHERE name = $2 AND revision = $3")
                .bind(revision)
                .bind(&document.name)
                .bind(seen)
        };
        if moved.execute(&mut *write).await?.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!(
                "environment `{}` is not at revision {seen} any more: look at what changed and try again",
                document.name
            )));
        }
        sqlx::query(
            "INSERT INTO environment_revisions (environment, revision, document, author, note, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&document.name)
        .bind(revision)
        .bind(text)
        .bind(author)
        .bind(note)
        .bind(created_at)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(EnvironmentRevision {
            revision,
            document: document.clone(),
            author: author.to_owned(),
            note: note.to_owned(),
            created_at: time::from_millis(created_at),
        })
    }
}
