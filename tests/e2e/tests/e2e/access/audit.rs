//! The audit trail: who changed what, and who was refused.

use std::time::Duration;

use serde_json::{Value, json};

use super::{STARTED_WITH, ask, closed, made, sink, token};
use crate::world::{World, refused, refused_field};

fn trail(client: &asgard_journey::client::Client, query: &str) -> Vec<Value> {
    let answer = ask(client, STARTED_WITH, "GET", &format!("/access/audit{query}"), None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["entries"].as_array().unwrap().clone()
}

pub(super) fn remembered(world: &World) {
    let host = closed(world, "access-audit", &[]);
    let client = host.client();
    let operator = token(&client, "worker", "operator", None);
    let viewer = token(&client, "looker", "viewer", None);
    let secret = json!({"value": "not-for-the-trail"});
    let wrong = json!({"name": "wrong", "type": "none", "config": {}});
    let made_sink = ask(&client, &operator, "POST", "/sink?token=not-for-the-trail", Some(&sink("audited")));
    assert_eq!(made_sink.status, 201, "{}", made_sink.body);
    for (token, method, path, body, status) in [
        (operator.as_str(), "GET", "/sink", None, 200),
        (&operator, "POST", "/lakehouse/query", Some(&json!({"sql": "SELECT 1 AS one"})), 200),
        (&operator, "POST", "/sink", Some(&wrong), 422),
        (STARTED_WITH, "PUT", "/secrets/audited", Some(&secret), 204),
        (&viewer, "DELETE", "/sink/some-id", None, 403),
        ("not-for-the-trail", "GET", "/sink", None, 401),
    ] {
        let answer = ask(&client, token, method, path, body);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
    let entries = trail(&client, "");
    let short = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {} {} {} {}",
            text("who"),
            text("method"),
            text("route"),
            text("path"),
            text("environment"),
            text("outcome")
        )
    };
    let shown: Vec<_> = entries.iter().map(short).collect();
    assert_eq!(
        shown,
        [
            "stranger GET /sink /sink local refused",
            "token:looker DELETE /sink/{id} /sink/some-id local refused",
            "ASGARD_TOKEN PUT /secrets/{name} /secrets/audited local done",
            "token:worker POST /sink /sink local failed",
            "token:worker POST /sink /sink local done",
            "ASGARD_TOKEN POST /access/tokens /access/tokens - done",
            "ASGARD_TOKEN POST /access/tokens /access/tokens - done",
        ]
    );
    assert_eq!(entries[4]["subject"], made_sink.body["id"], "{}", entries[4]);
    assert_eq!((&entries[3]["status"], &entries[1]["status"]), (&json!(422), &json!(403)));
    assert!(entries[4]["token_id"].is_string() && entries[2]["token_id"].is_null());
    let whole = Value::from(entries).to_string();
    for secret in ["not-for-the-trail", operator.as_str(), viewer.as_str(), STARTED_WITH] {
        assert!(!whole.contains(secret), "{secret} stands in {whole}");
    }
    refused(&ask(&client, &operator, "GET", "/access/audit", None), 403);
    refused(&ask(&client, STARTED_WITH, "DELETE", "/access/audit", None), 405);
}

pub(super) fn found(world: &World) {
    let host = closed(world, "access-audit-filter", &[]);
    let client = host.client();
    let operator = token(&client, "worker", "operator", None);
    for number in 0..3 {
        ask(&client, &operator, "POST", "/sink", Some(&sink(&format!("found{number}"))));
    }
    made(world, host.data(), &["from-the-command-line", "--role", "viewer"]);
    let newest = &trail(&client, "")[0];
    assert_eq!((&newest["who"], &newest["route"]), (&json!("local"), &json!("asgard token create")), "{newest}");
    assert_eq!(trail(&client, "?who=token:worker").len(), 3);
    assert_eq!(trail(&client, "?environment=local&page_size=2").len(), 2);
    assert_eq!(trail(&client, "?environment=local&page=2&page_size=2").len(), 1);
    assert_eq!(trail(&client, "?environment=elsewhere").len(), 0);
    assert_eq!(trail(&client, "?until=2020-01-01T00:00:00Z").len(), 0);
    assert!(trail(&client, "?since=2020-01-01T00:00:00Z").len() >= 5);
    let answer = ask(&client, STARTED_WITH, "GET", "/access/audit?since=yesterday", None);
    refused_field(&answer, "since");
}

pub(super) fn cut(world: &World) {
    let mut host = closed(world, "access-audit-cut", &["--audit-entries", "2"]);
    for number in 0..4 {
        ask(&host.client(), STARTED_WITH, "POST", "/sink", Some(&sink(&format!("cut{number}"))));
    }
    host.crash_and_restart().unwrap();
    let client = host.client();
    crate::world::until("the old end is cut", Duration::from_secs(60), || {
        (trail(&client, "").len() == 2).then_some(())
    });
}
