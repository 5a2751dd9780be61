//! Merged streams into tables that split or sort their rows: the last word of a key counts wherever its rows go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::SortOptions;
use datafusion::arrow::compute::{SortColumn, concat_batches, lexsort_to_indices};
use futures::TryStreamExt as _;
use iceberg::spec::{Literal, NullOrder, PrimitiveLiteral, SortDirection};
use iceberg::transform::create_transform_function;

use super::changes::{changed, json_lines, partial};
use super::*;
use crate::tables::{Change as Alteration, DataFile, LoadedTable, parts};
use crate::testing::sql;

const DATA: &str = "sink/bronze/orders/data";

/// Rows by key.
type Model = BTreeMap<i64, Value>;

fn orders(folder: &Folder, mode: SyncMode, sync: &str) -> StreamTarget {
    let columns =
        vec![column("id", "long"), column("region", "string"), column("v", "string"), column("big", "string")];
    StreamTarget { columns, ..target(folder, mode, sync) }
}

fn partition(by: &[&str]) -> Alteration {
    Alteration::Partition { by: by.iter().map(ToString::to_string).collect() }
}

fn sort(by: &[&str]) -> Alteration {
    Alteration::Sort { by: by.iter().map(ToString::to_string).collect() }
}

fn layouts() -> Vec<Vec<Alteration>> {
    vec![
        vec![],
        vec![partition(&["region"])],
        vec![partition(&["bucket(id, 4)"])],
        vec![sort(&["id DESC"])],
        vec![partition(&["region", "bucket(id, 3)"]), sort(&["v", "id"])],
    ]
}

fn region(dice: &mut Dice) -> Value {
    let region = ["north", "south", "west"].get(dice.roll(4) as usize).copied();
    json!(region)
}

fn whole(id: u64, dice: &mut Dice) -> Value {
    let (v, big) = (format!("v {}", dice.roll(1000)), format!("big {}", dice.roll(1000)));
    json!({"id": id, "region": region(dice), "v": v, "big": big})
}

/// Tells the writer of a change, and makes it in the model.
async fn change(writer: &mut StreamWriter, model: &mut Model, dice: &mut Dice) {
    let id = 1 + dice.roll(20) as i64;
    let mut row = json!({"id": id, "region": region(dice), "v": format!("v {}", dice.roll(1000))});
    let moved = id + 100;
    match dice.roll(5) {
        0 => {
            writer.stage(changed(&[json!({"id": id})], Change::Delete)).await.unwrap();
            model.remove(&id);
        }
        // An update that leaves `big` alone, and one that changes the key beside.
        1 if model.contains_key(&id) => {
            writer.stage(partial(std::slice::from_ref(&row), None)).await.unwrap();
            row["big"] = model[&id]["big"].clone();
            model.insert(id, row);
        }
        2 if model.contains_key(&id) && !model.contains_key(&moved) => {
            row["id"] = json!(moved);
            writer.stage(partial(std::slice::from_ref(&row), Some(&[json!({"id": id})]))).await.unwrap();
            row["big"] = model[&id]["big"].clone();
            model.remove(&id);
            model.insert(moved, row);
        }
        // Several rows at once, of one key among them.
        _ => {
            let mut rows: Vec<Value> = Vec::new();
            for _ in 0..=dice.roll(4) {
                let id = 1 + dice.roll(20);
                rows.push(whole(id, dice));
            }
            writer.stage(changed(&rows, Change::Update)).await.unwrap();
            model.extend(rows.into_iter().map(|row| (row["id"].as_i64().unwrap(), row)));
        }
    }
}

/// The table has the model's rows, in files that are as its layout wants them, and no other file is left.
async fn check(folder: &Folder, tables: &Tables, model: &Model, told: &str) {
    let rows = content(tables, "bronze.orders").await;
    let rows = rows.as_array().unwrap();
    let found: Model = rows.iter().map(|row| (row["id"].as_i64().unwrap(), row.clone())).collect();
    assert_eq!(rows.len(), found.len(), "{told}: a key is there twice");
    assert_eq!(&found, model, "{told}");

    let loaded = table(tables, "bronze.orders").await;
    for file in loaded.files.iter() {
        check_file(tables, &loaded, file, told).await;
    }
    let ids = |wanted: &dyn Fn(&Value) -> bool| -> Value {
        model.iter().filter(|(_, row)| wanted(row)).map(|(id, _)| json!({"id": id})).collect()
    };
    let north = sql(tables, "SELECT id FROM bronze.orders WHERE region = 'north' ORDER BY id").await;
    assert_eq!(north, ids(&|row| row["region"] == "north"), "{told}");
    let seventh = sql(tables, "SELECT id FROM bronze.orders WHERE id = 7").await;
    assert_eq!(seventh, ids(&|row| row["id"] == 7), "{told}");

    let known = parts::all_files(&tables.inner.io, &loaded.state.metadata).await.unwrap();
    let known: BTreeSet<&str> = known.iter().filter_map(|location| location.rsplit('/').next()).collect();
    for name in folder.files(DATA) {
        assert!(known.contains(name.as_str()), "{told}: `{name}` was left behind");
    }
}

async fn check_file(tables: &Tables, loaded: &LoadedTable, file: &DataFile, told: &str) {
    let metadata = &loaded.state.metadata;
    let (schema, spec) = (metadata.current_schema(), metadata.default_partition_spec());
    assert_eq!(file.spec_id, spec.spec_id(), "{told}");
    let rows = tables.scan(loaded, std::slice::from_ref(file), None).unwrap();
    let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    let rows = concat_batches(&loaded.schema, &batches).unwrap();
    let column = |id: i32| Arc::clone(rows.column_by_name(schema.name_by_field_id(id).unwrap()).unwrap());

    let partition = file.entry.data_file().partition().fields();
    assert_eq!(partition.len(), spec.fields().len(), "{told}");
    for (field, value) in spec.fields().iter().zip(partition) {
        let transform = create_transform_function(&field.transform).unwrap();
        let values = transform.transform(column(field.source_id)).unwrap();
        let same = match value {
            None => values.null_count() == values.len(),
            Some(Literal::Primitive(PrimitiveLiteral::String(text))) => {
                values.as_string::<i32>().iter().all(|value| value == Some(text.as_str()))
            }
            Some(Literal::Primitive(PrimitiveLiteral::Int(number))) => {
                values.as_primitive::<Int32Type>().iter().all(|value| value == Some(*number))
            }
            Some(other) => panic!("{told}: {other:?}"),
        };
        assert!(same, "{told}: a file of {} = {value:?} has rows of another", field.name);
    }

    let order = metadata.default_sort_order();
    let by = order.fields.iter().map(|field| {
        let descending = field.direction == SortDirection::Descending;
        let options = SortOptions { descending, nulls_first: field.null_order == NullOrder::First };
        SortColumn { values: column(field.source_id), options: Some(options) }
    });
    let by: Vec<SortColumn> = by.collect();
    if !by.is_empty() {
        let sorted = lexsort_to_indices(&by, None).unwrap();
        let as_they_are: Vec<u32> = (0..).take(rows.num_rows()).collect();
        assert_eq!(sorted.values().to_vec(), as_they_are, "{told}: the rows are not in the table's order");
    }
}

/// A table of twenty rows that is laid out after its first sync, as a person does it.
async fn laid_out(folder: &Folder, tables: &Tables, layout: &[Alteration], dice: &mut Dice) -> Model {
    let mut writer = StreamWriter::open(tables.clone(), orders(folder, MERGE, "s1")).await.unwrap();
    let rows: Vec<Value> = (1..=20).map(|id| whole(id, dice)).collect();
    writer.stage(Rows::inserts(0, json_lines(&rows))).await.unwrap();
    writer.commit(b"1".to_vec(), true).await.unwrap();
    if !layout.is_empty() {
        tables.alter(&name("bronze.orders"), layout).await.unwrap();
    }
    (1..).zip(rows).collect()
}

#[tokio::test]
async fn the_last_word_of_each_key_counts_wherever_its_rows_go() {
    for layout in layouts() {
        for seed in 0..4 {
            let mode = [SyncMode::IncrementalMerge, SyncMode::ChangeDataCapture][seed as usize % 2];
            let held = [usize::MAX, 4][seed as usize / 2];
            let told = format!("{layout:?}, {mode:?}, seed {seed}, {held} keys in memory");
            let (folder, mut dice) = (Folder::new(), Dice(seed));
            let tables = folder.open_holding(held).await;
            let mut model = laid_out(&folder, &tables, &layout, &mut dice).await;
            // Rows that no change is for are laid out with their file, which holds others: see `check_file`.
            let mut writer = StreamWriter::open(tables.clone(), orders(&folder, mode, "s2")).await.unwrap();
            for _ in 0..40 {
                change(&mut writer, &mut model, &mut dice).await;
            }
            writer.commit(b"2".to_vec(), false).await.unwrap();
            check(&folder, &tables, &model, &told).await;

            // What comes after the checkpoint is lost with the host, and comes again otherwise.
            let mut lost = model.clone();
            for _ in 0..10 {
                change(&mut writer, &mut lost, &mut dice).await;
            }
            writer.finish_files().await.unwrap();
            crash(writer);
            drop(tables);
            let tables = folder.open_holding(held).await;
            let mut writer = StreamWriter::open(tables.clone(), orders(&folder, mode, "s2")).await.unwrap();
            assert_eq!(writer.found().unwrap().state, b"2", "{told}");
            check(&folder, &tables, &model, &told).await;
            for _ in 0..40 {
                change(&mut writer, &mut model, &mut dice).await;
            }
            writer.commit(b"3".to_vec(), true).await.unwrap();
            check(&folder, &tables, &model, &told).await;

            // Nor does what was staged stay when the writer is given up.
            change(&mut writer, &mut lost, &mut dice).await;
            drop(writer);
            check(&folder, &tables, &model, &told).await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_starts_over_fills_the_tables_layout_anew() {
    for layout in layouts() {
        let told = format!("{layout:?}");
        let (folder, mut dice) = (Folder::new(), Dice(7));
        let tables = folder.open_holding(2).await;
        laid_out(&folder, &tables, &layout, &mut dice).await;
        let reset = StreamTarget { ingestion_id: "ingestion/1".to_owned(), ..orders(&folder, MERGE, "s2") };
        let mut writer = StreamWriter::open(tables.clone(), reset).await.unwrap();
        let mut model = Model::new();
        for _ in 0..40 {
            change(&mut writer, &mut model, &mut dice).await;
        }
        writer.commit(b"1".to_vec(), false).await.unwrap();
        check(&folder, &tables, &model, &told).await;

        change(&mut writer, &mut model, &mut dice).await;
        writer.truncate().unwrap();
        model.clear();
        for _ in 0..40 {
            change(&mut writer, &mut model, &mut dice).await;
        }
        writer.commit(b"2".to_vec(), true).await.unwrap();
        check(&folder, &tables, &model, &told).await;
    }
}

#[tokio::test]
async fn columns_evolve_while_rows_of_a_laid_out_table_are_staged() {
    for layout in layouts() {
        let (folder, mut dice) = (Folder::new(), Dice(3));
        let tables = folder.open_holding(2).await;
        let mut model = laid_out(&folder, &tables, &layout, &mut dice).await;
        let mut writer = StreamWriter::open(tables.clone(), orders(&folder, MERGE, "s2")).await.unwrap();
        let row = json!({"id": 1, "region": "south", "v": "before", "big": "of before"});
        writer.stage(changed(&[row], Change::Update)).await.unwrap();
        writer.stage(changed(&[json!({"id": 2})], Change::Delete)).await.unwrap();
        let mut columns = orders(&folder, MERGE, "s2").columns;
        columns.push(column("new", "double"));
        writer.evolve(columns).await.unwrap();
        let rows = [
            json!({"id": 3, "region": "west", "v": "first", "big": "x", "new": 1.5}),
            json!({"id": 3, "region": "north", "v": "last", "big": "y", "new": 2.5}),
        ];
        writer.stage(changed(&rows, Change::Update)).await.unwrap();
        let row = json!({"id": 1, "region": "north", "v": "after", "new": 0.5});
        writer.stage(partial(&[row], None)).await.unwrap();
        writer.commit(b"2".to_vec(), true).await.unwrap();

        for row in model.values_mut() {
            row["new"] = Value::Null;
        }
        model.remove(&2);
        model.insert(1, json!({"id": 1, "region": "north", "v": "after", "big": "of before", "new": 0.5}));
        model.insert(3, rows[1].clone());
        check(&folder, &tables, &model, &format!("{layout:?}")).await;
    }
}

#[tokio::test]
async fn only_what_a_layout_or_a_key_asks_for_is_written_twice() {
    for (layout, as_staged) in layouts().into_iter().zip([true, false, false, false, false]) {
        let (folder, mut dice) = (Folder::new(), Dice(5));
        let tables = folder.open().await;
        laid_out(&folder, &tables, &layout, &mut dice).await;
        let mut writer = StreamWriter::open(tables.clone(), orders(&folder, MERGE, "s2")).await.unwrap();
        let before: BTreeSet<String> = folder.files(DATA).into_iter().collect();
        let rows: Vec<Value> = (21..=30).map(|id| whole(id, &mut dice)).collect();
        writer.stage(Rows::inserts(0, json_lines(&rows))).await.unwrap();
        writer.finish_files().await.unwrap();
        let staged: Vec<String> = folder.files(DATA).into_iter().filter(|name| !before.contains(name)).collect();
        assert_eq!(staged.len(), 1, "{layout:?}: rows are staged as they come, in one file");
        writer.commit(b"2".to_vec(), true).await.unwrap();
        assert_eq!(folder.files(DATA).contains(&staged[0]), as_staged, "{layout:?}");
    }
}
