//! The audit trail: who changed what, and who was refused. Entries are added and, by age or number, removed at the old end;
//! no statement changes one. The database itself refuses everything else, by triggers: an entry is removed once
//! `audit_trail_end` has passed it, which moves forwards only.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use uuid::Uuid;

use crate::statement::Statement;
use crate::{Store, StoreError, StoreResult, time};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// The caller may not ask for it.
    Refused,
    /// It was wrong, or something went wrong.
    Failed,
    /// The client did not wait for the answer; how far it came is not known.
    Abandoned,
}

impl AuditOutcome {
    const ALL: [Self; 4] = [Self::Done, Self::Refused, Self::Failed, Self::Abandoned];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What is to be remembered of a request. Nothing of its body and its query is: secrets are in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEntry {
    pub who: String,
    /// The API token that it came with.
    pub token_id: Option<String>,
    pub method: String,
    /// The route as the router has it, such as `/sink/{id}`.
    pub route: String,
    /// The path as it was asked for: it names what the request is about.
    pub path: String,
    /// None: the request was about the host as a whole.
    pub environment: Option<String>,
    /// The id of what it made.
    pub subject: Option<String>,
    pub outcome: AuditOutcome,
    /// HTTP status; none when the client did not wait for it.
    pub status: Option<u16>,
}

/// An entry of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub id: String,
    pub time: DateTime<Utc>,
    pub entry: NewAuditEntry,
}

/// Which entries.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub environment: Option<String>,
    pub who: Option<String>,
    /// From this moment on.
    pub since: Option<DateTime<Utc>>,
    /// Before this moment.
    pub until: Option<DateTime<Utc>>,
}

/// How much of the trail is kept.
#[derive(Debug, Clone, Copy)]
pub struct AuditRetention {
    pub days: u32,
    pub entries: u64,
}

#[derive(FromRow)]
struct Row {
    id: String,
    time: i64,
    who: String,
    token_id: Option<String>,
    method: String,
    route: String,
    path: String,
    environment: Option<String>,
    subject: Option<String>,
    outcome: String,
    status: Option<i64>,
}

impl Row {
    fn entry(self) -> StoreResult<AuditEntry> {
        let outcome =
            AuditOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == self.outcome).ok_or_else(|| {
                StoreError::unreadable(format!("entry {} of the audit trail", self.id), format!("`{}`", self.outcome))
            })?;
        Ok(AuditEntry {
            id: self.id,
            time: time::from_millis(self.time),
            entry: NewAuditEntry {
                who: self.who,
                token_id: self.token_id,
                method: self.method,
                route: self.route,
                path: self.path,
                environment: self.environment,
                subject: self.subject,
                outcome,
                status: self.status.and_then(|status| u16::try_from(status).ok()),
            },
        })
    }
}

impl AuditFilter {
    /// ` WHERE …`, or nothing.
    fn conditions<'q>(&'q self, statement: &mut Statement<'q>) {
        let mut joint = " WHERE ";
        let mut condition = |statement: &mut Statement<'q>, text: &str| {
            statement.push(joint).push(text);
            joint = " AND ";
        };
        if let Some(environment) = &self.environment {
            condition(statement, "environment = ");
            statement.bind(environment);
        }
        if let Some(who) = &self.who {
            condition(statement, "who = ");
            statement.bind(who);
        }
        if let Some(since) = self.since {
            condition(statement, "time >= ");
            statement.bind(since.timestamp_millis());
        }
        if let Some(until) = self.until {
            condition(statement, "time < ");
            statement.bind(until.timestamp_millis());
        }
    }
}

impl Store {
    /// Adds an entry to the trail.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record(&self, entry: &NewAuditEntry) -> StoreResult<()> {
        sqlx::query(
            "INSERT INTO audit_trail (id, time, who, token_id, method, route, path, environment, subject, outcome,
                                      status)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(Uuid::now_v7().to_string())
        .bind(time::now())
        .bind(&entry.who)
        .bind(entry.token_id.as_deref())
        .bind(&entry.method)
        .bind(&entry.route)
        .bind(&entry.path)
        .bind(entry.environment.as_deref())
        .bind(entry.subject.as_deref())
        .bind(entry.outcome.as_str())
        .bind(entry.status.map(i64::from))
        .execute(self.writer())
        .await?;
        Ok(())
    }

    /// A page of the trail, newest entry first, and how many entries the filter lets through.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn audit_trail(
        &self,
        filter: &AuditFilter,
        limit: u32,
        offset: u64,
    ) -> StoreResult<(Vec<AuditEntry>, u64)> {
        let mut count = Statement::new("SELECT COUNT(*) FROM audit_trail");
        filter.conditions(&mut count);
        let mut page = Statement::new(
            "SELECT id, time, who, token_id, method, route, path, environment, subject, outcome, status
             FROM audit_trail",
        );
        filter.conditions(&mut page);
        page.push(" ORDER BY id DESC LIMIT ").bind(i64::from(limit));
        page.push(" OFFSET ").bind(i64::try_from(offset).unwrap_or(i64::MAX));
        let mut read = self.read().await?;
        let (total,): (i64,) = count.query_as().fetch_one(&mut *read).await?;
        let rows: Vec<Row> = page.query_as().fetch_all(&mut *read).await?;
        let entries = rows.into_iter().map(Row::entry).collect::<StoreResult<_>>()?;
        Ok((entries, total.unsigned_abs()))
    }

    /// Removes what is older or more than is kept, and answers how many entries that were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn trim_audit_trail(&self, keep: AuditRetention) -> StoreResult<u64> {
        let oldest = time::now().saturating_sub(i64::from(keep.days) * 24 * 3600 * 1000);
        let mut write = self.write().await?;
        // The newest of those that are too old, and of those that are too many; it and all before it go.
        let (end,): (Option<String>,) = sqlx::query_as(
            "SELECT MAX(id) FROM (SELECT MAX(id) AS id FROM audit_trail WHERE time < $1
                 UNION ALL SELECT id FROM (SELECT id FROM audit_trail ORDER BY id DESC LIMIT 1 OFFSET $2) AS many) AS ends",
        )
        .bind(oldest)
        .bind(i64::try_from(keep.entries).unwrap_or(i64::MAX))
        .fetch_one(&mut *write)
        .await?;
        let Some(end) = end else { return Ok(0) };
        sqlx::query("UPDATE audit_trail_end SET id = $1 WHERE id < $1").bind(&end).execute(&mut *write).await?;
        let removed = sqlx::query("DELETE FROM audit_trail WHERE id <= $1").bind(&end).execute(&mut *write).await?;
        write.commit().await?;
        Ok(removed.rows_affected())
    }
}
