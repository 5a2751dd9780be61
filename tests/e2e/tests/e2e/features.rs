//! Feature views: what is refused, point-in-time joins, online reads, pushes.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::swaps::register;
use crate::world::{World, fixture, gold, refused, refused_field, test, until};

/// Online stores look for later snapshots each five seconds.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_view_over_a_missing_table_or_column_or_with_a_wrong_type_is_refused", refusals),
        test(world, "a_point_in_time_join_never_sees_the_future", point_in_time),
        test(world, "online_reads_answer_in_order_with_nulls_for_unknown_entities", online),
        test(world, "a_service_gives_the_features_of_its_views", service),
        test(world, "pushed_rows_are_read_online_and_outlive_a_materialisation_while_they_are_newer", pushes),
        test(world, "a_pushed_row_of_a_view_without_times_holds_until_the_table_has_a_later_one", timeless_pushes),
        test(world, "a_push_that_does_not_fit_the_view_is_refused_with_row_and_column", refused_pushes),
        test(world, "a_push_to_a_plugin_that_takes_none_says_which_does", no_pushes),
    ]
}

/// Balances of two accounts over three days.
fn balances(client: &Client) {
    static MADE: std::sync::OnceLock<()> = std::sync::OnceLock::new();
    MADE.get_or_init(|| {
        gold(
            client,
            "balances",
            "SELECT account_id, CAST(balance AS DOUBLE) AS balance, CAST(at AS TIMESTAMP) AS at FROM (VALUES
                ('a', 1, '2026-01-01 00:00:00'), ('a', 2, '2026-01-02 00:00:00'), ('a', 3, '2026-01-03 00:00:00'),
                ('b', 10, '2026-01-02 12:00:00')) AS t (account_id, balance, at)",
        )
        .unwrap();
    });
}

fn view(name: &str) -> Value {
    json!({"name": name, "entities": ["account_id"], "ttl_seconds": 0, "online": true, "tags": {},
        "features": [{"name": "balance", "dtype": "float64", "tags": {}}],
        "source": {"table_name": "balances", "timestamp_field": "at"}})
}

fn refusals(world: &World) {
    let client = world.light();
    balances(&client);
    let ask = |body: &Value| client.send("POST", "/feast/features", Some(body), &[]).unwrap();
    let mut body = view("refused_view");
    body["features"][0]["name"] = json!("balanse");
    let detail = refused_field(&ask(&body), "features[0].name");
    assert!(detail.contains("balance"), "{detail}");
    let mut body = view("refused_view");
    body["features"][0]["dtype"] = json!("int64");
    let detail = refused_field(&ask(&body), "features[0].dtype");
    assert!(detail.contains("double") || detail.contains("float64"), "{detail}");
    body["features"][0]["dtype"] = json!("number");
    refused_field(&ask(&body), "features[0].dtype");
    let mut body = view("refused_view");
    body["source"]["table_name"] = json!("no_such_table");
    let detail = refused(&ask(&body), 422);
    assert!(detail.contains("no_such_table"), "{detail}");
    let mut body = view("refused_view");
    body["entities"] = json!(["nobody"]);
    let detail = refused(&ask(&body), 422);
    assert!(detail.contains("nobody"), "{detail}");
    let views = client.get("/feast/features").unwrap();
    assert!(!views.as_array().unwrap().iter().any(|v| v["name"] == "refused_view"));
}

fn point_in_time(world: &World) {
    let client = world.light();
    balances(&client);
    let made = client.post("/feast/features", &view("history_view")).unwrap();
    assert_eq!(made["status"], "materialized", "{made}");
    let answer = client
        .post(
            "/feast/features/historical",
            &json!({"features": ["history_view:balance"], "entities": [
                {"account_id": "a", "event_timestamp": "2026-01-02T12:00:00Z", "label": 7},
                {"account_id": "b", "event_timestamp": "2026-01-02T11:59:59Z", "label": 8},
                {"account_id": "a", "event_timestamp": "2026-01-03T00:00:00Z", "label": 9},
                {"account_id": "a", "event_timestamp": "2025-12-31T00:00:00Z", "label": 10},
            ]}),
        )
        .unwrap();
    let rows = answer["rows"].as_array().unwrap();
    let found: Vec<(i64, Option<f64>)> =
        rows.iter().map(|row| (row["label"].as_i64().unwrap(), row["balance"].as_f64())).collect();
    assert_eq!(found, [(7, Some(2.0)), (8, None), (9, Some(3.0)), (10, None)], "{answer}");
    assert!(answer["snapshots"].as_object().unwrap().len() == 1, "{answer}");
}

fn online(world: &World) {
    let client = world.light();
    balances(&client);
    client.post("/feast/features", &view("online_view")).unwrap();
    let body = json!({"features": ["online_view:balance"], "entities": [
        {"account_id": "a", "event_timestamp": "2026-01-02T12:00:00Z"}, {"account_id": "b"}]});
    let answer = client.send("POST", "/feast/features/historical", Some(&body), &[]).unwrap();
    refused_field(&answer, "entities[1].event_timestamp");
    let body = json!({"features": ["online_view"], "entities": [{"account_id": "b"}, {"account_id": "zzz"}, {"account_id": "a"}]});
    let answer = client.post("/feast/features/online", &body).unwrap();
    let found: Vec<Option<f64>> =
        answer["rows"].as_array().unwrap().iter().map(|row| row["balance"].as_f64()).collect();
    assert_eq!(found, [Some(10.0), None, Some(3.0)], "{answer}");
    let bad = json!({"features": ["online_view"], "entities": [{"wrong": 1}]});
    let detail = refused(&client.send("POST", "/feast/features/online", Some(&bad), &[]).unwrap(), 422);
    assert!(detail.contains("account_id"), "{detail}");
}

fn service(world: &World) {
    let client = world.light();
    balances(&client);
    client.post("/feast/features", &view("service_view")).unwrap();
    let made = client
        .post("/feast/features/service", &json!({"name": "accounts", "feature_views": ["service_view"]}))
        .unwrap();
    assert_eq!(made["name"], "accounts");
    let answer = client
        .post("/feast/features/online", &json!({"feature_service": "accounts", "entities": [{"account_id": "a"}]}))
        .unwrap();
    assert_eq!(answer["rows"][0]["balance"], 3.0, "{answer}");
    let status = client.get("/feast/status").unwrap();
    assert!(status["num_feature_services"].as_u64().unwrap() >= 1, "{status}");
    assert!(status["entities"].as_array().unwrap().contains(&json!("account_id")), "{status}");
    let detail = refused(&client.send("DELETE", "/feast/features/service_view", None, &[]).unwrap(), 409);
    assert!(detail.contains("accounts"), "{detail}");
    let unknown = json!({"name": "nothing", "feature_views": ["no_such_view"]});
    refused_field(&client.send("POST", "/feast/features/service", Some(&unknown), &[]).unwrap(), "feature_views[0]");
}

/// Makes `gold.NAME` of rows (account, balance, day of 2026-01).
fn accounts(client: &Client, name: &str, rows: &[(&str, f64, u32)]) {
    let rows: Vec<String> = rows
        .iter()
        .map(|(account, balance, day)| format!("('{account}', {balance:?}, '2026-01-{day:02} 00:00:00')"))
        .collect();
    let sql = format!(
        "SELECT account_id, CAST(balance AS DOUBLE) AS balance, CAST(at AS TIMESTAMP) AS at FROM (VALUES {}) AS t (account_id, balance, at)",
        rows.join(", ")
    );
    gold(client, name, &sql).unwrap();
}

/// The balances of accounts, as they are online.
fn balances_online(client: &Client, view: &str, accounts: &[&str]) -> Vec<Option<f64>> {
    let entities: Vec<Value> = accounts.iter().map(|account| json!({"account_id": account})).collect();
    let answer = client.post("/feast/features/online", &json!({"features": [view], "entities": entities})).unwrap();
    answer["rows"].as_array().unwrap().iter().map(|row| row["balance"].as_f64()).collect()
}

/// Rows written and rows older.
fn pushed(client: &Client, view: &str, rows: &Value) -> (u64, u64) {
    let answer = client.post(&format!("/feast/features/{view}/push"), &json!({"rows": rows})).unwrap();
    assert_eq!(answer["view"], view, "{answer}");
    (answer["rows_written"].as_u64().unwrap(), answer["rows_older"].as_u64().unwrap())
}

fn pushes(world: &World) {
    let client = world.light();
    let rows = [("a", 1.0, 1), ("a", 2.0, 2), ("b", 10.0, 2)];
    accounts(&client, "pushed_balances", &rows);
    let mut view = view("pushed_view");
    view["source"]["table_name"] = json!("pushed_balances");
    client.post("/feast/features", &view).unwrap();
    let read = || balances_online(&client, "pushed_view", &["a", "b", "c"]);
    assert_eq!(read(), [Some(2.0), Some(10.0), None]);

    // A row for an account that the table does not know, a newer one, one that is older: the zone counts.
    let rows = json!([
        {"account_id": "c", "at": "2026-01-01T00:00:00Z", "balance": 100},
        {"account_id": "a", "at": "2026-01-03T00:00:00Z", "balance": 3},
        {"account_id": "b", "at": "2026-01-02T01:00:00+02:00", "balance": 11},
    ]);
    assert_eq!(pushed(&client, "pushed_view", &rows), (2, 1));
    assert_eq!(read(), [Some(3.0), Some(10.0), Some(100.0)]);
    assert_eq!(pushed(&client, "pushed_view", &rows), (2, 1), "a push may be repeated");
    let older = json!([{"account_id": "a", "at": "2026-01-02T23:59:59Z", "balance": null}]);
    assert_eq!(pushed(&client, "pushed_view", &older), (0, 1));
    // A tie goes to the push, here over a push and over the table.
    let ties = json!([
        {"account_id": "a", "at": "2026-01-03T00:00:00Z", "balance": 3.5},
        {"account_id": "b", "at": "2026-01-02T00:00:00Z", "balance": 10.5},
    ]);
    assert_eq!(pushed(&client, "pushed_view", &ties), (2, 0));
    assert_eq!(read(), [Some(3.5), Some(10.5), Some(100.0)]);

    // Joins read the table.
    let join = json!({"features": ["pushed_view"], "entities": [{"account_id": "a", "event_timestamp": "2026-02-01T00:00:00Z"}]});
    assert_eq!(client.post("/feast/features/historical", &join).unwrap()["rows"][0]["balance"], 2.0);

    // A later snapshot: newer than the push for one account, older for another, and silent about the third.
    accounts(&client, "pushed_balances", &[("a", 2.5, 2), ("b", 20.0, 4)]);
    until("the table's newer row is online", CAUGHT_UP_WITHIN, || (read()[1] == Some(20.0)).then_some(()));
    assert_eq!(read(), [Some(3.5), Some(20.0), Some(100.0)]);
    let older = json!([{"account_id": "b", "at": "2026-01-03T00:00:00Z", "balance": 1}]);
    assert_eq!(pushed(&client, "pushed_view", &older), (0, 1));

    // A view of the same name, made again, starts with its table.
    assert!(client.send("DELETE", "/feast/features/pushed_view", None, &[]).unwrap().status < 300);
    client.post("/feast/features", &view).unwrap();
    assert_eq!(read(), [Some(2.5), Some(20.0), None]);
}

fn timeless_pushes(world: &World) {
    let client = world.light();
    accounts(&client, "timeless_balances", &[("a", 1.0, 1), ("b", 10.0, 1)]);
    let mut view = view("timeless_view");
    view["source"] = json!({"table_name": "timeless_balances"});
    client.post("/feast/features", &view).unwrap();
    let read = || balances_online(&client, "timeless_view", &["a", "b", "c"]);
    let rows = json!([{"account_id": "a", "balance": 2}, {"account_id": "c", "balance": 3}]);
    assert_eq!(pushed(&client, "timeless_view", &rows), (2, 0));
    assert_eq!(read(), [Some(2.0), Some(10.0), Some(3.0)]);
    // The table's next snapshot comes after the push, and a push after that after it.
    accounts(&client, "timeless_balances", &[("a", 1.5, 1), ("b", 10.5, 1)]);
    until("the table's rows are online", CAUGHT_UP_WITHIN, || {
        (read() == [Some(1.5), Some(10.5), Some(3.0)]).then_some(())
    });
    accounts(&client, "timeless_balances", &[("a", 1.6, 1), ("b", 10.6, 1)]);
    assert_eq!(pushed(&client, "timeless_view", &json!([{"account_id": "b", "balance": 11}])), (1, 0));
    assert_eq!(read(), [Some(1.6), Some(11.0), Some(3.0)], "a push looks at the table first");
}

fn refused_pushes(world: &World) {
    let client = world.light();
    balances(&client);
    client.post("/feast/features", &view("refusing_view")).unwrap();
    let push = |view: &str, rows: &Value| {
        client.send("POST", &format!("/feast/features/{view}/push"), Some(&json!({"rows": rows})), &[]).unwrap()
    };
    let good = json!({"account_id": "a", "at": "2026-02-01T00:00:00Z", "balance": 1.5});
    let bad = |column: &str, value: Option<Value>| {
        let mut row = good.clone();
        match value {
            Some(value) => row[column] = value,
            None => drop(row.as_object_mut().unwrap().remove(column)),
        }
        push("refusing_view", &json!([good, row]))
    };
    refused_field(&bad("account_id", None), "rows[1].account_id");
    refused_field(&bad("account_id", Some(Value::Null)), "rows[1].account_id");
    refused_field(&bad("at", None), "rows[1].at");
    refused_field(&bad("at", Some(json!("yesterday"))), "rows[1].at");
    let detail = refused_field(&bad("balance", Some(json!("much"))), "rows[1].balance");
    assert!(detail.contains("float64"), "{detail}");
    refused_field(&bad("balance", None), "rows[1].balance");
    let detail = refused_field(&bad("balanse", Some(json!(1))), "rows[1].balanse");
    assert!(detail.contains("account_id, at, balance"), "{detail}");
    refused_field(&push("refusing_view", &json!([])), "rows");
    let many: Vec<&Value> = vec![&good; 10_001];
    let detail = refused_field(&push("refusing_view", &json!(many)), "rows");
    assert!(detail.contains("10000"), "{detail}");
    assert_eq!(balances_online(&client, "refusing_view", &["a"]), [Some(3.0)], "a push is taken as a whole or not");

    let detail = refused(&push("no_such_view", &json!([good])), 404);
    assert!(detail.contains("no_such_view"), "{detail}");
    let mut offline = view("offline_view");
    offline["online"] = json!(false);
    client.post("/feast/features", &offline).unwrap();
    let detail = refused_field(&push("offline_view", &json!([good])), "view");
    assert!(detail.contains("`online`: true"), "{detail}");
}

/// What a plugin without pushes says about itself.
pub(crate) const SHELF: &str = include_str!("../../../fixtures/shelf/plugin.toml");

fn no_pushes(world: &World) {
    let client = world.light();
    register(&client, SHELF, &fixture(world, "shelf"));
    let document = json!({"name": "shelved", "features": {"plugin": "shelf"}});
    let put = client.send("PUT", "/environments/shelved", Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    client.post("/environments/shelved/feast/features", &view("shelved_view")).unwrap();
    let rows = json!({"rows": [{"account_id": "a", "at": "2026-02-01T00:00:00Z", "balance": 1.5}]});
    let path = "/environments/shelved/feast/features/shelved_view/push";
    let detail = refused(&client.send("POST", path, Some(&rows), &[]).unwrap(), 422);
    assert!(detail.contains("shelf@0.1.0") && detail.contains("`feature-push`"), "{detail}");
    assert!(detail.contains("`gold.balances`"), "{detail}");
}
