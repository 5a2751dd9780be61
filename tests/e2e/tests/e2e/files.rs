//! Files, from a folder, a bucket or a web server to bronze rows.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::s3::S3;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "files_are_shown_with_their_columns_and_become_tables", shown),
        test(world, "a_file_source_that_fits_nothing_is_refused_with_its_field", misfit),
        test(world, "a_killed_sync_of_files_copies_every_row_once", killed),
        test(world, "every_format_is_read_from_a_folder_a_bucket_and_web_servers", placed),
    ]
}

fn source(client: &Client, name: &str, streams: &Value) -> Value {
    source_at(client, name, &json!({"provider": "local", "folder": format!("files/{name}")}), streams)
}

pub(crate) fn source_at(client: &Client, name: &str, location: &Value, streams: &Value) -> Value {
    let config = json!({"location": location, "streams": streams});
    client.post("/datasource", &json!({"name": name, "type": "files", "config": config})).unwrap()
}

pub(crate) fn ingest(client: &Client, name: &str, source: &Value, streams: &Value) -> String {
    ingest_into(client, name, Path::new(name), source, streams)
}

/// As [`ingest`], into a folder for the tables.
pub(crate) fn ingest_into(client: &Client, name: &str, folder: &Path, source: &Value, streams: &Value) -> String {
    let sink = json!({"name": format!("{name} sink"), "type": "local", "config": {"path": folder}});
    let sink = client.post("/sink", &sink).unwrap();
    let body = json!({"name": format!("{name} ingestion"), "sourceId": source["id"], "destinationId": sink["id"],
        "prefix": format!("{name}_"), "streams": streams});
    client.post("/ingestion", &body).unwrap()["connectionId"].as_str().unwrap().to_owned()
}

fn shown(world: &World) {
    let client = world.light();
    let folder = world.folder("light").join("environments/local/files/shown");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("orders-1.csv"), "id,zip,ordered\n1,007,2024-02-29\n").unwrap();
    std::fs::write(folder.join("events.jsonl"), "{\"id\":1,\"o\":{\"a\":[1]}}\n").unwrap();
    let streams = json!([{"name": "orders", "files": ["orders-*.csv"]}, {"name": "events", "files": ["*.jsonl"]}]);
    let made = source(&client, "shown", &streams);
    let discovered = client.get(&format!("/datasource/{}/streams", made["id"].as_str().unwrap())).unwrap();
    let columns = |stream: usize| -> Vec<String> {
        let columns = discovered["streams"][stream]["columns"].as_array().unwrap().iter();
        columns.map(|c| format!("{} {}", c["name"].as_str().unwrap(), c["type"].as_str().unwrap())).collect()
    };
    assert_eq!(columns(0), ["id long", "zip string", "ordered date"]);
    assert_eq!(columns(1), ["id long", "o string"]);

    let choice = json!([{"name": "orders", "syncMode": "incremental_append"}, {"name": "events"}]);
    let ingestion = ingest(&client, "shown", &made, &choice);
    let job = ended_job(&client, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(2)), "{job}");

    // A new file with a new column: only it is read.
    std::fs::write(folder.join("orders-2.csv"), "id,zip,ordered,price\n2,100,2024-03-01,9.5\n").unwrap();
    client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    let job = until("the second sync ends", Duration::from_secs(60), || {
        let job = ended_job(&client, &ingestion);
        (job["recordsCopied"] == 2
            && client.get("/lakehouse/tables/bronze/shown_orders").ok()?.to_string().contains("price"))
        .then_some(job)
    });
    assert_eq!(job["status"], "succeeded", "{job}");
    let sql = "SELECT id FROM iceberg.bronze.shown_orders WHERE (id = 1 AND zip = '007' AND ordered = DATE '2024-02-29' AND price IS NULL) \
        OR (id = 2 AND price = 9.5)";
    assert_eq!(gold(&client, "shown_orders_check", sql).unwrap()["row_count"], 2);
}

fn misfit(world: &World) {
    let client = world.light();
    let ask = |location: Value, stream: Value| {
        let config = json!({"location": location, "streams": [stream]});
        let body = json!({"name": "misfit files", "type": "files", "config": config});
        client.send("POST", "/datasource", Some(&body), &[]).unwrap()
    };
    let csv = || json!({"name": "a", "files": ["*.csv"]});
    let local = || json!({"provider": "local", "folder": "files"});
    refused_field(&ask(json!({"provider": "local"}), csv()), "config.location.folder");
    refused_field(
        &ask(json!({"provider": "s3", "bucket": "lake", "access_key_id": "a"}), csv()),
        "config.location.secret_access_key",
    );
    refused_field(&ask(local(), json!({"name": "a", "files": ["none-*.csv"]})), "config.streams[0].files");
    let encoding = json!({"name": "a", "files": ["*.csv"], "format": {"type": "csv", "encoding": "latin1"}});
    refused_field(&ask(local(), encoding), "config.streams[0].format.encoding");
    let typed = json!({"name": "a", "files": ["*.csv"], "columns": {"x": "varchar"}});
    refused_field(&ask(local(), typed), "config.streams[0].columns.x");
    let detail = refused(&ask(json!({"provider": "local", "folder": "/etc"}), csv()), 403);
    assert!(detail.contains("grants.files"), "{detail}");
    let key = json!({"provider": "s3", "bucket": "lake", "endpoint": "http://127.0.0.1:1", "access_key_id": "a", "secret_access_key": "hunter2"});
    let detail = refused(&ask(key, csv()), 503);
    assert!(!detail.contains("hunter2"), "{detail}");
}

fn killed(world: &World) {
    let data = world.folder("killed-files");
    let mut host = world.start_light(&data).unwrap();
    let client = host.client();
    let folder = data.join("environments/local/files/killed");
    std::fs::create_dir_all(&folder).unwrap();
    for file in 0..3 {
        let mut text = "id,text\n".to_owned();
        for id in file * 400_000..(file + 1) * 400_000 {
            text.push_str(&format!("{id},some text\n"));
        }
        std::fs::write(folder.join(format!("{file}.csv")), text).unwrap();
    }
    let made = source(&client, "killed", &json!([{"name": "rows", "files": ["*.csv"]}]));
    let ingestion = ingest(&client, "killed", &made, &json!([{"name": "rows", "syncMode": "incremental_append"}]));
    for pause in [400, 800, 1200] {
        std::thread::sleep(Duration::from_millis(pause));
        host.crash_and_restart().unwrap();
    }
    let job = ended_job(&client, &ingestion);
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["recordsCopied"], 1_200_000, "{job}");
    gold(&client, "killed_files", "SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids FROM iceberg.bronze.killed_rows")
        .unwrap();
    let check = "SELECT n FROM iceberg.gold.killed_files WHERE n = 1200000 AND ids = 1200000";
    assert_eq!(gold(&client, "killed_files_check", check).unwrap()["row_count"], 1);
    host.stop().unwrap();
}

/// Files by stream.
const FORMATS: [(&str, &str); 8] = [
    ("csv", "plain.csv"),
    ("tsv", "tabs.tsv"),
    ("csv_gz", "packed.csv.gz"),
    ("csv_zst", "packed.csv.zst"),
    ("jsonl", "lines.jsonl"),
    ("jsonl_gz", "packed.jsonl.gz"),
    ("jsonl_zst", "packed.jsonl.zst"),
    ("parquet", "rows.parquet"),
];

fn placed(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    let folder = world.light_data().join("environments/local/files/formats");
    std::fs::create_dir_all(&folder).unwrap();
    let output = Command::new(world.python())
        .args(["../interop/every_format.py", folder.to_str().unwrap(), &s3.endpoint(), S3::ACCESS_KEY, S3::SECRET_KEY])
        .arg(format!("{}/formats", S3::BUCKET))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let locations = [
        ("formats", json!({"provider": "local", "folder": "files/formats"})),
        (
            "formats_s3",
            json!({"provider": "s3", "bucket": S3::BUCKET, "prefix": "formats/", "endpoint": s3.endpoint(), "path_style": true,
                "access_key_id": S3::ACCESS_KEY, "secret_access_key": S3::SECRET_KEY}),
        ),
        ("formats_web", json!({"provider": "http", "base_url": web_server(&folder, Ranges::Given)})),
        ("formats_whole", json!({"provider": "http", "base_url": web_server(&folder, Ranges::Ignored)})),
    ];
    let streams: Value = FORMATS.iter().map(|(name, file)| json!({"name": name, "files": [file]})).collect();
    for (name, location) in locations {
        let made = source_at(&client, name, &location, &streams);
        let ingestion = ingest(&client, name, &made, &FORMATS.iter().map(|(name, _)| json!({"name": name})).collect());
        let job = ended_job(&client, &ingestion);
        assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(8000)), "{name}: {job}");
        for (format, _) in FORMATS {
            let sql = format!(
                "SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(price) AS price, min(day) AS first, max(day) AS last,
                    sum(CASE WHEN yes THEN 1 ELSE 0 END) AS yes,
                    sum(CASE WHEN words = concat('žluťoučký, \"', CAST(id AS VARCHAR), '\"') THEN 1 ELSE 0 END) AS words
                FROM bronze.{name}_{format}"
            );
            let found = client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "trino"})).unwrap();
            let expected = json!([{"n": 1000, "ids": 1000, "price": 124_875.0, "first": "2024-02-01", "last": "2024-02-29", "yes": 500,
                "words": 1000}]);
            assert_eq!(found["rows"], expected, "{format} of {name}");
        }
    }
}

/// Whether a web server gives parts of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranges {
    Given,
    Ignored,
}

/// Serves the files of a folder while the tests run; answers with its URL.
pub(crate) fn web_server(folder: &Path, ranges: Ranges) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            std::thread::spawn(move || serve(&stream, &folder, ranges));
        }
    });
    url
}

/// One request; none = the client is gone.
fn serve(mut stream: &TcpStream, folder: &Path, ranges: Ranges) -> Option<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let headers: Vec<String> =
        lines.take_while(|line| !line.is_empty()).map(|line| line.to_ascii_lowercase()).collect();
    let file: PathBuf = folder.join(path.trim_start_matches('/'));
    let Ok(whole) = std::fs::read(&file) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok();
    };
    let wanted =
        headers.iter().find_map(|header| header.strip_prefix("range: bytes=")).filter(|_| ranges == Ranges::Given);
    let (status, body) = match wanted.and_then(|range| range.split_once('-')) {
        Some((from, to)) => {
            let (from, to): (usize, usize) =
                (from.parse().ok()?, to.parse().unwrap_or(whole.len() - 1).min(whole.len() - 1));
            (format!("206 Partial Content\r\nContent-Range: bytes {from}-{to}/{}", whole.len()), &whole[from..=to])
        }
        None => ("200 OK".to_owned(), &whole[..]),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nETag: \"1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    if method == "HEAD" { Some(()) } else { stream.write_all(body).ok() }
}
