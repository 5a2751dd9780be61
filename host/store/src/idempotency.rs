//! Idempotency keys: a request that is sent again under its key gets the answer of the first one.
//!
//! A claim comes before the work and the answer after it, so two requests with one key never both work. A host that dies in
//! between leaves a claim without an answer: nobody knows how far that request came, so it is neither done again nor left
//! under way for ever. Its next life, or another host, answers it with that ([`Store::answer_abandoned_keys`]). A host that was
//! only paused finds its claim answered, and keeps no answer of its own.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::{Store, StoreResult};

/// An answer as it went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The key is this request's now: work, then [`Store::keep_answer`] or [`Store::release_key`].
    Granted,
    /// The same request is under way.
    UnderWay,
    /// The same request was answered.
    Answered(StoredAnswer),
    /// Another request has this key.
    OtherRequest,
}

#[derive(FromRow)]
struct Row {
    fingerprint: String,
    status: Option<i64>,
    content_type: Option<String>,
    body: Option<Vec<u8>>,
}

impl Store {
    /// Claims a key for the request that `fingerprint` (of method, route and body) identifies. `scope` keeps the keys of
    /// different callers or environments apart.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim_key(&self, scope: &str, key: &str, fingerprint: &str) -> StoreResult<Claim> {
        let mut write = self.write_rows().await?;
        let claimed = sqlx::query(
            "INSERT INTO idempotency_keys (scope, key, fingerprint, created_at, claimed_by) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (scope, key) DO NOTHING",
        )
        .bind(scope)
        .bind(key)
        .bind(fingerprint)
        .bind(self.now_in(&mut write).await?)
        .bind(self.owner())
        .execute(&mut *write)
        .await?;
        if claimed.rows_affected() == 1 {
            write.commit().await?;
            return Ok(Claim::Granted);
        }
        let row: Option<Row> = sqlx::query_as(
            "SELECT fingerprint, status, content_type, body FROM idempotency_keys WHERE scope = $1 AND key = $2",
        )
        .bind(scope)
        .bind(key)
        .fetch_optional(&mut *write)
        .await?;
        // The other one gave it back this moment: the next try gets it.
        let Some(row) = row else { return Ok(Claim::UnderWay) };
        if row.fingerprint != fingerprint {
            return Ok(Claim::OtherRequest);
        }
        Ok(match row.status.and_then(|status| u16::try_from(status).ok()) {
            None => Claim::UnderWay,
            Some(status) => Claim::Answered(StoredAnswer {
                status,
                content_type: row.content_type,
                body: row.body.unwrap_or_default(),
            }),
        })
    }

    /// Keeps the answer of a claimed request.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn keep_answer(&self, scope: &str, key: &str, answer: &StoredAnswer) -> StoreResult<()> {
        sqlx::query(
            "UPDATE idempotency_keys SET status = $1, content_type = $2, body = $3
             WHERE scope = $4 AND key = $5 AND status IS NULL AND claimed_by = $6",
        )
        .bind(i64::from(answer.status))
        .bind(answer.content_type.as_deref())
        .bind(&answer.body)
        .bind(scope)
        .bind(key)
        .bind(self.owner())
        .execute(self.writer())
        .await?;
        Ok(())
    }

    /// Gives a claimed key back: the request did nothing, and may be sent again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn release_key(&self, scope: &str, key: &str) -> StoreResult<()> {
        sqlx::query(
            "DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND status IS NULL AND claimed_by = $3",
        )
        .bind(scope)
        .bind(key)
        .bind(self.owner())
        .execute(self.writer())
        .await?;
        Ok(())
    }

    /// Gives the claimed requests of lives that are over this answer, and answers how many: earlier lives of this host, and those
    /// of other hosts that have not said for a while that they are alive. A process says so with [`Store::beat`] before it claims
    /// anything, and is the only one that takes requests on its folder.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn answer_abandoned_keys(&self, answer: &StoredAnswer) -> StoreResult<u64> {
        let now = self.now().await?.timestamp_millis();
        let answered = sqlx::query(
            "UPDATE idempotency_keys SET status = $1, content_type = $2, body = $3
             WHERE status IS NULL AND claimed_by <> $4 AND (claimed_by LIKE $5
                 OR NOT EXISTS (SELECT 1 FROM lives WHERE owner = claimed_by AND alive_until >= $6))",
        )
        .bind(i64::from(answer.status))
        .bind(answer.content_type.as_deref())
        .bind(&answer.body)
        .bind(self.owner())
        .bind(self.own_lives())
        .bind(now)
        .execute(self.writer())
        .await?;
        sqlx::query("DELETE FROM lives WHERE alive_until < $1").bind(now).execute(self.writer()).await?;
        Ok(answered.rows_affected())
    }

    /// Forgets all keys that were claimed before a moment, and answers how many.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_answers(&self, before: DateTime<Utc>) -> StoreResult<u64> {
        let gone = sqlx::query("DELETE FROM idempotency_keys WHERE created_at < $1")
            .bind(before.timestamp_millis())
            .execute(self.writer())
            .await?;
        Ok(gone.rows_affected())
    }
}
