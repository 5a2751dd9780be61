//! Files of the host's machine, from a folder to bronze rows.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "files_are_shown_with_their_columns_and_become_tables", shown),
        test(world, "a_file_source_that_fits_nothing_is_refused_with_its_field", misfit),
        test(world, "a_killed_sync_of_files_copies_every_row_once", killed),
    ]
}

fn source(client: &Client, name: &str, streams: &Value) -> Value {
    let config = json!({"location": {"provider": "local", "folder": format!("files/{name}")}, "streams": streams});
    client.post("/datasource", &json!({"name": name, "type": "files", "config": config})).unwrap()
}

fn ingest(client: &Client, name: &str, source: &Value, streams: &Value) -> String {
    let sink = json!({"name": format!("{name} sink"), "type": "local", "config": {"path": name}});
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
