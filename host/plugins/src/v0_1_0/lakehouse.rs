//! `asgard:lakehouse`: tables and the embedded engine over them.

use asgard_capabilities::lakehouse as lent;
use asgard_contract::lakehouse as contract;
use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::lakehouse::lakehouse as wit;
use crate::v0_1_0::types::list;
use crate::v0_1_0::types::wit::{Error, Running, TableName};

impl Host {
    fn lakehouse(&self) -> Result<&lent::Lakehouse, Error> {
        Ok(self.call.lent.lakehouse.as_ref().ok_or_else(|| self.not_lent(Capability::Lakehouse))?)
    }
}

impl wit::Host for Host {
    async fn tables(&mut self, namespace: String) -> Result<Vec<TableName>, Error> {
        Ok(list(self.lakehouse()?.tables(&namespace).await?))
    }

    async fn describe(&mut self, table: TableName) -> Result<wit::Table, Error> {
        Ok(self.lakehouse()?.describe(&table.into()).await?.into())
    }

    async fn data_files(&mut self, table: TableName) -> Result<Vec<String>, Error> {
        Ok(self.lakehouse()?.data_files(&table.into()).await?)
    }

    async fn drop(&mut self, table: TableName) -> Result<(), Error> {
        Ok(self.lakehouse()?.drop_table(&table.into()).await?)
    }

    async fn plan(&mut self, statement: wit::Statement) -> Result<wit::QueryPlan, Error> {
        let plan = self.lakehouse()?.plan(&statement.into()).await?;
        Ok(wit::QueryPlan { columns: list(plan.columns), tables: list(plan.tables) })
    }

    async fn query(&mut self, statement: wit::Statement, max_rows: u32) -> Result<Vec<u8>, Error> {
        Ok(self.lakehouse()?.query(&statement.into(), max_rows).await?)
    }

    async fn submit(&mut self, key: String, statement: wit::Statement, output: wit::Output) -> Result<(), Error> {
        Ok(self.lakehouse()?.submit(&key, statement.into(), output.into()).await?)
    }

    async fn poll(&mut self, key: String) -> Result<wit::Status, Error> {
        Ok(match self.lakehouse()?.poll(&key).await? {
            lent::StatementStatus::Running { progress, poll_after_ms } => {
                wit::Status::Running(Running { progress: progress.into(), poll_after_ms })
            }
            lent::StatementStatus::Succeeded(written) => wit::Status::Succeeded(written.into()),
            lent::StatementStatus::Failed(error) => wit::Status::Failed(error.into()),
        })
    }

    async fn cancel(&mut self, key: String) -> Result<(), Error> {
        Ok(self.lakehouse()?.cancel(&key).await?)
    }
}

impl From<wit::Statement> for contract::Statement {
    fn from(statement: wit::Statement) -> Self {
        let dialect = match statement.dialect {
            wit::Dialect::Spark => contract::Dialect::Spark,
            wit::Dialect::Trino => contract::Dialect::Trino,
        };
        let inputs = statement.inputs.into_iter().map(|(name, input)| (name, input.into())).collect();
        Self { sql: statement.sql, dialect, inputs }
    }
}

impl From<wit::Input> for contract::Input {
    fn from(input: wit::Input) -> Self {
        match input {
            wit::Input::Table(table) => Self::Table(table.into()),
            wit::Input::Object(key) => Self::Object(key),
            wit::Input::Location(location) => Self::Location(location),
            wit::Input::Arrow(bytes) => Self::Arrow(bytes),
        }
    }
}

impl From<wit::Output> for contract::Output {
    fn from(output: wit::Output) -> Self {
        match output {
            wit::Output::Table(write) => Self::Table(contract::TableWrite {
                table: write.table.into(),
                mode: match write.mode {
                    wit::WriteMode::Replace => contract::WriteMode::Replace,
                    wit::WriteMode::Append => contract::WriteMode::Append,
                    wit::WriteMode::Merge => contract::WriteMode::Merge,
                    wit::WriteMode::DeleteInsert => contract::WriteMode::DeleteInsert,
                },
                key: write.key,
                properties: write.properties,
            }),
            wit::Output::View(view) => Self::View(view.into()),
            wit::Output::Parquet(key) => Self::Parquet(key),
        }
    }
}

impl From<contract::Table> for wit::Table {
    fn from(table: contract::Table) -> Self {
        Self {
            name: table.name.into(),
            columns: list(table.columns),
            snapshot: table.snapshot,
            rows: table.rows,
            bytes: table.bytes,
            location: table.location,
            properties: table.properties,
            view_sql: table.view_sql,
        }
    }
}

impl From<contract::Written> for wit::Written {
    fn from(written: contract::Written) -> Self {
        Self {
            rows: written.rows,
            bytes: written.bytes,
            rows_read: written.rows_read,
            bytes_read: written.bytes_read,
            snapshot: written.snapshot,
            location: written.location,
            total_rows: written.total_rows,
        }
    }
}
