//! Reading features: as they were at a time (historical), as they are (online).

use std::sync::Arc;
use std::time::Duration;

use asgard_contract::features::{EntityRows, HistoricalRequest, OnlineRequest, Outcome, Request, Selection};
use asgard_contract::lakehouse::{Dialect, Input, Output, Statement, TableWrite, WriteMode};
use asgard_contract::log::Discard;
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Progress, Result, TableName};
use asgard_tasks::{NewTask, TaskStatus};
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::run::{FeatureTask, KIND};
use crate::environments::Active;
use crate::{Pipeline, names};

/// How long a request waits for its rows.
const ROWS_WITHIN: Duration = Duration::from_secs(120);
/// Where the rows of joins wait for their requests, each by its join's id, which is the subject of its task.
pub(crate) const JOINED: &str = "features/historical/";
/// Rows that an answer may carry; more go to a table.
const ROWS_AT_MOST: u32 = 100_000;

/// Which features: all of a service, or `view:feature` and `view` references.
#[derive(Debug, Clone)]
pub enum Selected {
    Service(String),
    Features(Vec<String>),
}

/// The rows to join to.
#[derive(Debug, Clone)]
pub enum EntityInput {
    /// Objects with the entities and `event_timestamp`.
    Rows(Vec<Map<String, Value>>),
    /// A table with such columns.
    Table(TableName),
    /// The latest row of each entity of the first view.
    Latest,
}

/// A point-in-time join to be made.
#[derive(Debug, Clone)]
pub struct HistoricalQuery {
    pub selected: Selected,
    pub entities: EntityInput,
    pub full_names: bool,
    /// Write the rows to this gold table instead of answering with them.
    pub output_table: Option<String>,
}

/// The rows of a point-in-time join, or the table that has them.
#[derive(Debug, Clone)]
pub struct Historical {
    pub rows: Vec<Map<String, Value>>,
    pub row_count: u64,
    pub table: Option<TableName>,
    /// The snapshots that were read.
    pub snapshots: Vec<(String, i64)>,
}

/// An online read to be made.
#[derive(Debug, Clone)]
pub struct OnlineQuery {
    pub selected: Selected,
    pub entities: Vec<Map<String, Value>>,
    pub full_names: bool,
}

impl Pipeline {
    /// Joins features to entity rows as they were at each row's time.
    ///
    /// # Errors
    /// `invalid-input` with the field; `unavailable` when it takes over two minutes (ask for a table then).
    pub async fn historical_features(&self, active: &Arc<Active>, query: HistoricalQuery) -> Result<Historical> {
        if let Some(table) = &query.output_table {
            names::identifier("output_table", table)?;
        }
        let id = crate::new_id();
        let output = format!("{JOINED}{id}.parquet");
        let rows = entity_rows(query.entities)?;
        let selections = self.selections(active, &query.selected).await?;
        let request = HistoricalRequest { rows, selections, full_names: query.full_names, output: output.clone() };
        let bound = self.required(active, Role::Features).await?;
        let asked = FeatureTask { pin: bound.pin(), request: Request::Historical(request) };
        let task = NewTask::new(&active.name, KIND)
            .subject(&id)
            .plugin(&bound.pin())
            .request(serde_json::to_value(&asked).unwrap_or_default());
        let task = self.tasks.submit(task).await?;
        let found = self.joined(active, &task.id, &output, &id, query.output_table).await;
        // A task that succeeded leaves them to its request, whatever that comes to.
        let deleted = active.lender.delete_object(&output).await;
        let found = found?;
        deleted.map(|()| found)
    }

    /// Waits for the task, and reads the rows that it leaves at `object`.
    async fn joined(
        &self,
        active: &Arc<Active>,
        task: &str,
        object: &str,
        key: &str,
        output_table: Option<String>,
    ) -> Result<Historical> {
        let task = self.tasks.wait(task, ROWS_WITHIN).await?;
        let outcome: Outcome = match (task.status, task.error, task.outcome) {
            (TaskStatus::Succeeded, _, Some(outcome)) => serde_json::from_value(outcome)
                .map_err(|error| Error::internal(format!("the outcome cannot be read: {error}")))?,
            (_, Some(error), _) => return Err(error),
            (TaskStatus::Cancelled, ..) => return Err(Error::conflict("the join was cancelled")),
            _ => {
                self.tasks.cancel(&task.id).await?;
                // Rows need not be the reason: a server of the backend's may be away all the time.
                let last = task.progress.map(|progress| format!(" ({})", progress.message)).unwrap_or_default();
                return Err(Error::unavailable(format!(
                    "the join took over two minutes{last}: give fewer rows, or an `output_table`"
                )));
            }
        };
        self.historical_result(active, object, key, output_table, outcome).await
    }

    async fn historical_result(
        &self,
        active: &Arc<Active>,
        object: &str,
        key: &str,
        output_table: Option<String>,
        outcome: Outcome,
    ) -> Result<Historical> {
        use asgard_capabilities::lakehouse::Engine as _;
        let location = active.lender.object_location(object)?;
        let statement = Statement {
            sql: "SELECT * FROM historical_features".to_owned(),
            dialect: Dialect::Trino,
            inputs: vec![("historical_features".to_owned(), Input::Location(location))],
        };
        let mut result =
            Historical { rows: Vec::new(), row_count: outcome.rows, table: None, snapshots: outcome.snapshots };
        if let Some(name) = output_table {
            let table = TableName::new("gold", name.to_ascii_lowercase());
            let write =
                TableWrite { table: table.clone(), mode: WriteMode::Replace, key: Vec::new(), properties: Vec::new() };
            let (progress, _) = watch::channel(Progress::default());
            active.lakehouse.run(key, statement, Output::Table(write), progress).await?;
            result.table = Some(table);
        } else {
            if outcome.rows > u64::from(ROWS_AT_MOST) {
                return Err(Error::invalid(
                    "output_table",
                    format!(
                        "{} rows are too many for an answer (at most {ROWS_AT_MOST}): name a table for them",
                        outcome.rows
                    ),
                ));
            }
            let ipc = active.lakehouse.query(&statement, ROWS_AT_MOST).await?;
            result.rows = asgard_lakehouse::rows_to_json(&ipc)?;
        }
        Ok(result)
    }

    /// Features of entities as they are now.
    ///
    /// # Errors
    /// `invalid-input` with the field.
    pub async fn online_features(&self, active: &Arc<Active>, query: OnlineQuery) -> Result<Vec<Map<String, Value>>> {
        if query.entities.is_empty() {
            return Err(Error::invalid("entities", "expected one entity row at least"));
        }
        let selections = self.selections(active, &query.selected).await?;
        for (index, row) in query.entities.iter().enumerate() {
            for entity in selections.iter().flat_map(|selection| &selection.view.entities) {
                if !row.contains_key(entity) {
                    return Err(Error::invalid(format!("entities[{index}].{entity}"), "the entity's value is missing"));
                }
            }
        }
        let bound = self.required(active, Role::Features).await?;
        let call = bound.call("online", Arc::new(Discard)).await?;
        let request = OnlineRequest { selections, full_names: query.full_names, entities: query.entities };
        bound.plugin.feature_source(call).online(&request).await
    }

    /// Views and features behind a selection.
    pub(crate) async fn selections(&self, active: &Active, selected: &Selected) -> Result<Vec<Selection>> {
        match selected {
            Selected::Service(name) => {
                let service = self.service(active, name).await.map_err(|error| match error {
                    Error::NotFound { message } => Error::invalid("feature_service", message),
                    other => other,
                })?;
                let views = self.named_views(active, &service.service.views, "feature_service").await?;
                Ok(views.into_iter().map(whole).collect())
            }
            Selected::Features(references) => self.referenced(active, references).await,
        }
    }

    async fn referenced(&self, active: &Active, references: &[String]) -> Result<Vec<Selection>> {
        if references.is_empty() {
            return Err(Error::invalid("features", "name a feature service, or features as `view:feature`"));
        }
        let mut selections: Vec<Selection> = Vec::new();
        for (index, reference) in references.iter().enumerate() {
            let field = format!("features[{index}]");
            let (view, feature) = match reference.split_once(':') {
                Some((view, feature)) => (view, Some(feature)),
                None => (reference.as_str(), None),
            };
            let found = self.view(active, view).await.map_err(|error| match error {
                Error::NotFound { message } => Error::invalid(&field, message),
                other => other,
            })?;
            let wanted = match feature {
                None => whole(found.view.clone()).features,
                Some(feature) if found.view.features.iter().any(|known| known.name == feature) => {
                    vec![feature.to_owned()]
                }
                Some(feature) => {
                    let known: Vec<&str> = found.view.features.iter().map(|known| known.name.as_str()).collect();
                    return Err(Error::invalid(
                        field,
                        format!("view `{view}` has no feature `{feature}`: it has {}", known.join(", ")),
                    ));
                }
            };
            match selections.iter_mut().find(|selection| selection.view.name == view) {
                Some(selection) => selection.features.extend(wanted),
                None => selections.push(Selection { view: found.view, features: wanted }),
            }
        }
        Ok(selections)
    }
}

/// The join whose rows these are, also where a host was killed while it wrote them.
pub(crate) fn join_of(object: &str) -> Option<&str> {
    let (join, _) = object.strip_prefix(JOINED)?.trim_start_matches('.').split_once(".parquet")?;
    Some(join)
}

fn whole(view: asgard_contract::features::FeatureView) -> Selection {
    Selection { features: view.features.iter().map(|feature| feature.name.clone()).collect(), view }
}

/// The column of entity rows that says when.
const EVENT_TIME: &str = "event_timestamp";

pub(crate) fn entity_rows(entities: EntityInput) -> Result<EntityRows> {
    Ok(match entities {
        EntityInput::Table(table) => EntityRows::Table(table),
        EntityInput::Latest => EntityRows::Latest,
        EntityInput::Rows(rows) => {
            if rows.is_empty() {
                return Err(Error::invalid("entities", "expected one entity row at least"));
            }
            let dated = |row: &Map<String, Value>| row.get(EVENT_TIME).is_some_and(|time| !time.is_null());
            if let Some(index) = rows.iter().position(|row| !dated(row))
                && rows.iter().any(dated)
            {
                return Err(Error::invalid(
                    format!("entities[{index}].{EVENT_TIME}"),
                    "is missing, and other rows have one: without it a row would see values of any later time",
                ));
            }
            EntityRows::ArrowIpc(
                asgard_lakehouse::rows_from_json(&rows, EVENT_TIME).map_err(|e| e.in_field("entities"))?,
            )
        }
    })
}
