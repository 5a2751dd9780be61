//! Tests and checks of what a transform writes, and dry runs.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::silver::{ended, materials};
use crate::world::{World, refused_field, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_model_whose_tests_find_rows_fails_and_shows_them", gold_tests),
        test(world, "a_silver_run_fails_with_the_check_that_finds_rows", silver_checks),
        test(world, "a_dry_run_tells_columns_and_tables_and_writes_nothing", dry_runs),
        test(world, "an_audit_without_branches_is_refused", without_branches),
    ]
}

fn gold_tests(world: &World) {
    let client = world.light();
    materials(world);
    client
        .post(
            "/dbt/transform",
            &json!({"name": "tested_parents", "sql_query": "SELECT * FROM (VALUES (1), (2)) AS t (id)"}),
        )
        .unwrap();
    let model = |name: &str, rows: &str| {
        client
            .post(
                "/dbt/transform",
                &json!({
                    "name": name, "sql_query": format!("SELECT * FROM (VALUES {rows}) AS t (id, parent, status)"),
                    "tests": [
                        {"column": "id", "test": "not_null"}, {"column": "id", "test": "unique"},
                        {"column": "status", "test": "accepted_values", "values": ["open", "it's done"]},
                        {"column": "parent", "test": "relationships", "to": "ref('tested_parents')", "field": "id"},
                    ],
                    "checks": [{"name": "few", "sql": format!("SELECT n FROM (SELECT COUNT(*) AS n FROM gold.{name}) AS t WHERE n > 9 -- rows")}],
                }),
            )
            .unwrap()
    };
    let good = model("tested_good", "(1, 1, 'open'), (2, NULL, 'it''s done')");
    assert_eq!(good["status"], "completed", "{good}");
    let statuses = |answer: &Value| -> Vec<(String, String, u64)> {
        let tests = answer["tests"].as_array().unwrap().iter();
        let one = |test: &Value| {
            (
                test["name"].as_str().unwrap().to_owned(),
                test["status"].as_str().unwrap().to_owned(),
                test["failures"].as_u64().unwrap(),
            )
        };
        tests.map(one).collect()
    };
    let expected = ["not_null_id", "unique_id", "accepted_values_status", "relationships_parent", "few"];
    assert_eq!(statuses(&good), expected.map(|name| (name.to_owned(), "pass".to_owned(), 0)));

    let bad = model("tested_bad", "(1, 1, 'open'), (1, 7, 'lost'), (NULL, 2, 'open')");
    assert_eq!(bad["status"], "failed", "{bad}");
    let found: Vec<_> = statuses(&bad).into_iter().map(|(_, status, failures)| (status, failures)).collect();
    let (fail, pass) = (|n: u64| ("fail".to_owned(), n), ("pass".to_owned(), 0));
    assert_eq!(found, [fail(1), fail(1), fail(1), fail(1), pass], "{bad}");
    let told = bad["error_message"].as_str().unwrap();
    assert!(told.contains("4 of 5 checks failed") && told.contains("`unique_id` finds 1 rows"), "{told}");
    assert_eq!(bad["tests"][3]["rows"], json!([{"parent": 7}]));

    for (tests, field) in [
        (json!([{"column": "a b", "test": "unique"}]), "tests[0].column"),
        (json!([{"column": "id", "test": "accepted_values"}]), "tests[0].values"),
        (json!([{"column": "id", "test": "relationships", "to": "x"}]), "tests[0].field"),
    ] {
        let body = json!({"name": "tested_refused", "sql_query": "SELECT 1 AS id, 2 AS x", "tests": tests});
        refused_field(&client.send("POST", "/dbt/transform", Some(&body), &[]).unwrap(), field);
    }
}

fn silver_checks(world: &World) {
    let client = world.light();
    let source = materials(world);
    let run = |table: &str, check: &str| {
        let body = json!({
            "sql": "SELECT material_code, quantity_on_hand FROM source_data", "source_path": source, "table": table,
            "checks": [{"name": "ids", "sql": check}],
        });
        let run = client.post("/spark/transform", &body).unwrap();
        ended(world, "", run["run_id"].as_str().unwrap())
    };
    let good = run("checked_good", "SELECT * FROM silver.checked_good WHERE material_code IS NULL");
    assert_eq!(
        (good["state"].as_str(), good["checks"][0]["status"].as_str()),
        (Some("COMPLETED"), Some("pass")),
        "{good}"
    );
    let bad = run(
        "checked_bad",
        "SELECT * FROM (SELECT material_code FROM silver.checked_bad ORDER BY material_code LIMIT 2) AS t",
    );
    assert_eq!((bad["state"].as_str(), bad["checks"][0]["failures"].as_u64()), (Some("FAILED"), Some(2)), "{bad}");
    assert!(bad["error_message"].as_str().unwrap().contains("`ids` finds 2 rows"), "{bad}");
    let broken = run("checked_broken", "SELECT nothing FROM silver.checked_broken");
    assert!(broken["error_message"].as_str().unwrap().contains("check `ids` cannot be run"), "{broken}");
    let body = json!({"sql": "SELECT 1 AS a", "checks": [{"name": "x", "sql": "DROP TABLE silver.a"}]});
    refused_field(&client.send("POST", "/spark/transform", Some(&body), &[]).unwrap(), "checks[0].sql");
}

fn dry_runs(world: &World) {
    let client = world.light();
    let source = materials(world);
    let silver = json!({"sql": "SELECT material_code, UPPER(description) AS name FROM source_data", "source_path": source, "table": "never_made"});
    let plan = client.post("/spark/transform?dry_run=true", &silver).unwrap();
    assert_eq!(
        (plan["status"].as_str(), plan["target"].as_str()),
        (Some("planned"), Some("silver.never_made")),
        "{plan}"
    );
    assert_eq!(plan["tables"], json!([source]));
    assert_eq!(plan["columns"][1]["name"], "name");
    assert_eq!(plan["columns"][1]["type"], "string");
    let gold = json!({"name": "never_made", "sql_query": format!("SELECT COUNT(*) AS n FROM {{{{ source('bronze', '{}') }}}}",
        source.strip_prefix("bronze.").unwrap())});
    let plan = client.post("/dbt/transform?dry_run=true", &gold).unwrap();
    assert_eq!(plan["columns"][0]["type"], "long", "{plan}");
    assert!(!plan["compiled_sql"].as_str().unwrap().contains("source("), "{plan}");
    for path in ["/lakehouse/tables/silver/never_made", "/lakehouse/tables/gold/never_made"] {
        assert_eq!(client.send("GET", path, None, &[]).unwrap().status, 404, "{path}");
    }
    let wrong = json!({"sql": "SELECT material_cod FROM source_data", "source_path": source});
    let answer = client.send("POST", "/spark/transform?dry_run=true", Some(&wrong), &[]).unwrap();
    refused_field(&answer, "sql");
}

fn without_branches(world: &World) {
    let client = world.light();
    let silver = json!({"sql": "SELECT 1 AS a", "audit": true});
    refused_field(&client.send("POST", "/spark/transform", Some(&silver), &[]).unwrap(), "audit");
    let gold = json!({"name": "never_audited", "sql_query": "SELECT 1 AS a, 2 AS b", "audit": true});
    refused_field(&client.send("POST", "/dbt/transform", Some(&gold), &[]).unwrap(), "audit");
}
