//! Resources: everything that users make and name. One table for all kinds; what a kind's body means is the pipeline's.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, FromRow};

use crate::tasks::{NewTask, Task};
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
    Pipeline,
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
            Self::Pipeline => "pipeline",
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

/// Where a body is to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub environment: &'a str,
    pub kind: ResourceKind,
    pub id: &'a str,
    pub name: &'a str,
    /// Of the resource that was read and is changed; none for a new one.
    pub revision: Option<i64>,
}

impl<'a> Entry<'a> {
    /// Touches no row where the resource is not at its revision any more.
    fn storing(self, body: String) -> Query<'a, Any, AnyArguments<'a>> {
        match self.revision {
            None => sqlx::query(
                "INSERT INTO resources (environment, kind, id, name, body, revision, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $6)",
            )
            .bind(self.environment)
            .bind(self.kind.as_str())
            .bind(self.id)
            .bind(self.name)
            .bind(body)
            .bind(time::now()),
            Some(revision) => sqlx::query(
                "UPDATE resources SET name = $1, body = $2, revision = revision + 1, updated_at = $3
                 WHERE environment = $4 AND kind = $5 AND id = $6 AND revision = $7",
            )
            .bind(self.name)
            .bind(body)
            .bind(time::now())
            .bind(self.environment)
            .bind(self.kind.as_str())
            .bind(self.id)
            .bind(revision),
        }
    }
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
        let entry = Entry { environment, kind, id, name, revision: None };
        let stored = entry.storing(json(kind, body)?).execute(self.writer()).await;
        stored.map(drop).map_err(|error| taken(error, kind, name))
    }

    /// Stores a resource and a task that is about it, both or neither: of two requests for one resource, one has its task, and the
    /// other is refused before any work begins. `body` makes the resource of the task.
    ///
    /// # Errors
    /// As [`Store::put_new`] and [`Store::update`].
    pub async fn put_with_task<T: Serialize>(
        &self,
        entry: Entry<'_>,
        new: &NewTask,
        body: &(dyn Fn(&Task) -> T + Send + Sync),
    ) -> StoreResult<Task> {
        let mut write = self.write().await?;
        let task = self.insert(&mut write, new).await?;
        let text = json(entry.kind, &body(&task))?;
        let stored = entry.storing(text).execute(&mut *write).await;
        if stored.map_err(|error| taken(error, entry.kind, entry.name))?.rows_affected() == 0 {
            write.rollback().await?;
            return Err(self.outdated(entry).await);
        }
        write.commit().await?;
        Ok(task)
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
        let entry = Entry { environment, kind, id, name, revision: Some(revision) };
        let changed = entry.storing(json(kind, body)?).execute(self.writer()).await;
        match changed.map_err(|error| taken(error, kind, name))?.rows_affected() {
            0 => Err(self.outdated(entry).await),
            _ => Ok(()),
        }
    }

    /// Why a change of a resource changed nothing.
    async fn outdated(&self, entry: Entry<'_>) -> StoreError {
        let (title, id) = (entry.kind.title(), entry.id);
        match self.get::<serde_json::Value>(entry.environment, entry.kind, id).await {
            Ok(Some(_)) => StoreError::Conflict(format!(
                "the {title} `{id}` was changed by another request meanwhile: read it again, then repeat the change"
            )),
            Ok(None) => StoreError::NotFound(format!("there is no {title} `{id}` any more")),
            Err(error) => error,
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
