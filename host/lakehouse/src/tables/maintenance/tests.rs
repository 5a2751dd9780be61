//! Maintenance, and all writers of a table at once.

use std::time::Duration;

use asgard_contract::Error;
use asgard_contract::lakehouse::WriteMode;
use serde_json::{Value, json};

use super::*;
use crate::tables::{Change, Loaded};
use crate::testing::{Folder, content, name, no_reads, sql, stream, table, target};

const NOW: Expiry = Expiry { older_than: Duration::ZERO, retain_last: 1, readers: Duration::ZERO };

async fn put(tables: &Tables, mode: WriteMode, rows: Value) {
    let key = uuid::Uuid::new_v4().to_string();
    tables.write(&target("silver.a", mode, &["id"]), &key, stream(rows), &no_reads).await.unwrap();
}

async fn with_small_files(count: i64) -> (Folder, Tables) {
    let folder = Folder::new();
    let tables = folder.open().await;
    for id in 0..count {
        put(&tables, WriteMode::Append, json!([{"id": id, "v": format!("row {id}")}])).await;
    }
    (folder, tables)
}

#[tokio::test]
async fn small_files_become_one_and_the_rows_stay() {
    let (_folder, tables) = with_small_files(12).await;
    let before = content(&tables, "silver.a").await;
    assert!(tables.wants_compaction(&name("silver.a")).await.unwrap());
    let done = tables.compact(&name("silver.a"), &|_, _| {}).await.unwrap();
    assert_eq!((done.files_before, done.files_after, done.given_up), (12, 1, 0));
    assert_eq!(content(&tables, "silver.a").await, before);
    let loaded = table(&tables, "silver.a").await;
    let snapshot = loaded.state.metadata.current_snapshot().unwrap();
    assert_eq!(snapshot.summary().operation.as_str(), "replace");
    assert_eq!(snapshot.summary().additional_properties["total-records"], "12");
    assert!(!tables.wants_compaction(&name("silver.a")).await.unwrap(), "nothing is left to do");
}

#[tokio::test]
async fn files_of_other_partitions_are_not_put_together() {
    let (_folder, tables) = with_small_files(6).await;
    let by = vec!["bucket(id, 3)".to_owned()];
    tables.alter(&name("silver.a"), &[Change::Partition { by }]).await.unwrap();
    let before = content(&tables, "silver.a").await;
    tables.compact(&name("silver.a"), &|_, _| {}).await.unwrap();
    let loaded = table(&tables, "silver.a").await;
    let spec = loaded.state.metadata.default_partition_spec_id();
    assert!(loaded.files.iter().all(|file| file.spec_id == spec), "files of the old layout are in the new one");
    assert!(loaded.files.len() > 1);
    assert_eq!(content(&tables, "silver.a").await, before);
}

#[tokio::test]
async fn forgotten_snapshots_leave_their_files_to_statements_that_run() {
    let folder = Folder::new();
    let tables = folder.open().await;
    for version in 0..4 {
        put(&tables, WriteMode::Replace, json!([{"id": version}])).await;
    }
    let old = table(&tables, "silver.a").await;
    put(&tables, WriteMode::Replace, json!([{"id": 4}])).await;
    let readers = Expiry { readers: Duration::from_secs(600), ..NOW };
    let expired = tables.expire_keeping(&name("silver.a"), &readers, Duration::ZERO).await.unwrap();
    assert_eq!((expired.snapshots, expired.files_deleted), (4, 0));
    assert!(expired.files_left >= 4, "{expired:?}");
    assert_eq!(crate::testing::rows_of(&tables, &old).await, json!([{"id": 3}]), "a reader of before reads on");
    assert_eq!(tables.expire_keeping(&name("silver.a"), &readers, Duration::ZERO).await.unwrap().files_deleted, 0);
    let later = tables.expire_keeping(&name("silver.a"), &NOW, Duration::ZERO).await.unwrap();
    assert_eq!(later.files_deleted, expired.files_left);
    assert_eq!(folder.files("warehouse/silver/a/data").len(), 1);
    assert_eq!(content(&tables, "silver.a").await, json!([{"id": 4}]));
    assert_eq!(left(&table(&tables, "silver.a").await.state.metadata), 0);
}

fn left(metadata: &TableMetadata) -> usize {
    super::expire::left(metadata).unwrap().len()
}

#[tokio::test]
async fn a_tag_the_last_few_and_the_last_hour_are_kept() {
    let (_folder, tables) = with_small_files(6).await;
    let count = |tables: Tables| async move { table(&tables, "silver.a").await.state.metadata.snapshots().len() };
    assert_eq!(tables.expire(&name("silver.a"), &NOW).await.unwrap().snapshots, 0, "all are of the last hour");
    let first = table(&tables, "silver.a")
        .await
        .state
        .metadata
        .snapshots()
        .min_by_key(|s| s.sequence_number())
        .unwrap()
        .snapshot_id();
    tag(&tables, first).await;
    let three = Expiry { retain_last: 3, ..NOW };
    assert_eq!(tables.expire_keeping(&name("silver.a"), &three, Duration::ZERO).await.unwrap().snapshots, 2);
    assert_eq!(count(tables.clone()).await, 4);
    let was = tables.load_as_of(&name("silver.a"), crate::tables::AsOf::Snapshot(first)).await.unwrap();
    let Loaded::Table(was) = was else { panic!() };
    assert_eq!(crate::testing::rows_of(&tables, &was).await, json!([{"id": 0, "v": "row 0"}]));
}

/// As another program tags a snapshot.
async fn tag(tables: &Tables, snapshot: i64) {
    use iceberg::spec::{SnapshotReference, SnapshotRetention};
    struct Tag(i64);
    #[async_trait::async_trait]
    impl crate::tables::commit::Transaction for Tag {
        async fn next(
            &mut self,
            _: &crate::tables::Inner,
            current: Option<&Current>,
            _: &crate::tables::undo::Uncommitted,
        ) -> Result<crate::tables::commit::Next> {
            let state = current.and_then(Current::table).unwrap();
            let retention = SnapshotRetention::Tag { max_ref_age_ms: None };
            let builder = crate::tables::write::changed(state)?;
            let builder = builder.set_ref("audited", SnapshotReference { snapshot_id: self.0, retention }).unwrap();
            Ok(crate::tables::commit::Next::Commit(Box::new(builder.build().unwrap())))
        }
    }
    tables.inner.commit(&name("silver.a"), &mut Tag(snapshot), &[]).await.unwrap();
}

#[tokio::test]
async fn only_old_files_that_nothing_has_are_orphans() {
    let (folder, tables) = with_small_files(3).await;
    let data = folder.path().join("warehouse/silver/a/data");
    std::fs::write(data.join("left-behind.parquet"), "nothing").unwrap();
    let search = |older_than, dry_run| OrphanSearch { older_than, dry_run };
    let young = tables.remove_orphans(&name("silver.a"), &search(Duration::ZERO, false)).await.unwrap();
    assert_eq!(young, Orphans::default(), "files of the last day may be of a writer under way");
    let told = tables.remove_orphans_older(&name("silver.a"), &search(Duration::ZERO, true)).await.unwrap();
    assert_eq!((told.files, told.bytes), (1, 7));
    assert!(told.locations[0].ends_with("left-behind.parquet"), "{told:?}");
    assert!(data.join("left-behind.parquet").exists(), "a dry run only tells");
    tables.remove_orphans_older(&name("silver.a"), &search(Duration::ZERO, false)).await.unwrap();
    assert!(!data.join("left-behind.parquet").exists());
    assert_eq!(sql(&tables, "SELECT count(*) AS n FROM silver.a").await, json!([{"n": 3}]));
}

#[tokio::test]
async fn a_look_finds_orphans_that_are_old_enough_and_leaves_them() {
    let (folder, tables) = with_small_files(2).await;
    let stray = folder.path().join("warehouse/silver/a/data/left-behind.parquet");
    std::fs::write(&stray, "nothing").unwrap();
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    assert!(!tables.has_orphans(&name("silver.a"), days(3)).await.unwrap(), "it may be of a writer under way");
    let file = std::fs::File::options().write(true).open(&stray).unwrap();
    file.set_modified(std::time::SystemTime::now() - days(4)).unwrap();
    assert!(tables.has_orphans(&name("silver.a"), days(3)).await.unwrap());
    assert!(!tables.has_orphans(&name("silver.a"), days(5)).await.unwrap());
    assert!(stray.exists());
    tables
        .alter(&name("silver.a"), &[Change::SetProperty { name: "gc.enabled".into(), value: "false".into() }])
        .await
        .unwrap();
    assert!(!tables.has_orphans(&name("silver.a"), days(3)).await.unwrap(), "its catalog knows what is needed");
}

/// Small and quick to repeat; a seed that failed is found again by putting it here.
fn seeds() -> impl Iterator<Item = u64> {
    let random = uuid::Uuid::new_v4().as_u64_pair().0;
    [1, 2, random].into_iter()
}

/// Numbers that are the same for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Each writer has keys of its own, so what the table must hold at the end is known without knowing who came first.
async fn writer(tables: Tables, number: u64, seed: u64) -> std::collections::BTreeMap<u64, u64> {
    let mut random = Random(seed.wrapping_mul(1000).wrapping_add(number));
    let mut model = std::collections::BTreeMap::new();
    for step in 0..12_u64 {
        let id = number * 1000 + random.below(8);
        let (mode, rows) = match random.below(3) {
            0 if !model.contains_key(&id) => (WriteMode::Append, vec![(id, step)]),
            1 => (WriteMode::DeleteInsert, vec![(id, step)]),
            _ => (WriteMode::Merge, vec![(id, step), (number * 1000 + 100 + step, step)]),
        };
        let batch: Vec<Value> = rows.iter().map(|(id, v)| json!({"id": id, "v": v})).collect();
        let key = format!("{number}-{step}");
        // As a task does it: what is unavailable is tried again, under the same key.
        loop {
            let target = target("silver.a", mode, &["id"]);
            match tables.write(&target, &key, stream(json!(batch)), &no_reads).await {
                Ok(_) => break,
                Err(Error::Unavailable { .. }) => {}
                Err(error) => panic!("seed {seed}, writer {number}, step {step}: {error}"),
            }
        }
        model.extend(rows);
    }
    model
}

async fn keeper(tables: Tables, seed: u64) {
    let mut random = Random(seed ^ 0xfeed);
    for _ in 0..10 {
        let done = match random.below(3) {
            0 => tables
                .expire_keeping(
                    &name("silver.a"),
                    &Expiry { readers: Duration::from_secs(600), retain_last: 5, ..NOW },
                    Duration::ZERO,
                )
                .await
                .map(drop),
            1 => tables
                .remove_orphans(&name("silver.a"), &OrphanSearch { older_than: Duration::ZERO, dry_run: false })
                .await
                .map(drop),
            _ => tables.compact(&name("silver.a"), &|_, _| {}).await.map(drop),
        };
        match done {
            Ok(()) | Err(Error::Unavailable { .. }) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(random.below(20))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_compaction_and_expiry_at_once_lose_and_double_nothing() {
    for seed in seeds() {
        let folder = Folder::new();
        // Two hosts would have a lakehouse each over the same catalog.
        let (one, two) = (folder.open().await, folder.open().await);
        put(&one, WriteMode::Append, json!([{"id": 999_999, "v": 0}])).await;
        let writers = (0..6).map(|number| {
            let tables = if number % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(writer(tables, number, seed))
        });
        let writers: Vec<_> = writers.collect();
        let keepers = [tokio::spawn(keeper(one.clone(), seed)), tokio::spawn(keeper(two.clone(), seed + 1))];
        let mut model = std::collections::BTreeMap::from([(999_999, 0)]);
        for writer in writers {
            model.extend(writer.await.unwrap());
        }
        for keeper in keepers {
            keeper.await.unwrap();
        }
        let expected: Vec<Value> = model.iter().map(|(id, v)| json!({"id": id, "v": v})).collect();
        let tables = folder.open().await;
        assert_eq!(sql(&tables, "SELECT id, v FROM silver.a ORDER BY id").await, json!(expected), "seed {seed}");
        tables.compact(&name("silver.a"), &|_, _| {}).await.unwrap();
        assert_eq!(sql(&tables, "SELECT id, v FROM silver.a ORDER BY id").await, json!(expected), "seed {seed}");
    }
}
