//! Tables that were changed, by us or by other writers, read through the engine and through the table layer.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema as ArrowSchema};
use asgard_contract::lakehouse::WriteMode;
use asgard_contract::{Error, Result};
use async_trait::async_trait;
use iceberg::spec::{
    DataContentType, DataFile as TableFile, DataFileBuilder, DataFileFormat, MAIN_BRANCH, ManifestListWriter,
    ManifestWriterBuilder, Operation, Snapshot, Struct, Summary,
};
use parquet::arrow::{ArrowWriter, PARQUET_FIELD_ID_META_KEY};
use serde_json::{Value, json};

use super::commit::{Next, Transaction};
use super::undo::Uncommitted;
use super::write::changed;
use super::*;
use crate::testing::{Folder, content, name, no_reads, sql, stream, table, target};

async fn put(tables: &Tables, to: &str, mode: WriteMode, rows: Value) {
    let key = uuid::Uuid::new_v4().to_string();
    tables.write(&target(to, mode, &["id"]), &key, stream(rows), &no_reads).await.unwrap();
}

async fn put_laid_out(tables: &Tables, to: &str, layout: &[(&str, &str)], rows: Value) {
    let mut target = target(to, WriteMode::Append, &[]);
    target.properties = layout.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let key = uuid::Uuid::new_v4().to_string();
    tables.write(&target, &key, stream(rows), &no_reads).await.unwrap();
}

async fn alter(tables: &Tables, of: &str, changes: &[Change]) -> Result<()> {
    tables.alter(&name(of), changes).await
}

fn rename(from: &str, to: &str) -> Change {
    Change::RenameColumn { name: from.to_owned(), to: to.to_owned() }
}

fn add(name: &str, data_type: &str) -> Change {
    Change::AddColumn { name: name.to_owned(), data_type: data_type.to_owned(), doc: None }
}

/// A file of deletions, as another writer commits it.
struct Deletion {
    entry: TableFile,
}

impl Deletion {
    fn positions(tables: &LoadedTable, rows: &[(&str, i64)]) -> Self {
        let paths: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|(path, _)| *path)));
        let positions: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, row)| *row)));
        let columns = vec![(2_147_483_546, "file_path", paths), (2_147_483_545, "pos", positions)];
        Self::write(tables, DataContentType::PositionDeletes, None, columns)
    }

    fn equality(tables: &LoadedTable, column: &str, values: ArrayRef) -> Self {
        let id = tables.columns.field_id_by_name(column).unwrap();
        Self::write(tables, DataContentType::EqualityDeletes, Some(vec![id]), vec![(id, column, values)])
    }

    fn write(
        table: &LoadedTable,
        content: DataContentType,
        ids: Option<Vec<i32>>,
        columns: Vec<(i32, &str, ArrayRef)>,
    ) -> Self {
        let fields: Vec<Field> = columns
            .iter()
            .map(|(id, name, values)| {
                Field::new(*name, values.data_type().clone(), true)
                    .with_metadata(HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]))
            })
            .collect();
        let columns: Vec<ArrayRef> = columns.into_iter().map(|(_, _, values)| values).collect();
        let batch = RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns).unwrap();
        let location = format!("{}/data/deletes-{}.parquet", table.location, uuid::Uuid::new_v4());
        let path = crate::storage::path_of(&location).unwrap().to_owned();
        let mut writer = ArrowWriter::try_new(std::fs::File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let mut entry = DataFileBuilder::default();
        entry
            .content(content)
            .file_path(location)
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .partition_spec_id(0)
            .record_count(batch.num_rows() as u64)
            .file_size_in_bytes(std::fs::metadata(path).unwrap().len())
            .equality_ids(ids);
        Self { entry: entry.build().unwrap() }
    }
}

#[async_trait]
impl Transaction for Deletion {
    async fn next(&mut self, tables: &Inner, current: Option<&Current>, _: &Uncommitted) -> Result<Next> {
        let state = current.and_then(Current::table).ok_or_else(|| Error::internal("no table"))?;
        let metadata = &state.metadata;
        let (id, before) = (7_000_000 + metadata.next_sequence_number(), metadata.current_snapshot().unwrap());
        let file = |name: String| tables.io.new_output(format!("{}/metadata/{name}", metadata.location())).unwrap();
        let spec = metadata.default_partition_spec().as_ref().clone();
        let output = file(format!("deletes-{id}.avro"));
        let mut manifest =
            ManifestWriterBuilder::new(output, Some(id), metadata.current_schema().clone(), spec).build_v2_deletes();
        manifest.add_file(self.entry.clone(), -1).unwrap();
        let mut all = manifests::of_snapshot(&tables.io, metadata, before).await?;
        all.push(manifest.write_manifest_file().await.unwrap());
        let list = file(format!("list-{id}.avro"));
        let location = list.location().to_owned();
        let sequence = metadata.next_sequence_number();
        let mut writer = ManifestListWriter::v2(list.writer().await.unwrap(), id, Some(before.snapshot_id()), sequence);
        writer.add_manifests(all.into_iter()).unwrap();
        writer.close().await.unwrap();
        let snapshot = Snapshot::builder()
            .with_snapshot_id(id)
            .with_parent_snapshot_id(Some(before.snapshot_id()))
            .with_sequence_number(sequence)
            .with_timestamp_ms(metadata.last_updated_ms() + 1)
            .with_manifest_list(location)
            .with_summary(Summary { operation: Operation::Delete, additional_properties: HashMap::new() })
            .with_schema_id(metadata.current_schema_id())
            .build();
        let built = changed(state)?.set_branch_snapshot(snapshot, MAIN_BRANCH).and_then(|builder| builder.build());
        Ok(Next::Commit(Box::new(built.unwrap())))
    }
}

async fn commit(tables: &Tables, to: &str, mut deletion: Deletion) {
    tables.inner.commit(&name(to), &mut deletion, &[]).await.unwrap();
}

#[tokio::test]
async fn a_renamed_column_keeps_its_values_and_one_that_took_its_name_has_its_own() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 1, "old": "x", "other": "y"}])).await;
    alter(&tables, "silver.a", &[rename("old", "new"), rename("other", "old"), add("other", "long")]).await.unwrap();
    let expected = json!([{"id": 1, "new": "x", "old": "y", "other": null}]);
    assert_eq!(content(&tables, "silver.a").await, expected);
    assert_eq!(sql(&tables, "SELECT * FROM silver.a").await, expected);
    assert_eq!(sql(&tables, "SELECT id FROM silver.a WHERE old = 'y' AND new = 'x'").await, json!([{"id": 1}]));
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 2, "new": "p", "old": "q", "other": 3}])).await;
    assert_eq!(sql(&tables, "SELECT max(old) AS o, max(other) AS p FROM silver.a").await, json!([{"o": "y", "p": 3}]));
}

#[tokio::test]
async fn columns_are_dropped_widened_and_moved_without_touching_a_file() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 1, "gone": "x", "last": 2.5}])).await;
    let files = folder.files("warehouse/silver/a/data");
    let changes = [
        Change::DropColumn { name: "gone".into() },
        add("gone", "date"),
        add("n", "int"),
        Change::WidenColumn { name: "n".into(), data_type: "long".into() },
        Change::MoveColumn { name: "last".into(), after: None },
        Change::MoveColumn { name: "n".into(), after: Some("last".into()) },
        Change::DocumentColumn { name: "n".into(), doc: Some("how many".into()) },
    ];
    alter(&tables, "silver.a", &changes).await.unwrap();
    let loaded = table(&tables, "silver.a").await;
    let shown: Vec<&str> = loaded.columns.as_struct().fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(shown, ["last", "n", "id", "gone"]);
    assert_eq!(loaded.columns.field_by_name("n").unwrap().doc.as_deref(), Some("how many"));
    let expected = json!([{"last": 2.5, "n": null, "id": 1, "gone": null}]);
    assert_eq!(sql(&tables, "SELECT * FROM silver.a").await, expected);
    assert_eq!(folder.files("warehouse/silver/a/data"), files);
}

#[tokio::test]
async fn a_change_that_files_cannot_follow_is_refused_and_none_of_the_request_is_made() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 1, "text": "x"}])).await;
    let widen = |name: &str, to: &str| Change::WidenColumn { name: name.into(), data_type: to.into() };
    for (change, why) in [
        (widen("id", "int"), "`id` is long"),
        (widen("text", "long"), "cannot be read as long"),
        (add("ID", "long"), "there is a column `id` already"),
        (add("x", "bigint"), "`bigint` is no type"),
        (rename("id", "text"), "there is a column `text` already"),
        (rename("nothing", "x"), "there is no column `nothing`"),
        (Change::SetProperty { name: "asgard.checkpoint".into(), value: "x".into() }, "the host's own"),
        (Change::Partition { by: vec!["day(text)".into()] }, "type string"),
    ] {
        let changes = [add("fine", "long"), change];
        let Err(Error::InvalidInput { field, message }) = alter(&tables, "silver.a", &changes).await else { panic!() };
        assert!(message.contains(why), "{message}");
        assert!(matches!(field.as_deref(), Some("changes[1]")), "{field:?}");
    }
    assert_eq!(sql(&tables, "SELECT * FROM silver.a").await, json!([{"id": 1, "text": "x"}]));
}

#[tokio::test]
async fn a_table_reads_as_it_was_by_snapshot_by_time_and_by_sql() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 1, "old": "x"}])).await;
    let before = table(&tables, "silver.a").await.snapshot.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let between = chrono::Utc::now();
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    alter(&tables, "silver.a", &[rename("old", "new")]).await.unwrap();
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 2, "new": "y"}])).await;
    let then = json!([{"id": 1, "old": "x"}]);
    let trino = format!("SELECT * FROM silver.a FOR VERSION AS OF {before} AS t ORDER BY t.id");
    assert_eq!(sql(&tables, &trino).await, then);
    let time = between.format("%Y-%m-%d %H:%M:%S%.6f UTC");
    let by_time = format!("SELECT a.* FROM silver.a FOR TIMESTAMP AS OF TIMESTAMP '{time}'");
    assert_eq!(sql(&tables, &by_time).await, then);
    let both =
        format!("SELECT count(*) AS n FROM silver.a JOIN silver.a FOR VERSION AS OF {before} AS b ON a.id = b.id");
    assert_eq!(sql(&tables, &both).await, json!([{"n": 1}]));
    for as_of in [AsOf::Snapshot(before), AsOf::Time(between)] {
        let Loaded::Table(loaded) = tables.load_as_of(&name("silver.a"), as_of).await.unwrap() else { panic!() };
        assert_eq!(crate::testing::rows_of(&tables, &loaded).await, then);
    }
    let long_ago = AsOf::parse("2001-01-01").unwrap();
    for as_of in [AsOf::Snapshot(5), long_ago] {
        let Err(Error::InvalidInput { field, .. }) = tables.load_as_of(&name("silver.a"), as_of).await else {
            panic!()
        };
        assert_eq!(field.as_deref(), Some("as_of"));
    }
}

#[tokio::test]
async fn rows_that_another_writer_deleted_by_position_are_gone_everywhere() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 1}, {"id": 2}, {"id": 3}])).await;
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 4}, {"id": 5}])).await;
    let loaded = table(&tables, "silver.a").await;
    let file = loaded.files.iter().find(|file| file.rows == 3).unwrap().location.clone();
    // The same file in another spelling, one row twice, and a row that there is not.
    let other = file.replace("file:///", "file:/");
    commit(&tables, "silver.a", Deletion::positions(&loaded, &[(&file, 0), (&other, 2), (&file, 0), (&file, 99)]))
        .await;
    let expected = json!([{"id": 2}, {"id": 4}, {"id": 5}]);
    assert_eq!(content(&tables, "silver.a").await, expected);
    assert_eq!(sql(&tables, "SELECT id FROM silver.a ORDER BY id").await, expected);
    assert_eq!(sql(&tables, "SELECT count(*) AS n FROM silver.a").await, json!([{"n": 3}]));
    assert_eq!(table(&tables, "silver.a").await.exact_rows(), None, "not known without reading");
    // A merge works on what is left, and a file that comes later is untouched by deletions of before.
    put(&tables, "silver.a", WriteMode::Merge, json!([{"id": 2}, {"id": 1}])).await;
    assert_eq!(content(&tables, "silver.a").await, json!([{"id": 1}, {"id": 2}, {"id": 4}, {"id": 5}]));
}

#[tokio::test]
async fn rows_that_another_writer_deleted_by_value_are_gone_from_older_files_alone() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put(
        &tables,
        "silver.a",
        WriteMode::Append,
        json!([{"id": 1, "k": "x"}, {"id": 2, "k": null}, {"id": 3, "k": "z"}]),
    )
    .await;
    let loaded = table(&tables, "silver.a").await;
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    commit(&tables, "silver.a", Deletion::equality(&loaded, "k", values)).await;
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 4, "k": "x"}])).await;
    let expected = json!([{"id": 3}, {"id": 4}]);
    assert_eq!(sql(&tables, "SELECT id FROM silver.a ORDER BY id").await, expected);
    // Also when the compared column is called otherwise by now, or is gone.
    alter(&tables, "silver.a", &[rename("k", "other")]).await.unwrap();
    assert_eq!(sql(&tables, "SELECT id FROM silver.a ORDER BY id").await, expected);
    alter(&tables, "silver.a", &[Change::DropColumn { name: "other".into() }]).await.unwrap();
    assert_eq!(content(&tables, "silver.a").await, expected);
}

#[tokio::test]
async fn rows_of_a_partitioned_table_are_split_and_filters_skip_files() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let layout = [("partitioning", "ARRAY['region', 'bucket(id, 4)']"), ("sorted_by", "id desc")];
    let rows = json!([
        {"id": 1, "region": "north", "v": 1.5}, {"id": 2, "region": "south", "v": 2.5},
        {"id": 3, "region": null, "v": 3.5}, {"id": 5, "region": "north", "v": 4.5}, {"id": 1, "region": "north", "v": 9.5}]);
    put_laid_out(&tables, "silver.a", &layout, rows.clone()).await;
    let loaded = table(&tables, "silver.a").await;
    assert!(loaded.files.len() >= 4, "{} files", loaded.files.len());
    assert_eq!(
        layout::shown_partitioning(loaded.state.metadata.default_partition_spec(), &loaded.columns),
        ["region", "bucket(id, 4)"]
    );
    assert_eq!(sql(&tables, "SELECT count(*) AS n FROM silver.a").await, json!([{"n": 5}]));
    assert_eq!(
        sql(&tables, "SELECT v FROM silver.a WHERE region = 'north' AND id = 1 ORDER BY v").await,
        json!([{"v": 1.5}, {"v": 9.5}])
    );
    assert_eq!(sql(&tables, "SELECT id FROM silver.a WHERE region IS NULL").await, json!([{"id": 3}]));
    // By key, in every partition; then by another layout, beside the first.
    put(&tables, "silver.a", WriteMode::Merge, json!([{"id": 2, "region": "north", "v": 7.5}])).await;
    alter(&tables, "silver.a", &[Change::Partition { by: vec!["truncate(region, 1)".into()] }]).await.unwrap();
    put(&tables, "silver.a", WriteMode::Append, json!([{"id": 9, "region": "west", "v": 0.5}])).await;
    assert_eq!(
        sql(&tables, "SELECT id, v FROM silver.a WHERE id IN (2, 9) ORDER BY id").await,
        json!([{"id": 2, "v": 7.5}, {"id": 9, "v": 0.5}])
    );
    let refused = alter(&tables, "silver.a", &[Change::DropColumn { name: "region".into() }]).await.unwrap_err();
    assert!(refused.to_string().contains("partitioned by `region`"), "{refused}");
    // A replacement that has the column no more has the partition no more.
    put(&tables, "silver.a", WriteMode::Replace, json!([{"id": 1}])).await;
    assert!(table(&tables, "silver.a").await.state.metadata.default_partition_spec().is_unpartitioned());
}

#[tokio::test]
async fn files_of_a_sorted_table_are_in_its_order() {
    let folder = Folder::new();
    let tables = folder.open().await;
    put_laid_out(
        &tables,
        "silver.a",
        &[("sorted_by", "id desc")],
        json!([{"id": 2}, {"id": 9}, {"id": null}, {"id": 4}]),
    )
    .await;
    let loaded = table(&tables, "silver.a").await;
    let rows: Vec<RecordBatch> =
        futures::TryStreamExt::try_collect(tables.scan(&loaded, &loaded.files, None).unwrap()).await.unwrap();
    let ids: Vec<Option<i64>> =
        arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Int64Type>(rows[0].column(0)).iter().collect();
    assert_eq!(ids, [Some(9), Some(4), Some(2), None]);
}

#[tokio::test]
async fn times_are_partitioned_and_pruned_by_their_days() {
    let folder = Folder::new();
    let tables = folder.open().await;
    let rows = json!([{"id": 1, "at": "1969-12-31T23:00:00Z"}, {"id": 2, "at": "2024-02-29T12:00:00Z"},
        {"id": 3, "at": "2024-02-29T23:59:59.999999Z"}, {"id": 4, "at": "2024-03-01T00:00:00Z"}, {"id": 5, "at": null}]);
    for (layout, files) in [("year(at)", 3), ("month(at)", 4), ("day(at)", 4), ("hour(at)", 5)] {
        let to = format!("silver.{}", &layout[..layout.len() - 4]);
        put_laid_out(&tables, &to, &[("partitioning", layout)], rows.clone()).await;
        assert_eq!(table(&tables, &to).await.files.len(), files, "{layout}");
        let found = sql(&tables, &format!("SELECT id FROM {to} WHERE at >= TIMESTAMP '2024-02-29 12:00:00 UTC' AND at < TIMESTAMP '2024-03-01 00:00:00 UTC' ORDER BY id")).await;
        assert_eq!(found, json!([{"id": 2}, {"id": 3}]), "{layout}");
        let found = sql(&tables, &format!("SELECT id FROM {to} WHERE at < TIMESTAMP '1970-01-01 00:00:00 UTC'")).await;
        assert_eq!(found, json!([{"id": 1}]), "{layout}");
    }
}
