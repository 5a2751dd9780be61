//! Iceberg tables and the embedded engine over them, limited to granted namespaces.

use async_trait::async_trait;
use asgard_contract::lakehouse::{Output, QueryPlan, Statement, Table, Written};
use asgard_contract::{Error, Progress, Result, TableName};
use tokio::sync::watch;

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
    async fn run(&self, key: &str, statement: Statement, output: Output, progress: watch::Sender<Progress>) -> Result<Written>;
}

#[derive(Debug, Clone)]
pub enum StatementStatus {
    Running { progress: Progress, poll_after_ms: u32 },
    Succeeded(Written),
    Failed(Error),
}

/// What is lent.
#[derive(Clone)]
pub struct Lakehouse {}

impl Lakehouse {
    pub async fn tables(&self, _namespace: &str) -> Result<Vec<TableName>> {
        Err(Error::internal("unfinished"))
    }
    pub async fn describe(&self, _table: &TableName) -> Result<Table> {
        Err(Error::internal("unfinished"))
    }
    pub async fn data_files(&self, _table: &TableName) -> Result<Vec<String>> {
        Err(Error::internal("unfinished"))
    }
    pub async fn drop_table(&self, _table: &TableName) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    pub async fn plan(&self, _statement: &Statement) -> Result<QueryPlan> {
        Err(Error::internal("unfinished"))
    }
    pub async fn query(&self, _statement: &Statement, _max_rows: u32) -> Result<Vec<u8>> {
        Err(Error::internal("unfinished"))
    }
    pub async fn submit(&self, _key: &str, _statement: Statement, _output: Output) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    pub async fn poll(&self, _key: &str) -> Result<StatementStatus> {
        Err(Error::internal("unfinished"))
    }
    pub async fn cancel(&self, _key: &str) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
}
