//! Feature views against the host's own engine: what the plugin's statements find is what Feast would find.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod historical;
mod online;
mod push;
mod registration;

use std::sync::Arc;

use asgard_capabilities::lakehouse::Engine as _;
use asgard_contract::Progress;
use asgard_contract::lakehouse::{Dialect, Input, Output, Statement, TableWrite, WriteMode};
use asgard_lakehouse::{CatalogConfig, Lakehouse, LakehouseConfig, rows_from_json, rows_to_json};
use asgard_plugin_iceberg_features::historical::{ROWS, Spine, input_name, statement};
use asgard_sdk::feature_source::{Dtype, Feature, FeatureView, Selection};
use asgard_sdk::json::{Map, Value};
use asgard_sdk::{Column, Error, TableName};
use tempfile::TempDir;
use tokio::sync::watch;

type Row = Map<String, Value>;

struct World {
    lakehouse: Arc<Lakehouse>,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = LakehouseConfig {
            folder: folder.path().to_owned(),
            catalog: CatalogConfig::Sqlite,
            storage: None,
            limits: Default::default(),
        };
        Self { lakehouse: Lakehouse::open(config).await.unwrap(), _folder: folder }
    }

    /// Makes `gold.name` of a query's rows.
    async fn table(&self, name: &str, sql: &str) {
        self.write(name, Statement { sql: sql.to_owned(), dialect: Dialect::Trino, inputs: Vec::new() }).await;
    }

    /// Makes `gold.name` of these rows; the column `time` is read as points in time.
    async fn table_of(&self, name: &str, rows: &[Row], time: &str) {
        let input = Input::Arrow(rows_from_json(rows, time).unwrap());
        let sql = "SELECT * FROM given".to_owned();
        let inputs = vec![("given".to_owned(), input)];
        self.write(name, Statement { sql, dialect: Dialect::Trino, inputs }).await;
    }

    async fn write(&self, name: &str, statement: Statement) {
        let table = asgard_contract::TableName::new("gold", name);
        let output =
            Output::Table(TableWrite { table, mode: WriteMode::Replace, key: Vec::new(), properties: Vec::new() });
        let (progress, _told) = watch::channel(Progress::default());
        self.lakehouse.run(name, statement, output, progress).await.unwrap();
    }

    async fn columns(&self, view: &FeatureView) -> Vec<Column> {
        let table = asgard_contract::TableName::new(&view.source.namespace, &view.source.name);
        self.lakehouse.describe(&table).await.unwrap().columns.into_iter().map(column).collect()
    }

    /// The rows of a point-in-time join; `rows` none: the latest.
    async fn historical(
        &self,
        rows: Option<&[Row]>,
        views: &[&FeatureView],
        full_names: bool,
    ) -> Result<Vec<Row>, Error> {
        let selections: Vec<Selection> = views.iter().map(|view| whole(view)).collect();
        let mut columns = Vec::new();
        let mut inputs = Vec::new();
        for (index, view) in views.iter().enumerate() {
            columns.push(self.columns(view).await);
            let table = asgard_contract::TableName::new(&view.source.namespace, &view.source.name);
            inputs.push((input_name(index), Input::Table(table)));
        }
        let ipc = rows.map(|rows| rows_from_json(rows, "event_timestamp").unwrap());
        let rows_columns = match &ipc {
            None => None,
            Some(ipc) => {
                inputs.push((ROWS.to_owned(), Input::Arrow(ipc.clone())));
                let all = Statement {
                    sql: format!("SELECT * FROM {ROWS}"),
                    dialect: Dialect::Trino,
                    inputs: vec![(ROWS.to_owned(), Input::Arrow(ipc.clone()))],
                };
                let plan = self.lakehouse.plan(&all).await.unwrap();
                Some(plan.columns.into_iter().map(column).collect::<Vec<_>>())
            }
        };
        let spine = match &rows_columns {
            Some(columns) => Spine::Rows { columns, in_order: true },
            None => Spine::Latest,
        };
        let paired: Vec<(&Selection, &[Column])> =
            selections.iter().zip(&columns).map(|(selection, columns)| (selection, columns.as_slice())).collect();
        let sql = statement(spine, &paired, full_names)?;
        let found = Statement { sql: sql.clone(), dialect: Dialect::Trino, inputs };
        match self.lakehouse.query(&found, 100_000).await {
            Ok(ipc) => Ok(rows_to_json(&ipc).unwrap()),
            Err(error) => panic!("{sql}\n{error:?}"),
        }
    }
}

fn column(column: asgard_contract::Column) -> Column {
    Column { name: column.name, data_type: column.data_type, nullable: column.nullable, doc: column.doc }
}

fn view(name: &str, features: &[(&str, Dtype)]) -> FeatureView {
    FeatureView {
        name: name.to_owned(),
        entities: vec!["operator_id".to_owned()],
        features: features
            .iter()
            .map(|(name, dtype)| Feature {
                name: (*name).to_owned(),
                dtype: *dtype,
                description: None,
                tags: Vec::new(),
            })
            .collect(),
        source: TableName { namespace: "gold".to_owned(), name: name.to_owned() },
        timestamp_field: Some("seen".to_owned()),
        created_timestamp_column: None,
        ttl_seconds: 0,
        description: None,
        tags: Vec::new(),
        online: true,
    }
}

fn whole(view: &FeatureView) -> Selection {
    Selection { features: view.features.iter().map(|feature| feature.name.clone()).collect(), view: view.clone() }
}

fn rows(value: Value) -> Vec<Row> {
    value.as_array().unwrap().iter().map(|row| row.as_object().unwrap().clone()).collect()
}

/// One column of all rows.
fn all(rows: &[Row], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row[name].clone()).collect()
}
