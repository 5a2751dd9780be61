//! Airbyte's connectors as processes, without an Airbyte server: rows of a real one in a bucket behind Nessie, a web API by a low-code
//! manifest, and a host that is killed while a connector writes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::s3::S3;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::lake::Lake;
use crate::world::{World, test, until, when_ready};

/// A connector takes ten seconds to start, and starts twice for a sync; a killed one starts over.
const SYNC_WITHIN: Duration = Duration::from_secs(600);

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_connector_of_airbyte_fills_tables_in_nessie_without_an_airbyte_server", faker),
        test(world, "a_web_api_is_read_by_a_low_code_manifest_and_its_token_stays_in_the_host", low_code),
        test(world, "a_host_that_is_killed_while_a_connector_writes_has_every_row_once", killed),
    ]
}

/// An environment's document with the connectors in it.
fn with_connectors(client: &Client) -> Value {
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["programs"]["faker"] = json!({"type": "python", "requirements": ["airbyte-source-faker==7.2.1"]});
    document["programs"]["low-code"] = json!({"type": "python", "requirements": ["airbyte-cdk==7.39.1"]});
    // What it is asked for below, `always_updated = false`, takes any state for the end.
    let faker = json!({"program": "faker", "script": "source-faker", "states": "final"});
    let items = json!({
        "program": "low-code", "script": "source-declarative-manifest",
        "options": ["--manifest-path", "manifest.yaml"], "files": {"manifest.yaml": include_str!("items.yaml")},
        "schema": {"title": "Items", "required": ["base_url", "token"], "properties": {
            "base_url": {"type": "string"}, "token": {"type": "string", "airbyte_secret": true}}},
    });
    let binding = json!({
        "plugin": "airbyte-protocol",
        "configuration": {"connectors": {"faker": faker, "items": items}},
        "grants": {"processes": ["faker", {"program": "low-code", "substitute_secrets": true}]},
    });
    document["ingestion"].as_array_mut().unwrap().push(binding);
    document
}

fn put(client: &Client, path: &str, body: &Value) {
    let answer = when_ready(client, "PUT", path, body);
    assert!(answer.status < 300, "PUT {path}: {} {}", answer.status, answer.body);
}

fn source(client: &Client, name: &str, kind: &str, config: &Value) -> Value {
    let body = json!({"name": name, "type": kind, "config": config});
    let answer = when_ready(client, "POST", "/datasource", &body);
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].clone()
}

fn ingestion(client: &Client, name: &str, source: &Value, sink: &Value, streams: &Value) -> String {
    let body = json!({"name": name, "sourceId": source, "destinationId": sink, "prefix": format!("{name}_"), "streams": streams});
    client.post("/ingestion", &body).unwrap()["connectionId"].as_str().unwrap().to_owned()
}

fn job(client: &Client, ingestion: &str) -> Option<Value> {
    Some(client.look(&format!("/ingestion/{ingestion}/status")).ok()?["job"].clone())
}

fn ended(client: &Client, ingestion: &str) -> Value {
    let job = until("the sync ends", SYNC_WITHIN, || {
        job(client, ingestion)
            .filter(|job| matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled")))
    });
    assert_eq!(job["status"], "succeeded", "{job}");
    job
}

fn number(lake: &Lake, sql: &str) -> u64 {
    lake.query(sql).rows[0][0].as_u64().unwrap_or_else(|| panic!("{sql} answers with no number"))
}

fn faker(world: &World) {
    let document = with_connectors(&world.host_client());
    let connectors = json!({"programs": document["programs"], "ingestion": document["ingestion"]});
    let lake = world.branch_with("airbyte", &connectors).unwrap();

    let id = source(&lake.0, "people", "faker", &json!({"count": 2000, "seed": 1, "always_updated": false}));
    let refused = lake
        .0
        .send("POST", "/datasource", Some(&json!({"name": "few", "type": "faker", "config": {"count": 0}})), &[])
        .unwrap();
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["field"]),
        (422, &json!("config.count")),
        "{}",
        refused.body
    );
    let bucket = json!({"s3_bucket_name": S3::BUCKET, "s3_bucket_region": "us-east-1", "s3_bucket_path": "warehouse/people",
        "access_key_id": S3::ACCESS_KEY, "secret_access_key": S3::SECRET_KEY, "s3_endpoint": world.s3().endpoint()});
    let sink = lake.0.post("/sink", &json!({"name": "people", "type": "s3", "config": bucket})).unwrap()["id"].clone();
    let streams = json!([{"name": "products"}, {"name": "users", "syncMode": "incremental_merge"}, {"name": "purchases", "syncMode": "incremental_append"}]);
    let made = ingestion(&lake.0, "people", &id, &sink, &streams);
    let first = ended(&lake.0, &made);
    assert_eq!(number(&lake, "SELECT count(*) FROM bronze.people_users"), 2000);
    assert_eq!(number(&lake, "SELECT count(DISTINCT id) FROM bronze.people_users WHERE created_at IS NOT NULL"), 2000);
    let purchases = number(&lake, "SELECT count(*) FROM bronze.people_purchases");
    let products = number(&lake, "SELECT count(*) FROM bronze.people_products");
    assert_eq!(first["recordsCopied"], 2000 + purchases + products);
    assert!(purchases > 1000 && products == 100, "{purchases} {products}");
    // Another engine reads what came of nested records.
    let sql = "SELECT count(*) AS n FROM nessie.bronze.people_users WHERE address.city IS NOT NULL";
    assert_eq!(Engine::Trino.sql(world, sql).rows[0][0], json!(2000));

    // Nothing is new: the connector goes on from its states.
    lake.0.post(&format!("/ingestion/{made}/sync"), &json!({})).unwrap();
    let second = ended(&lake.0, &made);
    assert_eq!(second["recordsCopied"], products, "{second}");
    assert_eq!(number(&lake, "SELECT count(*) FROM bronze.people_purchases"), purchases);
}

/// Pages of `{"data": […]}` for whoever has the token; answers with its address and the number of its items, which may grow.
fn items(token: &'static str) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU64::new(5));
    let there = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let there = there.load(Ordering::Relaxed);
            std::thread::spawn(move || answer(stream, token, there));
        }
    });
    (url, count)
}

fn answer(mut stream: TcpStream, token: &str, there: u64) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let is_known = headers.iter().any(|header| header.eq_ignore_ascii_case(&format!("authorization: Bearer {token}")));
    let asked = |name: &str| {
        let value =
            request.split(['?', '&', ' ']).find_map(|part| part.strip_prefix(&format!("{name}="))?.parse().ok());
        value.unwrap_or(0_u64)
    };
    let (from, many) = (asked("offset"), asked("limit").max(1));
    let item = |id: u64| {
        let exact = 9_007_199_254_740_993 + id;
        json!({"id": id, "name": format!("n{id}"), "exact": exact, "tags": ["a", null], "updated_at": format!("2026-01-{id:02}T00:00:00Z")})
    };
    let page: Vec<Value> = (from + 1..=there.min(from + many)).map(item).collect();
    let (status, body) =
        if is_known { ("200 OK", json!({ "data": page })) } else { ("401 Unauthorized", json!({"error": "no"})) };
    let body = body.to_string();
    let _gone = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

fn low_code(world: &World) {
    let client = world.host_client();
    let mut document = with_connectors(&client);
    document["name"] = json!("low-code");
    put(&client, "/environments/low-code", &document);
    let lake = Lake(Client::new(format!("{}/environments/low-code", client.base())));
    let (url, there) = items("t0ken-of-the-api");
    let wrong = json!({"name": "wrong", "type": "items", "config": {"base_url": url, "token": "another"}});
    let refused = when_ready(&lake.0, "POST", "/datasource", &wrong);
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body.to_string().contains("401"), "{}", refused.body);

    let id = source(&lake.0, "items", "items", &json!({"base_url": url, "token": "t0ken-of-the-api"}));
    let shown = lake.0.get(&format!("/datasource/{}", id.as_str().unwrap())).unwrap();
    assert_eq!(shown["config"]["token"], "**********");
    let sink =
        lake.0.post("/sink", &json!({"name": "items", "type": "local", "config": {"path": "items"}})).unwrap()["id"]
            .clone();
    let made = ingestion(&lake.0, "items", &id, &sink, &json!([{"name": "items", "syncMode": "incremental_merge"}]));
    assert_eq!(ended(&lake.0, &made)["recordsCopied"], 5);
    let rows = lake.pages("bronze.items_items");
    assert_eq!(rows.rows.len(), 5);
    assert_eq!(number(&lake, "SELECT max(exact) FROM bronze.items_items"), 9_007_199_254_740_998);

    there.store(7, Ordering::Relaxed);
    lake.0.post(&format!("/ingestion/{made}/sync"), &json!({})).unwrap();
    // What is new, and the last one of before, which the connector tells again.
    let again = ended(&lake.0, &made);
    assert!(again["recordsCopied"].as_u64().unwrap() <= 3, "{again}");
    assert_eq!(number(&lake, "SELECT count(*) FROM bronze.items_items"), 7);
}

/// Kills of the host while rows come.
const KILLS: usize = 2;

/// Of the output of a reading connector: a tenth of all that it writes.
const SOME: u64 = 3 << 20;

/// Bytes that connectors have written and nobody has read.
fn written(data: &Path) -> u64 {
    let mut folders = vec![data.join("processes/tasks")];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(there) if there.is_dir() && entry.file_name() != "work" => folders.push(path),
                Ok(there) if folder.ends_with("read/output") => bytes += there.len(),
                _ => {}
            }
        }
    }
    bytes
}

fn killed(world: &World) {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start_light(world.built(), folder.path(), 0).unwrap();
    let client = host.client();
    put(&client, "/environments/local", &with_connectors(&client));
    let lake = Lake(host.client());
    let id = source(
        &client,
        "many",
        "faker",
        &json!({"count": 60_000, "seed": 7, "always_updated": false, "parallelism": 1}),
    );
    let sink =
        client.post("/sink", &json!({"name": "many", "type": "local", "config": {"path": "many"}})).unwrap()["id"]
            .clone();
    let streams = json!([{"name": "users", "syncMode": "incremental_merge"}, {"name": "products", "syncMode": "full_refresh_overwrite"}]);
    let made = ingestion(&client, "many", &id, &sink, &streams);
    for _ in 0..KILLS {
        until("the connector writes", SYNC_WITHIN, || (written(folder.path()) > SOME).then_some(()));
        host.crash_and_restart().unwrap();
        // What ran on is ended before another is started.
        until("the sync is opened again", SYNC_WITHIN, || (written(folder.path()) == 0).then_some(()));
    }
    ended(&client, &made);
    assert_eq!(number(&lake, "SELECT count(*) FROM bronze.many_users"), 60_000);
    assert_eq!(number(&lake, "SELECT count(DISTINCT id) FROM bronze.many_users"), 60_000);
    assert_eq!(number(&lake, "SELECT count(*) FROM bronze.many_products"), 100);
    // No process is left of those that were killed over.
    let left: Vec<_> = std::fs::read_dir(folder.path().join("processes/tasks"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    assert!(left.iter().all(|environment: &PathBuf| !holds_processes(environment)), "{left:?}");
}

fn holds_processes(folder: &Path) -> bool {
    let below = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    below(folder).any(|plugin| below(&plugin).next().is_some())
}
