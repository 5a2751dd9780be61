//! Silver runs: Spark SQL over bronze (or any table), written to a silver table.

use std::sync::Arc;

use asgard_contract::lakehouse::Dialect;
use asgard_contract::manifest::Role;
use asgard_contract::transform::{Compute, Input, Outcome, Request, SilverRun as ContractRun, WriteMode};
use asgard_contract::{Error, Result, TableName};
use asgard_lakehouse::TableInfo;
use asgard_tasks::{NewTask, Task, TaskFilter, TaskStatus};

use super::audit::{Asked, Plan};
use super::checks::{self, Check};
use super::run::{SILVER, TransformTask};
use crate::environments::Active;
use crate::pipelines::Begun;
use crate::{Page, Paged, Pipeline, names, sql};

/// A run to be made.
#[derive(Debug, Clone)]
pub struct NewSilverRun {
    pub sql: String,
    /// What the view `source_data` stands for.
    pub source_path: Option<String>,
    /// More views: name -> path or table.
    pub sources: Vec<(String, String)>,
    pub write_mode: WriteMode,
    pub compute: Compute,
    /// Iceberg name in silver; none = `run_{run_id}`.
    pub table: Option<String>,
    /// In Spark SQL.
    pub checks: Vec<Check>,
    /// Whether the table is written to a branch, and published when its checks pass.
    pub audit: bool,
}

/// A run and the task that carries it out.
#[derive(Debug, Clone)]
pub struct SilverRun {
    pub run_id: String,
    pub request: ContractRun,
    /// The source as the request named it.
    pub source: Option<String>,
    /// Where the target's files are.
    pub destination: String,
    pub outcome: Option<Outcome>,
    pub task: Task,
}

/// A table of the silver namespace.
#[derive(Debug, Clone)]
pub struct SilverTable {
    pub name: TableName,
    pub info: TableInfo,
}

impl Pipeline {
    /// Checks the request, plans it where the plugin can, and starts the run.
    ///
    /// # Errors
    /// `invalid-input` with the field; for `sql` with line and column.
    pub async fn start_silver(&self, active: &Arc<Active>, new: NewSilverRun) -> Result<SilverRun> {
        let run_id = self.submit_silver(active, new, None).await?.subject.unwrap_or_default();
        self.silver_run(active, &run_id).await
    }

    /// As [`Pipeline::start_silver`], for a step of a pipeline's run.
    pub(crate) async fn silver_of(&self, active: &Arc<Active>, new: NewSilverRun, parent: &str) -> Result<Begun> {
        Ok(Begun::Task(Box::new(self.submit_silver(active, new, Some(parent)).await?)))
    }

    /// What a run would do, without running it.
    ///
    /// # Errors
    /// As [`Pipeline::start_silver`]; `unsupported` for a backend that cannot plan.
    pub async fn plan_silver(&self, active: &Arc<Active>, new: NewSilverRun) -> Result<Plan> {
        let asked = self.asked_silver(active, new).await?;
        let task = asked.task(active, Request::Silver(asked.what.clone())).await?;
        let plan = asked.plan(&task.request, &asked.what.run_id).await?;
        asked.told(active, &task.request, &asked.what.run_id, plan).await
    }

    async fn submit_silver(&self, active: &Arc<Active>, new: NewSilverRun, parent: Option<&str>) -> Result<Task> {
        let (task, request) = self.prepare_silver(active, new).await?;
        let new = NewTask::new(&active.name, SILVER)
            .subject(&request.run_id)
            .plugin(&task.pin)
            .parent(parent)
            .request(serde_json::to_value(&task).unwrap_or_default());
        Ok(self.tasks.submit(new).await?)
    }

    async fn prepare_silver(&self, active: &Arc<Active>, new: NewSilverRun) -> Result<(TransformTask, ContractRun)> {
        let asked = self.asked_silver(active, new).await?;
        let task = asked.task(active, Request::Silver(asked.what.clone())).await?;
        asked.plan(&task.request, &asked.what.run_id).await?;
        Ok((task, asked.what))
    }

    async fn asked_silver(&self, active: &Arc<Active>, new: NewSilverRun) -> Result<Asked<ContractRun>> {
        sql::silver("sql", &new.sql)?;
        for (field, value) in
            [("executor_memory", &new.compute.executor_memory), ("driver_memory", &new.compute.driver_memory)]
        {
            memory(field, value)?;
        }
        let run_id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        let name = match new.table {
            Some(table) => {
                let table = table.strip_prefix("silver.").unwrap_or(&table).to_owned();
                names::identifier("table", &table)?;
                table.to_ascii_lowercase()
            }
            None => format!("run_{run_id}"),
        };
        let mut inputs = Vec::new();
        if let Some(source) = &new.source_path {
            inputs.push(("source_data".to_owned(), self.granted_input(active, "source_path", source).await?));
        }
        for (view, source) in &new.sources {
            names::identifier("sources", view)?;
            inputs.push((view.clone(), self.granted_input(active, &format!("sources.{view}"), source).await?));
        }
        let request = ContractRun {
            run_id,
            sql: new.sql,
            inputs,
            target: TableName::new("silver", name),
            write_mode: new.write_mode,
            compute: new.compute,
        };
        checks::validate(&new.checks, Dialect::Spark)?;
        let bound = self.required(active, Role::Silver).await?;
        Ok(Asked { bound, what: request, checks: new.checks, audit: new.audit })
    }

    /// One run.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn silver_run(&self, active: &Active, run_id: &str) -> Result<SilverRun> {
        let filter = TaskFilter::default().environment(&active.name).kind(SILVER).subject(run_id);
        let (mut tasks, _) = self.tasks.list(&filter, 1, 0).await?;
        let task = tasks.pop().ok_or_else(|| {
            Error::not_found(format!("there is no run `{run_id}`: GET /spark/transform/jobs lists those there are"))
        })?;
        shown(active, task)
    }

    /// Runs, newest first; of one status if given.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn silver_runs(
        &self,
        active: &Active,
        status: Option<TaskStatus>,
        page: Page,
    ) -> Result<Paged<SilverRun>> {
        let mut filter = TaskFilter::default().environment(&active.name).kind(SILVER);
        if let Some(status) = status {
            filter = filter.status(status);
        }
        let (tasks, total) = self.tasks.list(&filter, page.limit, page.offset).await?;
        let items = tasks.into_iter().map(|task| shown(active, task)).collect::<Result<_>>()?;
        Ok(Paged { items, total })
    }

    /// Cancels a run; nothing happens when it has ended.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn cancel_silver(&self, active: &Active, run_id: &str) -> Result<SilverRun> {
        let run = self.silver_run(active, run_id).await?;
        self.tasks.cancel(&run.task.id).await?;
        self.silver_run(active, run_id).await
    }

    /// An input. The lakehouse refuses a file outside of the folders that the binding may read; here its field is known.
    async fn granted_input(&self, active: &Arc<Active>, field: &str, source: &str) -> Result<Input> {
        let input = input(field, source)?;
        let Input::Location(location) = &input else { return Ok(input) };
        if !location.starts_with("file:") {
            return Ok(input);
        }
        let bound = self.required(active, Role::Silver).await?;
        let may_read = active.lender.may_read(bound.grants(), location).await.map_err(|error| match error {
            Error::InvalidInput { message, .. } => Error::invalid(field, message),
            other => other,
        })?;
        if may_read {
            return Ok(input);
        }
        Err(Error::invalid(
            field,
            format!(
                "`{location}` is in no folder that `silver` may read: add one to `grants.files` of its binding in environment `{}`",
                active.name
            ),
        ))
    }

    /// The tables of the silver namespace, by name.
    ///
    /// # Errors
    /// Those of the catalog.
    pub async fn silver_tables(&self, active: &Active) -> Result<Vec<SilverTable>> {
        use asgard_capabilities::lakehouse::Engine as _;
        let mut tables = Vec::new();
        for name in active.lakehouse.tables("silver").await? {
            let info = active.lakehouse.table_info(&name).await?;
            tables.push(SilverTable { name, info });
        }
        Ok(tables)
    }
}

fn shown(active: &Active, task: Task) -> Result<SilverRun> {
    let asked: TransformTask = serde_json::from_value(task.request.clone())
        .map_err(|error| Error::internal(format!("the run's request cannot be read: {error}")))?;
    let Request::Silver(request) = asked.request else {
        return Err(Error::internal("the run's task is not a silver run"));
    };
    let outcome: Option<Outcome> = task.outcome.clone().and_then(|outcome| serde_json::from_value(outcome).ok());
    let source = request.inputs.iter().find(|(view, _)| view == "source_data").map(|(_, input)| match input {
        Input::Table(table) => table.to_string(),
        Input::Location(location) => location.clone(),
    });
    let destination = match &outcome {
        Some(outcome) if !outcome.location.is_empty() => outcome.location.clone(),
        _ => active.lakehouse.location_of(&request.target),
    };
    Ok(SilverRun { run_id: request.run_id.clone(), request, source, destination, outcome, task })
}

/// A path of object storage or a table's name. A name without a namespace is a bronze table.
fn input(field: &str, source: &str) -> Result<Input> {
    if ["s3://", "s3a://", "file://"].iter().any(|scheme| source.starts_with(scheme)) {
        return Ok(Input::Location(source.to_owned()));
    }
    let table = if source.contains('.') {
        TableName::parse(source)
    } else {
        names::identifier(field, source).map(|()| TableName::new("bronze", source))
    };
    let table = table.map_err(|error| match error {
        Error::InvalidInput { message, .. } => {
            Error::invalid(field, format!("{message}; or a location: s3://…, s3a://…, file://…"))
        }
        other => other,
    })?;
    if !["bronze", "silver", "gold"].contains(&table.namespace.as_str()) {
        return Err(Error::invalid(
            field,
            format!("there is no namespace `{}`: expected bronze, silver or gold", table.namespace),
        ));
    }
    Ok(Input::Table(table))
}

/// Spark's memory strings: digits and a unit.
fn memory(field: &str, text: &str) -> Result<()> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_lowercase();
    let number_is_good = digits.parse::<u64>().is_ok_and(|number| number > 0);
    if number_is_good && ["k", "kb", "m", "mb", "g", "gb", "t", "tb", "mi", "gi"].contains(&unit.as_str()) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        format!("`{text}` is no amount of memory: expected a number with a unit, such as `512m` or `2g`"),
    ))
}
