//! A host without plugins: an environment from TOML, stores in memory.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use asgard_capabilities::key_value::KeyValues;
use asgard_capabilities::kubernetes::Connection;
use asgard_capabilities::lakehouse::Engine;
use asgard_capabilities::lender::{Backing, Caller, Lender};
use asgard_capabilities::processes::Supervisor;
use asgard_capabilities::secrets::Secrets;
use asgard_capabilities::{Lent, Resolver, SystemResolver};
use asgard_contract::environment::Environment;
use asgard_contract::lakehouse::{Output, QueryPlan, Statement, Table, Written};
use asgard_contract::manifest::Capability;
use asgard_contract::{Error, Progress, Result, TableName};
use async_trait::async_trait;
use tokio::sync::watch;

/// A host of one environment, `test`.
pub(crate) struct TestHost {
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) lender: Lender,
    pub(crate) engine: Arc<FakeEngine>,
    environment: Arc<Environment>,
}

impl TestHost {
    /// The binding of role `silver` is the one that is lent to; write its grants as `silver.grants.…`.
    pub(crate) fn new(environment: &str) -> Self {
        Self::in_folder(Arc::new(tempfile::tempdir().unwrap()), environment)
    }

    /// The next host of the same data folder.
    pub(crate) fn in_folder(folder: Arc<tempfile::TempDir>, environment: &str) -> Self {
        let supervisor = Arc::new(Supervisor::open(&folder.path().join("processes"), keeper()).unwrap());
        Self::with(folder, supervisor, Arc::new(SystemResolver), environment).unwrap()
    }

    /// A host whose names are resolved by `names`.
    pub(crate) fn resolving(names: Arc<dyn Resolver>, environment: &str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let supervisor = Arc::new(Supervisor::open(&folder.path().join("processes"), keeper()).unwrap());
        Self::with(folder, supervisor, names, environment).unwrap()
    }

    /// The same host with another revision of the environment.
    pub(crate) fn apply(&self, environment: &str) -> Self {
        let (folder, supervisor) = (Arc::clone(&self.folder), Arc::clone(&self.supervisor));
        Self::with(folder, supervisor, Arc::new(SystemResolver), environment).unwrap()
    }

    pub(crate) fn refused(environment: &str) -> Error {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let supervisor = Arc::new(Supervisor::open(&folder.path().join("processes"), keeper()).unwrap());
        Self::with(folder, supervisor, Arc::new(SystemResolver), environment).map(|_| ()).unwrap_err()
    }

    fn with(
        folder: Arc<tempfile::TempDir>,
        supervisor: Arc<Supervisor>,
        names: Arc<dyn Resolver>,
        environment: &str,
    ) -> Result<Self> {
        let text = format!("name = \"test\"\nsilver.plugin = \"tester\"\n{environment}");
        let environment: Arc<Environment> = Arc::new(toml::from_str(&text).unwrap());
        let engine = Arc::new(FakeEngine::default());
        let backing = Backing {
            folder: folder.path().join("environments/test"),
            secrets: Arc::new(TestSecrets),
            key_values: Arc::new(TestKeyValues::default()),
            engine: Arc::clone(&engine) as Arc<dyn Engine>,
            names,
            supervisor: Arc::clone(&supervisor),
            bucket: None,
            cluster: environment
                .kubernetes
                .clone()
                .map(|cluster| Arc::new(Connection::new(cluster, "test", Arc::new(TestSecrets)))),
            owner: "a-store".into(),
            branch: None,
        };
        let lender = Lender::new(Arc::clone(&environment), backing)?;
        Ok(Self { folder, supervisor, lender, engine, environment })
    }

    /// Everything that the binding grants.
    pub(crate) fn lent(&self) -> Lent {
        self.lent_to("task-1")
    }

    pub(crate) fn lent_to(&self, task: &str) -> Lent {
        self.lent_when_asked(task, &ALL).unwrap()
    }

    pub(crate) fn lent_when_asked(&self, task: &str, asks: &[Capability]) -> Result<Lent> {
        let caller = Caller {
            environment: "test".to_owned(),
            plugin: "tester".to_owned(),
            version: "0.1.0".to_owned(),
            task: task.to_owned(),
        };
        let grants = &self.environment.silver.as_ref().unwrap().grants;
        self.lender.lend(caller, &asks.iter().copied().collect::<BTreeSet<_>>(), grants)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("environments/test").join(path)
    }
}

const ALL: [Capability; 10] = [
    Capability::Http,
    Capability::Sockets,
    Capability::Credentials,
    Capability::Processes,
    Capability::Services,
    Capability::Objects,
    Capability::Files,
    Capability::KeyValue,
    Capability::Lakehouse,
    Capability::Kubernetes,
];

/// Built with this test, as all examples are when `cargo test` builds all targets.
fn keeper() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let keeper = test.parent().and_then(Path::parent).unwrap().join("examples/keep");
    assert!(keeper.is_file(), "{} is missing: `cargo build --example keep`", keeper.display());
    keeper
}

/// Waits for what must come true soon.
pub(crate) async fn soon<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within 60 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The ids of all processes with this text in their environment.
pub(crate) fn processes_with(text: &Path) -> Vec<u32> {
    let text = text.to_str().unwrap().as_bytes();
    let holds = |environment: Vec<u8>| environment.windows(text.len()).any(|window| window == text);
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(holds))
        .collect()
}

struct TestSecrets;

#[async_trait]
impl Secrets for TestSecrets {
    async fn get(&self, environment: &str, name: &str) -> Result<String> {
        match (environment, name) {
            ("test", "password") => Ok("pencil".to_owned()),
            ("test", "aws") => Ok("AKIDEXAMPLE:SECRET".to_owned()),
            _ => Err(Error::not_found(format!("there is no secret `{name}`: `asgard secret set {name}`"))),
        }
    }
}

#[derive(Default)]
struct TestKeyValues(Mutex<HashMap<(String, String, String), Vec<u8>>>);

#[async_trait]
impl KeyValues for TestKeyValues {
    async fn get_many(&self, scope: &str, bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        let values = self.0.lock().unwrap();
        let get = |key: &String| values.get(&(scope.to_owned(), bucket.to_owned(), key.clone())).cloned();
        Ok(keys.iter().map(get).collect())
    }

    async fn set_many(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        let mut values = self.0.lock().unwrap();
        values.extend(entries.into_iter().map(|(key, value)| ((scope.to_owned(), bucket.to_owned(), key), value)));
        Ok(())
    }

    async fn replace(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.delete_bucket(scope, bucket).await?;
        self.set_many(scope, bucket, entries).await
    }

    async fn delete_bucket(&self, scope: &str, bucket: &str) -> Result<()> {
        self.0.lock().unwrap().retain(|(s, b, _), _| (s.as_str(), b.as_str()) != (scope, bucket));
        Ok(())
    }
}

/// Understands one kind of statement, `READ namespace.table …`, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct FakeEngine {
    pub(crate) asked: Mutex<Vec<String>>,
}

impl FakeEngine {
    fn note(&self, text: String) {
        self.asked.lock().unwrap().push(text);
    }
}

#[async_trait]
impl Engine for FakeEngine {
    async fn tables(&self, namespace: &str) -> Result<Vec<TableName>> {
        Ok(vec![TableName::new(namespace, "t")])
    }

    async fn describe(&self, table: &TableName) -> Result<Table> {
        Err(Error::not_found(format!("there is no table `{table}`")))
    }

    async fn data_files(&self, _: &TableName) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn drop_table(&self, table: &TableName) -> Result<()> {
        self.note(format!("drop {table}"));
        Ok(())
    }

    async fn plan(&self, statement: &Statement) -> Result<QueryPlan> {
        let tables = statement.sql.split_whitespace().skip(1).map(TableName::parse).collect::<Result<_>>()?;
        Ok(QueryPlan { columns: Vec::new(), tables })
    }

    async fn query(&self, statement: &Statement, _: u32) -> Result<Vec<u8>> {
        self.note(format!("query {:?}", statement.inputs));
        Ok(Vec::new())
    }

    async fn run(&self, key: &str, _: Statement, output: Output, _: watch::Sender<Progress>) -> Result<Written> {
        self.note(format!("run {key} {output:?}"));
        Ok(Written { rows: 7, ..Written::default() })
    }
}
