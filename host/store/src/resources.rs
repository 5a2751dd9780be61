//! Resources: everything that users make and name. One table for all kinds; what a kind's body means is the pipeline's.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::FromRow;

use crate::{Store, StoreError, StoreResult, time};

/// What kind of thing a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    Source,
    Sink,
    Ingestion,
    Transformation,
    FeatureView,
    FeatureService,
}

impl ResourceKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Ingestion => "ingestion",
            Self::Transformation => "transformation",
            Self::FeatureView => "feature_view",
            Self::FeatureService => "feature_service",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::FeatureView => "feature view",
            Self::FeatureService => "feature service",
            other => other.as_str(),
        }
    }
}

/// A stored resource. Its id is unique in its environment and kind, and so is its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource<T> {
    pub id: String,
    pub name: String,
    pub body: T,
    /// Counts changes; [`Store::update`] takes the one that was read.
    pub revision: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    id: String,
    name: String,
    body: String,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn resource<T: DeserializeOwned>(self, kind: ResourceKind) -> StoreResult<Resource<T>> {
        let body = serde_json::from_str(&self.body)
            .map_err(|error| StoreError::unreadable(format!("{} `{}`", kind.title(), self.id), error))?;
        Ok(Resource {
            id: self.id,
            name: self.name,
            body,
            revision: self.revision,
            created_at: time::from_millis(self.created_at),
            updated_at: time::from_millis(self.updated_at),
        })
    }
}

impl Store {
    /// Stores a new resource.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its kind has that name or id in this environment.
    pub async fn put_new<T: Serialize>(
        &self,
        environment: &str,
        kind: ResourceKind,
        id: &str,
        name: &str,
        body: &T,
    ) -> StoreResult<()> {
        let stored = sqlx::query(
            "INSERT INTO resources (environment, kind, id, name, body, revision, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 1, $6, $6)",
        )
        .bind(environment)
        .bind(kind.as_str())
        .bind(id)
        .bind(name)
        .bind(json(kind, body)?)
        .bind(time::now())
        .execute(self.writer())
        .await;
        stored.map(drop).map_err(|error| taken(error, kind, name))
    }

    /// A resource by id.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn get<T: DeserializeOwned>(
        &self,
        environment: &str,
        kind: ResourceKind,
        id: &str,
    ) -> StoreResult<Option<Resource<T>>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, name, body, revision, created_at, updated_at FROM resources
             WHERE environment = $1 AND kind = $2 AND id = $3",
        )
        .bind(environment)
        .bind(kind.as_str())
        .bind(id)
        .fetch_optional(self.readers())
        .await?;
        row.map(|row| row.resource(kind)).transpose()
    }

    /// A resource by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn get_by_name<T: DeserializeOwned>(
        &self,
        environment: &str,
        kind: ResourceKind,
        name: &str,
    ) -> StoreResult<Option<Resource<T>>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, name, body, revision, created_at, updated_at FROM resources
             WHERE environment = $1 AND kind = $2 AND name = $3",
        )
        .bind(environment)
        .bind(kind.as_str())
        .bind(name)
        .fetch_optional(self.readers())
        .await?;
        row.map(|row| row.resource(kind)).transpose()
    }

    /// A page of resources, newest first, and how many there are in all.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list<T: DeserializeOwned>(
        &self,
        environment: &str,
        kind: ResourceKind,
        limit: u32,
        offset: u64,
    ) -> StoreResult<(Vec<Resource<T>>, u64)> {
        let mut read = self.read().await?;
        let (total,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM resources WHERE environment = $1 AND kind = $2")
            .bind(environment)
            .bind(kind.as_str())
            .fetch_one(&mut *read)
            .await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, name, body, revision, created_at, updated_at FROM resources
             WHERE environment = $1 AND kind = $2 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4",
        )
        .bind(environment)
        .bind(kind.as_str())
        .bind(i64::from(limit))
        .bind(i64::try_from(offset).unwrap_or(i64::MAX))
        .fetch_all(&mut *read)
        .await?;
        let resources = rows.into_iter().map(|row| row.resource(kind)).collect::<StoreResult<_>>()?;
        Ok((resources, total.unsigned_abs()))
    }

    /// Changes name and body of a resource that is still at `revision`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it changed meanwhile or the name is taken.
    pub async fn update<T: Serialize>(
        &self,
        environment: &str,
        kind: ResourceKind,
        id: &str,
        name: &str,
        revision: i64,
        body: &T,
    ) -> StoreResult<()> {
        let body = json(kind, body)?;
        let changed = sqlx::query(
            "UPDATE resources SET name = $1, body = $2, revision = revision + 1, updated_at = $3
             WHERE environment = $4 AND kind = $5 AND id = $6 AND revision = $7",
        )
        .bind(name)
        .bind(body)
        .bind(time::now())
        .bind(environment)
        .bind(kind.as_str())
        .bind(id)
        .bind(revision)
        .execute(self.writer())
        .await
        .map_err(|error| taken(error, kind, name))?;
        if changed.rows_affected() == 1 {
            return Ok(());
        }
        let title = kind.title();
        match self.get::<serde_json::Value>(environment, kind, id).await? {
            Some(_) => Err(StoreError::Conflict(format!(
                "the {title} `{id}` was changed by another request meanwhile: read it again, then repeat the change"
            ))),
            None => Err(StoreError::NotFound(format!("there is no {title} `{id}` any more"))),
        }
    }

    /// Removes a resource; one that is gone already is no error.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete(&self, environment: &str, kind: ResourceKind, id: &str) -> StoreResult<()> {
        sqlx::query("DELETE FROM resources WHERE environment = $1 AND kind = $2 AND id = $3")
            .bind(environment)
            .bind(kind.as_str())
            .bind(id)
            .execute(self.writer())
            .await?;
        Ok(())
    }
}

fn json<T: Serialize>(kind: ResourceKind, body: &T) -> StoreResult<String> {
    serde_json::to_string(body).map_err(|error| StoreError::unreadable(format!("a {}", kind.title()), error))
}

fn taken(error: sqlx::Error, kind: ResourceKind, name: &str) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            StoreError::Conflict(format!("there is a {} called `{name}` already", kind.title()))
        }
        _ => error.into(),
    }
}
