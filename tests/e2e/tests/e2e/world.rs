//! What all tests share: the factory's database and hosts, started when first needed and ended at the end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use asgard_journey::client::{Answer, Client};
use asgard_journey::host::{Built, Host};
use asgard_journey::s3::S3;
use asgard_journey::source::FactorySource;
use asgard_journey::steps::{Figures, Journey, Source};
pub(crate) use asgard_journey::waiting::until;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

/// A model's first training may have to make the Python environment.
pub(crate) const MODEL_WITHIN: Duration = Duration::from_secs(900);

/// Everything that tests share.
pub(crate) struct World {
    built: Built,
    folder: tempfile::TempDir,
    factory: OnceLock<FactorySource>,
    full: OnceLock<Mutex<Host>>,
    light: OnceLock<Mutex<Host>>,
    journey: OnceLock<Figures>,
    s3: OnceLock<S3>,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            built: Built::from_environment()?,
            folder: tempfile::Builder::new().prefix("asgard-e2e").tempdir()?,
            factory: OnceLock::new(),
            full: OnceLock::new(),
            light: OnceLock::new(),
            journey: OnceLock::new(),
            s3: OnceLock::new(),
        })
    }

    pub(crate) fn built(&self) -> &Built {
        &self.built
    }

    /// The Python interpreter with what reads our tables and our API.
    pub(crate) fn python(&self) -> PathBuf {
        std::env::var_os("ASGARD_TEST_PYTHON").map(PathBuf::from).expect("run the tests with `cargo xtask test`")
    }

    /// A folder for one test.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        folder
    }

    /// The factory's database.
    pub(crate) fn source(&self) -> Source {
        self.factory().source()
    }

    pub(crate) fn factory(&self) -> &FactorySource {
        self.factory.get_or_init(|| FactorySource::start(&self.folder("postgres")).expect("a source"))
    }

    /// A store that speaks S3's protocol.
    pub(crate) fn s3(&self) -> &S3 {
        let weed = self.python().with_file_name("weed");
        self.s3.get_or_init(|| S3::start(&weed, &self.folder("s3")).expect("a store"))
    }

    /// A host with the built-in environment, MLflow and all, with the journey behind it.
    pub(crate) fn after_journey(&self) -> Client {
        self.figures();
        self.full()
    }

    /// The figures of the one journey.
    pub(crate) fn figures(&self) -> &Figures {
        self.journey.get_or_init(|| {
            let client = self.full();
            until("MLflow is available", MODEL_WITHIN, || {
                client.get("/mlops/status").is_ok_and(|status| status["mlflow_available"] == true).then_some(())
            });
            Journey::new(&client, &|line| println!("{line}")).run(&self.source()).expect("a journey")
        })
    }

    /// A host with the built-in environment.
    pub(crate) fn full(&self) -> Client {
        let host = self.full.get_or_init(|| {
            Mutex::new(Host::start(&self.built, &self.folder("full"), 0).expect("a host with the built-in environment"))
        });
        host.lock().expect("no test panics with the host").client()
    }

    pub(crate) fn full_data(&self) -> PathBuf {
        self.full();
        self.folder("full")
    }

    /// A host that tests without models share.
    pub(crate) fn light(&self) -> Client {
        let host = self
            .light
            .get_or_init(|| Mutex::new(self.start_light(&self.folder("light")).expect("a host without models")));
        host.lock().expect("no test panics with the host").client()
    }

    pub(crate) fn light_data(&self) -> PathBuf {
        self.light();
        self.folder("light")
    }

    /// A host of the test's own, without model roles.
    pub(crate) fn start_light(&self, data: &Path) -> Result<Host> {
        Host::start_light(&self.built, data, 0)
    }

    /// Ends everything. Called once, after all tests.
    pub(crate) fn end(self) {
        drop(self.full);
        drop(self.light);
        drop(self.factory);
        drop(self.s3);
    }
}

/// The component of a plugin that only tests have, built beside those that come with the host.
pub(crate) fn fixture(world: &World, name: &str) -> Vec<u8> {
    let target = world.built().plugins.parent().expect("a folder with the plugins").to_owned();
    let output = Command::new("cargo")
        .args(["build", "--target", "wasm32-wasip2", "--profile", "plugin"])
        .args(["--package", &format!("asgard-fixture-{name}")])
        .env("CARGO_TARGET_DIR", &target)
        .current_dir("../..")
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = format!("wasm32-wasip2/plugin/asgard_fixture_{}.wasm", name.replace('-', "_"));
    std::fs::read(target.join(file)).expect("a component")
}

/// A test with a sentence for a name.
pub(crate) fn test(world: &Arc<World>, name: &str, body: fn(&World)) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        body(&world);
        Ok::<(), Failed>(())
    })
}

/// The configuration of the factory's database as a source.
pub(crate) fn source_config(source: &Source) -> Value {
    json!({
        "host": source.host, "port": source.port, "database": source.database, "username": source.username,
        "password": source.password, "ssl_mode": {"mode": "disable"}, "schemas": ["production", "inventory"],
    })
}

/// Source, sink and ingestion under names of their own; answers with the ingestion's id.
pub(crate) fn ingest(client: &Client, source: &Source, prefix: &str, extra: Value) -> Result<String> {
    ingest_from(client, &source_config(source), prefix, extra)
}

/// As [`ingest`], from a source with a configuration of the test's own.
pub(crate) fn ingest_from(client: &Client, config: &Value, prefix: &str, extra: Value) -> Result<String> {
    let made = client
        .post("/datasource", &json!({"name": format!("{prefix} source"), "type": "postgres", "config": config}))?;
    let sink = client
        .post("/sink", &json!({"name": format!("{prefix} sink"), "type": "local", "config": {"path": prefix}}))?;
    let mut body = json!({"name": format!("{prefix} ingestion"), "sourceId": made["id"], "destinationId": sink["id"],
        "prefix": format!("{prefix}_")});
    if let (Some(body), Some(extra)) = (body.as_object_mut(), extra.as_object()) {
        body.extend(extra.clone());
    }
    let ingestion = client.post("/ingestion", &body)?;
    Ok(ingestion["connectionId"].as_str().context("no connectionId")?.to_owned())
}

/// Puts a new certificate for `localhost`, with its key, in place of the old one: `tls.crt` and `tls.key`.
pub(crate) fn certify(folder: &Path) {
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).expect("a file");
    std::fs::write(folder.join("tls.crt"), certificate.pem()).expect("a file");
}

/// Waits for the newest job of an ingestion to end; answers with it.
pub(crate) fn ended_job(client: &Client, ingestion: &str) -> Value {
    until("the sync ends", Duration::from_secs(120), || {
        let status = client.get(&format!("/ingestion/{ingestion}/status")).ok()?;
        let job = &status["job"];
        matches!(job["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then(|| job.clone())
    })
}

/// Runs a gold model that must succeed.
pub(crate) fn gold(client: &Client, name: &str, sql: &str) -> Result<Value> {
    let model = client.post("/dbt/transform", &json!({"name": name, "sql_query": sql}))?;
    if model["status"] == "completed" {
        return Ok(model);
    }
    bail!("the gold model {name} is {}: {}", model["status"], model["error_message"])
}

/// Asserts that a request is refused as a problem body with this status, and gives its detail.
pub(crate) fn refused(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.body["status"], status, "{}", answer.body);
    answer.body["detail"].as_str().expect("a problem has a detail").to_owned()
}

/// Asserts a 422 that names this field, and gives its detail.
pub(crate) fn refused_field(answer: &Answer, field: &str) -> String {
    let detail = refused(answer, 422);
    assert_eq!(answer.body["errors"][0]["field"], field, "{}", answer.body);
    detail
}
