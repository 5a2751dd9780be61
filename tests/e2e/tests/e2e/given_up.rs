//! Rows of features that nobody will fetch are taken away, whichever way their work ends, and so is what was kept to find them.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::modeller;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::features::SHELF;
use crate::swaps::{register, stored};
use crate::world::{World, fixture, gold, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_join_whose_rows_are_answered_or_refused_leaves_nothing", answered),
        test(world, "a_join_that_fails_or_tries_for_too_long_leaves_nothing", failed),
        test(world, "a_join_that_is_cancelled_or_takes_too_long_leaves_nothing_though_its_client_hung_up", cancelled),
        test(world, "a_deployment_that_is_cancelled_or_fails_leaves_no_features", deployment),
    ]
}

/// A statement of a few rows; a busy machine is no defect.
const WITHIN: Duration = Duration::from_secs(60);

/// Enough for the rows to be written first.
const TASK_SECONDS: u64 = 15;

const JOIN: &str = "/feast/features/historical";

/// An environment of the shared host whose features come from the fixture.
struct Shelved {
    light: Client,
    client: Client,
    document: Value,
    objects: PathBuf,
}

impl Shelved {
    /// With a view, and models that need no servers.
    fn new(world: &World, name: &str) -> Self {
        let light = world.light();
        register(&light, SHELF, &fixture(world, "shelf"));
        let (manifest, component) = stored("modeller");
        register(&light, &manifest, &component);
        let mut document = light.get("/environments/local").unwrap()["document"].clone();
        document["name"] = json!(name);
        modeller::bind(&mut document, modeller::VERSION);
        let client = Client::new(format!("{}/environments/{name}", light.base()));
        let objects = world.light_data().join("environments").join(name).join("objects");
        let shelved = Self { light, client, document, objects };
        shelved.then("succeed", json!({}));
        gold(&shelved.client, "shelved", "SELECT 'a' AS account, 1 AS balance").unwrap();
        let view = json!({"name": "shelved", "entities": ["account"], "ttl_seconds": 0, "online": false, "tags": {},
            "features": [{"name": "balance", "dtype": "int64", "tags": {}}], "source": {"table_name": "shelved"}});
        shelved.client.post("/feast/features", &view).unwrap();
        shelved
    }

    /// What joins do from now on when their rows are written, and with which limits.
    fn then(&self, then: &str, limits: Value) {
        let mut document = self.document.clone();
        document["features"] = json!({"plugin": "shelf", "configuration": {"then": then},
            "grants": {"lakehouse": {"read": ["gold"]}, "objects": true}});
        document["limits"].as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        let path = format!("/environments/{}", document["name"].as_str().unwrap());
        let put = self.light.send("PUT", &path, Some(&document), &[]).unwrap();
        assert_eq!(put.status, 200, "{}", put.body);
    }

    /// Asks for a join, hangs up when its rows are written, and answers with its task.
    fn hang_up(&self) -> String {
        let address = self.light.base().strip_prefix("http://").unwrap();
        let path = format!("{}{JOIN}", self.client.base().strip_prefix(self.light.base()).unwrap());
        let (body, mut connection) = (join().to_string(), TcpStream::connect(address).unwrap());
        write!(
            connection,
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        self.written();
        drop(connection);
        let tasks = self.client.get("/tasks?kind=features&status=running").unwrap();
        tasks["tasks"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Waits for the rows of a join.
    fn written(&self) {
        let parquet = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "parquet");
        until("the rows are written", WITHIN, || files_below(&self.objects).iter().any(parquet).then_some(()));
    }

    /// The task as it ends.
    fn ended(&self, task: &str) -> Value {
        until("the join ends", WITHIN, || {
            let task = self.client.get(&format!("/tasks/{task}")).ok()?;
            matches!(task["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(task)
        })
    }

    fn leaves_nothing(&self) {
        assert_eq!(files_below(&self.objects), Vec::<PathBuf>::new());
    }
}

/// One row to join to.
fn join() -> Value {
    json!({"features": ["shelved"], "entities": [{"account": "a", "event_timestamp": "2026-01-02T00:00:00Z"}]})
}

/// The files below a folder, which need not be there.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

fn answered(world: &World) {
    let shelved = Shelved::new(world, "shelved-answers");
    let answer = shelved.client.post(JOIN, &join()).unwrap();
    assert_eq!((&answer["rows"][0]["account"], &answer["rows"][0]["balance"]), (&json!("a"), &Value::Null), "{answer}");
    shelved.leaves_nothing();
    let many = "SELECT CAST(a.n AS VARCHAR) AS account, b.m AS event_timestamp
        FROM (SELECT n FROM UNNEST(SEQUENCE(1, 10000)) AS t (n)) AS a
        CROSS JOIN (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11)) AS b (m)";
    gold(&shelved.client, "shelved_many", many).unwrap();
    let body = json!({"features": ["shelved"], "entities": "gold.shelved_many"});
    let detail = refused_field(&shelved.client.send("POST", JOIN, Some(&body), &[]).unwrap(), "output_table");
    assert!(detail.contains("110000 rows are too many"), "{detail}");
    shelved.leaves_nothing();
}

fn failed(world: &World) {
    let shelved = Shelved::new(world, "shelved-failures");
    for (then, status) in [("fail", 409), ("retry", 503)] {
        shelved.then(then, json!({}));
        let detail = refused(&shelved.client.send("POST", JOIN, Some(&join()), &[]).unwrap(), status);
        assert!(detail.contains("1 rows are written"), "{detail}");
        shelved.leaves_nothing();
    }
}

fn cancelled(world: &World) {
    let shelved = Shelved::new(world, "shelved-ends");
    shelved.then("wait", json!({}));
    let task = shelved.hang_up();
    shelved.client.post(&format!("/tasks/{task}/cancel"), &json!({})).unwrap();
    assert_eq!(shelved.ended(&task)["status"], "cancelled");
    shelved.leaves_nothing();

    shelved.then("wait", json!({"task_seconds": TASK_SECONDS}));
    let task = shelved.ended(&shelved.hang_up());
    let error = task["error"].to_string();
    assert!(task["status"] == "failed" && error.contains(&format!("longer than {TASK_SECONDS} s")), "{task}");
    shelved.leaves_nothing();
}

fn deployment(world: &World) {
    let shelved = Shelved::new(world, "shelved-models");
    let deploy = || {
        let mut request = modeller::deployment("shelved");
        request["features"] = json!({"view": "shelved", "target": "balance", "entities": join()["entities"]});
        let made = shelved.client.post("/mlops/deploy", &request).unwrap();
        format!("/mlops/deployments/{}", made["deployment_id"].as_str().unwrap())
    };
    let fails = |path: &str| {
        until("the deployment ends", WITHIN, || {
            let deployment = shelved.client.get(path).ok()?;
            (deployment["status"] == "failed").then(|| deployment["error"].to_string())
        })
    };
    shelved.then("wait", json!({}));
    let path = deploy();
    shelved.written();
    shelved.client.post(&format!("{path}/cancel"), &json!({})).unwrap();
    fails(&path);
    shelved.leaves_nothing();

    shelved.then("fail", json!({}));
    let error = fails(&deploy());
    assert!(error.contains("1 rows are written"), "{error}");
    shelved.leaves_nothing();
}
