//! The engine through its surface: statements on a lakehouse in a folder of their own.

mod errors;
mod journey;
mod limits;
mod outputs;
mod spark;
mod spark_aggregates;
mod spark_documents;
mod spark_generators;
mod spark_values;
mod trino;
mod trino_functions;

use std::io::Cursor;
use std::sync::Arc;

use arrow_ipc::reader::StreamReader;
use asgard_capabilities::lakehouse::Engine;
use asgard_contract::environment::Limits;
use asgard_contract::lakehouse::{Dialect, Input, Output, Statement, TableWrite, WriteMode, Written};
use asgard_contract::{Error, Progress, Result, TableName};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::{Lakehouse, LakehouseConfig};

struct TestLakehouse {
    lakehouse: Arc<Lakehouse>,
    folder: TempDir,
}

impl TestLakehouse {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = LakehouseConfig {
            folder: folder.path().join("lakehouse"),
            catalog: crate::CatalogConfig::Sqlite,
            storage: None,
            limits,
        };
        Self { lakehouse: Lakehouse::open(config).await.unwrap(), folder }
    }

    /// Makes a table of a query's rows.
    async fn table(&self, name: &str, sql: &str) -> Written {
        self.run(Dialect::Trino, sql, write(name, WriteMode::Replace, &[])).await.unwrap()
    }

    async fn run(&self, dialect: Dialect, sql: &str, output: Output) -> Result<Written> {
        let key = uuid::Uuid::new_v4().to_string();
        self.run_with(&key, statement(dialect, sql), output).await
    }

    async fn run_with(&self, key: &str, statement: Statement, output: Output) -> Result<Written> {
        let (progress, _told) = watch::channel(Progress::default());
        self.lakehouse.run(key, statement, output, progress).await
    }

    async fn rows(&self, dialect: Dialect, sql: &str) -> Vec<String> {
        match self.lakehouse.query(&statement(dialect, sql), 1000).await {
            Ok(ipc) => shown(&ipc),
            Err(error) => panic!("{sql}\n{error}"),
        }
    }

    /// The only value of a query.
    async fn value(&self, dialect: Dialect, sql: &str) -> String {
        self.rows(dialect, sql).await.join("\n")
    }

    /// Every list of expressions has its values, between bars.
    async fn hold(&self, dialect: Dialect, cases: &[(&str, &str)]) {
        let mut wrong = Vec::new();
        for (list, expected) in cases {
            let sql = format!("SELECT {list}");
            match self.lakehouse.query(&statement(dialect, &sql), 1000).await {
                Ok(ipc) => {
                    let found = shown(&ipc).join("\n");
                    if found != *expected {
                        wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
                    }
                }
                Err(error) => wrong.push(format!("{sql}\n  expected {expected}\n  failed   {error}")),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Every statement is refused, with these words.
    async fn refuses(&self, dialect: Dialect, cases: &[(&str, &str)]) {
        for (list, expected) in cases {
            let message = self.wrong(dialect, &format!("SELECT {list}")).await;
            assert!(message.contains(expected), "{list}: {message}");
        }
    }

    /// The message of a statement that is wrong.
    async fn wrong(&self, dialect: Dialect, sql: &str) -> String {
        match self.lakehouse.query(&statement(dialect, sql), 1000).await {
            Err(Error::InvalidInput { message, .. }) => message,
            Err(other) => panic!("{sql}\n{other:?}"),
            Ok(ipc) => panic!("{sql}\n{:?}", shown(&ipc)),
        }
    }

    /// The Iceberg types of a query's columns, as `name type`.
    async fn types(&self, dialect: Dialect, sql: &str) -> Vec<String> {
        let plan = self.lakehouse.plan(&statement(dialect, sql)).await.unwrap_or_else(|error| panic!("{sql}\n{error}"));
        plan.columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect()
    }
}

fn statement(dialect: Dialect, sql: &str) -> Statement {
    Statement { sql: sql.to_owned(), dialect, inputs: Vec::new() }
}

fn with_input(dialect: Dialect, sql: &str, name: &str, input: Input) -> Statement {
    Statement { inputs: vec![(name.to_owned(), input)], ..statement(dialect, sql) }
}

fn write(table: &str, mode: WriteMode, key: &[&str]) -> Output {
    Output::Table(TableWrite {
        table: TableName::parse(table).unwrap(),
        mode,
        key: key.iter().map(|column| (*column).to_owned()).collect(),
        properties: Vec::new(),
    })
}

fn batches(ipc: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(Cursor::new(ipc), None).unwrap().map(std::result::Result::unwrap).collect()
}

/// Each row as its values between bars.
fn shown(ipc: &[u8]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches(ipc) {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(" | "));
        }
    }
    rows
}
