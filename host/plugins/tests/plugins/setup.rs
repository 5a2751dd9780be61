//! Fixtures as components, and the calls to run them with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use asgard_capabilities::Lent;
use asgard_contract::TableName;
use asgard_contract::environment::Limits;
use asgard_contract::log::{Level, LogSink};
use asgard_contract::manifest::Manifest;
use asgard_contract::transform::{Compute, Request, SilverRun, WriteMode};
use asgard_plugins::{Call, Plugin, Runtime, RuntimeConfig, parse_manifest};
use serde_json::json;

use crate::components::build;

/// The fixtures, and the SDK's example.
const PACKAGES: [&str; 5] =
    ["asgard-fixture-echo", "asgard-fixture-hostile", "asgard-fixture-greedy", "asgard-fixture-rows", "hello"];

/// The component of a fixture. All are built at once, by the first test that needs one.
pub(crate) fn component(fixture: &str) -> &'static [u8] {
    static BUILT: OnceLock<HashMap<String, Vec<u8>>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let built = build(&PACKAGES.map(str::to_owned)).unwrap();
        let fixture = |name: String| name.strip_prefix("asgard_fixture_").map_or(name.clone(), str::to_owned);
        built.into_iter().map(|(name, component)| (fixture(name), component)).collect()
    });
    &built[fixture]
}

/// A runtime for all tests that do not need one of their own.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(RuntimeConfig { cache: None }).unwrap())
}

/// What a fixture's `plugin.toml` would say.
pub(crate) fn manifest(fixture: &str) -> Manifest {
    let (interface, capabilities) = match fixture {
        "rows" => ("connector", ""),
        "greedy" => {
            ("transform", r#""http", "sockets", "processes", "services", "objects", "files", "key-value", "lakehouse""#)
        }
        "hostile" => ("transform", r#""http", "sockets", "files""#),
        _ => ("transform", ""),
    };
    parse_manifest(&format!(
        r#"
            name = "{fixture}"
            version = "0.1.0"
            summary = "A fixture."
            exports = ["{interface}"]
            capabilities = [{capabilities}]
        "#
    ))
    .unwrap()
}

/// The fixture, compiled once for all tests.
pub(crate) async fn plugin(fixture: &str) -> Plugin {
    static LOADED: tokio::sync::Mutex<Option<HashMap<String, Plugin>>> = tokio::sync::Mutex::const_new(None);
    let mut loaded = LOADED.lock().await;
    let loaded = loaded.get_or_insert_default();
    if !loaded.contains_key(fixture) {
        let plugin = runtime().load(component(fixture), &manifest(fixture)).await.unwrap();
        loaded.insert(fixture.to_owned(), plugin);
    }
    loaded[fixture].clone()
}

/// A log that remembers.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl LogSink for Lines {
    fn log(&self, level: Level, message: &str) {
        self.0.lock().unwrap().push(format!("{level:?} {message}"));
    }

    fn event(&self, kind: &str, reason: &str, message: &str) {
        self.0.lock().unwrap().push(format!("{kind} {reason} {message}"));
    }
}

/// A call that was lent nothing, and the log it writes.
pub(crate) fn call(limits: Limits) -> (Call, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let call = Call {
        configuration: json!({}),
        environment: "local".to_owned(),
        task_id: "task-1".to_owned(),
        resets: 0,
        lent: Lent::default(),
        limits,
        log: Arc::clone(&lines) as Arc<dyn LogSink>,
    };
    (call, lines)
}

/// A run of the transform fixtures, which read the statement as they like.
pub(crate) fn run(sql: &str) -> Request {
    Request::Silver(SilverRun {
        run_id: "run-1".to_owned(),
        sql: sql.to_owned(),
        inputs: Vec::new(),
        target: TableName::new("silver", "orders"),
        write_mode: WriteMode::Overwrite,
        compute: Compute {
            executor_instances: 1,
            executor_cores: 1,
            executor_memory: "1g".to_owned(),
            driver_cores: 1,
            driver_memory: "1g".to_owned(),
        },
    })
}
