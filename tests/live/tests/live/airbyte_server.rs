//! The plugin `airbyte` against a server that is made of Airbyte's published API description: `tests/live/airbyte_server.py`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::s3::S3;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, test, until};

const WORKSPACE: &str = "0f1e2d3c-0000-4000-8000-000000000001";

/// A job takes some looks, a second apart, and one of them is refused once.
const JOB_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "an_airbyte_server_is_asked_as_its_description_says_and_nothing_is_made_twice", driven)]
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(python: &Path) -> Self {
        // As the test runs: what was built in one clone may run in another.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("run the tests with `cargo xtask test`");
        let mut child = Command::new(python)
            .arg(Path::new(&package).join("airbyte_server.py"))
            .args(["asgard", "s3cret"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, url: format!("http://127.0.0.1:{}", line.trim()) }
    }

    /// How often something was made, and what there is.
    fn count(&self, what: &str) -> u64 {
        Client::new(self.url.as_str()).get("/counts").unwrap()[what].as_u64().unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn made(client: &Client, path: &str, body: &Value) -> Value {
    let answer = client.send("POST", path, Some(body), &[]).unwrap();
    assert_eq!(answer.status, 201, "POST {path}: {}", answer.body);
    answer.body
}

fn ended(client: &Client, ingestion: &str) -> Value {
    until("the job ends", JOB_WITHIN, || {
        let job = client.look(&format!("/ingestion/{ingestion}/status")).ok()?["job"].clone();
        matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(job)
    })
}

fn driven(world: &World) {
    let server = Server::start(world.airbyte_python());
    let (api, address) = (format!("{}/api/public/v1", server.url), server.url.trim_start_matches("http://"));
    let host = world.host_client();
    let credential = json!({"type": "oauth_client_credentials", "token_url": format!("{api}/applications/token"), "client_id": "asgard", "secret": "airbyte"});
    let document = json!({"name": "airbyte-server", "ingestion": [{
        "plugin": "airbyte",
        "configuration": {"url": api, "workspace_id": WORKSPACE, "poll_seconds": 1,
            "catalog": {"uri": "http://127.0.0.1:1/api/v2", "warehouse": "s3://lake/warehouse"}},
        "grants": {"key_value": true, "http": [{"host": address, "substitute_secrets": true, "credential": credential}]},
    }]});
    let put = |path: &str, body: &Value| {
        let answer = host.send("PUT", path, Some(body), &[]).unwrap();
        assert!(answer.status < 300, "PUT {path}: {}", answer.body);
    };
    put("/environments/airbyte-server?force=true", &document);
    put("/environments/airbyte-server/secrets/airbyte", &json!({"value": "s3cret"}));
    let client = Client::new(format!("{}/environments/airbyte-server", host.base()));

    let config = |password: &str| json!({"host": "db", "database": "erp", "username": "reader", "password": password});
    let wrong = json!({"name": "wrong", "type": "postgres", "config": config("wrong")});
    let refused = client.send("POST", "/datasource", Some(&wrong), &[]).unwrap();
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("28P01"), "{}", refused.body);
    assert_eq!(server.count("made sources"), 0);

    let source = made(&client, "/datasource", &json!({"name": "erp", "type": "postgres", "config": config("pa\"ss")}));
    let mongo = json!({"connection_string": "mongodb://db/", "database": "shop"});
    made(&client, "/datasource", &json!({"name": "shop", "type": "mongodb", "config": mongo}));
    let bucket = json!({"s3_bucket_name": S3::BUCKET, "s3_bucket_region": "us-east-1", "s3_bucket_path": "warehouse",
        "access_key_id": S3::ACCESS_KEY, "secret_access_key": S3::SECRET_KEY, "s3_endpoint": world.s3().endpoint()});
    let sink = made(&client, "/sink", &json!({"name": "lake", "type": "s3", "config": bucket}));
    let streams = json!([{"name": "work_orders", "syncMode": "incremental_merge", "cursorField": "id"}]);
    let ingestion = |name: &str| {
        let body = json!({"name": name, "sourceId": source["id"], "destinationId": sink["id"], "prefix": format!("{name}_"), "streams": streams});
        made(&client, "/ingestion", &body)["connectionId"].as_str().unwrap().to_owned()
    };
    let (good, bad) = (ingestion("orders"), ingestion("fail"));
    let job = ended(&client, &good);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(1234)), "{job}");
    let job = ended(&client, &bad);
    assert_eq!(job["status"], "failed", "{job}");
    assert!(job["error"].as_str().unwrap().contains("The bucket does not exist (NoSuchBucket)"), "{job}");

    let counts = ["made sources", "made destinations", "made connections", "made sync jobs", "made reset jobs"]
        .map(|what| server.count(what));
    assert_eq!(counts, [2, 1, 2, 2, 0]);

    // Airbyte forgets what the host forgets: by a job, or with the connection where rows that were appended are to stay.
    let again = |id: &str, way: &str| {
        client.post(&format!("/ingestion/{id}/{way}"), &json!({})).unwrap();
    };
    again(&good, "reset");
    for _ in 0..2 {
        again(&good, "sync");
        let job = ended(&client, &good);
        assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(1234)), "{job}");
    }
    let counts = ["made connections", "made sync jobs", "made reset jobs"].map(|what| server.count(what));
    assert_eq!(counts, [2, 4, 1]);
    let streams = json!([{"name": "work_orders", "syncMode": "incremental_append", "cursorField": "id"}]);
    let body = json!({"name": "kept", "sourceId": source["id"], "destinationId": sink["id"], "prefix": "kept_", "streams": streams});
    let kept = made(&client, "/ingestion", &body)["connectionId"].as_str().unwrap().to_owned();
    assert_eq!(ended(&client, &kept)["status"], "succeeded");
    again(&kept, "reset");
    again(&kept, "sync");
    assert_eq!(ended(&client, &kept)["status"], "succeeded");
    let counts = ["made connections", "connections", "made reset jobs"].map(|what| server.count(what));
    assert_eq!(counts, [4, 3, 1]);

    for id in [good, bad, kept] {
        let answer = client.send("DELETE", &format!("/ingestion/{id}"), None, &[]).unwrap();
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    assert_eq!((server.count("connections"), server.count("destinations")), (0, 0));
}
