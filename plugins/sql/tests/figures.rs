//! The walkthrough's SQL over the factory's rows, on the host's own engine: the figures follow from the rows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use asgard_capabilities::lakehouse::Engine as _;
use asgard_contract::lakehouse::{Dialect, Input, Output, Statement, TableWrite, WriteMode, Written};
use asgard_contract::{Progress, TableName};
use asgard_journey::factory::{Table, tables};
use asgard_lakehouse::{CatalogConfig, Lakehouse, LakehouseConfig, rows_to_json};
use asgard_sdk::json::{Map, Value, json};
use tokio::sync::watch;

/// The rows as JSON lines, every value a text: types are given by the SQL that reads them.
fn json_lines(table: &Table) -> String {
    let unescape = |text: &str| text.replace("\\t", "\t").replace("\\n", "\n").replace("\\\\", "\\");
    let mut lines = String::new();
    for row in table.copy_text().lines() {
        let fields = table.columns().iter().zip(row.split('\t'));
        let object: Map<String, Value> = fields
            .map(|(name, value)| {
                ((*name).to_owned(), if value == "\\N" { Value::Null } else { json!(unescape(value)) })
            })
            .collect();
        lines.push_str(&Value::Object(object).to_string());
        lines.push('\n');
    }
    lines
}

async fn run(
    lakehouse: &Lakehouse,
    sql: &str,
    dialect: Dialect,
    inputs: Vec<(String, Input)>,
    target: &str,
) -> Written {
    let table = TableName::parse(target).unwrap();
    let output = Output::Table(TableWrite { table, mode: WriteMode::Replace, key: Vec::new(), properties: Vec::new() });
    let (progress, _told) = watch::channel(Progress::default());
    let statement = Statement { sql: sql.to_owned(), dialect, inputs };
    lakehouse.run(target, statement, output, progress).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn silver_and_gold_have_the_walkthroughs_rows() {
    let folder = tempfile::tempdir().unwrap();
    let config = LakehouseConfig {
        folder: folder.path().join("lakehouse"),
        catalog: CatalogConfig::Sqlite,
        storage: None,
        limits: Default::default(),
    };
    let lakehouse = Lakehouse::open(config).await.unwrap();
    let tables = tables();
    let orders = tables.iter().find(|table| table.qualified_name() == "production.work_orders").unwrap();
    let file = folder.path().join("work_orders.jsonl");
    std::fs::write(&file, json_lines(orders)).unwrap();
    let rows = vec![("rows".to_owned(), Input::Location(format!("file://{}", file.display())))];
    let bronze = "SELECT CAST(id AS BIGINT) AS id, work_order_id, product_id, operator_id, machine_id, status,
            CAST(priority AS SMALLINT) AS priority, CAST(quantity AS INT) AS quantity,
            CAST(unit_cost AS DECIMAL(10, 4)) AS unit_cost, CAST(start_time AS TIMESTAMP) AS start_time,
            CAST(end_time AS TIMESTAMP) AS end_time, CAST(due_date AS DATE) AS due_date,
            CAST(is_rush AS BOOLEAN) AS is_rush, notes, CAST(created_at AS TIMESTAMP) AS created_at
        FROM rows";
    let written = run(&lakehouse, bronze, Dialect::Spark, rows, "bronze.work_orders").await;
    assert_eq!(written.rows, 15_000);

    let source = vec![("source_data".to_owned(), Input::Table(TableName::new("bronze", "work_orders")))];
    let silver = include_str!("../../../tests/journey/silver.sql");
    assert_eq!(run(&lakehouse, silver, Dialect::Spark, source, "silver.work_orders").await.rows, 14_850);

    let gold = include_str!("../../../tests/journey/gold.sql");
    let written = run(&lakehouse, gold, Dialect::Trino, Vec::new(), "gold.operator_efficiency").await;
    assert_eq!(written.rows, 142);

    let found = Statement {
        sql: "SELECT COUNT_IF(is_high_performer) AS high, COUNT_IF(completion_rate BETWEEN 0 AND 1) AS rates,
                MIN(total_orders) AS fewest, MAX(total_orders) AS most, SUM(total_orders) AS orders,
                SUM(total_units) AS units, ROUND(AVG(units_per_hour), 1) AS pace, COUNT_IF(operator_id = 'UNASSIGNED') AS nobody
            FROM gold.operator_efficiency"
            .to_owned(),
        dialect: Dialect::Trino,
        inputs: Vec::new(),
    };
    let rows = rows_to_json(&lakehouse.query(&found, 1).await.unwrap()).unwrap();
    let expected = json!([{
        "high": 34, "rates": 142, "fewest": 59, "most": 109, "orders": 11_866, "units": 4_854_310, "pace": 70.1, "nobody": 0,
    }]);
    assert_eq!(Value::from(rows.into_iter().map(Value::Object).collect::<Vec<_>>()), expected);
}
