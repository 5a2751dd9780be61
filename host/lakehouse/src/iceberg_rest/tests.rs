use std::collections::HashMap;

use asgard_contract::lakehouse::WriteMode;
use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use iceberg::{TableRequirement, TableUpdate};
use serde_json::json;

use super::wire::{CommitTable, CommitTransaction, CreateTable, Identifier, Register, Rename};
use super::{RestError, ServedCatalog};
use crate::tables::Tables;
use crate::testing::{Folder, name, no_reads, stream, target};

fn silver() -> Vec<String> {
    vec!["silver".to_owned()]
}

async fn catalog(folder: &Folder) -> ServedCatalog {
    ServedCatalog::over(folder.open().await).unwrap()
}

fn schema() -> Schema {
    let id = NestedField::optional(1, "id", Type::Primitive(PrimitiveType::Long)).into();
    Schema::builder().with_fields([id]).build().unwrap()
}

fn new(table: &str) -> CreateTable {
    CreateTable {
        name: table.into(),
        location: None,
        schema: schema(),
        partition_spec: None,
        write_order: None,
        stage_create: None,
        properties: None,
    }
}

fn properties(of: &str, key: &str, requirements: Vec<TableRequirement>) -> CommitTable {
    CommitTable {
        identifier: Some(Identifier { namespace: silver(), name: of.into() }),
        requirements,
        updates: vec![TableUpdate::SetProperties { updates: HashMap::from([(key.into(), "set".into())]) }],
    }
}

async fn write(tables: &Tables, table: &str) {
    let write = target(table, WriteMode::Append, &[]);
    tables.write(&write, "key", stream(json!([{"id": 1}])), &no_reads).await.unwrap();
}

#[tokio::test]
async fn commits_of_two_clients_at_once_are_both_kept() {
    let folder = Folder::new();
    let (one, two) = (catalog(&folder).await, catalog(&folder).await);
    one.create_table(&silver(), new("a")).await.unwrap();
    for round in 0..10 {
        let (left, right) = (format!("left-{round}"), format!("right-{round}"));
        let space = silver();
        let (a, b) = tokio::join!(
            one.commit_table(&space, "a", properties("a", &left, vec![])),
            two.commit_table(&space, "a", properties("a", &right, vec![])),
        );
        a.unwrap();
        b.unwrap();
    }
    let properties = one.table(&silver(), "a").await.unwrap().metadata.properties().clone();
    assert_eq!(properties.keys().filter(|key| key.contains('-') && properties[*key] == "set").count(), 20);
}

#[tokio::test]
async fn a_requirement_that_no_longer_holds_fails_the_commit_and_leaves_no_file() {
    let folder = Folder::new();
    let catalog = catalog(&folder).await;
    write(&catalog.tables, "silver.a").await;
    let before = folder.files("warehouse/silver/a/metadata").len();
    let stale = TableRequirement::RefSnapshotIdMatch { r#ref: "main".into(), snapshot_id: None };
    let error = catalog.commit_table(&silver(), "a", properties("a", "x", vec![stale])).await.unwrap_err();
    assert!(matches!(error, RestError::CommitFailed(_)), "{error}");
    assert_eq!(folder.files("warehouse/silver/a/metadata").len(), before);
}

#[tokio::test]
async fn a_transaction_with_one_table_that_is_not_there_changes_no_other() {
    let folder = Folder::new();
    let catalog = catalog(&folder).await;
    catalog.create_table(&silver(), new("a")).await.unwrap();
    let changes = vec![properties("a", "x", vec![]), properties("missing", "x", vec![])];
    let error = catalog.commit_transaction(CommitTransaction { table_changes: changes }).await.unwrap_err();
    assert!(matches!(error, RestError::NoSuchTable(_)), "{error}");
    assert!(!catalog.table(&silver(), "a").await.unwrap().metadata.properties().contains_key("x"));
    assert_eq!(folder.files("warehouse/silver/a/metadata").len(), 1);
}

#[tokio::test]
async fn a_new_table_never_shares_the_folder_of_one_that_was_renamed() {
    let folder = Folder::new();
    let catalog = catalog(&folder).await;
    let first = catalog.create_table(&silver(), new("a")).await.unwrap();
    let rename = |from: &str, to: &str| Rename {
        source: Identifier { namespace: silver(), name: from.into() },
        destination: Identifier { namespace: silver(), name: to.into() },
    };
    catalog.rename_table(rename("a", "b")).await.unwrap();
    let second = catalog.create_table(&silver(), new("a")).await.unwrap();
    assert_ne!(first.metadata.location(), second.metadata.location());
    let into = CreateTable { location: Some(first.metadata.location().into()), ..new("c") };
    assert!(matches!(catalog.create_table(&silver(), into).await, Err(RestError::BadRequest(_))));
    let error = catalog.rename_table(rename("b", "a")).await.unwrap_err();
    assert!(matches!(error, RestError::AlreadyExists(_)), "{error}");
}

#[tokio::test]
async fn a_table_is_not_registered_beside_the_one_that_has_its_files() {
    let folder = Folder::new();
    let catalog = catalog(&folder).await;
    let older = catalog.create_table(&silver(), new("a")).await.unwrap();
    write(&catalog.tables, "silver.a").await;
    let file = older.metadata_location.unwrap();
    // A copy elsewhere names the same files.
    let copy = file.replace("/silver/a/", "/silver/copied/");
    let path = |location: &str| std::path::PathBuf::from(location.strip_prefix("file://").unwrap());
    std::fs::create_dir_all(path(&copy).parent().unwrap()).unwrap();
    std::fs::copy(path(&file), path(&copy)).unwrap();
    for metadata_location in [&file, &copy] {
        for overwrite in [false, true] {
            let register = Register { name: "b".into(), metadata_location: metadata_location.clone(), overwrite };
            let error = catalog.register_table(&silver(), register).await.unwrap_err();
            assert!(matches!(error, RestError::AlreadyExists(_)), "{error}");
            assert!(error.to_string().contains("`silver.a`, exists already"), "{error}");
        }
    }
    let tables = catalog.tables(&silver()).await.unwrap().identifiers;
    assert_eq!(tables, [Identifier { namespace: silver(), name: "a".into() }]);
    // In its own place it may go back, and under another name it may come again once it is dropped.
    let register = |table: &str, overwrite| Register { name: table.into(), metadata_location: file.clone(), overwrite };
    catalog.register_table(&silver(), register("a", true)).await.unwrap();
    catalog.drop_table(&silver(), "a", false).await.unwrap();
    catalog.register_table(&silver(), register("b", false)).await.unwrap();
}

#[tokio::test]
async fn files_outside_of_the_storage_are_refused_wherever_they_are_named() {
    let folder = Folder::new();
    let catalog = catalog(&folder).await;
    for location in ["file:///etc", "/etc", "s3://other/x", "file:///tmp/../etc"] {
        let outside = CreateTable { location: Some(location.into()), ..new("a") };
        assert!(matches!(catalog.create_table(&silver(), outside).await, Err(RestError::BadRequest(_))), "{location}");
        let register = Register { name: "a".into(), metadata_location: location.into(), overwrite: false };
        assert!(matches!(catalog.register_table(&silver(), register).await, Err(RestError::BadRequest(_))));
    }
    catalog.create_table(&silver(), new("a")).await.unwrap();
    let moved = CommitTable {
        identifier: None,
        requirements: vec![],
        updates: vec![TableUpdate::SetLocation { location: "file:///etc".into() }],
    };
    assert!(matches!(catalog.commit_table(&silver(), "a", moved).await, Err(RestError::BadRequest(_))));
}

#[tokio::test]
async fn a_dropped_tables_files_stay_unless_it_is_purged() {
    let folder = Folder::new();
    let catalog = catalog(&folder).await;
    for purge in [false, true] {
        let table = if purge { "purged" } else { "kept" };
        write(&catalog.tables, &format!("silver.{table}")).await;
        catalog.drop_table(&silver(), table, purge).await.unwrap();
        catalog.tables.remove_dropped_before(std::time::Duration::ZERO).await.unwrap();
        let left = folder.files(&format!("warehouse/silver/{table}/data")).len();
        assert_eq!(left, usize::from(!purge), "{table}");
    }
}

#[tokio::test]
async fn our_own_writes_go_on_in_a_table_that_a_client_made() {
    let folder = Folder::new();
    let catalog = catalog(&folder).await;
    catalog.create_table(&silver(), new("a")).await.unwrap();
    write(&catalog.tables, "silver.a").await;
    let loaded = catalog.table(&silver(), "a").await.unwrap();
    assert_eq!(loaded.metadata.snapshots().len(), 1);
    assert_eq!(catalog.tables.load(&name("silver.a")).await.unwrap().info().rows, Some(1));
}

#[tokio::test]
async fn namespaces_that_hold_something_stay() {
    let folder = Folder::new();
    let catalog = catalog(&folder).await;
    let lab = super::wire::Namespace { namespace: vec!["lab".into()], properties: Default::default() };
    catalog.create_namespace(lab.clone()).await.unwrap();
    assert!(matches!(catalog.create_namespace(lab.clone()).await, Err(RestError::AlreadyExists(_))));
    catalog.create_table(&lab.namespace, new("a")).await.unwrap();
    assert!(matches!(catalog.drop_namespace(&lab.namespace).await, Err(RestError::NamespaceNotEmpty(_))));
    catalog.drop_table(&lab.namespace, "a", true).await.unwrap();
    catalog.drop_namespace(&lab.namespace).await.unwrap();
    assert!(matches!(catalog.namespace(&lab.namespace).await, Err(RestError::NoSuchNamespace(_))));
}
