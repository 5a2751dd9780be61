//! Gold transformations: dbt models. A name is one transformation; asking for it again redefines and runs it again, which
//! is what an incremental model needs.

use std::sync::Arc;
use std::time::Duration;

use asgard_contract::lakehouse::Dialect;
use asgard_contract::manifest::Role;
use asgard_contract::transform::{GoldModel, IncrementalStrategy, Materialization, Outcome, Request};
use asgard_contract::{Error, Result, TableName};
use asgard_lakehouse::TableInfo;
use asgard_store::{Entry, ResourceKind};
use asgard_tasks::{NewTask, Task, TaskStatus};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::audit::{Asked, Plan};
use super::checks::{self, Check};
use super::generic_tests::{self, GenericTest};
use super::run::{GOLD, TransformTask};
use crate::environments::Active;
use crate::pipelines::Begun;
use crate::{Page, Paged, Pipeline, names, new_id, sql};

/// A POST answers when the work is done or after this, whichever comes first.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// In the place of a task's id.
const PLANNER: &str = "plan";

/// A transformation to be made or run again.
#[derive(Debug, Clone)]
pub struct NewTransformation {
    pub name: String,
    pub sql: String,
    pub description: Option<String>,
    pub materialization: Materialization,
    pub incremental_strategy: IncrementalStrategy,
    pub unique_key: Vec<String>,
    pub tags: Vec<String>,
    pub owner: String,
    /// dbt's generic tests.
    pub tests: Vec<GenericTest>,
    /// In Trino's SQL.
    pub checks: Vec<Check>,
    /// Whether the table is written to a branch, and published when tests and checks pass.
    pub audit: bool,
}

/// A transformation and its newest run.
#[derive(Debug, Clone)]
pub struct Transformation {
    pub id: String,
    pub model: GoldModel,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub task: Task,
    pub outcome: Option<Outcome>,
    /// As the model's own `config` has it, once it has run.
    pub materialization: Materialization,
}

/// A table or view of the gold namespace, with the transformation that made it.
#[derive(Debug, Clone)]
pub struct GoldTable {
    pub name: TableName,
    pub info: TableInfo,
    pub model: Option<GoldModel>,
    /// None for a table that no transformation made.
    pub materialization: Option<Materialization>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    model: GoldModel,
    /// The newest run.
    task: String,
}

impl Pipeline {
    /// Checks, plans and runs a model; waits for it up to 30 s.
    ///
    /// # Errors
    /// `invalid-input` with the field, `conflict` while a run of the same name is under way.
    pub async fn start_gold(&self, active: &Arc<Active>, new: NewTransformation) -> Result<Transformation> {
        let (id, task) = self.submit_gold(active, new, None).await?;
        self.tasks.wait(&task.id, ANSWER_WITHIN).await?;
        self.transformation(active, &id).await
    }

    /// As [`Pipeline::start_gold`], for a step of a pipeline's run; a run of the same name that is under way is waited for.
    pub(crate) async fn gold_of(&self, active: &Arc<Active>, new: NewTransformation, parent: &str) -> Result<Begun> {
        match self.submit_gold(active, new, Some(parent)).await {
            Ok((_, task)) => Ok(Begun::Task(Box::new(task))),
            Err(Error::Conflict { .. }) => Ok(Begun::Later),
            Err(error) => Err(error),
        }
    }

    /// What a model would do, without running it.
    ///
    /// # Errors
    /// As [`Pipeline::start_gold`]; `unsupported` for a backend that cannot plan.
    pub async fn plan_gold(&self, active: &Arc<Active>, new: NewTransformation) -> Result<Plan> {
        let asked = self.asked_gold(active, new).await?;
        let task = asked.task(active, Request::Gold(asked.what.clone())).await?;
        let plan = asked.plan(&task.request, PLANNER).await?;
        asked.told(active, &task.request, PLANNER, plan).await
    }

    async fn submit_gold(
        &self,
        active: &Arc<Active>,
        new: NewTransformation,
        parent: Option<&str>,
    ) -> Result<(String, Task)> {
        let (asked, model) = self.prepare_gold(active, new).await?;
        let existing =
            self.store.get_by_name::<Record>(&active.name, ResourceKind::Transformation, &model.name).await?;
        if let Some(existing) = &existing {
            let newest = self.tasks.get(&existing.body.task).await?;
            let own = |task: &Task| parent.is_some() && task.parent.as_deref() == parent;
            if newest.is_some_and(|task| !task.status.is_final() && !own(&task)) {
                return Err(Error::conflict(format!(
                    "transformation `{}` is running: wait for GET /dbt/transformations/{}",
                    model.name, existing.id
                )));
            }
        }
        let id = existing.as_ref().map_or_else(new_id, |existing| existing.id.clone());
        let new = NewTask::new(&active.name, GOLD)
            .subject(&id)
            .plugin(&asked.pin)
            .parent(parent)
            .request(serde_json::to_value(&asked).unwrap_or_default());
        let entry = Entry {
            environment: &active.name,
            kind: ResourceKind::Transformation,
            id: &id,
            name: &model.name,
            revision: existing.as_ref().map(|existing| existing.revision),
        };
        let record = |task: &Task| Record { model: model.clone(), task: task.id.clone() };
        let task = self.tasks.submit_with(new, entry, &record).await.map_err(|error| match Error::from(error) {
            Error::Conflict { .. } => Error::conflict(format!(
                "another request began a run of transformation `{}` just now: wait until it has ended",
                model.name
            )),
            other => other,
        })?;
        Ok((id, task))
    }

    async fn prepare_gold(&self, active: &Arc<Active>, new: NewTransformation) -> Result<(TransformTask, GoldModel)> {
        let asked = self.asked_gold(active, new).await?;
        let task = asked.task(active, Request::Gold(asked.what.clone())).await?;
        asked.plan(&task.request, PLANNER).await?;
        Ok((task, asked.what))
    }

    async fn asked_gold(&self, active: &Arc<Active>, new: NewTransformation) -> Result<Asked<GoldModel>> {
        names::identifier("name", &new.name)?;
        sql::gold("sql_query", &new.sql)?;
        let merging = new.materialization == Materialization::Incremental
            && new.incremental_strategy != IncrementalStrategy::Append;
        if merging && new.unique_key.is_empty() {
            return Err(Error::invalid("unique_key", "merge and delete_insert find rows by a key: name its columns"));
        }
        let model = GoldModel {
            target: TableName::new("gold", new.name.to_ascii_lowercase()),
            name: new.name,
            sql: new.sql,
            materialization: new.materialization,
            incremental_strategy: new.incremental_strategy,
            unique_key: new.unique_key,
            description: new.description,
            tags: new.tags,
            owner: new.owner,
            models: self.known_models(active).await?,
        };
        checks::validate(&new.checks, Dialect::Trino)?;
        let tests = new.tests.iter().enumerate();
        let tests = tests.map(|(index, test)| generic_tests::check(&format!("tests[{index}]"), &model.target, test));
        let mut checks = tests.collect::<Result<Vec<_>>>()?;
        checks.extend(new.checks);
        let bound = self.required(active, Role::Gold).await?;
        Ok(Asked { bound, what: model, checks, audit: new.audit })
    }

    /// What `ref` may name: every gold model, and every silver table by its own name.
    async fn known_models(&self, active: &Active) -> Result<Vec<(String, TableName)>> {
        use asgard_capabilities::lakehouse::Engine as _;
        let mut models: Vec<(String, TableName)> = Vec::new();
        for namespace in ["silver", "gold"] {
            for table in active.lakehouse.tables(namespace).await? {
                models.retain(|(name, _)| *name != table.name);
                models.push((table.name.clone(), table));
            }
        }
        Ok(models)
    }

    /// One transformation.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn transformation(&self, active: &Active, id: &str) -> Result<Transformation> {
        let found = self.store.get::<Record>(&active.name, ResourceKind::Transformation, id).await?;
        let resource = found.ok_or_else(|| {
            Error::not_found(format!(
                "there is no transformation `{id}`: GET /dbt/transformations lists those there are"
            ))
        })?;
        self.shown_transformation(active, resource).await
    }

    /// Transformations, newest first; of one status if given.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn transformations(
        &self,
        active: &Active,
        status: Option<TaskStatus>,
        page: Page,
    ) -> Result<Paged<Transformation>> {
        let (found, _) = self.store.list::<Record>(&active.name, ResourceKind::Transformation, u32::MAX, 0).await?;
        let mut all = Vec::with_capacity(found.len());
        for resource in found {
            let shown = self.shown_transformation(active, resource).await?;
            if status.is_none_or(|status| shown.task.status == status) {
                all.push(shown);
            }
        }
        let total = all.len() as u64;
        let from = usize::try_from(page.offset).unwrap_or(usize::MAX).min(all.len());
        let items = all.into_iter().skip(from).take(page.limit as usize).collect();
        Ok(Paged { items, total })
    }

    /// Removes a transformation, and with `drop_table` its table too.
    ///
    /// # Errors
    /// `not-found`; `conflict` while it runs.
    pub async fn delete_transformation(&self, active: &Arc<Active>, id: &str, drop_table: bool) -> Result<()> {
        let transformation = self.transformation(active, id).await?;
        if !transformation.task.status.is_final() {
            return Err(Error::conflict("the transformation is running: wait until it has ended"));
        }
        if drop_table {
            let bound = self.required(active, Role::Gold).await?;
            let log = Arc::new(asgard_contract::log::Discard);
            bound.plugin.transform(bound.call(id, log).await?).drop(&transformation.model.target).await?;
        }
        Ok(self.store.delete(&active.name, ResourceKind::Transformation, id).await?)
    }

    /// The tables and views of the gold namespace, by name.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn gold_tables(&self, active: &Active) -> Result<Vec<GoldTable>> {
        use asgard_capabilities::lakehouse::Engine as _;
        let (records, _) = self.store.list::<Record>(&active.name, ResourceKind::Transformation, u32::MAX, 0).await?;
        let mut tables = Vec::new();
        for name in active.lakehouse.tables("gold").await? {
            let info = active.lakehouse.table_info(&name).await?;
            let model = records.iter().find(|record| record.body.model.target == name).map(|r| r.body.model.clone());
            let materialization = materialized(&info);
            tables.push(GoldTable { name, info, model, materialization });
        }
        Ok(tables)
    }

    async fn shown_transformation(
        &self,
        active: &Active,
        resource: asgard_store::Resource<Record>,
    ) -> Result<Transformation> {
        let task = self.tasks.get(&resource.body.task).await?;
        let task = task.ok_or_else(|| Error::internal("the transformation's newest run is gone"))?;
        let outcome = task.outcome.clone().and_then(|outcome| serde_json::from_value(outcome).ok());
        let asked = resource.body.model.materialization;
        let materialization = match task.status {
            TaskStatus::Succeeded => match active.lakehouse.table_info(&resource.body.model.target).await {
                Ok(info) => materialized(&info).unwrap_or(asked),
                Err(Error::NotFound { .. }) => asked,
                Err(error) => return Err(error),
            },
            _ => asked,
        };
        Ok(Transformation {
            id: resource.id,
            model: resource.body.model,
            created_at: resource.created_at,
            updated_at: task.finished_at.or(task.started_at).unwrap_or(resource.updated_at),
            task,
            outcome,
            materialization,
        })
    }
}

/// What a gold table is: the model's `config` may say otherwise than the request, and the table itself tells.
fn materialized(info: &TableInfo) -> Option<Materialization> {
    if info.view_sql.is_some() {
        return Some(Materialization::View);
    }
    let (_, told) = info.properties.iter().find(|(name, _)| name == "asgard.materialization")?;
    match told.as_str() {
        "incremental" => Some(Materialization::Incremental),
        "table" => Some(Materialization::Table),
        _ => None,
    }
}
