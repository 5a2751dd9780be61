//! Tables in S3: sinks, environments, and other readers of the same tables.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use asgard_journey::s3::S3;
use asgard_journey::steps::SILVER_SQL;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, ingest_from, refused_field, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "the_factory_is_synced_into_s3_and_cleaned_and_counted_there", synced),
        test(world, "an_s3_sink_that_cannot_be_used_is_refused_with_its_field", refused),
        test(world, "an_environment_keeps_all_its_tables_in_a_bucket", environment),
        test(world, "a_check_reaches_every_sink_with_its_own_credentials", checked),
        test(world, "tables_in_s3_are_there_after_a_restart", restarted),
        test(world, "large_files_go_up_in_parts_to_a_store_that_is_overloaded_now_and_then", overloaded),
        test(world, "snapshots_of_a_table_in_a_bucket_expire_and_orphans_go", expired),
    ]
}

fn config(s3: &S3, path: &str) -> Value {
    json!({"s3_bucket_name": S3::BUCKET, "s3_bucket_region": "us-east-1", "access_key_id": S3::ACCESS_KEY,
        "secret_access_key": S3::SECRET_KEY, "s3_bucket_path": path, "s3_endpoint": s3.endpoint()})
}

/// What PyIceberg says of a table: its location, and a query's result.
fn pyiceberg(world: &World, url: &str, table: &str) -> (String, i64) {
    let script = "import sys; from pyiceberg.catalog import load_catalog; \
        t = load_catalog('x', **{'type': 'rest', 'uri': sys.argv[1] + '/iceberg', 's3.access-key-id': sys.argv[3], \
        's3.secret-access-key': sys.argv[4]}).load_table(sys.argv[2]); print(t.location(), t.scan().to_arrow().num_rows)";
    let output =
        Command::new(world.python()).args(["-c", script, url, table, S3::ACCESS_KEY, S3::SECRET_KEY]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (location, rows) = said.rsplit_once(' ').unwrap();
    (location.to_owned(), rows.parse().unwrap())
}

/// Syncs the factory into a sink of a bucket, under a prefix of its own.
fn sync(world: &World, client: &asgard_journey::client::Client, prefix: &str, sink: &Value) {
    let source =
        json!({"name": format!("{prefix} source"), "type": "postgres", "config": source_config(&world.source())});
    let source = client.post("/datasource", &source).unwrap();
    let ingestion = json!({"name": prefix, "sourceId": source["id"], "destinationId": sink["id"],
        "prefix": format!("{prefix}_")});
    let made = client.post("/ingestion", &ingestion).unwrap();
    let job = ended_job(client, made["connectionId"].as_str().unwrap());
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(45_823)), "{job}");
}

fn synced(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    let sink = client.post("/sink", &json!({"name": "bucket", "type": "s3", "config": config(s3, "factory")})).unwrap();
    assert_eq!(sink["config"]["secret_access_key"], "**********");
    sync(world, &client, "s3", &sink);
    let transform = json!({"sql": SILVER_SQL,
        "source_path": "bronze.s3_work_orders", "table": "s3_work_orders"});
    let run = client.post("/spark/transform", &transform).unwrap();
    let run = run["run_id"].as_str().unwrap().to_owned();
    let state = until("the transform ends", Duration::from_secs(60), || {
        let status = client.get(&format!("/spark/transform/{run}/status")).ok()?;
        matches!(status["state"].as_str(), Some("COMPLETED" | "FAILED")).then_some(status)
    });
    assert_eq!(state["state"], "COMPLETED", "{state}");
    let model = gold(&client, "s3_orders", "SELECT COUNT(*) AS n FROM iceberg.silver.s3_work_orders").unwrap();
    assert_eq!(model["row_count"], 1);
    let (location, rows) = pyiceberg(world, client.base(), "bronze.s3_work_orders");
    assert_eq!((location.as_str(), rows), ("s3://lake/factory/bronze/s3_work_orders", 15_000));
    assert_eq!(pyiceberg(world, client.base(), "silver.s3_work_orders").1, 14_850);
}

fn refused(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    for (field, value) in [
        ("s3_bucket_name", "no-such-bucket"),
        ("s3_bucket_name", "UPPER"),
        ("access_key_id", "nobody"),
        ("secret_access_key", "wrong"),
        ("s3_endpoint", "http://127.0.0.1:1"),
        ("s3_bucket_path", "a?b"),
    ] {
        let mut config = config(s3, "refused");
        config[field] = json!(value);
        let body = json!({"name": format!("refused {field} {value}"), "type": "s3", "config": config});
        let detail =
            refused_field(&client.send("POST", "/sink", Some(&body), &[]).unwrap(), &format!("config.{field}"));
        assert!(!detail.contains(S3::SECRET_KEY), "{detail}");
    }
}

fn environment(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("bucket");
    assert_eq!(client.send("PUT", "/environments/bucket", Some(&document), &[]).unwrap().status, 200);
    document["lakehouse"]["storage"] = json!("s3://lake/environment");
    let put = |document: &Value| client.send("PUT", "/environments/bucket", Some(document), &[]).unwrap();
    refused_field(&put(&document), "lakehouse.s3");
    document["lakehouse"]["s3"] = json!({"endpoint": s3.endpoint(), "secret": "bucket"});
    refused_field(&put(&document), "lakehouse.s3.secret");
    let secret = |value: &str| {
        let set = client.send("PUT", "/environments/bucket/secrets/bucket", Some(&json!({"value": value})), &[]);
        assert!(set.unwrap().status < 300);
    };
    secret("no colon");
    refused_field(&put(&document), "lakehouse.s3.secret");
    secret(&format!("{}:{}", S3::ACCESS_KEY, S3::SECRET_KEY));
    let done = put(&document);
    assert_eq!(done.status, 200, "{}", done.body);
    let model = json!({"name": "in_bucket", "sql_query": "SELECT 1 AS one UNION ALL SELECT 2"});
    let model = client.post("/environments/bucket/dbt/transform", &model).unwrap();
    assert_eq!(model["status"], "completed", "{model}");
    let url = format!("{}/environments/bucket", client.base());
    let (location, rows) = pyiceberg(world, &url, "gold.in_bucket");
    assert_eq!((location.as_str(), rows), ("s3://lake/environment/gold/in_bucket", 2));
}

fn checked(world: &World) {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("sinks-checked");
    let base = "/environments/sinks-checked";
    assert_eq!(client.send("PUT", base, Some(&document), &[]).unwrap().status, 200);
    let sink = |name: &str, kind: &str, config: Value| {
        client.post(&format!("{base}/sink"), &json!({"name": name, "type": kind, "config": config})).unwrap();
    };
    let leaving = S3::start(&world.python().with_file_name("weed"), &world.folder("s3-leaving")).unwrap();
    sink("leaving", "s3", config(&leaving, "checked"));
    sink("folder", "local", json!({"path": "checked"}));
    let report = || client.post(&format!("{base}/check"), &json!({})).unwrap();
    let verdict = |report: &Value, sink: &str| {
        let findings = report["findings"].as_array().unwrap();
        let of_sink = |finding: &&Value| finding["message"].as_str().unwrap().contains(&format!("sink `{sink}`"));
        let found = findings.iter().find(of_sink).expect("every sink is told of");
        found["verdict"].as_str().unwrap().to_owned()
    };
    let before = report();
    assert_eq!(before["passed"], true, "{before:#}");
    assert!(before.to_string().contains("s3://lake/checked"), "{before:#}");
    drop(leaving);
    let after = report();
    assert_eq!(after["passed"], false, "{after:#}");
    assert_eq!(["leaving", "folder"].map(|sink| verdict(&after, sink)), ["failed", "passed"]);
    assert!(!after.to_string().contains(S3::SECRET_KEY), "{after}");
}

fn restarted(world: &World) {
    let mut host = world.start_light(&world.folder("s3-restart")).unwrap();
    let client = host.client();
    let sink = json!({"name": "bucket", "type": "s3", "config": config(world.s3(), "restarted")});
    let sink = client.post("/sink", &sink).unwrap();
    sync(world, &client, "again", &sink);
    host.crash_and_restart().unwrap();
    let model = gold(&host.client(), "counted", "SELECT COUNT(*) AS n FROM iceberg.bronze.again_materials").unwrap();
    assert_eq!(model["row_count"], 1, "{model}");
}

/// What a way to a store does to those who take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Faithful,
    /// Every third request is answered with 503, as S3 does to those who ask too often.
    Overloaded,
    /// Lists say that all objects are of 2020.
    Aged,
}

/// A way to a store.
struct Way {
    endpoint: String,
    manner: Arc<Mutex<Manner>>,
    /// The first line of each request, and whether it was refused.
    seen: Arc<Mutex<Vec<(String, bool)>>>,
}

impl Way {
    fn to(store: &str, manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let store = store.strip_prefix("http://").unwrap().to_owned();
        let (seen, manner) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(manner)));
        let way = Self { endpoint, seen: Arc::clone(&seen), manner: Arc::clone(&manner) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (store, seen, manner) = (store.clone(), Arc::clone(&seen), Arc::clone(&manner));
                std::thread::spawn(move || pass(&client, &store, &seen, &manner));
            }
        });
        way
    }
}

/// One request of a connection, which ends with its answer; none = one of both is gone.
fn pass(mut client: &TcpStream, store: &str, seen: &Mutex<Vec<(String, bool)>>, manner: &Mutex<Manner>) -> Option<()> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let (manner, first) = (*manner.lock().unwrap(), head.lines().next()?.to_owned());
    let lists = first.contains("list-type=2");
    let refused = {
        let mut seen = seen.lock().unwrap();
        let refused = manner == Manner::Overloaded && seen.len() % 3 == 2;
        seen.push((first, refused));
        refused
    };
    if refused {
        std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
        let said = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
        let head = format!("HTTP/1.1 503 Slow Down\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", said.len());
        return client.write_all(format!("{head}{said}").as_bytes()).ok();
    }
    let store = TcpStream::connect(store).ok()?;
    (&store).write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).ok()?;
    std::thread::scope(|scope| {
        scope.spawn(|| std::io::copy(&mut reader, &mut &store));
        let answered = if manner == Manner::Aged && lists {
            let mut answer = Vec::new();
            (&store).read_to_end(&mut answer).and_then(|_| client.write_all(&aged(answer)))
        } else {
            std::io::copy(&mut &store, &mut client).map(|_| ())
        };
        client.shutdown(Shutdown::Both).and(answered).ok()
    })
}

/// An answer in which every object was last changed in 2020.
fn aged(mut answer: Vec<u8>) -> Vec<u8> {
    let tag = b"<LastModified>";
    for at in 0..answer.len().saturating_sub(tag.len() + 4) {
        if answer[at..].starts_with(tag) {
            answer[at + tag.len()..][..4].copy_from_slice(b"2020");
        }
    }
    answer
}

fn overloaded(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    let way = Way::to(&s3.endpoint(), Manner::Overloaded);
    // Text that does not get smaller: 30 MB in one file, whose parts have 10 MB at most.
    let rows = 60_000;
    let random = (0..16).map(|n| format!("md5(random()::text || {n})")).collect::<Vec<_>>().join(" || ");
    let script = format!(
        "CREATE SCHEMA overloaded; CREATE TABLE overloaded.t (id int PRIMARY KEY, text text, sum text);
         INSERT INTO overloaded.t SELECT n, {random}, '' FROM generate_series(1, {rows}) n; UPDATE overloaded.t SET sum = md5(text)"
    );
    world.factory().execute(&script).unwrap();
    let mut sink = config(s3, "overloaded");
    sink["s3_endpoint"] = json!(way.endpoint);
    // The bucket's name says which store it is to the whole environment, so this one has an environment of its own.
    let base = format!("{}/environments/overloaded", client.base());
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("overloaded");
    assert_eq!(client.send("PUT", "/environments/overloaded", Some(&document), &[]).unwrap().status, 200);
    let client = asgard_journey::client::Client::new(base);
    let sink = client.post("/sink", &json!({"name": "overloaded", "type": "s3", "config": sink})).unwrap();
    let mut source = source_config(&world.source());
    source["schemas"] = json!(["overloaded"]);
    let extra = json!({"destinationId": sink["id"]});
    let ingestion = ingest_from(&client, &source, "overloaded", extra).unwrap();
    let job = ended_job(&client, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(rows)), "{job}");
    let whole = "SELECT count(*) AS n FROM bronze.overloaded_t WHERE md5(to_utf8(text)) = from_hex(sum)";
    let found = client.post("/lakehouse/query", &json!({"sql": whole, "dialect": "trino"})).unwrap();
    assert_eq!(found["rows"], json!([{"n": rows}]));
    let seen = way.seen.lock().unwrap().clone();
    let of =
        |words: &str, refused: bool| seen.iter().filter(|(line, was)| line.contains(words) && *was == refused).count();
    assert!(of("partNumber=", false) >= 3, "the file went up in parts: {seen:?}");
    assert!(of("", true) > 3, "nothing was refused: {seen:?}");
    *way.manner.lock().unwrap() = Manner::Faithful;
    world.factory().execute("DROP SCHEMA overloaded CASCADE").unwrap();
}

/// Puts an object, or asks whether it is there.
fn object(world: &World, s3: &S3, key: &str, what: &str) -> bool {
    let script = "import sys; from pyarrow.fs import FileType, S3FileSystem; s = S3FileSystem(access_key=sys.argv[1], \
        secret_key=sys.argv[2], endpoint_override=sys.argv[3], scheme='http', region='us-east-1'); \
        sys.argv[5] == 'put' and s.open_output_stream(sys.argv[4], compression=None).close(); \
        print(s.get_file_info(sys.argv[4]).type == FileType.File)";
    let endpoint = s3.endpoint();
    let arguments =
        ["-c", script, S3::ACCESS_KEY, S3::SECRET_KEY, endpoint.strip_prefix("http://").unwrap(), key, what];
    let output = Command::new(world.python()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim() == "True"
}

fn expired(world: &World) {
    let (client, s3) = (world.light(), world.s3());
    // Files that are younger than a day are left alone.
    let way = Way::to(&s3.endpoint(), Manner::Aged);
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("expired");
    let put = |path: &str, body: &Value| {
        let answer = client.send("PUT", path, Some(body), &[]).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    };
    put("/environments/expired", &document);
    put("/environments/expired/secrets/keys", &json!({"value": format!("{}:{}", S3::ACCESS_KEY, S3::SECRET_KEY)}));
    document["lakehouse"] = json!({"storage": "s3://lake/expired", "s3": {"endpoint": way.endpoint, "secret": "keys"}});
    put("/environments/expired", &document);
    let client = asgard_journey::client::Client::new(format!("{}/environments/expired", client.base()));
    let add = |id: u32| {
        let config = "{{ config(materialized='incremental', incremental_strategy='append') }}";
        gold(&client, "kept", &format!("{config} SELECT {id} AS id")).unwrap();
    };
    (1..=6).for_each(add);
    let output = Command::new(world.python())
        .args(["../interop/history.py", client.base(), "age", "gold.kept", S3::ACCESS_KEY, S3::SECRET_KEY])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    add(7);
    let stray = "lake/expired/gold/kept/data/stray.parquet";
    assert!(object(world, s3, stray, "put"));
    let path = "/lakehouse/tables/gold/kept";
    let body = json!({"compact": true, "expire_snapshots": {"older_than_hours": 120, "retain_last": 1},
        "remove_orphans": {"older_than_hours": 72, "dry_run": false}});
    let id = client.post(&format!("{path}/maintenance"), &body).unwrap()["id"].as_str().unwrap().to_owned();
    let task = until("the maintenance ends", Duration::from_secs(120), || {
        let task = client.get(&format!("/tasks/{id}")).ok()?;
        matches!(task["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(task)
    });
    assert_eq!(task["status"], "succeeded", "{task}");
    let snapshots = client.get(&format!("{path}/snapshots")).unwrap();
    // That of the row that was added last, and the compaction's.
    assert_eq!(snapshots["snapshots"].as_array().unwrap().len(), 2, "{task}: {snapshots}");
    assert!(!object(world, s3, stray, "ask"), "{task}");
    assert_eq!(pyiceberg(world, client.base(), "gold.kept").1, 7, "{task}");
}
