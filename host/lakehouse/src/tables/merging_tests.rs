//! Merges of more keys than are held in memory.

use asgard_contract::Result;
use asgard_contract::lakehouse::{WriteMode, Written};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use serde_json::{Value, json};

use super::Tables;
use crate::testing::{Folder, batch, content, no_reads, target};

fn rows(ids: &[i64], v: &str) -> Vec<Value> {
    ids.iter().map(|id| json!({"id": id, "v": v})).collect()
}

/// As a table has them.
fn together(rows: &[Vec<Value>]) -> Value {
    let mut rows = rows.concat();
    rows.sort_by_key(ToString::to_string);
    json!(rows)
}

/// In a batch for each row, so that keys may go to files between them.
async fn put_one_by_one(tables: &Tables, mode: WriteMode, key: &str, rows: Vec<Value>) -> Result<Written> {
    let batch = batch(json!(rows));
    let batches: Vec<_> = (0..batch.num_rows()).map(|row| Ok(batch.slice(row, 1))).collect();
    let stream = RecordBatchStreamAdapter::new(batch.schema(), futures::stream::iter(batches));
    tables.write(&target("gold.a", mode, &["id"]), key, Box::pin(stream), &no_reads).await
}

#[tokio::test]
async fn a_merge_of_more_keys_than_memory_holds_is_a_merge() {
    let folder = Folder::new();
    let tables = folder.open_holding(2).await;
    put_one_by_one(&tables, WriteMode::Merge, "1", rows(&[1, 2, 3, 4, 5, 6, 7], "a")).await.unwrap();
    put_one_by_one(&tables, WriteMode::Merge, "2", rows(&[9, 4, 8, 1, 10, 6], "b")).await.unwrap();
    assert_eq!(
        content(&tables, "gold.a").await,
        together(&[rows(&[2, 3, 5, 7], "a"), rows(&[1, 4, 6, 8, 9, 10], "b")])
    );

    // One in the first file, one in the last.
    let error = put_one_by_one(&tables, WriteMode::Merge, "3", rows(&[2, 11, 12, 13, 14, 2], "c")).await.unwrap_err();
    assert!(error.to_string().contains("same id"), "{error}");
    put_one_by_one(&tables, WriteMode::Merge, "4", rows(&[20, 2, 21, 22, 20], "c")).await.unwrap();
    assert_eq!(
        content(&tables, "gold.a").await,
        together(&[rows(&[3, 5, 7], "a"), rows(&[1, 4, 6, 8, 9, 10], "b"), rows(&[2, 20, 20, 21, 22], "c")])
    );
    put_one_by_one(&tables, WriteMode::DeleteInsert, "5", rows(&[20, 3, 30, 31, 20, 20], "d")).await.unwrap();
    let left = [rows(&[5, 7], "a"), rows(&[1, 4, 6, 8, 9, 10], "b"), rows(&[2, 21, 22], "c")];
    assert_eq!(content(&tables, "gold.a").await, together(&[left.concat(), rows(&[3, 20, 20, 20, 30, 31], "d")]));
}
