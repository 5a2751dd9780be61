//! Requests as such: sizes, shapes, methods, paging.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{World, refused, refused_field, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_request_of_100_mb_is_refused_and_the_host_goes_on", huge),
        test(world, "every_error_is_a_problem_body", problems),
        test(world, "a_field_that_is_nearly_one_is_refused_and_others_are_ignored", misspelt),
        test(world, "lists_are_paged", paged),
    ]
}

fn huge(world: &World) {
    let client = world.light();
    let body = json!({"name": "huge", "sql_query": "x".repeat(100 << 20)});
    // The host answers before it has read all; a client that is still writing may only see the connection close.
    if let Ok(answer) = client.send("POST", "/dbt/transform", Some(&body), &[]) {
        refused(&answer, 413);
    }
    assert_eq!(client.get("/health").unwrap()["status"], "healthy");
}

fn problems(world: &World) {
    let client = world.light();
    refused(&client.send("GET", "/no/such/route", None, &[]).unwrap(), 404);
    refused(&client.send("DELETE", "/health", None, &[]).unwrap(), 405);
    refused(&client.send("GET", "/environments/nowhere/datasource", None, &[]).unwrap(), 404);
    refused_field(&client.send("POST", "/dbt/transform", Some(&json!({"name": 5})), &[]).unwrap(), "name");
    let text = client.send("POST", "/dbt/transform", None, &[("Content-Type", "text/plain")]).unwrap();
    refused(&text, 415);
    refused_field(&client.send("GET", "/dbt/transformations?page=0", None, &[]).unwrap(), "page");
    let detail = refused_field(&client.send("GET", "/dbt/transformations?page=one", None, &[]).unwrap(), "page");
    assert!(detail.contains("expected a whole number"), "{detail}");
    refused_field(&client.send("GET", "/environments/local/promotion", None, &[]).unwrap(), "from");
    refused_field(&client.send("GET", "/spark/transform/jobs?status_filter=ODD", None, &[]).unwrap(), "status_filter");
}

fn misspelt(world: &World) {
    let client = world.light();
    let step = |kind: &str, with: serde_json::Value| json!({"name": "misspelt", "steps": [{"id": "a", "kind": kind, "with": with}]});
    for (path, body, field, meant) in [
        ("/spark/transform", json!({"sql": "SELECT 1 AS one", "writeMode": "append"}), "writeMode", "write_mode"),
        (
            "/dbt/transform",
            json!({"name": "misspelt", "sql_query": "SELECT 1 AS one", "materialisation": "view"}),
            "materialisation",
            "materialization",
        ),
        ("/dbt/transform", json!({"name": "misspelt", "sqlQuery": "SELECT 1 AS one"}), "sqlQuery", "sql_query"),
        ("/ingestion", json!({"name": "m", "sourceId": "s", "destinationId": "d", "prefx": "x"}), "prefx", "prefix"),
        (
            "/ingestion",
            json!({"name": "m", "sourceId": "s", "destinationId": "d", "streams": [{"name": "a", "sync_mode": "full_refresh_append"}]}),
            "streams[0].sync_mode",
            "syncMode",
        ),
        (
            "/pipelines",
            step("silver", json!({"sql": "SELECT 1 AS one", "writeMode": "append"})),
            "steps[0].with.writeMode",
            "write_mode",
        ),
        (
            "/pipelines",
            step("gold", json!({"name": "m", "sql_query": "SELECT 1 AS one", "Tags": []})),
            "steps[0].with.Tags",
            "tags",
        ),
    ] {
        let detail = refused_field(&client.send("POST", path, Some(&body), &[]).unwrap(), field);
        assert!(detail.contains(&format!("did you mean `{meant}`?")), "{detail}");
    }
    let other =
        json!({"name": "misspelt", "sql_query": "SELECT 1 AS one, 2 AS two", "colour": "red", "workspaceId": "w"});
    let answer = client.send("POST", "/dbt/transform", Some(&other), &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    // What does not fit is said in the words of documents.
    for (body, told) in [
        (json!({"name": 5, "sql_query": "SELECT 1 AS one"}), "expected a text, not 5"),
        (
            json!({"name": "m", "sql_query": "SELECT 1 AS one", "materialization": "fast"}),
            "`fast`: expected one of `table`",
        ),
        (json!({"name": "m", "sql_query": "SELECT 1 AS one", "tags": "a"}), "expected a list, not the text \"a\""),
    ] {
        let detail = refused(&client.send("POST", "/dbt/transform", Some(&body), &[]).unwrap(), 422);
        assert!(detail.contains(told), "{detail}");
    }
}

fn paged(world: &World) {
    let client = world.light();
    for number in 0..3 {
        let body =
            json!({"name": format!("paged {number}"), "type": "local", "config": {"path": format!("paged{number}")}});
        client.post("/sink", &body).unwrap();
    }
    let first = client.get("/sink?page=1&page_size=2").unwrap();
    assert_eq!(first["destinations"].as_array().unwrap().len(), 2);
    assert!(first["total"].as_u64().unwrap() >= 3);
    let second = client.get("/sink?page=2&page_size=2").unwrap();
    assert_ne!(first["destinations"][0]["destinationId"], second["destinations"][0]["destinationId"]);
}
