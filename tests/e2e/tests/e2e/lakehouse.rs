//! `/lakehouse`: tables as people look at them, ask them, change them and maintain them; and as other programs see them.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, gold, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "tables_are_listed_described_and_read_page_by_page", looked_at),
        test(world, "a_table_is_read_as_it_was_while_it_goes_on", as_of),
        test(world, "pages_of_a_view_have_each_row_once", paged_view),
        test(world, "a_query_answers_rows_within_limits_and_errors_point_into_it", asked),
        test(world, "columns_partitions_and_properties_change_in_one_commit", changed),
        test(world, "maintenance_is_a_task_that_says_what_it_did", maintained),
        test(world, "a_table_of_small_files_is_compacted_without_being_asked", kept),
        test(world, "a_models_config_counts_and_a_view_has_no_row_count", materialised),
        test(world, "pyiceberg_and_duckdb_read_every_operations_result_as_we_do", read_by_others),
        test(world, "tables_of_other_writers_are_read_as_they_mean_them", foreign),
    ]
}

fn incremental(client: &Client, name: &str, extra: &str, rows: &str) -> Value {
    let sql = format!(
        "{{{{ config(materialized='incremental', unique_key=['id']{extra}) }}}} SELECT * FROM (VALUES {rows}) AS t (id, v)"
    );
    let model = json!({"name": name, "incremental_strategy": "merge", "sql_query": sql});
    let made = client.post("/dbt/transform", &model).unwrap();
    assert_eq!(made["status"], "completed", "{made}");
    made
}

/// A query for the numbers from 1 as `id`.
fn numbers(until: u32) -> String {
    let digits = "(SELECT * FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) AS t (n))";
    format!(
        "SELECT id FROM (SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 1 AS id FROM {digits} AS a CROSS JOIN {digits} AS b
         CROSS JOIN {digits} AS c CROSS JOIN {digits} AS d) AS numbers WHERE id <= {until}"
    )
}

fn query(client: &Client, sql: &str) -> Value {
    client.post("/lakehouse/query", &json!({"sql": sql})).unwrap()
}

fn refusal(client: &Client, body: &Value, field: &str) -> String {
    refused_field(&client.send("POST", "/lakehouse/query", Some(body), &[]).unwrap(), field)
}

fn looked_at(world: &World) {
    let client = world.light();
    gold(&client, "looked_at", &format!("SELECT id, CAST(id AS VARCHAR) AS name FROM ({}) AS t", numbers(250)))
        .unwrap();
    let listed = client.get("/lakehouse/tables?namespace=gold&page_size=1000").unwrap();
    let found = |listed: &Value| {
        let tables = listed["tables"].as_array().unwrap();
        tables.iter().find(|table| table["name"] == "looked_at" && table["type"] == "table").cloned()
    };
    // Other tests make tables meanwhile, so only this one is compared.
    let same = client.get("/environments/local/lakehouse/tables?namespace=gold&page_size=1000").unwrap();
    assert!(found(&listed).is_some());
    assert_eq!(found(&same), found(&listed));
    let table = client.get("/lakehouse/tables/gold/looked_at").unwrap();
    assert_eq!((table["row_count"].as_u64(), table["data_files"].as_u64()), (Some(250), Some(1)), "{table}");
    assert_eq!(table["columns"][0], json!({"id": 1, "name": "id", "type": "int", "nullable": true, "doc": null}));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/lakehouse/tables/gold/looked_at/rows?columns=id&limit=100{cursor}")).unwrap();
        assert_eq!(page["snapshot_id"], table["snapshot"]["id"]);
        seen.extend(page["rows"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=250).collect::<Vec<i64>>());
    let get = |path: &str| client.send("GET", path, None, &[]).unwrap();
    assert!(refused(&get("/lakehouse/tables/gold/loked_at"), 404).contains("looked_at"));
    refused_field(&get("/lakehouse/tables/gold/looked_at/rows?columns=nothing"), "columns");
    refused_field(&get("/lakehouse/tables/gold/looked_at/rows?cursor=nonsense"), "cursor");
    refused_field(&get("/lakehouse/tables/gold/looked_at/rows?limit=0"), "limit");
    refused_field(&get("/lakehouse/tables/gold/looked_at?as_of=yesterday"), "as_of");
}

/// A view's statement is run for each page, and of itself promises no order.
fn paged_view(world: &World) {
    let client = world.light();
    // Neither the order of the columns' values nor its opposite: what comes sorted was sorted for the page.
    let numbers = numbers(1000);
    let shuffled = format!(
        "SELECT (id * 7919) % 1009 AS k, CAST(id % 3 AS VARCHAR) AS g, ARRAY[id % 5] AS l FROM ({numbers}) AS t"
    );
    gold(&client, "paged_rows", &shuffled).unwrap();
    let sql = "{{ config(materialized='view') }} SELECT g, k, l FROM {{ ref('paged_rows') }} ORDER BY l, k DESC";
    client.post("/dbt/transform", &json!({"name": "paged", "sql_query": sql})).unwrap();
    let pages = |columns: &str| {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/lakehouse/tables/gold/paged/rows?limit=300{columns}{cursor}");
            let page = client.get(&path).unwrap();
            seen.extend(
                page["rows"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| (row["g"].as_str().unwrap().to_owned(), row["k"].as_i64().unwrap())),
            );
            let Some(next) = page["next_cursor"].as_str() else { return seen };
            cursor = format!("&cursor={next}");
        }
    };
    let seen = pages("");
    assert_eq!(seen.len(), 1000);
    assert!(seen.is_sorted(), "in the order of its columns");
    assert_eq!(seen.iter().map(|(_, k)| k).collect::<std::collections::BTreeSet<_>>().len(), 1000, "each row once");
    assert!(pages("&columns=K,g").is_sorted_by_key(|(_, k)| *k), "in the order of those that are asked for");

    let sql = "{{ config(materialized='view') }} SELECT k, MAP(ARRAY[g], ARRAY[k]) AS m FROM {{ ref('paged_rows') }}";
    client.post("/dbt/transform", &json!({"name": "paged_map", "sql_query": sql})).unwrap();
    let path = "/lakehouse/tables/gold/paged_map/rows?limit=10";
    let first = client.get(path).unwrap();
    let next = format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap());
    let get = |path: &str| client.send("GET", path, None, &[]).unwrap();
    let detail = refused_field(&get(&next), "cursor");
    assert!(detail.contains("`m`") && detail.contains("ORDER BY"), "{detail}");
    assert_eq!(get(&format!("{next}&columns=k")).status, 200);
}

fn as_of(world: &World) {
    let client = world.light();
    incremental(&client, "as_it_was", "", "(1, 'one')");
    let first = client.get("/lakehouse/tables/gold/as_it_was/snapshots").unwrap();
    let id = first["snapshots"][0]["id"].as_str().unwrap().to_owned();
    incremental(&client, "as_it_was", "", "(1, 'uno'), (2, 'dos')");
    let snapshots = client.get("/lakehouse/tables/gold/as_it_was/snapshots").unwrap();
    assert_eq!(snapshots["total"], 2, "{snapshots}");
    assert!(snapshots["snapshots"][0]["is_current"] == true && snapshots["snapshots"][1]["id"] == id);
    let then = json!([{"id": 1, "v": "one"}]);
    let rows = client.get(&format!("/lakehouse/tables/gold/as_it_was/rows?as_of={id}")).unwrap();
    assert_eq!(rows["rows"], then);
    let body = json!({"sql": "SELECT * FROM gold.as_it_was", "as_of": id});
    assert_eq!(client.post("/lakehouse/query", &body).unwrap()["rows"], then);
    let spark = json!({"sql": format!("SELECT * FROM gold.as_it_was VERSION AS OF {id}"), "dialect": "spark"});
    let answer = client.post("/lakehouse/query", &spark).unwrap();
    assert_eq!((&answer["rows"], &answer["tables"][0]["snapshot_id"]), (&then, &json!(id)));
    let detail = refusal(&client, &json!({"sql": "SELECT * FROM gold.as_it_was", "as_of": "2001-01-01"}), "as_of");
    assert!(detail.contains("/snapshots"), "{detail}");
}

fn asked(world: &World) {
    let client = world.light();
    gold(&client, "asked", &numbers(2000)).unwrap();
    let answer = query(&client, "SELECT count(*) AS n, max(id) AS m FROM gold.asked");
    assert_eq!((&answer["rows"], &answer["truncated"]), (&json!([{"n": 2000, "m": 2000}]), &json!(false)));
    assert_eq!(answer["columns"][0], json!({"name": "n", "type": "long", "nullable": true}));
    let few = client.post("/lakehouse/query", &json!({"sql": "SELECT id FROM gold.asked", "max_rows": 10})).unwrap();
    assert_eq!((few["row_count"].as_u64(), &few["truncated"]), (Some(10), &json!(true)));
    let detail = refusal(&client, &json!({"sql": "SELECT id,\n  nme FROM gold.asked"}), "sql");
    assert!(detail.contains("line 2"), "{detail}");
    for sql in ["DROP TABLE gold.asked", "SELECT 1 AS a; SELECT 2 AS b", "INSERT INTO gold.asked SELECT 1"] {
        refusal(&client, &json!({"sql": sql}), "sql");
    }
    let heavy = "SELECT count(*) AS n FROM gold.asked a, gold.asked b, gold.asked c WHERE a.id * b.id > c.id";
    let detail = refusal(&client, &json!({"sql": heavy, "timeout_seconds": 1}), "sql");
    assert!(detail.contains("ended after 1 s"), "{detail}");
    refusal(&client, &json!({"sql": "SELECT 1 AS a", "max_rows": 0}), "max_rows");
}

fn changed(world: &World) {
    let client = world.light();
    incremental(&client, "changed", "", "(1, 'one'), (2, 'two')");
    let patch = |changes: Value| {
        client.send("PATCH", "/lakehouse/tables/gold/changed", Some(&json!({"changes": changes})), &[]).unwrap()
    };
    let answer = patch(json!([
        {"action": "add_column", "name": "note", "type": "string", "doc": "why"},
        {"action": "rename_column", "name": "v", "to": "word"},
        {"action": "move_column", "name": "note", "after": null},
        {"action": "set_partitioning", "by": ["bucket(id, 4)"]},
        {"action": "set_property", "name": "write.target-file-size-bytes", "value": "1048576"}]));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let names: Vec<&str> =
        answer.body["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["note", "id", "word"]);
    assert_eq!(answer.body["partitioning"], json!(["bucket(id, 4)"]));
    assert_eq!(answer.body["properties"]["write.target-file-size-bytes"], "1048576");
    let rows = query(&client, "SELECT * FROM gold.changed ORDER BY id");
    assert_eq!(rows["rows"], json!([{"note": null, "id": 1, "word": "one"}, {"note": null, "id": 2, "word": "two"}]));
    refused_field(&patch(json!([{"action": "drop_column", "name": "id"}])), "changes[0]");
    refused_field(&patch(json!([])), "changes");
    let unknown = patch(json!([{"action": "explode"}]));
    assert_eq!(unknown.status, 422, "{}", unknown.body);
}

fn maintained(world: &World) {
    let client = world.light();
    for id in 1..=6 {
        let sql = format!(
            "{{{{ config(materialized='incremental', partition_by=['truncate(v, 1)']) }}}} SELECT {id} AS id, 'v{id}' AS v"
        );
        gold(&client, "maintained", &sql).unwrap();
    }
    let before = client.get("/lakehouse/tables/gold/maintained").unwrap();
    assert_eq!((&before["partitioning"], &before["data_files"]), (&json!(["truncate(v, 1)"]), &json!(6)), "{before}");
    let path = "/lakehouse/tables/gold/maintained/maintenance";
    let body = json!({"compact": true, "expire_snapshots": {}, "remove_orphans": {}});
    let started = client.send("POST", path, Some(&body), &[]).unwrap();
    assert_eq!(started.status, 202, "{}", started.body);
    let task = until("maintenance ends", Duration::from_secs(60), || {
        let task = client.get(&format!("/tasks/{}", started.body["id"].as_str().unwrap())).ok()?;
        matches!(task["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(task)
    });
    assert_eq!(task["status"], "succeeded", "{task}");
    let compaction = &task["outcome"]["compaction"];
    assert_eq!((&compaction["files_before"], &compaction["files_after"]), (&json!(6), &json!(1)), "{task}");
    assert_eq!(task["outcome"]["orphans"]["files"], 0, "{task}");
    let after = client.get("/lakehouse/tables/gold/maintained").unwrap();
    assert_eq!((&after["data_files"], &after["row_count"]), (&json!(1), &json!(6)), "{after}");
    let again = client.send("POST", path, Some(&json!({"compact": true})), &[]).unwrap();
    let again = until("nothing is found", Duration::from_secs(60), || {
        let task = client.get(&format!("/tasks/{}", again.body["id"].as_str().unwrap())).ok()?;
        (task["status"] == "succeeded").then_some(task)
    });
    let compaction = &again["outcome"]["compaction"];
    assert_eq!(compaction["files_before"], 0, "{again}");
    assert!(compaction["message"].as_str().unwrap().contains("5 small files"), "{again}");
    let sql = "{{ config(materialized='view') }} SELECT id FROM {{ ref('maintained') }}";
    client.post("/dbt/transform", &json!({"name": "maintained_view", "sql_query": sql})).unwrap();
    let of_view = "/lakehouse/tables/gold/maintained_view/maintenance";
    refused_field(&client.send("POST", of_view, Some(&json!({"compact": true})), &[]).unwrap(), "name");
    let refusal = |body: Value, field: &str| {
        refused_field(&client.send("POST", path, Some(&body), &[]).unwrap(), field);
    };
    refusal(json!({}), "body");
    refusal(json!({"remove_orphans": {"older_than_hours": 1}}), "remove_orphans.older_than_hours");
}

/// The first look at the tables comes two minutes after the host's start.
fn kept(world: &World) {
    let host = world.start_light(&world.folder("kept-tables")).unwrap();
    let client = host.client();
    for id in 1..=6 {
        let sql =
            format!("{{{{ config(materialized='incremental', incremental_strategy='append') }}}} SELECT {id} AS id");
        gold(&client, "kept", &sql).unwrap();
    }
    gold(&client, "single", "SELECT 1 AS id").unwrap();
    let task = until("the table is looked after", Duration::from_secs(400), || {
        let tasks = client.get("/tasks?kind=maintenance").ok()?;
        let task = tasks["tasks"].as_array()?.first()?.clone();
        matches!(task["status"].as_str(), Some("succeeded" | "failed")).then_some(task)
    });
    assert_eq!((&task["status"], &task["subject"]), (&json!("succeeded"), &json!("gold.kept")), "{task}");
    let table = client.get("/lakehouse/tables/gold/kept").unwrap();
    assert_eq!((&table["data_files"], &table["row_count"]), (&json!(1), &json!(6)), "{table}");
    let tasks = client.get("/tasks?kind=maintenance").unwrap();
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1, "a table that has nothing to do gets no task: {tasks}");
    host.stop().unwrap();
}

fn materialised(world: &World) {
    let client = world.light();
    incremental(&client, "config_counts", "", "(1, 'one')");
    let sql = "{{ config(materialized='view') }} SELECT id FROM {{ ref('config_counts') }}";
    let view = client.post("/dbt/transform", &json!({"name": "config_view", "sql_query": sql})).unwrap();
    assert_eq!((&view["materialization"], &view["row_count"]), (&json!("view"), &Value::Null), "{view}");
    let tables = client.get("/dbt/tables/gold").unwrap();
    let found =
        |name: &str| tables["tables"].as_array().unwrap().iter().find(|t| t["table_name"] == name).unwrap().clone();
    assert_eq!(found("config_counts")["materialization"], "incremental");
    assert_eq!(
        (&found("config_view")["materialization"], &found("config_view")["row_count"]),
        (&json!("view"), &Value::Null)
    );
    let rows = client.get("/lakehouse/tables/gold/config_view/rows").unwrap();
    assert_eq!((&rows["rows"], &rows["snapshot_id"]), (&json!([{"id": 1}]), &Value::Null));
}

/// Every type, in rows of ones and in nulls.
const TYPES: &str = "SELECT id, CASE WHEN id = 1 THEN true END AS yes, CASE WHEN id = 1 THEN CAST(-7 AS INTEGER) END AS i,
    CASE WHEN id = 1 THEN 9007199254740993 END AS l, CASE WHEN id = 1 THEN CAST(0.1 AS REAL) END AS r,
    CASE WHEN id = 1 THEN 2.5e0 END AS d, CASE WHEN id = 1 THEN CAST(-12345.67 AS DECIMAL(20, 2)) END AS n,
    CASE WHEN id = 1 THEN DATE '1969-12-31' END AS day, CASE WHEN id = 1 THEN TIMESTAMP '2024-02-29 23:59:59.123456' END AS local,
    CASE WHEN id = 1 THEN CAST(TIMESTAMP '2024-02-29 23:59:59.5 UTC' AS TIMESTAMP(6) WITH TIME ZONE) END AS at,
    CASE WHEN id = 1 THEN 'žluťoučký 🐎' END AS text, CASE WHEN id = 1 THEN ARRAY[1, NULL, 3] END AS list
    FROM (VALUES (1), (2)) AS t (id)";

fn read_by_others(world: &World) {
    let client = world.light();
    gold(&client, "all_types", TYPES).unwrap();
    let layout = ", partition_by=['bucket(id, 3)', 'truncate(v, 1)'], sorted_by=['id DESC']";
    incremental(&client, "all_operations", layout, "(1, 'one'), (2, 'two'), (3, NULL), (4, 'four')");
    incremental(&client, "all_operations", "", "(2, 'zwei'), (5, 'five')");
    let changes = json!({"changes": [
        {"action": "rename_column", "name": "v", "to": "word"}, {"action": "add_column", "name": "v", "type": "date"},
        {"action": "set_partitioning", "by": ["word"]}]});
    let answer = client.send("PATCH", "/lakehouse/tables/gold/all_operations", Some(&changes), &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let path = "/lakehouse/tables/gold/all_operations/maintenance";
    let started = client.send("POST", path, Some(&json!({"compact": true})), &[]).unwrap();
    until("compaction ends", Duration::from_secs(60), || {
        let task = client.get(&format!("/tasks/{}", started.body["id"].as_str().unwrap())).ok()?;
        (task["status"] == "succeeded").then_some(())
    });
    compare(world, &["gold.all_types=2", "gold.all_operations=5"]);
}

fn foreign(world: &World) {
    let client = world.light();
    let lakehouse = world.folder("light").join("environments/local/lakehouse");
    run(world, Command::new(world.python()).arg("../interop/foreign.py").arg(&lakehouse));
    // 1,000 rows, 4 gone by position, 181 more by value; 10 that came later, and one that came after the deletion.
    compare(world, &["silver.foreign_parts=60", "silver.foreign_changed=3", "silver.foreign_deletes=826"]);
    let count = |sql: &str| query(&client, sql)["rows"][0]["n"].as_i64().unwrap();
    assert_eq!(count("SELECT count(*) AS n FROM silver.foreign_deletes"), 826);
    assert_eq!(count("SELECT count(*) AS n FROM silver.foreign_deletes WHERE k = 'k3'"), 1);
    assert_eq!(count("SELECT count(*) AS n FROM silver.foreign_parts WHERE region = 'north' AND id = 1"), 1);
    assert_eq!(count("SELECT count(*) AS n FROM silver.foreign_parts WHERE at IS NULL"), 9);
    let path = "/lakehouse/tables/silver/foreign_deletes/maintenance";
    let started = client.send("POST", path, Some(&json!({"compact": true})), &[]).unwrap();
    until("compaction ends", Duration::from_secs(60), || {
        let task = client.get(&format!("/tasks/{}", started.body["id"].as_str().unwrap())).ok()?;
        (task["status"] == "succeeded").then_some(())
    });
    // The host's own maintenance may have been first.
    let compacted = client.get("/lakehouse/tables/silver/foreign_deletes").unwrap();
    assert_eq!((&compacted["delete_files"], &compacted["row_count"]), (&json!(0), &json!(826)), "{compacted}");
    compare(world, &["silver.foreign_deletes=826"]);
}

/// Asserts that PyIceberg and DuckDB have the rows that the host's pages have; `tables` are `namespace.name=rows`, or
/// `namespace.name@snapshot=rows` of a table as it was.
pub(crate) fn compare(world: &World, tables: &[&str]) {
    let lakehouse = world.folder("light").join("environments/local/lakehouse");
    let base = world.light().base().to_owned();
    run(world, Command::new(world.python()).arg("../interop/compare.py").arg(base).arg(lakehouse).args(tables));
}

fn run(_: &World, command: &mut Command) {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}
