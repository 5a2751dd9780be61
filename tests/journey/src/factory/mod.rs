//! The factory's rows: four PostgreSQL tables of a plant, as messy as such tables are.
//!
//! Everything follows from one seed by integer arithmetic alone, so that the rows are the same on every machine: no
//! floating point, no clock, no hash order. The walkthrough's figures are not written anywhere but in the number of rows to
//! make; what SQL and training make of the rows is up to them.
//!
//! What is wrong with the rows, on purpose: work orders without a number (not written down, or blank), operators left
//! blank, names in mixed case with stray spaces, negative and missing quantities, products left out, ends before starts,
//! ends that nobody entered.

mod copy;
mod machine_logs;
mod materials;
mod quality_checks;
mod random;
mod work_orders;

use anyhow::{Context, Result};
use tokio_postgres::Client;

pub use copy::Table;

/// All rows follow from it. Another seed gives another factory, with other figures.
const SEED: u64 = 20_250_133;

/// The statements that make schemas and tables.
pub fn schema_sql() -> String {
    let mut sql = String::from("CREATE SCHEMA IF NOT EXISTS production;\nCREATE SCHEMA IF NOT EXISTS inventory;\n");
    for table in [work_orders::SCHEMA, machine_logs::SCHEMA, quality_checks::SCHEMA, materials::SCHEMA] {
        sql.push_str(table);
    }
    sql
}

/// The tables with their rows.
pub fn tables() -> Vec<Table> {
    tables_of(SEED)
}

fn tables_of(seed: u64) -> Vec<Table> {
    let orders = work_orders::orders(seed);
    vec![
        work_orders::table(seed, &orders),
        machine_logs::table(seed),
        quality_checks::table(seed, &orders),
        materials::table(seed),
    ]
}

/// Makes the tables in a database that does not have them, and fills them.
///
/// # Errors
/// Those of the server.
pub async fn load(client: &Client) -> Result<()> {
    use futures::SinkExt as _;
    client.batch_execute(&schema_sql()).await.context("the factory's tables could not be made")?;
    for table in tables() {
        let name = table.qualified_name();
        let sink = client.copy_in(&table.copy_statement()).await.with_context(|| format!("filling {name}"))?;
        let mut sink = std::pin::pin!(sink);
        sink.send(bytes::Bytes::from(table.into_copy_text())).await.with_context(|| format!("filling {name}"))?;
        sink.finish().await.with_context(|| format!("filling {name}"))?;
    }
    client.batch_execute("ANALYZE").await.context("the server's statistics")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_tables_have_the_walkthroughs_rows() {
        let counted: Vec<(String, usize)> =
            tables().iter().map(|table| (table.qualified_name(), table.rows())).collect();
        let expected = [
            ("production.work_orders", 15_000),
            ("production.machine_logs", 25_000),
            ("production.quality_checks", 3_500),
            ("inventory.materials", 2_323),
        ];
        assert_eq!(counted, expected.map(|(name, rows)| (name.to_owned(), rows)));
    }

    #[test]
    fn every_row_has_every_column_and_a_key_of_its_own() {
        for table in tables() {
            let mut keys = HashSet::new();
            let text = table.copy_text();
            assert_eq!(text.lines().count(), table.rows());
            for line in text.lines() {
                let fields: Vec<&str> = line.split('\t').collect();
                assert_eq!(fields.len(), table.columns().len(), "{}: {line}", table.qualified_name());
                assert!(keys.insert(fields[0].to_owned()), "{}: {line}", table.qualified_name());
            }
        }
    }

    #[test]
    fn the_rows_are_the_same_on_every_machine() {
        // FNV-1a, for a hash that no library changes.
        let hash = tables()
            .iter()
            .flat_map(|table| table.copy_text().bytes().collect::<Vec<_>>())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(format!("{hash:016x}"), "df9026d540e7e63a");
        assert_ne!(tables_of(SEED + 1)[0].copy_text(), tables()[0].copy_text());
    }

    #[test]
    fn work_orders_are_as_messy_as_promised() {
        let orders = work_orders::orders(SEED);
        let count = |wrong: &dyn Fn(&work_orders::Order) -> bool| orders.iter().filter(|order| wrong(order)).count();
        let blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
        assert_eq!(count(&|order| blank(&order.work_order_id)), 150);
        for (what, rows) in [
            (
                "blank numbers that are not null",
                count(&|o| o.work_order_id.as_ref().is_some_and(|id| id.trim().is_empty())),
            ),
            ("blank operators", count(&|order| blank(&order.operator_id))),
            ("spaced products", count(&|o| o.product_id.as_ref().is_some_and(|id| id.trim() != id))),
            ("mixed case", count(&|order| order.status.to_lowercase() != order.status)),
            ("negative quantities", count(&|order| order.quantity.is_some_and(|quantity| quantity < 0))),
            ("missing quantities", count(&|order| order.quantity.is_none())),
            ("missing ends", count(&|order| order.end.is_none())),
            ("ends before starts", count(&|order| order.end.is_some_and(|end| end < order.start))),
        ] {
            assert!(rows >= 30, "{what}: {rows}");
        }
    }
}
