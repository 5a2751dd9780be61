//! Gold models: dbt's words, materialisations, and what is refused.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;

use crate::silver::materials;
use crate::world::{World, gold, refused, refused_field, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "models_refer_to_each_other_and_views_follow_their_tables", referring),
        test(world, "an_incremental_model_merges_by_its_key", incremental),
        test(world, "a_merge_with_a_column_less_loses_no_values", lacking),
        test(world, "anything_but_one_query_is_refused", refusals),
        test(world, "a_failed_model_says_why_and_stays_listed", failing),
        test(world, "a_deleted_transformation_keeps_its_table_unless_told", deleted),
    ]
}

fn referring(world: &World) {
    let client = world.light();
    let table = materials(world);
    gold(&client, "base_model", &format!("SELECT 1 AS k, COUNT(*) AS n FROM iceberg.{table}")).unwrap();
    let view = json!({"name": "view_model", "materialization": "view", "description": "a view",
        "sql_query": "SELECT n * 2 AS twice FROM {{ ref('base_model') }}"});
    let made = client.post("/dbt/transform", &view).unwrap();
    assert_eq!(made["status"], "completed", "{made}");
    let read = gold(&client, "view_reader", "SELECT twice FROM {{ ref('view_model') }} WHERE twice = 4646").unwrap();
    assert_eq!(read["row_count"], 1);
    let tables = client.get("/dbt/tables/gold").unwrap();
    let found = tables["tables"].as_array().unwrap().iter().find(|t| t["table_name"] == "view_model").unwrap();
    assert_eq!(found["materialization"], "view", "{found}");
}

fn incremental(world: &World) {
    let client = world.light();
    materials(world);
    let run = |rows: &str| {
        let model = json!({"name": "merged_model", "materialization": "incremental", "incremental_strategy": "merge",
            "unique_key": ["k"], "sql_query": format!("SELECT * FROM (VALUES {rows}) AS t (k, v)
            {{% if is_incremental() %}} WHERE k > 0 {{% endif %}}")});
        client.post("/dbt/transform", &model).unwrap()
    };
    let first = run("(0, 'zero'), (1, 'one'), (2, 'two')");
    assert_eq!((first["status"].as_str(), first["row_count"].as_u64()), (Some("completed"), Some(3)), "{first}");
    let second = run("(0, 'never'), (2, 'TWO'), (3, 'three')");
    assert_eq!((second["status"].as_str(), second["row_count"].as_u64()), (Some("completed"), Some(4)), "{second}");
    let check = gold(
        &client,
        "merged_check",
        "SELECT k FROM {{ ref('merged_model') }} WHERE (k = 0 AND v = 'zero') OR (k = 2 AND v = 'TWO')",
    )
    .unwrap();
    assert_eq!(check["row_count"], 2);
    assert_eq!(first["transformation_id"], second["transformation_id"]);
}

fn lacking(world: &World) {
    let client = world.light();
    let run = |columns: &str| {
        let model = json!({"name": "lacking_model", "materialization": "incremental", "incremental_strategy": "merge",
            "unique_key": ["k"], "sql_query": format!("SELECT {columns} FROM (VALUES (1, 'a', 'b')) AS t (k, v, w)")});
        client.post("/dbt/transform", &model).unwrap()
    };
    assert_eq!(run("k, v, w")["status"], "completed");
    let failed = run("k, v");
    assert!(
        failed["status"] == "failed" && failed["error_message"].as_str().unwrap().contains("lack column `w`"),
        "{failed}"
    );
    let rows = client.get("/lakehouse/tables/gold/lacking_model/rows").unwrap();
    assert_eq!(rows["rows"], json!([{"k": 1, "v": "a", "w": "b"}]));
    assert_eq!(run("k, v, w, 1.5e0 / 0e0 AS more")["status"], "completed");
    let rows = client.get("/lakehouse/tables/gold/lacking_model/rows").unwrap();
    assert_eq!(rows["rows"][0]["more"], "Infinity", "{rows}");
}

fn refusals(world: &World) {
    let client = world.light();
    let ask = |name: &str, sql: &str| {
        client.send("POST", "/dbt/transform", Some(&json!({"name": name, "sql_query": sql})), &[]).unwrap()
    };
    for sql in ["DROP TABLE gold.x", "SELECT 1 AS a; SELECT 2 AS b", "DELETE FROM gold.x", "SELECT 1"] {
        refused_field(&ask("refused_model", sql), "sql_query");
    }
    refused_field(&ask("bad name", "SELECT 1 AS one FROM x"), "name");
    let detail = refused(&ask("refused_model", "SELECT total FROM iceberg.gold.no_such_table"), 422);
    assert!(detail.contains("no_such_table"), "{detail}");
    let detail = refused(&ask("refused_model", "SELECT a FROM {{ ref('no_such_model') }}"), 422);
    assert!(detail.contains("no_such_model"), "{detail}");
    for (sql, told) in [
        ("SELECT a,\n  FROM FROM b", "line 2, column 8"),
        ("SELECT 1 AS one,\n  nope AS two", "line 2, column 3: there is no column `nope`"),
        ("SELECT no_such_function(1) AS one", "no function `no_such_function`"),
        ("SELECT 'a' + 1 AS one, 2 AS two", "`+` is not for text and int"),
        ("SELECT 1 AS one, 2 AS one", "both called `one`"),
        ("SELECT 1 AS one, 2", "column 2 has no name"),
        ("SELECT CAST(1 AS strng) AS one", "`strng` is no type"),
    ] {
        let detail = refused_field(&ask("refused_model", sql), "sql_query");
        assert!(detail.contains(told), "{sql}: {detail}");
    }
    let merge = json!({"name": "refused_model", "sql_query": "SELECT 1 AS a, 2 AS b", "materialization": "incremental",
        "incremental_strategy": "merge"});
    refused_field(&client.send("POST", "/dbt/transform", Some(&merge), &[]).unwrap(), "unique_key");
    // Words inside of names and texts are fine.
    let fine = ask("fine_model", "SELECT 'drop table x' AS update_time, 1 AS one");
    assert_eq!((fine.status, fine.body["status"].as_str()), (200, Some("completed")), "{}", fine.body);
}

fn failing(world: &World) {
    let client = world.light();
    let sql = "SELECT 1 / (k - 1) AS broken FROM (VALUES (1), (2)) AS t (k)";
    let model = client.post("/dbt/transform", &json!({"name": "failing_model", "sql_query": sql})).unwrap();
    assert_eq!(model["status"], "failed", "{model}");
    assert!(model["error_message"].as_str().unwrap().to_lowercase().contains("zero"), "{model}");
    let failed = client.get("/dbt/transformations?status=failed&page_size=1000").unwrap();
    assert!(failed["transformations"].as_array().unwrap().iter().any(|t| t["name"] == "failing_model"));
}

fn deleted(world: &World) {
    let client = world.light();
    let model = gold(&client, "deleted_model", "SELECT 1 AS one, 2 AS two").unwrap();
    let path = format!("/dbt/transformations/{}", model["transformation_id"].as_str().unwrap());
    assert_eq!(client.send("DELETE", &path, None, &[]).unwrap().status, 204);
    refused(&client.send("GET", &path, None, &[]).unwrap(), 404);
    gold(&client, "deleted_reader", "SELECT one FROM iceberg.gold.deleted_model").unwrap();
    let again = gold(&client, "deleted_model", "SELECT 1 AS one, 2 AS two").unwrap();
    let path = format!("/dbt/transformations/{}?drop_table=true", again["transformation_id"].as_str().unwrap());
    assert_eq!(client.send("DELETE", &path, None, &[]).unwrap().status, 204);
    let reader = json!({"name": "deleted_reader", "sql_query": "SELECT one FROM iceberg.gold.deleted_model"});
    refused(&client.send("POST", "/dbt/transform", Some(&reader), &[]).unwrap(), 422);
}
