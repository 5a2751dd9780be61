//! API tokens: made here, shown once, and known by their SHA-256 from then on.
//!
//! Slow, salted hashes protect what people choose and attackers guess. A token is 32 random bytes: it cannot be guessed at any
//! speed, so a plain digest gives nothing away, and a digest can be looked up by an index at every request. Nothing remembers
//! a token between requests: one that was revoked is refused by the next request on every host.

use asgard_contract::Error;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;
use uuid::Uuid;

use crate::access::{AccessRole, Reach};
use crate::{Store, StoreError, StoreResult, time};

/// In front of every token, so that people and scanners of leaked secrets know one when they see it.
const PREFIX: &str = "asgard_";

/// As many as the digest has: more would not be harder to guess.
const RANDOM_BYTES: usize = 32;

/// What a token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    pub role: AccessRole,
    pub reach: Reach,
    /// None: it is valid until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
    /// Who made it.
    pub created_by: String,
}

/// Names stand in the audit trail, in logs and on the command line.
const LONGEST_NAME: usize = 100;

impl NewToken {
    /// Whether it can be made.
    ///
    /// # Errors
    /// `invalid-input` with the field that is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let plain = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(known)
        };
        let expected = |name: &str| {
            format!("`{name}`: expected letters, digits, `.`, `_` and `-`, at most {LONGEST_NAME} characters")
        };
        if !plain(&self.name) {
            return Err(Error::invalid("name", expected(&self.name)));
        }
        if self.reach.names().is_some_and(<[String]>::is_empty) {
            return Err(Error::invalid("environments", "is empty: name one, or leave it out for all of them"));
        }
        for (index, name) in self.reach.names().into_iter().flatten().enumerate() {
            if !plain(name) {
                return Err(Error::invalid(format!("environments[{index}]"), expected(name)));
            }
        }
        if self.expires_at.is_some_and(|at| at <= Utc::now()) {
            return Err(Error::invalid("expires_at", "is over already: expected a time to come"));
        }
        Ok(())
    }
}

/// A token as lists show it: without what it is recognised by.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiToken {
    pub id: String,
    pub name: String,
    pub role: AccessRole,
    pub reach: Reach,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// To within a few seconds.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str =
    "id, name, role, environments, created_by, created_at, expires_at, last_used_at, revoked_at FROM access_tokens";

#[derive(FromRow)]
struct Row {
    id: String,
    name: String,
    role: String,
    environments: Option<String>,
    created_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl Row {
    fn token(self) -> StoreResult<ApiToken> {
        let unreadable = |error: &dyn std::fmt::Display| StoreError::unreadable(format!("token `{}`", self.id), error);
        let role = self.role.parse().map_err(|error| unreadable(&error))?;
        let names = self.environments.as_deref().map(serde_json::from_str).transpose();
        let reach = Reach::of(names.map_err(|error| unreadable(&error))?);
        Ok(ApiToken {
            role,
            reach,
            id: self.id,
            name: self.name,
            created_by: self.created_by,
            created_at: time::from_millis(self.created_at),
            expires_at: self.expires_at.map(time::from_millis),
            last_used_at: self.last_used_at.map(time::from_millis),
            revoked_at: self.revoked_at.map(time::from_millis),
        })
    }
}

impl Store {
    /// Makes a token that was checked, and answers with it and its text, which nobody can read again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a token of this name is there and not revoked.
    pub async fn create_token(&self, new: &NewToken) -> StoreResult<(ApiToken, String)> {
        let mut random = [0; RANDOM_BYTES];
        OsRng
            .try_fill_bytes(&mut random)
            .map_err(|error| StoreError::Folder(format!("the system gives no random bytes for a token: {error}")))?;
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let environments = new.reach.names().map(|names| serde_json::json!(names).to_string());
        let token = ApiToken {
            id: Uuid::now_v7().to_string(),
            name: new.name.clone(),
            role: new.role,
            reach: new.reach.clone(),
            created_by: new.created_by.clone(),
            created_at: time::from_millis(time::now()),
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let mut write = self.write().await?;
        let taken: Option<(String,)> =
            sqlx::query_as("SELECT id FROM access_tokens WHERE name = $1 AND revoked_at IS NULL")
                .bind(&token.name)
                .fetch_optional(&mut *write)
                .await?;
        if taken.is_some() {
            return Err(StoreError::Conflict(format!(
                "there is a token `{}`: take another name, or revoke that one first",
                token.name
            )));
        }
        sqlx::query(
            "INSERT INTO access_tokens (id, name, digest, role, environments, created_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&token.id)
        .bind(&token.name)
        .bind(digest(&text))
        .bind(token.role.as_str())
        .bind(environments)
        .bind(&token.created_by)
        .bind(token.created_at.timestamp_millis())
        .bind(token.expires_at.map(|at| at.timestamp_millis()))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok((token, text))
    }

    /// The token with this text, be it revoked or expired: its bearer may be told so.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn token_of(&self, text: &str) -> StoreResult<Option<ApiToken>> {
        if !text.starts_with(PREFIX) {
            return Ok(None);
        }
        self.one_token("digest = $1", &digest(text)).await
    }

    /// A token by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn token(&self, id: &str) -> StoreResult<Option<ApiToken>> {
        self.one_token("id = $1", id).await
    }

    /// The token of this name that is not revoked.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn token_named(&self, name: &str) -> StoreResult<Option<ApiToken>> {
        self.one_token("name = $1 AND revoked_at IS NULL", name).await
    }

    /// A page of tokens, newest first, and how many there are in all; revoked ones are among them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tokens(&self, limit: u32, offset: u64) -> StoreResult<(Vec<ApiToken>, u64)> {
        let mut read = self.read().await?;
        let (total,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM access_tokens").fetch_one(&mut *read).await?;
        let text = format!("SELECT {COLUMNS} ORDER BY id DESC LIMIT $1 OFFSET $2");
        let rows: Vec<Row> = sqlx::query_as(&text)
            .bind(i64::from(limit))
            .bind(i64::try_from(offset).unwrap_or(i64::MAX))
            .fetch_all(&mut *read)
            .await?;
        let tokens = rows.into_iter().map(Row::token).collect::<StoreResult<_>>()?;
        Ok((tokens, total.unsigned_abs()))
    }

    /// Whether there is a token that is not revoked. An expired one counts: that time went by opens no host.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_token(&self) -> StoreResult<bool> {
        let found: Option<(String,)> = sqlx::query_as("SELECT id FROM access_tokens WHERE revoked_at IS NULL LIMIT 1")
            .fetch_optional(self.readers())
            .await?;
        Ok(found.is_some())
    }

    /// Revokes a token: the next request with it is refused. One that is revoked already keeps its time.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none.
    pub async fn revoke_token(&self, id: &str) -> StoreResult<()> {
        let found = sqlx::query("UPDATE access_tokens SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2")
            .bind(time::now())
            .bind(id)
            .execute(self.writer())
            .await?;
        if found.rows_affected() == 0 {
            return Err(StoreError::NotFound(format!("there is no token `{id}`")));
        }
        Ok(())
    }

    /// Remembers when a token was used; an older time than the one that is known changes nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn note_token_use(&self, id: &str, at: DateTime<Utc>) -> StoreResult<()> {
        sqlx::query(
            "UPDATE access_tokens SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)",
        )
        .bind(at.timestamp_millis())
        .bind(id)
        .execute(self.writer())
        .await?;
        Ok(())
    }

    async fn one_token(&self, condition: &str, value: &str) -> StoreResult<Option<ApiToken>> {
        let text = format!("SELECT {COLUMNS} WHERE {condition}");
        let row: Option<Row> = sqlx::query_as(&text).bind(value).fetch_optional(self.readers()).await?;
        row.map(Row::token).transpose()
    }
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
