//! Feature views: what is refused, point-in-time joins, online reads.

use std::sync::Arc;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, gold, refused, refused_field, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_view_over_a_missing_table_or_column_or_with_a_wrong_type_is_refused", refusals),
        test(world, "a_point_in_time_join_never_sees_the_future", point_in_time),
        test(world, "online_reads_answer_in_order_with_nulls_for_unknown_entities", online),
        test(world, "a_service_gives_the_features_of_its_views", service),
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
