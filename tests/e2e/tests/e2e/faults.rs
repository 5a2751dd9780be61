//! Servers behind a network that fails: what may be asked again is, nothing is done twice, and the rest is told.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::faults::{Fault, Faults, Seen};
use asgard_journey::s3::S3;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, refused, test};
use crate::{catalogs, files};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_web_servers_file_is_copied_once_over_a_network_that_fails", from_the_web),
        test(world, "an_object_is_copied_once_over_a_network_that_fails", from_a_bucket),
        test(world, "a_commit_whose_answer_is_lost_is_found_again", committed),
        test(world, "a_syncs_commit_whose_answer_is_lost_is_found_again", synced),
        test(world, "a_table_in_a_bucket_is_written_once_over_a_network_that_fails", written),
        test(world, "a_server_that_wants_to_be_left_alone_is_told_with_its_pause", left_alone),
    ]
}

const ROWS: usize = 1000;

/// Each once, for one request.
const ALL: [Fault; 7] = [
    Fault::LostRequest,
    Fault::LostAnswer,
    Fault::Delay(Duration::from_millis(300)),
    Fault::HalfBody,
    Fault::Status(503),
    Fault::RetryAfter(429, 3),
    Fault::RetryAt(503, 4),
];

/// A file with rows of its own.
fn csv() -> String {
    std::iter::once("id,text\n".to_owned()).chain((0..ROWS).map(|id| format!("{id},some text\n"))).collect()
}

/// That one request met the fault, and that its server was left alone for as long as it wished.
pub(crate) fn assert_met(seen: &[Seen], fault: Fault) {
    let met: Vec<usize> = (0..seen.len()).filter(|&at| seen[at].fault == Some(fault)).collect();
    assert_eq!(met.len(), 1, "one request meets {fault:?}: {seen:?}");
    let (Fault::RetryAfter(_, seconds) | Fault::RetryAt(_, seconds)) = fault else { return };
    let (refused, after) = (&seen[met[0]], &seen[met[0] + 1..]);
    let again = after.iter().find(|each| (&each.method, &each.path) == (&refused.method, &refused.path));
    let pause = again.expect("it is asked again").at - refused.at;
    assert!(pause >= Duration::from_secs(seconds), "{pause:?} after {fault:?}");
}

fn count(client: &Client, table: &str, column: &str) -> Value {
    let sql = format!("SELECT count(*) AS n, count(DISTINCT {column}) AS ids FROM {table}");
    client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "trino"})).unwrap()["rows"][0].clone()
}

/// Copies the file once for each fault, which the sync's first download meets.
fn copied(client: &Client, faults: &Faults, name: &str, file: &str, location: &Value) {
    let made = files::source_at(client, name, location, &json!([{"name": "rows", "files": ["rows.csv"]}]));
    let ingestion = files::ingest(client, name, &made, &json!([{"name": "rows"}]));
    assert_eq!(ended_job(client, &ingestion)["status"], "succeeded");
    for fault in ALL {
        faults.mend();
        faults.fail("GET", file, 0..1, fault);
        client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
        let job = ended_job(client, &ingestion);
        assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(ROWS)), "{fault:?}: {job}");
        assert_eq!(count(client, &format!("bronze.{name}_rows"), "id"), json!({"n": ROWS, "ids": ROWS}), "{fault:?}");
        assert_met(&faults.mend(), fault);
    }
}

fn from_the_web(world: &World) {
    let folder = world.folder("faults-web");
    std::fs::write(folder.join("rows.csv"), csv()).unwrap();
    let faults = Faults::before(&files::web_server(&folder, files::Ranges::Given)).unwrap();
    let location = json!({"provider": "http", "base_url": faults.url()});
    copied(&world.light(), &faults, "faults_web", "/rows.csv", &location);
}

fn from_a_bucket(world: &World) {
    let s3 = world.s3();
    let script = "import sys; from pyarrow.fs import S3FileSystem; \
        s = S3FileSystem(access_key=sys.argv[1], secret_key=sys.argv[2], endpoint_override=sys.argv[3], scheme='http', region='us-east-1'); \
        o = s.open_output_stream(sys.argv[4], compression=None); o.write(sys.argv[5].encode()); o.close()";
    let (endpoint, object) = (s3.endpoint(), format!("{}/faults/rows.csv", S3::BUCKET));
    let endpoint = endpoint.strip_prefix("http://").unwrap();
    let output = Command::new(world.python())
        .args(["-c", script, S3::ACCESS_KEY, S3::SECRET_KEY, endpoint, &object, &csv()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let faults = Faults::before(&s3.endpoint()).unwrap();
    let location = json!({"provider": "s3", "bucket": S3::BUCKET, "prefix": "faults/", "endpoint": faults.url(),
        "path_style": true, "access_key_id": S3::ACCESS_KEY, "secret_access_key": S3::SECRET_KEY});
    copied(&world.light(), &faults, "faults_s3", "/faults/rows.csv", &location);
}

/// An environment whose catalog is behind the network.
fn behind(world: &World, faults: &Faults, name: &str) -> Client {
    let client = world.light();
    let document = catalogs::document(world, name, &format!("{}/iceberg", faults.url()));
    let put = client.send("PUT", &format!("/environments/{name}"), Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    Client::new(format!("{}/environments/{name}", client.base()))
}

/// Appends one row with this number.
fn append(client: &Client, model: &str, id: usize) {
    let config = "{{ config(materialized='incremental', incremental_strategy='append') }}";
    gold(client, model, &format!("{config} SELECT {id} AS id")).unwrap();
}

fn committed(world: &World) {
    let faults = Faults::before(world.light().base()).unwrap();
    let client = behind(world, &faults, "faults-commit");
    // The first makes the table.
    let twice = [Fault::LostAnswer].into_iter().chain(ALL);
    for (n, fault) in twice.enumerate() {
        faults.mend();
        faults.fail("POST", "/tables/faults_commit", 0..1, fault);
        append(&client, "faults_commit", n);
        assert_met(&faults.mend(), fault);
        assert_eq!(count(&client, "gold.faults_commit", "id"), json!({"n": n + 1, "ids": n + 1}), "{fault:?}");
    }
    // A statement is planned while its request waits: what the catalog does not tell then is told to whoever asks.
    let read = json!({"name": "faults_read", "sql_query": "SELECT id FROM iceberg.gold.faults_commit"});
    for fault in ALL.into_iter().filter(|fault| !matches!(fault, Fault::Delay(_))) {
        faults.fail("GET", "/tables/faults_commit", 0..1, fault);
        let detail = refused(&client.send("POST", "/dbt/transform", Some(&read), &[]).unwrap(), 503);
        assert!(detail.contains(faults.url()), "{detail}");
        faults.mend();
        let model = client.post("/dbt/transform", &read).unwrap();
        assert_eq!((&model["status"], &model["row_count"]), (&json!("completed"), &json!(ALL.len() + 1)), "{model}");
    }
    for (path, word) in [("/namespaces/gold/views", "made"), ("/views/faults_view", "changed")] {
        faults.fail("POST", path, 0..1, Fault::LostAnswer);
        let view =
            json!({"name": "faults_view", "sql_query": format!("SELECT '{word}' AS word"), "materialization": "view"});
        let model = client.post("/dbt/transform", &view).unwrap();
        assert_eq!(model["status"], "completed", "{model}");
        assert_met(&faults.mend(), Fault::LostAnswer);
        let rows = client.get("/lakehouse/tables/gold/faults_view/rows").unwrap();
        assert_eq!(rows["rows"], json!([{"word": word}]));
    }
}

fn synced(world: &World) {
    let faults = Faults::before(world.light().base()).unwrap();
    let client = behind(world, &faults, "faults-sync");
    let folder = world.light_data().join("environments/faults-sync/files/rows");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("rows.csv"), csv()).unwrap();
    let streams = json!([{"name": "rows", "files": ["*.csv"]}]);
    let made =
        files::source_at(&client, "faults sync", &json!({"provider": "local", "folder": "files/rows"}), &streams);
    for (n, fault) in ALL.into_iter().enumerate() {
        let name = format!("faults_sync_{n}");
        faults.mend();
        // Of the commits of a sync the first may only make the table.
        faults.fail("POST", &format!("/tables/{name}_rows"), 0..1, fault);
        faults.fail("POST", &format!("/tables/{name}_rows"), 2..3, fault);
        let streams = json!([{"name": "rows", "syncMode": "incremental_append"}]);
        // Where the catalog lets tables be.
        let sink = world.light_data().join("environments/local/lakehouse/warehouse/faults-sync").join(&name);
        let job = ended_job(&client, &files::ingest_into(&client, &name, &sink, &made, &streams));
        assert_eq!(job["status"], "succeeded", "{fault:?}: {job}");
        assert_eq!(count(&client, &format!("bronze.{name}_rows"), "id"), json!({"n": ROWS, "ids": ROWS}), "{fault:?}");
        assert!(faults.mend().iter().any(|each| each.fault == Some(fault)), "{fault:?}");
    }
}

fn written(world: &World) {
    let (light, s3) = (world.light(), world.s3());
    let faults = Faults::before(&s3.endpoint()).unwrap();
    let mut document = light.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("faults-s3");
    let put = |path: &str, body: &Value| {
        let answer = light.send("PUT", path, Some(body), &[]).unwrap();
        assert!(answer.status < 300, "{}", answer.body);
    };
    put("/environments/faults-s3", &document);
    put("/environments/faults-s3/secrets/keys", &json!({"value": format!("{}:{}", S3::ACCESS_KEY, S3::SECRET_KEY)}));
    document["lakehouse"] =
        json!({"storage": "s3://lake/faults-s3", "s3": {"endpoint": faults.url(), "secret": "keys"}});
    put("/environments/faults-s3", &document);
    let client = Client::new(format!("{}/environments/faults-s3", light.base()));
    append(&client, "written", 0);
    let mut rows = 1;
    for fault in ALL {
        // A run puts a data file, a manifest, a list of manifests and metadata.
        for put in 0..4 {
            faults.mend();
            faults.fail("PUT", "/faults-s3/", put..put + 1, fault);
            faults.fail("GET", "/faults-s3/", put..put + 1, fault);
            append(&client, "written", rows);
            rows += 1;
            assert!(faults.mend().iter().any(|each| each.method == "PUT" && each.fault == Some(fault)), "{fault:?}");
            assert_eq!(count(&client, "gold.written", "id"), json!({"n": rows, "ids": rows}), "{fault:?}");
        }
    }
}

fn left_alone(world: &World) {
    let light = world.light();
    let folder = world.folder("faults-alone");
    std::fs::write(folder.join("rows.csv"), csv()).unwrap();
    let web = Faults::before(&files::web_server(&folder, files::Ranges::Given)).unwrap();
    let catalog = Faults::before(light.base()).unwrap();
    let client = behind(world, &catalog, "faults-alone");
    let config = json!({"location": {"provider": "http", "base_url": web.url()}, "streams": [{"name": "rows", "files": ["rows.csv"]}]});
    let source = json!({"name": "faults alone", "type": "files", "config": config});
    for fault in [Fault::RetryAfter(429, 77), Fault::RetryAt(503, 77)] {
        web.fail("HEAD", "/rows.csv", 0..usize::MAX, fault);
        catalog.fail("GET", "/namespaces", 0..usize::MAX, fault);
        for (answer, of) in [
            (light.send("POST", "/datasource", Some(&source), &[]).unwrap(), web.url()),
            (client.send("GET", "/dbt/tables/gold", None, &[]).unwrap(), catalog.url()),
        ] {
            let detail = refused(&answer, 503);
            assert!(detail.contains(of), "{detail}");
            let pause: u64 = answer.header("Retry-After").expect("when to come again").parse().unwrap();
            // A second may end between the two dates.
            assert!((77..=78).contains(&pause), "{pause} of {of} after {fault:?}");
        }
        for faults in [&web, &catalog] {
            let asked = faults.mend().into_iter().filter(|each| each.fault.is_some()).count();
            assert_eq!(asked, 1, "who wants to be left alone is not asked again within a request");
        }
    }
}
