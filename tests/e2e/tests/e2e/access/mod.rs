//! Who may ask for what: tokens, roles, environments, limits, and what is remembered of it.

mod audit;
mod clients;
mod doors;
mod issuer;
mod limits;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::{Answer, Client};
use asgard_journey::host::{Host, LIGHT};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, refused, refused_field, test, until};

/// The token that hosts of these tests are started with.
const STARTED_WITH: &str = "the-token-of-the-start";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "an_open_host_does_not_look_at_credentials", open),
        test(world, "a_token_made_before_the_start_closes_the_host", first_token),
        test(world, "a_token_is_shown_once_and_kept_nowhere", shown_once),
        test(world, "a_revoked_token_is_refused_at_once", revoked),
        test(world, "an_expired_token_is_refused", expired),
        test(world, "each_role_may_do_its_work_and_no_more", roles),
        test(world, "a_role_holds_in_its_environments_only", environments),
        test(world, "the_catalog_refuses_in_its_protocols_words", catalog),
        test(world, "pyiceberg_and_duckdb_reach_as_far_into_a_closed_host_as_their_tokens", clients::attached),
        test(world, "revisions_of_an_environment_name_their_author", authors),
        test(world, "what_a_token_cannot_be_is_told_by_field", wrong),
        test(world, "changes_and_refusals_are_in_the_audit_trail_without_secrets", audit::remembered),
        test(world, "the_audit_trail_is_found_by_who_where_and_when", audit::found),
        test(world, "the_audit_trail_is_cut_at_its_old_end", audit::cut),
        test(world, "a_caller_who_asks_too_often_is_told_when_to_come_again", limits::rate),
        test(world, "a_caller_has_so_many_requests_under_way_and_no_more", limits::under_way),
        test(world, "the_largest_body_is_what_the_host_was_told", limits::size),
        test(world, "an_open_host_counts_nothing", limits::none),
        test(world, "an_issuer_says_who_someone_is_and_the_host_what_they_may", issuer::trusted),
        test(world, "without_its_issuer_a_host_takes_its_own_tokens", issuer::away),
        test(world, "off_loopback_a_host_with_a_token_starts", doors::elsewhere),
        test(world, "a_certificate_changes_with_its_files", doors::certified),
        test(world, "a_certificate_that_cannot_be_used_is_told_at_the_start", doors::uncertified),
    ]
}

/// A host without model roles that wants tokens.
fn closed(world: &World, name: &str, arguments: &[&str]) -> Host {
    start(world, name, &[&["--token", STARTED_WITH], arguments].concat())
}

fn start(world: &World, name: &str, arguments: &[&str]) -> Host {
    let data = world.folder(name);
    let file = data.join("first-environment.toml");
    std::fs::write(&file, LIGHT).unwrap();
    let first = ["--first-environment", file.to_str().unwrap()];
    Host::start_with(world.built(), &data, 0, &[&first, arguments].concat()).unwrap()
}

fn asgard(world: &World, data: &Path, arguments: &[&str]) -> Output {
    Command::new(&world.built().asgard)
        .args(arguments)
        .args(["--data", data.to_str().unwrap()])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A token from the command line.
fn made(world: &World, data: &Path, arguments: &[&str]) -> String {
    let output = asgard(world, data, &[&["token", "create"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("asgard_") && text.trim().len() == 50, "{text}");
    text.trim().to_owned()
}

fn ask(client: &Client, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    client.send(method, path, body, &[("Authorization", &format!("Bearer {token}"))]).unwrap()
}

/// The text of a token of this role.
fn token(client: &Client, name: &str, role: &str, environments: Option<&[&str]>) -> String {
    let mut body = json!({"name": name, "role": role});
    if let Some(names) = environments {
        body["environments"] = json!(names);
    }
    let answer = ask(client, STARTED_WITH, "POST", "/access/tokens", Some(&body));
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["token"].as_str().unwrap().to_owned()
}

fn sink(name: &str) -> Value {
    json!({"name": name, "type": "local", "config": {"path": name}})
}

fn open(world: &World) {
    let client = world.light();
    for header in ["Bearer made-up", "Basic bWFkZTp1cA==", "nonsense"] {
        let answer = client.send("GET", "/access/me", None, &[("Authorization", header)]).unwrap();
        assert_eq!(answer.status, 200, "{header}: {}", answer.body);
        assert_eq!((&answer.body["who"], &answer.body["open"]), (&json!("local"), &json!(true)));
    }
}

fn first_token(world: &World) {
    let data = world.folder("access-first");
    let token = made(world, &data, &["first", "--role", "admin", "--new"]);
    let host = start(world, "access-first", &[]);
    let client = host.client();
    let stranger = client.send("GET", "/environments", None, &[]).unwrap();
    assert!(refused(&stranger, 401).contains("Authorization: Bearer TOKEN"));
    assert_eq!(stranger.header("WWW-Authenticate"), Some("Bearer realm=\"asgard\""));
    refused(&ask(&client, "asgard_made-up", "GET", "/environments", None), 401);
    assert_eq!(ask(&client, &token, "GET", "/environments", None).status, 200);
    let me = ask(&client, &token, "GET", "/access/me", None).body;
    assert_eq!(me, json!({"who": "token:first", "grants": [{"role": "admin", "environments": null}], "open": false}));
    for open in ["/health", "/ready", "/openapi.json", "/docs/"] {
        assert_eq!(client.send("GET", open, None, &[]).unwrap().status, 200, "{open}");
    }
    let listed = asgard(world, &data, &["token", "list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("first `admin` of all environments, valid until revoked"), "{listed}");
    assert!(asgard(world, &data, &["token", "revoke", "first"]).status.success());
    let detail = refused(&ask(&client, &token, "GET", "/environments", None), 401);
    assert!(detail.contains("`first` is revoked"), "{detail}");
}

fn shown_once(world: &World) {
    let host = closed(world, "access-once", &[]);
    let client = host.client();
    let headers = [("Authorization", format!("Bearer {STARTED_WITH}")), ("Idempotency-Key", "token".to_owned())];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = json!({"name": "once", "role": "viewer"});
    let answer = client.send("POST", "/access/tokens", Some(&body), &headers).unwrap();
    assert_eq!((answer.status, answer.header("Cache-Control")), (201, Some("no-store")), "{}", answer.body);
    let text = answer.body["token"].as_str().unwrap();
    refused(&client.send("POST", "/access/tokens", Some(&body), &headers).unwrap(), 409);
    assert_eq!(ask(&client, text, "GET", "/datasource", None).status, 200);
    let id = answer.body["id"].as_str().unwrap();
    let used = until("the use of the token is written down", Duration::from_secs(30), || {
        let shown = ask(&client, STARTED_WITH, "GET", &format!("/access/tokens/{id}"), None).body;
        (!shown["last_used_at"].is_null()).then_some(shown)
    });
    assert_eq!((&used["created_by"], &used["token"]), (&json!("ASGARD_TOKEN"), &Value::Null));
    let listed = ask(&client, STARTED_WITH, "GET", "/access/tokens", None).body;
    assert_eq!(listed["total"], 1);
    assert!(!listed.to_string().contains(text));
    for entry in std::fs::read_dir(host.data()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!found, "the token stands in {}", entry.path().display());
    }
}

fn revoked(world: &World) {
    let host = closed(world, "access-revoked", &[]);
    let client = host.client();
    let body = json!({"name": "short-lived", "role": "operator"});
    let answer = ask(&client, STARTED_WITH, "POST", "/access/tokens", Some(&body)).body;
    let (id, text) = (answer["id"].as_str().unwrap(), answer["token"].as_str().unwrap());
    assert_eq!(ask(&client, text, "POST", "/sink", Some(&sink("before"))).status, 201);
    let path = format!("/access/tokens/{id}");
    assert_eq!(ask(&client, STARTED_WITH, "DELETE", &path, None).status, 204);
    refused(&ask(&client, text, "POST", "/sink", Some(&sink("after"))), 401);
    assert_eq!(ask(&client, STARTED_WITH, "DELETE", &path, None).status, 204);
    refused(&ask(&client, STARTED_WITH, "DELETE", "/access/tokens/none", None), 404);
    assert_eq!(token(&client, "short-lived", "viewer", None).len(), 50, "the name is free again");
}

fn expired(world: &World) {
    let host = closed(world, "access-expired", &[]);
    let client = host.client();
    let text = made(world, host.data(), &["brief", "--role", "viewer", "--expires-in", "3s"]);
    assert_eq!(ask(&client, &text, "GET", "/datasource", None).status, 200);
    let answer = until("the token expires", Duration::from_secs(30), || {
        Some(ask(&client, &text, "GET", "/datasource", None)).filter(|answer| answer.status != 200)
    });
    assert!(refused(&answer, 401).contains("`brief` has expired"));
}

fn roles(world: &World) {
    let host = closed(world, "access-roles", &[]);
    let client = host.client();
    let tokens = ["viewer", "operator", "admin"].map(|role| token(&client, role, role, None));
    let mut document = ask(&client, STARTED_WITH, "GET", "/environments/local", None).body["document"].clone();
    document["description"] = json!("changed");
    let query = json!({"sql": "SELECT 1 AS one"});
    let namespace = json!({"namespace": ["bronze_of_roles"], "properties": {}});
    let made = sink("of roles");
    let secret = json!({"value": "x"});
    // The first role that may, and what it is answered.
    for (method, path, body, first, status) in [
        ("GET", "/datasource", None, 0, 200),
        ("GET", "/environments/local", None, 0, 200),
        ("GET", "/plugins", None, 0, 200),
        ("POST", "/lakehouse/query", Some(&query), 0, 200),
        ("GET", "/iceberg/v1/config", None, 0, 200),
        ("GET", "/no/such/route", None, 0, 404),
        ("POST", "/sink", Some(&made), 1, 201),
        ("POST", "/iceberg/v1/namespaces", Some(&namespace), 1, 200),
        ("POST", "/tasks/none/cancel", None, 1, 404),
        ("PUT", "/environments/local", Some(&document), 2, 200),
        ("PUT", "/secrets/of-roles", Some(&secret), 2, 204),
        ("GET", "/secrets", None, 2, 200),
        ("POST", "/plugins", Some(&secret), 2, 422),
        ("GET", "/access/tokens", None, 2, 200),
    ] {
        let role = ["viewer", "operator", "admin"][first];
        for (index, token) in tokens.iter().enumerate().take(first + 1) {
            let answer = ask(&client, token, method, path, body);
            if index == first {
                assert_eq!(answer.status, status, "{method} {path} as {role}: {}", answer.body);
            } else {
                assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
                assert!(answer.body.to_string().contains(&format!("the role `{role}`")), "{}", answer.body);
                let challenge = answer.header("WWW-Authenticate");
                assert_eq!(challenge, Some("Bearer realm=\"asgard\", error=\"insufficient_scope\""));
            }
        }
    }
}

fn environments(world: &World) {
    let host = closed(world, "access-environments", &[]);
    let client = host.client();
    let mut document = ask(&client, STARTED_WITH, "GET", "/environments/local", None).body["document"].clone();
    document["name"] = json!("staging");
    assert_eq!(ask(&client, STARTED_WITH, "PUT", "/environments/staging", Some(&document)).status, 200);

    let operator = token(&client, "staging-operator", "operator", Some(&["staging"]));
    assert_eq!(ask(&client, &operator, "POST", "/environments/staging/sink", Some(&sink("here"))).status, 201);
    let detail = refused(&ask(&client, &operator, "POST", "/sink", Some(&sink("there"))), 403);
    assert!(detail.contains("environment `local`") && detail.contains("`operator` of staging"), "{detail}");
    for path in ["/datasource", "/environments/local", "/environments/l%6Fcal", "/environments/local/revisions"] {
        refused(&ask(&client, &operator, "GET", path, None), 403);
    }
    refused(&ask(&client, &operator, "GET", "/environments/nowhere/datasource", None), 403);
    let seen = ask(&client, &operator, "GET", "/environments", None).body;
    let names: Vec<_> = seen["environments"].as_array().unwrap().iter().map(|each| &each["name"]).collect();
    assert_eq!(names, ["staging"]);
    assert_eq!(ask(&client, &operator, "GET", "/environments/staging/pipelines", None).status, 200);
    refused(&ask(&client, &operator, "GET", "/pipelines", None), 403);
    let detail = refused(&ask(&client, &operator, "GET", "/environments/staging/diff?with=local", None), 403);
    assert!(detail.contains("`viewer` in environment `local` too"), "{detail}");
    refused(&ask(&client, &operator, "GET", "/environments/staging/promotion?from=local", None), 403);
    assert_eq!(ask(&client, &operator, "POST", "/environments/staging/plan", Some(&document)).status, 200);
    assert_eq!(ask(&client, &operator, "POST", "/environments/staging/check", None).status, 200);

    let admin = token(&client, "staging-admin", "admin", Some(&["staging"]));
    document["description"] = json!("theirs to change");
    assert_eq!(ask(&client, &admin, "PUT", "/environments/staging", Some(&document)).status, 200);
    refused(&ask(&client, &admin, "PUT", "/environments/local", Some(&document)), 403);
    let promotion = json!({"from": "local"});
    refused(&ask(&client, &admin, "POST", "/environments/staging/promotion", Some(&promotion)), 403);
    let wider = json!({"name": "wider", "role": "admin"});
    for (path, body) in [("/access/tokens", &wider), ("/plugins", &wider)] {
        let detail = refused(&ask(&client, &admin, "POST", path, Some(body)), 403);
        assert!(detail.contains("of all environments"), "{detail}");
    }
}

fn catalog(world: &World) {
    let host = closed(world, "access-catalog", &[]);
    let client = host.client();
    let stranger = client.send("GET", "/iceberg/v1/config", None, &[]).unwrap();
    assert_eq!((stranger.status, &stranger.body["error"]["type"]), (401, &json!("NotAuthorizedException")));
    let viewer = token(&client, "reader", "viewer", None);
    let answer = ask(&client, &viewer, "POST", "/iceberg/v1/namespaces", Some(&json!({"namespace": ["x"]})));
    assert_eq!((answer.status, &answer.body["error"]["type"]), (403, &json!("ForbiddenException")));
}

fn authors(world: &World) {
    let host = closed(world, "access-authors", &[]);
    let client = host.client();
    let admin = token(&client, "platform", "admin", None);
    let mut document = ask(&client, &admin, "GET", "/environments/local", None).body["document"].clone();
    document["description"] = json!("by the platform team");
    assert_eq!(ask(&client, &admin, "PUT", "/environments/local", Some(&document)).status, 200);
    let revisions = ask(&client, &admin, "GET", "/environments/local/revisions", None).body;
    assert_eq!(revisions["revisions"][0]["author"], "token:platform", "{revisions}");
}

fn wrong(world: &World) {
    let host = closed(world, "access-wrong", &[]);
    let client = host.client();
    for (body, field) in [
        (json!({"role": "viewer"}), "name"),
        (json!({"name": "a b", "role": "viewer"}), "name"),
        (json!({"name": "a", "role": "root"}), "role"),
        (json!({"name": "a", "role": "viewer", "environments": []}), "environments"),
        (json!({"name": "a", "role": "viewer", "environments": ["x", "a/b"]}), "environments[1]"),
        (json!({"name": "a", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "a", "role": "viewer", "environment": ["x"]}), "environment"),
    ] {
        refused_field(&ask(&client, STARTED_WITH, "POST", "/access/tokens", Some(&body)), field);
    }
    let output = asgard(world, host.data(), &["token", "create", "a b", "--role", "viewer"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("letters, digits"));
}
