//! Tests and checks of what a transform writes, and dry runs.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::silver::{ended, materials};
use crate::world::{World, refused_field, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_model_whose_tests_find_rows_fails_and_shows_them", gold_tests),
        test(world, "dbt_utils_tests_pass_and_find_the_rows_that_break_them", dbt_utils_tests),
        test(world, "severity_thresholds_and_where_decide_as_in_dbt", test_settings),
        test(world, "a_wrong_argument_of_a_test_is_refused_by_its_name", test_arguments),
        test(world, "a_silver_run_fails_with_the_check_that_finds_rows", silver_checks),
        test(world, "a_dry_run_tells_columns_tables_and_the_plan_and_writes_nothing", dry_runs),
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

/// Makes the model and gives what its tests found: name, status, failures.
fn tested(world: &World, name: &str, rows: &str, tests: &Value) -> (Value, Vec<(String, String, u64)>) {
    let sql = format!("SELECT * FROM (VALUES {rows}) AS t (id, grp, day, note, low, high)");
    let body = json!({"name": name, "sql_query": sql, "tests": tests});
    let answer = world.light().post("/dbt/transform", &body).unwrap();
    let found = answer["tests"].as_array().unwrap().iter().map(|test| {
        let text = |field: &str| test[field].as_str().unwrap().to_owned();
        (text("name"), text("status"), test["failures"].as_u64().unwrap())
    });
    let found = found.collect();
    (answer, found)
}

fn dbt_utils_tests(world: &World) {
    let one = "(1, 'a', DATE '2024-01-01', 'x', 0, 5), (2, 'a', DATE '2024-01-02', 'y', 5, 9), (3, 'b', DATE '2024-01-03', 'z', 10, 20)";
    tested(world, "utils_same", one, &json!([]));
    tested(world, "utils_more", &format!("{one}, (4, 'b', DATE '2024-01-04', 'w', 20, 30)"), &json!([]));
    let tests = json!([
        {"test": "unique_combination_of_columns", "combination_of_columns": ["grp", "day"]},
        {"test": "expression_is_true", "expression": "low < high"},
        {"column": "high", "test": "expression_is_true", "expression": "> 0"},
        {"column": "note", "test": "not_null_proportion", "at_least": 0.9},
        {"column": "id", "test": "accepted_range", "min_value": 1, "max_value": "1 + 2"},
        {"column": "id", "test": "not_accepted_values", "values": [7, 8]},
        {"test": "equal_rowcount", "compare_model": "ref('utils_same')"},
        {"test": "fewer_rows_than", "compare_model": "ref('utils_more')"},
        {"test": "equality", "compare_model": "gold.utils_same"},
        {"test": "recency", "datepart": "year", "field": "day", "interval": 500},
        {"column": "note", "test": "at_least_one", "group_by_columns": ["grp"]},
        {"column": "grp", "test": "not_constant"},
        {"column": "grp", "test": "cardinality_equality", "field": "grp", "to": "ref('utils_same')"},
        {"column": "note", "test": "not_empty_string"},
        {"column": "id", "test": "sequential_values"},
        {"column": "day", "test": "sequential_values", "interval": 1, "datepart": "day"},
        {"test": "mutually_exclusive_ranges", "lower_bound_column": "low", "upper_bound_column": "high", "partition_by": "grp"},
        {"column": "id", "test": "relationships_where", "to": "ref('utils_more')", "field": "id", "from_condition": "id > 0", "to_condition": "id < 4"},
    ]);
    let (good, found) = tested(world, "utils_good", one, &tests);
    assert_eq!(good["status"], "completed", "{good}");
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names[..2], ["unique_combination_of_columns_grp_day", "expression_is_true"]);
    assert!(found.iter().all(|(_, status, failures)| status == "pass" && *failures == 0), "{found:?}");
    assert_eq!(found.len(), 18);

    // Each test above meets a row or a table that breaks it.
    let wrong = "(1, 'a', DATE '2024-01-01', ' ', 9, 0), (5, 'a', DATE '2024-01-01', NULL, 0, 0), (8, 'a', DATE '2024-01-09', NULL, -5, -1), (9, 'a', DATE '2024-01-09', NULL, -3, 2)";
    let mut tests = tests;
    tests[9] = json!({"test": "recency", "datepart": "day", "field": "day", "interval": 1});
    tests[10] = json!({"column": "note", "test": "at_least_one", "group_by_columns": ["id"]});
    let (bad, found) = tested(world, "utils_bad", wrong, &tests);
    assert_eq!(bad["status"], "failed", "{bad}");
    let failures: Vec<u64> = found.iter().map(|(_, _, failures)| *failures).collect();
    assert!(found.iter().all(|(_, status, _)| status == "fail"), "{found:?}");
    // Rows that break the test; for the two that compare counts, by how much they differ.
    assert_eq!(failures, [2, 2, 3, 1, 3, 1, 1, 1, 7, 1, 3, 1, 3, 1, 2, 3, 4, 3], "{bad}");
    let row = &bad["tests"][17]["rows"];
    assert!(row.as_array().unwrap().iter().all(|row| row["id"].as_i64().unwrap() > 4), "{row}");
}

fn test_settings(world: &World) {
    let rows = "(1, 'a', DATE '2024-01-01', NULL, 0, 5), (2, 'a', NULL, NULL, 5, 9), (3, 'b', NULL, 'z', 10, 20)";
    let tests = json!([
        {"column": "note", "test": "not_null", "severity": "warn"},
        {"column": "note", "test": "not_null", "where": "grp = 'b'", "name": "b_has_notes"},
        {"column": "note", "test": "not_null", "error_if": "> 2", "warn_if": ">= 2"},
        {"column": "note", "test": "not_null", "error_if": "> 2", "warn_if": "> 2"},
    ]);
    let (answer, found) = tested(world, "test_settings", rows, &tests);
    assert_eq!(answer["status"], "completed", "{answer}");
    let told = |name: &str, status: &str, failures: u64| (name.to_owned(), status.to_owned(), failures);
    let own = "not_null_note";
    assert_eq!(
        found,
        [told(own, "warn", 2), told("b_has_notes", "pass", 0), told(own, "warn", 2), told(own, "pass", 2)]
    );
    assert_eq!(answer["tests"][0]["rows"].as_array().unwrap().len(), 2, "{answer}");
    let (answer, found) =
        tested(world, "test_settings", rows, &json!([{"column": "note", "test": "not_null", "error_if": "= 2"}]));
    assert_eq!((answer["status"].as_str(), &found[..]), (Some("failed"), &[told(own, "fail", 2)][..]), "{answer}");
}

fn test_arguments(world: &World) {
    let client = world.light();
    for (test, field) in [
        (json!({"test": "not_null"}), "tests[0].column"),
        (json!({"test": "unique_combination_of_columns"}), "tests[0].combination_of_columns"),
        (
            json!({"test": "unique_combination_of_columns", "combination_of_columns": ["a b"]}),
            "tests[0].combination_of_columns[0]",
        ),
        (json!({"test": "expression_is_true", "expression": "a >"}), "tests[0].expression"),
        (json!({"column": "a", "test": "not_null_proportion", "at_least": "x"}), "tests[0].at_least"),
        (json!({"column": "a", "test": "not_null_proportion", "at_least": 2}), "tests[0].at_least"),
        (json!({"column": "a", "test": "accepted_range"}), "tests[0].min_value"),
        (json!({"column": "a", "test": "accepted_range", "min_value": [1]}), "tests[0].min_value"),
        (json!({"column": "a", "test": "unique", "min_value": 1}), "tests[0].min_value"),
        (json!({"test": "recency", "datepart": "moon", "field": "a", "interval": 1}), "tests[0].datepart"),
        (json!({"test": "equal_rowcount", "compare_model": "a b"}), "tests[0].compare_model"),
        (
            json!({"test": "mutually_exclusive_ranges", "lower_bound_column": "a", "upper_bound_column": "b", "gaps": "some"}),
            "tests[0].gaps",
        ),
        (json!({"column": "a", "test": "unique", "where": "a = "}), "tests[0].where"),
        (json!({"column": "a", "test": "unique", "error_if": "many"}), "tests[0].error_if"),
        (json!({"column": "a", "test": "unique", "severity": "fatal"}), "tests[0].severity"),
        (json!({"test": "equality", "compare_model": "x", "exclude_columns": ["a"]}), "tests[0].exclude_columns"),
    ] {
        let body = json!({"name": "tested_refused", "sql_query": "SELECT 1 AS a, 2 AS b", "tests": [test]});
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
    let told = plan["plan"].as_str().unwrap();
    assert!(told.contains("TableScan") && told.contains(&format!("{source}, snapshot")), "{told}");
    let gold = json!({"name": "never_made", "sql_query": format!("SELECT COUNT(*) AS n FROM {{{{ source('bronze', '{}') }}}}",
        source.strip_prefix("bronze.").unwrap())});
    let plan = client.post("/dbt/transform?dry_run=true", &gold).unwrap();
    assert_eq!(plan["columns"][0]["type"], "long", "{plan}");
    assert!(!plan["compiled_sql"].as_str().unwrap().contains("source("), "{plan}");
    assert!(plan["plan"].as_str().unwrap().contains("Aggregate"), "{plan}");
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
