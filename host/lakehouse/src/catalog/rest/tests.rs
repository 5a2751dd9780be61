//! What becomes of a view whose place a table does not take.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use arrow_schema::{DataType, Field, Schema};
use asgard_contract::Error;
use asgard_contract::lakehouse::{Dialect, WriteMode};
use serde_json::json;

use crate::iceberg_rest::wire::LoadedView;
use crate::tables::{Current, Tables, ViewDefinition, ViewState};
use crate::testing::{Folder, name, no_reads, stream, target};
use crate::{CatalogConfig, LakehouseConfig};

type Requests = Arc<Mutex<Vec<String>>>;

/// A catalog that has one view, `silver.a`, and lets nobody make a table; it ends with the test. Answers with its address, and
/// with the requests that it gets.
fn catalog(view: String) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}", listener.local_addr().unwrap());
    let requests = Requests::default();
    let noted = Arc::clone(&requests);
    std::thread::spawn(move || {
        let mut there = true;
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let request = request(&connection);
            let refused = r#"{"error": {"message": "not here", "type": "Refused", "code": 403}}"#;
            let (status, body) = match request.as_str() {
                "GET /v1/config" => ("200 OK", r#"{"defaults": {}, "overrides": {}}"#),
                "GET /v1/namespaces/silver/views/a" if there => ("200 OK", view.as_str()),
                "DELETE /v1/namespaces/silver/views/a" => {
                    there = false;
                    ("204 No Content", "")
                }
                "POST /v1/namespaces/silver/tables/a" => ("403 Forbidden", refused),
                "POST /v1/namespaces" => ("409 Conflict", refused),
                "POST /v1/namespaces/silver/views" => {
                    there = true;
                    ("200 OK", view.as_str())
                }
                _ => ("404 Not Found", refused),
            };
            noted.lock().unwrap().push(request);
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    (uri, requests)
}

/// Method and path; the body is read too.
fn request(connection: &TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    first.trim().trim_end_matches("HTTP/1.1").trim().to_owned()
}

async fn view() -> ViewState {
    let folder = Folder::new();
    let tables = folder.open().await;
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
    let definition = ViewDefinition { sql: "SELECT 1 AS n".to_owned(), dialect: Dialect::Trino, schema };
    tables.put_view(&name("silver.a"), "before", definition).await.unwrap();
    match tables.inner.current(&name("silver.a")).await.unwrap() {
        Some(Current::View(state)) => state,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_view_comes_back_when_the_table_that_is_to_replace_it_is_not_made() {
    let view = view().await;
    let loaded = LoadedView { metadata_location: view.location, metadata: view.metadata, config: Default::default() };
    let (uri, requests) = catalog(serde_json::to_string(&loaded).unwrap());
    let folder = Folder::new();
    let config = LakehouseConfig {
        folder: folder.path().to_owned(),
        catalog: CatalogConfig::Rest { uri, warehouse: None, authorization: None },
        storage: None,
        limits: Default::default(),
    };
    let tables = Tables::open(&config).await.unwrap();
    let rows = stream(json!([{"id": 1}]));
    let written = tables.write(&target("silver.a", WriteMode::Replace, &[]), "key", rows, &no_reads).await;
    assert!(matches!(written, Err(Error::Forbidden { .. })), "{written:?}");
    let found = tables.inner.current(&name("silver.a")).await.unwrap();
    assert!(matches!(found, Some(Current::View(_))), "{found:?}");
    let changes: Vec<String> =
        requests.lock().unwrap().iter().filter(|request| !request.starts_with("GET")).cloned().collect();
    assert_eq!(
        changes,
        [
            "DELETE /v1/namespaces/silver/views/a",
            "POST /v1/namespaces/silver/tables/a",
            "POST /v1/namespaces",
            "POST /v1/namespaces/silver/views",
        ]
    );
}
