//! Iceberg tables and the embedded engine over them, limited to granted namespaces.
//!
//! What a statement reads is what the engine's plan of it reads: names in its text prove nothing, since views hide tables
//! and aliases hide names. So every statement is planned before it runs, and each table of the plan is held against the
//! grant. Who may write a namespace may read it: merging into a table is reading it.

mod jobs;
mod policy;

use std::sync::Arc;

use asgard_contract::lakehouse::{Input, Output, QueryPlan, Statement, Table, Written};
use asgard_contract::{Error, Progress, Result, TableName};
use async_trait::async_trait;
use tokio::sync::watch;

pub(crate) use jobs::Jobs;
pub(crate) use policy::Namespaces;

use crate::files;
use crate::holder::Holder;
use crate::objects::ObjectSpace;
use crate::processes::no_objects;

/// The environment's lakehouse, without any policy. Implemented by the lakehouse crate. In `Statement.inputs` and
/// `Output::Parquet` objects have become locations (`file:///…`).
#[async_trait]
pub trait Engine: Send + Sync {
    async fn tables(&self, namespace: &str) -> Result<Vec<TableName>>;
    async fn describe(&self, table: &TableName) -> Result<Table>;
    /// Data files of the current snapshot, as URLs.
    async fn data_files(&self, table: &TableName) -> Result<Vec<String>>;
    /// Table or view; not being there is no error.
    async fn drop_table(&self, table: &TableName) -> Result<()>;
    async fn plan(&self, statement: &Statement) -> Result<QueryPlan>;
    /// The first `max_rows` rows as an Arrow IPC stream.
    async fn query(&self, statement: &Statement, max_rows: u32) -> Result<Vec<u8>>;
    /// Runs to the end; dropping the future cancels it. `key` is stored in the commit: a repeated run finds it there and
    /// answers as the first did.
    async fn run(
        &self,
        key: &str,
        statement: Statement,
        output: Output,
        progress: watch::Sender<Progress>,
    ) -> Result<Written>;
}

#[derive(Debug, Clone, PartialEq)]
pub enum StatementStatus {
    Running { progress: Progress, poll_after_ms: u32 },
    Succeeded(Written),
    Failed(Error),
}

/// What is lent.
#[derive(Clone)]
pub struct Lakehouse {
    pub(crate) holder: Holder,
    pub(crate) namespaces: Arc<Namespaces>,
    /// Folders of this machine that files may be read in, where there is a grant for them.
    pub(crate) files: Option<Arc<files::Policy>>,
    pub(crate) engine: Arc<dyn Engine>,
    /// Where there is a grant for them.
    pub(crate) objects: Option<ObjectSpace>,
    pub(crate) jobs: Arc<Jobs>,
}

impl Lakehouse {
    /// Tables and views of a namespace.
    ///
    /// # Errors
    /// `forbidden`, naming the grant.
    pub async fn tables(&self, namespace: &str) -> Result<Vec<TableName>> {
        let listing = async {
            self.check_read(namespace)?;
            self.engine.tables(namespace).await
        };
        self.holder.using("lakehouse", "tables", namespace, listing).await
    }

    /// Columns, current snapshot and sizes.
    ///
    /// # Errors
    /// `forbidden`; `not-found`.
    pub async fn describe(&self, table: &TableName) -> Result<Table> {
        let describing = async {
            self.check_read(&table.namespace)?;
            self.engine.describe(table).await
        };
        self.holder.using("lakehouse", "describe", &table.to_string(), describing).await
    }

    /// Data files of the current snapshot, as URLs.
    ///
    /// # Errors
    /// `forbidden`; `not-found`.
    pub async fn data_files(&self, table: &TableName) -> Result<Vec<String>> {
        let listing = async {
            self.check_read(&table.namespace)?;
            self.engine.data_files(table).await
        };
        self.holder.using("lakehouse", "data-files", &table.to_string(), listing).await
    }

    /// Table or view; not being there is no error.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn drop_table(&self, table: &TableName) -> Result<()> {
        let dropping = async {
            self.check_write(&table.namespace)?;
            self.engine.drop_table(table).await
        };
        self.holder.using("lakehouse", "drop", &table.to_string(), dropping).await
    }

    /// The shape of a statement's result, without running it.
    ///
    /// # Errors
    /// `forbidden` for a table that it reads; `invalid-input` with the place in the statement.
    pub async fn plan(&self, statement: &Statement) -> Result<QueryPlan> {
        let planning = async { Ok(self.admit(statement.clone()).await?.1) };
        self.holder.using("lakehouse", "plan", "statement", planning).await
    }

    /// The first `max_rows` rows as an Arrow IPC stream.
    ///
    /// # Errors
    /// As `plan`.
    pub async fn query(&self, statement: &Statement, max_rows: u32) -> Result<Vec<u8>> {
        let running = async {
            let (statement, _) = self.admit(statement.clone()).await?;
            self.engine.query(&statement, max_rows).await
        };
        self.holder.using("lakehouse", "query", "statement", running).await
    }

    /// Starts a statement under a key; nothing changes when this host knows the key already.
    ///
    /// # Errors
    /// As `plan`; `forbidden` for the output.
    pub async fn submit(&self, key: &str, statement: Statement, output: Output) -> Result<()> {
        self.holder.using("lakehouse", "submit", key, self.submit_admitted(key, statement, output)).await
    }

    async fn submit_admitted(&self, key: &str, statement: Statement, output: Output) -> Result<()> {
        let id = self.job(key)?;
        if self.jobs.knows(&id) {
            return Ok(());
        }
        let output = match output {
            Output::Table(write) => {
                self.check_write(&write.table.namespace)?;
                Output::Table(write)
            }
            Output::View(name) => {
                self.check_write(&name.namespace)?;
                Output::View(name)
            }
            Output::Parquet(key) => {
                Output::Parquet(self.object_location(&key).map_err(|error| error.in_field("output"))?)
            }
        };
        let (statement, _) = self.admit(statement).await?;
        let engine = Arc::clone(&self.engine);
        // In the table's history for good, so it names the task, not only the plugin's key.
        let commit_key = format!("{}/{key}", self.holder.caller.task);
        self.jobs.start(id, move |progress| async move { engine.run(&commit_key, statement, output, progress).await });
        Ok(())
    }

    /// How far a submitted statement is.
    ///
    /// # Errors
    /// `not-found` for a key that this host does not know.
    pub async fn poll(&self, key: &str) -> Result<StatementStatus> {
        let polling = async { self.jobs.poll(&self.job(key)?, key).await };
        self.holder.using("lakehouse", "poll", key, polling).await
    }

    /// Ends a submitted statement. Nothing happens if it has ended, or was never known.
    ///
    /// # Errors
    /// `invalid-input` for a key that is none.
    pub async fn cancel(&self, key: &str) -> Result<()> {
        let cancelling = async {
            self.jobs.cancel(&self.job(key)?).await;
            Ok(())
        };
        self.holder.using("lakehouse", "cancel", key, cancelling).await
    }

    fn job(&self, key: &str) -> Result<String> {
        crate::paths::check_name("key", key)?;
        let caller = &self.holder.caller;
        Ok(format!("{}/{}/{}/{key}", caller.environment, caller.plugin, caller.task))
    }

    /// The statement as the engine takes it, with all that it reads granted.
    async fn admit(&self, mut statement: Statement) -> Result<(Statement, QueryPlan)> {
        for (index, (_, input)) in statement.inputs.iter_mut().enumerate() {
            match input {
                Input::Table(table) => self.check_read(&table.namespace)?,
                Input::Object(key) => {
                    let location =
                        self.object_location(key).map_err(|error| error.in_field(&format!("inputs[{index}]")))?;
                    *input = Input::Location(location);
                }
                Input::Location(location) => self.check_location(location).await?,
                Input::Arrow(_) => {}
            }
        }
        let plan = self.engine.plan(&statement).await?;
        for table in &plan.tables {
            self.check_read(&table.namespace)?;
        }
        Ok((statement, plan))
    }

    fn object_location(&self, key: &str) -> Result<String> {
        self.objects.as_ref().ok_or_else(|| no_objects(&self.holder))?.location(key)
    }

    fn check_read(&self, namespace: &str) -> Result<()> {
        if self.namespaces.may_read(namespace) {
            return Ok(());
        }
        Err(self.holder.forbidden(&format!("read `{namespace}`"), "lakehouse.read", &format!("add `{namespace}` to")))
    }

    fn check_write(&self, namespace: &str) -> Result<()> {
        if self.namespaces.may_write(namespace) {
            return Ok(());
        }
        Err(self.holder.forbidden(&format!("write `{namespace}`"), "lakehouse.write", &format!("add `{namespace}` to")))
    }

    /// A location is a path that a user chose, not a name in the lakehouse. It could be one of the lakehouse's tables, so
    /// whoever may not read all of them may not read locations. One of this machine is in a granted folder besides: it could be
    /// another environment's, or anybody's.
    async fn check_location(&self, location: &str) -> Result<()> {
        let reading = format!("read `{location}`");
        if !["bronze", "silver", "gold"].into_iter().all(|namespace| self.namespaces.may_read(namespace)) {
            return Err(self.holder.forbidden(&reading, "lakehouse.read", "add `bronze`, `silver` and `gold` to"));
        }
        if !location.starts_with("file:") {
            return Ok(());
        }
        match &self.files {
            Some(files) if files.admits(location).await? => Ok(()),
            _ => Err(self.holder.forbidden(&reading, "files", "add a folder that it is in to")),
        }
    }
}
