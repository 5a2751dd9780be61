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
        test(world, "of_requests_for_one_model_at_once_only_those_that_are_accepted_add_rows", raced),
        test(world, "a_merge_with_a_column_less_loses_no_values", lacking),
        test(world, "what_the_macros_of_dbt_and_dbt_utils_print_runs", macros),
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

fn raced(world: &World) {
    let client = world.light();
    let model =
        json!({"name": "raced_model", "materialization": "incremental", "sql_query": "SELECT 1 AS k, 'row' AS v"});
    let mut accepted = 0;
    // At first nobody knows the model, then everybody does.
    for _ in 0..3 {
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let asked = [(); 6].map(|()| {
                let (client, model) = (world.light(), &model);
                scope.spawn(move || client.send("POST", "/dbt/transform", Some(model), &[]).unwrap().status)
            });
            asked.map(|asked| asked.join().unwrap()).to_vec()
        });
        assert!(answers.iter().all(|status| [200, 409].contains(status)), "{answers:?}");
        accepted += answers.iter().filter(|status| **status == 200).count();
    }
    assert!(accepted >= 3, "{accepted}");
    let list = client.get("/dbt/transformations?page_size=1000").unwrap();
    let known: Vec<_> =
        list["transformations"].as_array().unwrap().iter().filter(|known| known["name"] == "raced_model").collect();
    assert_eq!(known.len(), 1, "{known:?}");
    let rows = client.get("/lakehouse/tables/gold/raced_model/rows").unwrap();
    assert_eq!(rows["rows"].as_array().unwrap().len(), accepted, "{rows}");
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

fn macros(world: &World) {
    let client = world.light();
    let row = |name: &str, sql: &str| {
        gold(&client, name, sql).unwrap();
        client.get(&format!("/lakehouse/tables/gold/{name}/rows")).unwrap()["rows"][0].clone()
    };
    let parts = ["year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond"];
    let columns = parts.map(|part| format!("{{{{ dbt.datediff('a', 'b', '{part}') }}}} AS {part}s")).join(", ");
    let moments = "(VALUES (TIMESTAMP '2023-12-31 23:59:59', TIMESTAMP '2024-03-01 00:00:01')) AS t (a, b)";
    let differences = row("macros_differences", &format!("SELECT {columns} FROM {moments}"));
    assert_eq!(
        differences,
        json!({"years": 1, "quarters": 1, "months": 3, "weeks": 9, "days": 61, "hours": 1441, "minutes": 86_401,
            "seconds": 5_184_002, "milliseconds": 5_184_002_000_u64})
    );
    let dates = row(
        "macros_dates",
        &format!(
            "SELECT CAST({{{{ dbt.dateadd('day', -7, 'a') }}}} AS DATE) AS week_before, {{{{ dbt.last_day('b', 'month') }}}} AS last,
             CAST({{{{ dbt.date_trunc('month', 'b') }}}} AS DATE) AS first, {{{{ dbt.current_timestamp() }}}} > b AS later FROM {moments}"
        ),
    );
    assert_eq!(dates, json!({"week_before": "2023-12-24", "last": "2024-03-31", "first": "2024-03-01", "later": true}));
    let texts = row(
        "macros_texts",
        r#"SELECT {{ dbt.concat(['t', "'/'", 't']) }} AS twice, {{ dbt.length('t') }} AS n, {{ dbt.right('t', 2) }} AS ending,
           {{ dbt.replace('t', "'-'", "'+'") }} AS plus, {{ dbt.position("'-'", 't') }} AS at, {{ dbt.hash('t') }} AS hashed,
           {{ dbt.split_part('t', "'-'", 1) }} AS one, {{ dbt.split_part('t', "'-'", -1) }} AS last,
           {{ dbt.safe_cast('t', dbt.type_int()) }} AS number, {{ dbt.cast_bool_to_text("t = 'a-b'") }} AS same,
           {{ dbt_utils.generate_surrogate_key(['t', 'missing']) }} AS key,
           CARDINALITY({{ dbt.array_append(dbt.array_construct([1, 2]), 3) }}) AS members,
           {{ dbt_utils.get_url_host('page') }} AS host, {{ dbt_utils.get_url_parameter('page', 'by') }} AS sent_by
           FROM (VALUES ('a-b', CAST(NULL AS VARCHAR), 'https://example.com/x?by=mail&n=1')) AS t (t, missing, page)"#,
    );
    assert_eq!(
        texts,
        json!({"twice": "a-b/a-b", "n": 3, "ending": "-b", "plus": "a+b", "at": 2, "hashed": "8ca2ed590cf2ea2404f2e67641bcdf50",
            "one": "a", "last": "b", "number": null, "same": "true", "key": "f48d5a037862ebdbefea3982529aa45c", "members": 3,
            "host": "example.com", "sent_by": "mail"})
    );
    let totals = row(
        "macros_totals",
        r#"SELECT {{ dbt.listagg('s', "'+'", 'order by s') }} AS listed, {{ dbt.listagg('s', "'+'", 'order by s', 1) }} AS first,
           {{ dbt.bool_or("s = 'b'") }} AS some, {{ dbt.any_value('g') }} AS g, {{ dbt_utils.pivot('s', ['a', 'b'], suffix='_n') }},
           {{ dbt_utils.safe_divide('SUM(n)', 'SUM(zero)') }} AS divided, {{ dbt_utils.safe_add(['SUM(n)', 'SUM(NULLIF(n, n))']) }} AS added
           FROM (VALUES ('a', 1, 2, 0), ('b', 1, 3, 0), ('b', 1, 4, 0)) AS t (s, g, n, zero)"#,
    );
    assert_eq!(
        totals,
        json!({"listed": "a+b+b", "first": "a", "some": true, "g": 1, "a_n": 1, "b_n": 2, "divided": null, "added": 9})
    );
    let series = row(
        "macros_series",
        r#"WITH days AS ({{ dbt_utils.date_spine("day", "DATE '2024-02-01'", "DATE '2024-03-01'") }}),
           weeks AS ({{ dbt_utils.date_spine('week', "DATE '2024-02-01'", "DATE '2024-03-01'") }}),
           numbers AS (SELECT * FROM ({{ dbt.generate_series(10) }}) AS s)
           SELECT (SELECT COUNT(*) FROM days) AS days, (SELECT CAST(MAX(date_day) AS VARCHAR) FROM days) AS newest,
             (SELECT COUNT(*) FROM weeks) AS weeks, (SELECT CAST(SUM(generated_number) AS INTEGER) FROM numbers) AS total"#,
    );
    assert_eq!(series, json!({"days": 29, "newest": "2024-02-29", "weeks": 5, "total": 55}));
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
