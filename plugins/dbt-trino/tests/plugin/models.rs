//! What models come to: plans, and the statements of each materialization.

use asgard_dbt::{Existing, Prepared};
use asgard_plugin_dbt_trino::model::prepared;
use asgard_plugin_dbt_trino::statements::script;
use asgard_plugin_dbt_trino::trino::Type;
use asgard_sdk::Error;
use asgard_sdk::json::json;
use asgard_sdk::transform::{Compute, GoldModel, IncrementalStrategy, Materialization, Request, SilverRun, WriteMode};

use crate::recorded::{COLUMNS, EXISTING, Recorded, answer, configuration, gold, incremental, model, table};

fn columns(of: &[(&str, Type)]) -> Vec<(String, Type)> {
    of.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect()
}

const INT: Type = Type::Plain("int", "integer");
const LONG: Type = Type::Plain("long", "bigint");
const TEXT: Type = Type::Plain("string", "varchar");

fn ready(model: &GoldModel, existing: Existing) -> Prepared {
    prepared(&Recorded::default(), &configuration(&json!({})), model, existing).unwrap()
}

fn written(model: &GoldModel, existing: Existing, old: &[(&str, Type)]) -> Vec<String> {
    let new = columns(&[("id", LONG), ("v", TEXT), ("new", Type::Decimal(4, 1))]);
    let script = script(model, &ready(model, existing), &new, &columns(old), &configuration(&json!({}))).unwrap();
    script.into_iter().map(|statement| statement.sql).collect()
}

#[test]
fn a_plan_has_columns_in_icebergs_words_and_the_tables_that_are_read() {
    let host = Recorded::new(&[
        (EXISTING, answer!("existing-nothing")),
        (COLUMNS, answer!("columns")),
        ("EXPLAIN (TYPE IO, FORMAT JSON)", answer!("explained")),
    ]);
    let plan = gold(&host, &json!({})).plan(Request::Gold(model())).unwrap();
    let found: Vec<(&str, &str)> =
        plan.columns.iter().map(|column| (column.name.as_str(), column.data_type.as_str())).collect();
    assert_eq!(found, [("id", "int"), ("v", "string"), ("word", "string")]);
    assert_eq!(plan.tables, [table("silver", "t")]);
    assert_eq!(plan.compiled_sql, model().sql);
    assert!(host.writes().is_empty());
    // The key of a merge is a column of the result.
    let merge = incremental(IncrementalStrategy::Merge, &["order_id"]);
    match gold(&host, &json!({})).plan(Request::Gold(merge)) {
        Err(Error::InvalidInput(input)) => assert_eq!(input.field.as_deref(), Some("unique_key")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_compiled_model_is_explained_by_trino_and_not_run() {
    let host = Recorded::new(&[("EXPLAIN\n", answer!("explained"))]);
    let told = gold(&host, &json!({})).explain(&model().sql).unwrap();
    assert!(told.contains("inputTableColumnInfos"), "{told}");
    assert_eq!(*host.begun.borrow(), [format!("EXPLAIN\n{}", model().sql)]);
    let host = Recorded::new(&[("EXPLAIN\n", answer!("wrong-column"))]);
    assert!(matches!(gold(&host, &json!({})).explain(&model().sql), Err(Error::InvalidInput(_))));
}

#[test]
fn what_is_wrong_with_a_model_is_told_with_its_place() {
    let nothing = answer!("existing-nothing");
    for (pages, expected) in [
        (answer!("wrong-column"), "line 2, column 3: Column 'nope' cannot be resolved (COLUMN_NOT_FOUND)"),
        (answer!("unnamed"), "column 2 has no name: add `AS name` to it"),
        (answer!("interval"), "the column `b` is of type INTERVAL DAY TO SECOND, which Iceberg does not have: cast it"),
    ] {
        let host = Recorded::new(&[(EXISTING, nothing), (COLUMNS, pages)]);
        match gold(&host, &json!({})).plan(Request::Gold(model())) {
            Err(Error::InvalidInput(input)) => {
                assert_eq!((input.field.as_deref(), input.message.as_str()), (Some("sql_query"), expected));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn silver_runs_are_another_plugins() {
    let run = SilverRun {
        run_id: "a".to_owned(),
        sql: "SELECT 1 AS a".to_owned(),
        inputs: Vec::new(),
        target: table("silver", "a"),
        write_mode: WriteMode::Append,
        compute: Compute {
            executor_instances: 1,
            executor_cores: 1,
            executor_memory: "512m".to_owned(),
            driver_cores: 1,
            driver_memory: "512m".to_owned(),
        },
    };
    let host = Recorded::default();
    assert!(matches!(gold(&host, &json!({})).start(Request::Silver(run)), Err(Error::Unsupported(_))));
}

#[test]
fn a_table_tells_its_description_layout_and_origin() {
    let mut asked = model();
    asked.description = Some("it's measured".to_owned());
    asked.tags = vec!["nightly".to_owned()];
    asked.sql =
        "{{ config(partition_by=['day(at)', 'bucket(id, 16)'], properties={'format': \"'ORC'\"}) }}SELECT 1 AS id;"
            .to_owned();
    let told = configuration(&json!({"table_properties": true}));
    let script = script(&asked, &ready(&asked, Existing::Table), &[], &[], &told).unwrap();
    let expected = "CREATE OR REPLACE TABLE \"gold\".\"totals\"
COMMENT 'it''s measured'
WITH (partitioning = ARRAY['day(at)', 'bucket(id, 16)'], format = 'ORC', extra_properties = MAP(ARRAY['asgard.model', 'asgard.owner', 'asgard.materialization', 'asgard.tags'], ARRAY['Totals', 'dbt', 'table', 'nightly']))
AS
SELECT 1 AS id";
    assert_eq!((script[0].sql.as_str(), script[0].lines_before), (expected, 4));
}

#[test]
fn views_and_tables_make_room_for_each_other_as_far_as_no_rows_are_lost() {
    let mut view = model();
    view.materialization = Materialization::View;
    let query = &model().sql;
    for existing in [Existing::Nothing, Existing::View] {
        let expected = format!("CREATE OR REPLACE VIEW \"gold\".\"totals\"\nSECURITY DEFINER AS\n{query}");
        assert_eq!(written(&view, existing, &[]), [expected]);
    }
    let refused = prepared(&Recorded::default(), &configuration(&json!({})), &view, Existing::Table);
    assert!(matches!(refused, Err(Error::Conflict(_))));
    let drop = "DROP VIEW IF EXISTS \"gold\".\"totals\"";
    for (model, create) in
        [(model(), "CREATE OR REPLACE TABLE"), (incremental(IncrementalStrategy::Append, &[]), "CREATE TABLE")]
    {
        let expected = format!("{create} \"gold\".\"totals\"\nAS\n{query}");
        assert_eq!(written(&model, Existing::View, &[]), [drop.to_owned(), expected]);
    }
}

#[test]
fn a_table_that_grows_gets_new_columns_and_wider_ones_first() {
    let append = incremental(IncrementalStrategy::Append, &[]);
    let old = [("ID", INT), ("v", TEXT), ("gone", INT)];
    assert_eq!(
        written(&append, Existing::Table, &old),
        [
            "ALTER TABLE \"gold\".\"totals\" ALTER COLUMN \"id\" SET DATA TYPE bigint",
            "ALTER TABLE \"gold\".\"totals\" ADD COLUMN IF NOT EXISTS \"new\" decimal(4,1)",
            "INSERT INTO \"gold\".\"totals\" (\"id\", \"v\", \"new\")\nSELECT id, v, 'a' AS word FROM iceberg.silver.t",
        ]
    );
}

#[test]
fn a_merge_replaces_whole_rows() {
    let merge = incremental(IncrementalStrategy::Merge, &["id"]);
    let old = [("id", LONG), ("v", TEXT), ("new", Type::Decimal(4, 1))];
    let [statement] = written(&merge, Existing::Table, &old).try_into().unwrap();
    assert_eq!(
        statement,
        "MERGE INTO \"gold\".\"totals\" AS asgard_target USING (
SELECT id, v, 'a' AS word FROM iceberg.silver.t
) AS asgard_rows ON asgard_target.\"id\" = asgard_rows.\"id\"
WHEN MATCHED THEN UPDATE SET \"v\" = asgard_rows.\"v\", \"new\" = asgard_rows.\"new\"
WHEN NOT MATCHED THEN INSERT (\"id\", \"v\", \"new\") VALUES (asgard_rows.\"id\", asgard_rows.\"v\", asgard_rows.\"new\")"
    );
}

#[test]
fn rows_that_lack_a_column_do_not_take_the_place_of_others() {
    let new = columns(&[("id", LONG), ("v", TEXT)]);
    let old = columns(&[("id", LONG), ("V", TEXT), ("gone", INT)]);
    for strategy in [IncrementalStrategy::Merge, IncrementalStrategy::DeleteInsert] {
        let model = incremental(strategy, &["id"]);
        match script(&model, &ready(&model, Existing::Table), &new, &old, &configuration(&json!({}))) {
            Err(Error::InvalidInput(input)) => assert!(input.message.contains("lack column `gone`"), "{input:?}"),
            other => panic!("{:?}", other.map(|script| script.len())),
        }
    }
    let append = incremental(IncrementalStrategy::Append, &[]);
    assert!(script(&append, &ready(&append, Existing::Table), &new, &old, &configuration(&json!({}))).is_ok());
}

#[test]
fn rows_are_deleted_and_inserted_in_one_statement() {
    let model = incremental(IncrementalStrategy::DeleteInsert, &["id", "v"]);
    let old = [("id", LONG), ("v", TEXT), ("new", Type::Decimal(4, 1))];
    let [statement] = written(&model, Existing::Table, &old).try_into().unwrap();
    assert!(statement.starts_with("MERGE INTO"), "{statement}");
    assert!(statement.contains("row_number() OVER (PARTITION BY \"id\", \"v\")"), "{statement}");
    assert!(statement.contains("WHEN MATCHED THEN DELETE"), "{statement}");
    assert!(
        statement.contains("asgard_target.\"id\" = asgard_rows.\"id\" AND asgard_target.\"v\" = asgard_rows.\"v\""),
        "{statement}"
    );
}
