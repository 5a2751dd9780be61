//! dbt models as people write them, and what is run for them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use asgard_dbt::Existing;
use asgard_plugin_sql::gold::{Prepared, prepare};
use asgard_plugin_sql::silver;
use asgard_plugin_sql::work::{Mode, Target};
use asgard_sdk::json::{Map, Value, json};
use asgard_sdk::transform::{Compute, GoldModel, IncrementalStrategy, Input, Materialization, SilverRun, WriteMode};
use asgard_sdk::{Error, TableName};

fn table(namespace: &str, name: &str) -> TableName {
    TableName { namespace: namespace.to_owned(), name: name.to_owned() }
}

fn model(sql: &str) -> GoldModel {
    GoldModel {
        name: "Totals".to_owned(),
        sql: sql.to_owned(),
        target: table("gold", "totals"),
        materialization: Materialization::Table,
        incremental_strategy: IncrementalStrategy::Append,
        unique_key: Vec::new(),
        description: None,
        tags: Vec::new(),
        owner: "dbt".to_owned(),
        models: vec![
            ("work_orders".to_owned(), table("silver", "work_orders")),
            ("operators".to_owned(), table("gold", "operators")),
        ],
    }
}

fn prepared(model: &GoldModel, existing: Existing) -> Result<Prepared, Error> {
    let variables: Map<String, Value> = json!({ "since": "2024-01-01", "sizes": [1, 2] }).as_object().cloned().unwrap();
    prepare(model, existing, &variables, "local")
}

fn compiled(sql: &str) -> String {
    prepared(&model(sql), Existing::Nothing).map(|prepared| prepared.work.sql).unwrap()
}

/// Field and message of the error that the model gives.
fn refused(model: &GoldModel, existing: Existing) -> (String, String) {
    match prepared(model, existing).map(|prepared| prepared.work) {
        Err(Error::InvalidInput(input)) => (input.field.unwrap(), input.message),
        other => panic!("expected invalid input, not {other:?}"),
    }
}

#[test]
fn references_become_quoted_names_of_the_lakehouse() {
    assert_eq!(
        compiled("SELECT * FROM {{ ref('work_orders') }} JOIN {{ ref('shop', 'operators') }} USING (operator_id)"),
        r#"SELECT * FROM "iceberg"."silver"."work_orders" JOIN "iceberg"."gold"."operators" USING (operator_id)"#
    );
    assert_eq!(
        compiled("SELECT * FROM {{ source('bronze', 'machine_logs') }}"),
        r#"SELECT * FROM "iceberg"."bronze"."machine_logs""#
    );
    assert_eq!(
        compiled("SELECT '{{ this.schema }}.{{ this.identifier }}' FROM {{ this }}"),
        r#"SELECT 'gold.totals' FROM "iceberg"."gold"."totals""#
    );
}

#[test]
fn loops_macros_and_variables_are_rendered_as_dbt_does() {
    let sql = "{% macro cents(column) %}CAST({{ column }} * 100 AS BIGINT){% endmacro -%}
{% set statuses = ['open', 'done'] -%}
SELECT
{%- for status in statuses %}
    SUM(CASE WHEN status = '{{ status }}' THEN 1 END) AS {{ status.upper() }}_orders{% if not loop.last %},{% endif %}
{%- endfor %},
    {{ cents('price') }} AS price
FROM {{ ref('work_orders') }}
WHERE day >= DATE '{{ var('since') }}' AND size IN ({{ var('sizes') | join(', ') }}) AND plant = {{ var('plant', 7) }}
  AND environment = '{{ target.name }}' -- {{ model.name }}";
    let expected = r#"SELECT
    SUM(CASE WHEN status = 'open' THEN 1 END) AS OPEN_orders,
    SUM(CASE WHEN status = 'done' THEN 1 END) AS DONE_orders,
    CAST(price * 100 AS BIGINT) AS price
FROM "iceberg"."silver"."work_orders"
WHERE day >= DATE '2024-01-01' AND size IN (1, 2) AND plant = 7
  AND environment = 'local' -- Totals"#;
    assert_eq!(compiled(sql), expected);
}

#[test]
fn a_model_without_jinja_goes_through_as_it_is() {
    let sql = "SELECT 'a''b' AS x, \"q\" FROM iceberg.silver.work_orders WHERE a < b AND c & 1 = 1";
    assert_eq!(compiled(sql), sql);
}

#[test]
fn an_incremental_model_sees_itself_only_when_its_table_exists() {
    let sql = "{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge') }}
SELECT id, at FROM {{ ref('work_orders') }}
{% if is_incremental() %}WHERE at > (SELECT MAX(at) FROM {{ this }}){% endif %}";
    let first = prepared(&model(sql), Existing::Nothing).unwrap().work;
    assert!(!first.sql.contains("WHERE"), "{}", first.sql);
    let again = prepared(&model(sql), Existing::Table).unwrap().work;
    assert!(again.sql.contains(r#"WHERE at > (SELECT MAX(at) FROM "iceberg"."gold"."totals")"#), "{}", again.sql);
    for work in [first, again] {
        let Target::Table { mode, key, .. } = work.target else { panic!("expected a table") };
        assert_eq!((mode, key), (Mode::Merge, vec!["id".to_owned()]));
    }
}

#[test]
fn a_table_model_never_is_incremental() {
    let work = prepared(&model("SELECT {{ is_incremental() }} AS again"), Existing::Table).unwrap().work;
    assert_eq!(work.sql, "SELECT False AS again");
    assert!(matches!(work.target, Target::Table { mode: Mode::Replace, .. }));
}

#[test]
fn what_the_request_leaves_open_the_config_says() {
    let sql = "{{ config(materialized='table', tags=['nightly'], description='Totals per operator', meta={'owner': 'ops'}, partitioned_by=['day']) }}SELECT 1 AS one";
    let mut asked = model(sql);
    asked.tags = vec!["features".to_owned()];
    let prepared = prepared(&asked, Existing::Nothing).unwrap();
    assert_eq!(prepared.notes, ["config `partitioned_by` changes nothing on the embedded engine"]);
    let Target::Table { properties, .. } = prepared.work.target else { panic!("expected a table") };
    let expected = [
        ("asgard.model", "Totals"),
        ("asgard.owner", "ops"),
        ("asgard.materialization", "table"),
        ("asgard.tags", "features,nightly"),
        ("comment", "Totals per operator"),
    ];
    assert_eq!(properties, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn request_and_config_that_contradict_are_refused_with_both_values() {
    let mut asked = model("{{ config(materialized='incremental') }}SELECT 1 AS one");
    asked.materialization = Materialization::View;
    let (field, message) = refused(&asked, Existing::Nothing);
    assert_eq!(field, "materialization");
    assert!(message.contains("`view`") && message.contains("`incremental`"), "{message}");

    let mut asked = model("{{ config(unique_key=['a', 'b']) }}SELECT 1 AS a, 2 AS b");
    asked.unique_key = vec!["a".to_owned()];
    assert_eq!(refused(&asked, Existing::Nothing).0, "unique_key");
}

#[test]
fn merging_without_a_key_is_refused() {
    let sql = "{{ config(materialized='incremental', incremental_strategy='delete+insert') }}SELECT 1 AS one";
    assert_eq!(refused(&model(sql), Existing::Nothing).0, "unique_key");
}

#[test]
fn a_wrong_name_is_an_error_with_its_line() {
    let cases = [
        ("SELECT 1,\n  {{ nope }} AS a", "line 2: `nope` is not defined"),
        ("SELECT 1,\n\n  {{ nope.more }} AS a", "line 3: `nope"),
        ("SELECT 1\n{% if nope %}, 2{% endif %}", "line 2: `nope` is not defined"),
        (
            "SELECT *\nFROM {{ ref('orders') }}",
            "line 2: there is no model or silver table `orders`: there is operators, work_orders",
        ),
        ("SELECT *\nFROM {{ ref('totals') }}", "line 2: model `totals` refers to itself"),
        ("SELECT *\nFROM {{ source('raw', 'orders') }}", "line 2: there is no namespace `raw`"),
        ("SELECT {{ var('nope') }}", "line 1: there is no variable `nope`"),
        ("SELECT 1 {% if %}", "line 1: the Jinja does not parse"),
        ("SELECT 1 {% for a in [1] %}", "line 1: the Jinja does not parse"),
        ("SELECT {{ dbt_utils.star() }}", "line 1: there is no `star` here: a model is rendered before"),
        ("SELECT {{ run_query('select 1') }}", "line 1: there is no `run_query` here: a model is rendered before"),
        ("SELECT 1\n{{ exceptions.raise_compiler_error('no plant') }}", "line 2: no plant"),
    ];
    for (sql, expected) in cases {
        let (field, message) = refused(&model(sql), Existing::Nothing);
        assert_eq!(field, "sql_query");
        assert!(message.starts_with(expected), "{sql}: {message}");
    }
}

#[test]
fn a_view_does_not_take_the_place_of_a_table_with_rows() {
    let mut asked = model("SELECT 1 AS one");
    asked.materialization = Materialization::View;
    assert!(matches!(prepared(&asked, Existing::Table), Err(Error::Conflict(_))));
    assert!(prepared(&asked, Existing::View).is_ok_and(|prepared| !prepared.replaces_view));
    asked.materialization = Materialization::Table;
    assert!(prepared(&asked, Existing::View).is_ok_and(|prepared| prepared.replaces_view));
}

#[test]
fn hooks_and_ephemeral_models_are_refused_not_ignored() {
    for sql in
        ["{{ config(pre_hook='DELETE FROM x') }}SELECT 1 AS a", "{{ config(materialized='ephemeral') }}SELECT 1 AS a"]
    {
        assert!(matches!(prepared(&model(sql), Existing::Nothing), Err(Error::Unsupported(_))), "{sql}");
    }
}

#[test]
fn polls_come_soon_first_and_never_more_than_a_second_apart() {
    let mut work = prepared(&model("SELECT 1 AS one"), Existing::Nothing).unwrap().work;
    let mut waits = Vec::new();
    for polls in [0, 1, 2, 9, 1_000] {
        work.polls = polls;
        waits.push(work.poll_after_ms());
    }
    assert_eq!(waits, [20, 30, 45, 757, 1_000]);
}

#[test]
fn an_error_of_the_engine_names_the_field_of_the_request() {
    let gold = prepared(&model("SELECT 1 AS one"), Existing::Nothing).unwrap().work;
    let silver = silver::prepare(SilverRun {
        run_id: "ab12".to_owned(),
        sql: "SELECT * FROM source_data".to_owned(),
        inputs: vec![("source_data".to_owned(), Input::Table(table("bronze", "work_orders")))],
        target: table("silver", "run_ab12"),
        write_mode: WriteMode::Append,
        compute: Compute {
            executor_instances: 1,
            executor_cores: 1,
            executor_memory: "512m".to_owned(),
            driver_cores: 1,
            driver_memory: "512m".to_owned(),
        },
    });
    assert!(matches!(silver.target, Target::Table { mode: Mode::Append, .. }));
    for (work, field, expected) in [
        (&gold, "sql", "sql_query"),
        (&silver, "sql", "sql"),
        (&silver, "inputs.source_data", "source_path"),
        (&silver, "inputs.machines", "sources.machines"),
    ] {
        match work.explained(Error::invalid(field, "no such column")) {
            Error::InvalidInput(input) => assert_eq!(input.field.as_deref(), Some(expected)),
            other => panic!("expected invalid input, not {other:?}"),
        }
    }
}
