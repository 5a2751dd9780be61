//! An environment whose tables another catalog lists: here the one that the same host serves for its first environment.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, gold, refused_field, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "an_environment_works_on_the_tables_of_another_catalog", attached),
        test(world, "a_catalog_that_does_not_answer_is_told_as_unavailable", away),
        test(world, "an_environment_with_a_catalog_elsewhere_says_where_to_attach", elsewhere),
        test(world, "a_catalogs_oauth_token_is_kept_while_it_lasts_and_renewed_when_it_ends", renewed),
    ]
}

/// The document of an environment on the light host's own catalog, as another program's.
pub(crate) fn document(world: &World, name: &str, uri: &str) -> Value {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    let warehouse = world.light_data().join("environments/local/lakehouse/warehouse").join(name);
    document["name"] = json!(name);
    document["lakehouse"] = json!({
        "catalog": {"type": "rest", "uri": uri}, "storage": format!("file://{}", warehouse.display()),
    });
    document
}

fn attached(world: &World) {
    let client = world.light();
    let document = document(world, "attached", &format!("{}/iceberg", client.base()));
    let put = client.send("PUT", "/environments/attached", Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let there = |path: &str| format!("/environments/attached{path}");
    let model = |name: &str, sql: &str, kind: &str| {
        let body = json!({"name": name, "sql_query": sql, "materialization": kind});
        let model = client.post(&there("/dbt/transform"), &body).unwrap();
        assert_eq!(model["status"], "completed", "{model}");
    };
    model("elsewhere_made", "SELECT 1 AS one, 'a' AS word", "table");
    model("elsewhere_made", "SELECT 2 AS one, 'b' AS word UNION ALL SELECT 3, 'c'", "table");
    model("elsewhere_view", "SELECT one FROM iceberg.gold.elsewhere_made", "view");
    // Both environments see the same tables: one catalog, two ways to it.
    let rows = gold(&client, "elsewhere_read", "SELECT one FROM iceberg.gold.elsewhere_view").unwrap();
    assert_eq!(rows["row_count"], 2);

    let source = json!({"name": "attached", "type": "postgres", "config": source_config(&world.source())});
    let source = client.post(&there("/datasource"), &source).unwrap();
    let folder = world.light_data().join("environments/local/lakehouse/warehouse/attached/sink");
    let sink = json!({"name": "attached", "type": "local", "config": {"path": folder}});
    let sink = client.post(&there("/sink"), &sink).unwrap();
    let ingestion =
        json!({"name": "attached", "sourceId": source["id"], "destinationId": sink["id"], "prefix": "att_"});
    let ingestion = client.post(&there("/ingestion"), &ingestion).unwrap();
    let id = ingestion["connectionId"].as_str().unwrap();
    let job = until("the sync ends", std::time::Duration::from_secs(120), || {
        let job = client.get(&there(&format!("/ingestion/{id}/status"))).ok()?["job"].clone();
        matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(job)
    });
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(45_823)), "{job}");
    let read = gold(
        &client,
        "attached_read",
        "SELECT COUNT(*) AS n FROM iceberg.bronze.att_work_orders HAVING COUNT(*) = 15000",
    );
    assert_eq!(read.unwrap()["row_count"], 1);
}

fn away(world: &World) {
    let client = world.light();
    let document = document(world, "away", "http://127.0.0.1:1/iceberg");
    let refused = client.send("PUT", "/environments/away", Some(&document), &[]).unwrap();
    let detail = refused_field(&refused, "lakehouse.catalog");
    assert!(detail.contains("127.0.0.1:1") && detail.contains("force"), "{detail}");
    assert_eq!(client.send("PUT", "/environments/away?force=true", Some(&document), &[]).unwrap().status, 200);
    let answer = client.send("GET", "/environments/away/dbt/tables/gold", None, &[]).unwrap();
    let detail = crate::world::refused(&answer, 503);
    assert!(detail.contains("127.0.0.1:1"), "{detail}");
    let mut document = document;
    document["lakehouse"]["storage"] = Value::Null;
    refused_field(&client.send("PUT", "/environments/away", Some(&document), &[]).unwrap(), "lakehouse.storage");
}

fn elsewhere(world: &World) {
    let client = world.light();
    let uri = format!("{}/iceberg", client.base());
    let document = document(world, "pointing", &uri);
    assert_eq!(client.send("PUT", "/environments/pointing", Some(&document), &[]).unwrap().status, 200);
    let answer = client.send("GET", "/environments/pointing/iceberg/v1/config", None, &[]).unwrap();
    assert_eq!((answer.status, &answer.body["error"]["type"]), (406, &json!("UnsupportedOperationException")));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains(&uri), "{}", answer.body);
}

/// Stands before a catalog and lets through who has a token of it, which `POST /iceberg/token` gives for the right secret.
struct Guard {
    uri: String,
    tokens: Arc<Mutex<Tokens>>,
}

struct Tokens {
    /// What clients are told. A token that is told to last no longer than a client keeps it is good for one request.
    expires_in: u64,
    issued: Vec<String>,
    good: Vec<String>,
    passed: usize,
}

impl Guard {
    /// Clients renew a token so many seconds before its end.
    const RENEWED_BEFORE: u64 = 30;

    fn start(catalog: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let uri = format!("http://{}/iceberg", listener.local_addr().unwrap());
        let tokens = Tokens { expires_in: Self::RENEWED_BEFORE, issued: Vec::new(), good: Vec::new(), passed: 0 };
        let tokens = Arc::new(Mutex::new(tokens));
        let guard = Self { uri, tokens: Arc::clone(&tokens) };
        let catalog = catalog.trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tokens, catalog) = (Arc::clone(&tokens), catalog.clone());
                std::thread::spawn(move || Self::serve(&stream, &tokens, &catalog));
            }
        });
        guard
    }

    /// One request, and then no more on this connection.
    fn serve(stream: &TcpStream, tokens: &Mutex<Tokens>, catalog: &str) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let (mut length, mut token, mut passed_on) = (0, String::new(), String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or_default(),
                "authorization" => {
                    value.trim().trim_start_matches("Bearer ").clone_into(&mut token);
                    continue;
                }
                "host" | "connection" => continue,
                _ => {}
            }
            passed_on.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let answered = if first.starts_with("POST /iceberg/token ") {
            Self::issue(&mut tokens.lock().unwrap(), &String::from_utf8_lossy(&body))
        } else {
            Self::admit(&mut tokens.lock().unwrap(), &token).err()
        };
        let mut stream = stream;
        if let Some((status, body)) = answered {
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            )?;
        } else {
            let mut behind = TcpStream::connect(catalog)?;
            write!(behind, "{first}Host: {catalog}\r\nConnection: close\r\n{passed_on}\r\n")?;
            behind.write_all(&body)?;
            std::io::copy(&mut behind, &mut stream)?;
        }
        stream.shutdown(Shutdown::Both)
    }

    fn issue(tokens: &mut Tokens, form: &str) -> Option<(&'static str, String)> {
        if form != "grant_type=client_credentials&client_id=asgard&client_secret=pencil&scope=catalog" {
            return Some(("401 Unauthorized", json!({"error": "invalid_client"}).to_string()));
        }
        let token = format!("token-{}", tokens.issued.len());
        tokens.issued.push(token.clone());
        tokens.good.push(token.clone());
        Some(("200 OK", json!({"access_token": token, "expires_in": tokens.expires_in}).to_string()))
    }

    fn admit(tokens: &mut Tokens, token: &str) -> Result<(), (&'static str, String)> {
        let Some(at) = tokens.good.iter().position(|good| good == token) else {
            let error = json!({"message": "the token has ended", "type": "NotAuthorizedException", "code": 401});
            return Err(("401 Unauthorized", json!({"error": error}).to_string()));
        };
        if tokens.expires_in <= Self::RENEWED_BEFORE {
            tokens.good.remove(at);
        }
        tokens.passed += 1;
        Ok(())
    }

    /// Tokens that were issued and requests that were let through since the last look.
    fn counts(&self) -> (usize, usize) {
        let mut tokens = self.tokens.lock().unwrap();
        (std::mem::take(&mut tokens.issued).len(), std::mem::take(&mut tokens.passed))
    }
}

fn renewed(world: &World) {
    let client = world.light();
    let guard = Guard::start(client.base());
    let mut document = document(world, "renewed", &guard.uri);
    let put = |document: &Value, query: &str| {
        client.send("PUT", &format!("/environments/renewed{query}"), Some(document), &[]).unwrap()
    };
    let secret = |value: &str| {
        let set = client.send("PUT", "/environments/renewed/secrets/catalog", Some(&json!({"value": value})), &[]);
        assert!(set.unwrap().status < 300);
    };
    assert_eq!(put(&document, "?force=true").status, 200);
    // Beside the catalog's own address.
    document["lakehouse"]["catalog"]["authorization"] = json!({"type": "oauth_client_credentials",
        "token_url": "token", "client_id": "asgard", "secret": "catalog", "scope": "catalog"});
    secret("crayon");
    let detail = refused_field(&put(&document, ""), "lakehouse.catalog");
    assert!(detail.contains("/iceberg/token gave no token: it answered 401"), "{detail}");
    secret("pencil");
    let answer = put(&document, "");
    assert_eq!(answer.status, 200, "{}", answer.body);

    let model = |word: &str| {
        let body =
            json!({"name": "renewed", "sql_query": format!("SELECT '{word}' AS word"), "materialization": "table"});
        let model = client.post("/environments/renewed/dbt/transform", &body).unwrap();
        assert_eq!(model["status"], "completed", "{model}");
        let rows = client.get("/environments/renewed/lakehouse/tables/gold/renewed/rows").unwrap();
        assert_eq!(rows["rows"], json!([{"word": word}]));
    };
    guard.counts();
    model("ends");
    let (issued, passed) = guard.counts();
    assert!(passed > 1 && issued == passed, "each request had a token that had not ended: {issued} for {passed}");

    guard.tokens.lock().unwrap().expires_in = 3600;
    model("lasts");
    let (issued, passed) = guard.counts();
    assert!(passed > 1 && issued == 1, "one token for all requests: {issued} for {passed}");

    guard.tokens.lock().unwrap().good.clear();
    model("withdrawn");
    let (issued, passed) = guard.counts();
    assert!(passed > 1 && issued == 1, "one token after one that was withdrawn: {issued} for {passed}");
}
