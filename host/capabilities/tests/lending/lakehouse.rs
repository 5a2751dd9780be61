use asgard_capabilities::lakehouse::{Lakehouse, StatementStatus};
use asgard_contract::lakehouse::{Dialect, Input, Output, Statement, TableWrite, WriteMode};
use asgard_contract::{Error, TableName};

use crate::host::TestHost;

fn reads(tables: &str, inputs: &[(&str, Input)]) -> Statement {
    let inputs = inputs.iter().map(|(name, input)| ((*name).to_owned(), input.clone())).collect();
    Statement { sql: format!("READ {tables}"), dialect: Dialect::Spark, inputs }
}

fn table(name: &str) -> Output {
    let table = TableName::parse(name).unwrap();
    Output::Table(TableWrite { table, mode: WriteMode::Replace, key: Vec::new(), properties: Vec::new() })
}

fn lakehouse(host: &TestHost) -> Lakehouse {
    host.lent().lakehouse.unwrap()
}

const BRONZE_TO_SILVER: &str = r#"silver.grants.lakehouse = { read = ["bronze"], write = ["silver"] }"#;

#[tokio::test]
async fn a_statement_may_read_what_its_plan_reads_and_the_grant_names() {
    let host = TestHost::new(BRONZE_TO_SILVER);
    let lakehouse = lakehouse(&host);
    lakehouse.query(&reads("bronze.a silver.b", &[]), 10).await.unwrap();
    // The text of a statement over a view would not name the table; the plan does.
    let error = lakehouse.query(&reads("bronze.a gold.c", &[]), 10).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }));
    assert!(
        error.to_string().contains("add `gold` to `silver.grants.lakehouse.read` of environment `test`"),
        "{error}"
    );
    for statement in [
        reads("", &[("x", Input::Table(TableName::new("gold", "c")))]),
        reads("", &[("x", Input::Location("file:///lake/gold/c".to_owned()))]),
        reads("", &[("x", Input::Object("runs/a.parquet".to_owned()))]),
    ] {
        assert!(matches!(lakehouse.query(&statement, 10).await, Err(Error::Forbidden { .. })), "{statement:?}");
        assert!(matches!(lakehouse.plan(&statement).await, Err(Error::Forbidden { .. })));
    }
    assert_eq!(host.engine.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_of_the_machine_is_read_in_a_granted_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let (granted, beside) = (folder.path().join("granted"), folder.path().join("beside"));
    for each in [&granted, &beside] {
        std::fs::create_dir(each).unwrap();
        std::fs::write(each.join("a.parquet"), "").unwrap();
    }
    std::os::unix::fs::symlink(beside.join("a.parquet"), granted.join("link.parquet")).unwrap();
    let all = r#"silver.grants.lakehouse = { read = ["bronze", "silver", "gold"] }"#;
    let host = TestHost::new(&format!("{all}\nsilver.grants.files = [{:?}]", granted.display().to_string()));
    let read = |file: std::path::PathBuf| reads("", &[("x", Input::Location(format!("file://{}", file.display())))]);
    lakehouse(&host).query(&read(granted.join("a.parquet")), 10).await.unwrap();
    for file in [beside.join("a.parquet"), granted.join("link.parquet"), granted.join("../beside/a.parquet")] {
        let error = lakehouse(&host).query(&read(file), 10).await.unwrap_err();
        assert!(matches!(&error, Error::Forbidden { .. }) && error.to_string().contains("grants.files"), "{error}");
    }
    let host = TestHost::new(all);
    let error = lakehouse(&host).query(&read(granted.join("a.parquet")), 10).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
}

#[tokio::test]
async fn tables_are_listed_and_dropped_in_granted_namespaces() {
    let host = TestHost::new(BRONZE_TO_SILVER);
    let lakehouse = lakehouse(&host);
    assert_eq!(lakehouse.tables("silver").await.unwrap().len(), 1);
    assert!(matches!(lakehouse.tables("gold").await, Err(Error::Forbidden { .. })));
    assert!(matches!(lakehouse.describe(&TableName::new("gold", "t")).await, Err(Error::Forbidden { .. })));
    assert!(matches!(lakehouse.data_files(&TableName::new("gold", "t")).await, Err(Error::Forbidden { .. })));
    assert!(matches!(lakehouse.drop_table(&TableName::new("bronze", "t")).await, Err(Error::Forbidden { .. })));
    lakehouse.drop_table(&TableName::new("silver", "t")).await.unwrap();
    assert_eq!(*host.engine.asked.lock().unwrap(), ["drop silver.t"]);
}

#[tokio::test]
async fn a_statement_is_submitted_once_per_task_and_key() {
    let host = TestHost::new(BRONZE_TO_SILVER);
    for _ in 0..2 {
        // As two steps of one task do, each with what it was lent.
        lakehouse(&host).submit("main", reads("bronze.a", &[]), table("silver.t")).await.unwrap();
        let StatementStatus::Succeeded(written) = lakehouse(&host).poll("main").await.unwrap() else { panic!() };
        assert_eq!(written.rows, 7);
    }
    let asked = host.engine.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("run task-1/main Table("), "{asked:?}");

    let other = host.lent_to("task-2").lakehouse.unwrap();
    assert!(matches!(other.poll("main").await, Err(Error::NotFound { .. })));
    other.cancel("main").await.unwrap();
    for output in [table("bronze.t"), Output::View(TableName::new("gold", "v")), Output::Parquet("k".to_owned())] {
        assert!(matches!(other.submit("x", reads("bronze.a", &[]), output).await, Err(Error::Forbidden { .. })));
    }
}

#[tokio::test]
async fn objects_become_locations_where_both_are_granted() {
    let host = TestHost::new(
        "silver.grants.objects = true\nsilver.grants.lakehouse = { read = [\"bronze\", \"silver\", \"gold\"] }",
    );
    let lakehouse = lakehouse(&host);
    let statement =
        reads("bronze.a", &[("x", Input::Object("in/".to_owned())), ("y", Input::Location("s3://b/k".to_owned()))]);
    lakehouse.query(&statement, 1).await.unwrap();
    lakehouse.submit("p", statement, Output::Parquet("out/f.parquet".to_owned())).await.unwrap();
    lakehouse.poll("p").await.unwrap();
    let asked = host.engine.asked.lock().unwrap().clone();
    let objects = host.path("objects");
    let expected = format!("(\"x\", Location(\"file://{}/in/\")), (\"y\", Location(\"s3://b/k\"))", objects.display());
    assert!(asked[0].contains(&expected), "{asked:?}");
    assert!(asked[1].contains(&format!("Parquet(\"file://{}/out/f.parquet\")", objects.display())), "{asked:?}");
}
