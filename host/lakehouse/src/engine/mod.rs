//! The embedded SQL engine.

use asgard_contract::environment::Limits;
use asgard_contract::lakehouse::{Output, QueryPlan, Statement, Written};
use asgard_contract::{Error, Progress, Result};
use tokio::sync::watch;

use crate::tables::Tables;

pub(crate) struct SqlEngine {}

impl SqlEngine {
    pub(crate) fn new(_tables: Tables, _limits: &Limits) -> Result<Self> {
        Ok(Self {})
    }

    pub(crate) async fn plan(&self, _statement: &Statement) -> Result<QueryPlan> {
        Err(Error::internal("unfinished"))
    }

    pub(crate) async fn query(&self, _statement: &Statement, _max_rows: u32) -> Result<Vec<u8>> {
        Err(Error::internal("unfinished"))
    }

    pub(crate) async fn run(
        &self,
        _key: &str,
        _statement: Statement,
        _output: Output,
        _progress: watch::Sender<Progress>,
    ) -> Result<Written> {
        Err(Error::internal("unfinished"))
    }
}
