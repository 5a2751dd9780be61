//! What all tests share: the servers, and a host with one environment for each kind of lakehouse. Each is started when first
//! needed and ended at the end.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::{Built, Host};
use asgard_journey::s3::S3;
use asgard_journey::source::FactorySource;
pub(crate) use asgard_journey::waiting::{until, when_ready};
use asgard_live::bindings::{self, KEYS};
pub(crate) use asgard_live::bindings::{borrowed, environment_on};
use asgard_live::ecr::Ecr;
use asgard_live::feast::Feast;
use asgard_live::installed::Installed;
use asgard_live::kubernetes::{Home, Kubernetes};
use asgard_live::nessie::Nessie;
use asgard_live::network::Network;
use asgard_live::operator::Operator;
use asgard_live::spark::Spark;
use asgard_live::spark_servers::{Connect, Standalone};
use asgard_live::tracker::Tracker;
use asgard_live::trino::Trino;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::lake::Lake;

/// A server, or why there is none: the first test that needs it starts it, every other one is told the same.
type Server<T> = OnceLock<Result<T, String>>;

/// Everything that tests share.
pub(crate) struct World {
    built: Built,
    /// Nothing where only Kubernetes is asked for.
    installed: Option<Installed>,
    network: Server<Network>,
    kubernetes: Server<Kubernetes>,
    operator: Server<Operator>,
    tracker: Server<Tracker>,
    ecr: Server<Ecr>,
    feast: Server<Feast>,
    s3: Server<S3>,
    nessie: Server<Nessie>,
    trino: Server<Trino>,
    spark: Server<Spark>,
    standalone: Server<Standalone>,
    connect: Server<Connect>,
    source: Server<FactorySource>,
    host: Server<Host>,
    bucket: Server<Client>,
    branch: Server<Client>,
    attached: Server<()>,
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            built: Built::from_environment()?,
            installed: Installed::asked_for().then(Installed::from_environment).transpose()?,
            network: OnceLock::new(),
            kubernetes: OnceLock::new(),
            operator: OnceLock::new(),
            tracker: OnceLock::new(),
            ecr: OnceLock::new(),
            feast: OnceLock::new(),
            s3: OnceLock::new(),
            nessie: OnceLock::new(),
            trino: OnceLock::new(),
            spark: OnceLock::new(),
            standalone: OnceLock::new(),
            connect: OnceLock::new(),
            source: OnceLock::new(),
            host: OnceLock::new(),
            bucket: OnceLock::new(),
            branch: OnceLock::new(),
            attached: OnceLock::new(),
            folder: tempfile::Builder::new().prefix("asgard-live").tempdir()?,
        })
    }

    pub(crate) fn installed(&self) -> Result<&Installed> {
        self.installed.as_ref().context("run the tests with `--live data`")
    }

    /// A node with its control plane and a registry of images.
    pub(crate) fn kubernetes(&self) -> &Kubernetes {
        started("Kubernetes", &self.kubernetes, || {
            let network = self.network().as_ref().map_err(|error| anyhow!("{error}"))?;
            Kubernetes::start(&Home::from_environment()?, network, &self.folder("kubernetes"))
        })
    }

    /// The Spark operator on it, for all namespaces.
    pub(crate) fn operator(&self) -> &Operator {
        started("the Spark operator", &self.operator, || {
            Operator::start(self.kubernetes(), &self.installed()?.spark, &self.folder("operator"))
        })
    }

    /// An MLflow server that pods reach.
    pub(crate) fn tracker(&self) -> &Tracker {
        started("MLflow", &self.tracker, || Tracker::start(&self.folder("mlflow"), self.address()))
    }

    /// The API of Amazon ECR.
    pub(crate) fn ecr(&self) -> &Ecr {
        started("moto", &self.ecr, || Ecr::start(&self.folder("moto")))
    }

    /// A feature store with its servers.
    pub(crate) fn feast(&self) -> &Feast {
        started("Feast", &self.feast, || Feast::start(&self.folder("feast")))
    }

    fn network(&self) -> &Result<Network, String> {
        self.network.get_or_init(|| Network::take().map_err(|error| format!("{error:#}")))
    }

    /// Where servers listen that pods are to reach.
    pub(crate) fn address(&self) -> Ipv4Addr {
        if !Home::asked_for() {
            return Ipv4Addr::LOCALHOST;
        }
        // Without a network there are no pods, and the other tests can do without.
        self.network().as_ref().map_or(Ipv4Addr::LOCALHOST, Network::machine)
    }

    /// A store that speaks S3's protocol.
    pub(crate) fn s3(&self) -> &S3 {
        started("the store", &self.s3, || {
            let python = std::env::var_os("ASGARD_TEST_PYTHON").context("ASGARD_TEST_PYTHON is not set")?;
            S3::start_at(&Path::new(&python).with_file_name("weed"), &self.folder("s3"), self.address())
        })
    }

    /// A catalog that other programs share.
    pub(crate) fn nessie(&self) -> &Nessie {
        started("Nessie", &self.nessie, || Nessie::start(self.s3(), &self.folder("nessie"), self.address()))
    }

    /// Trino, with the catalogs `iceberg` and `nessie`: see [`World::attach`].
    pub(crate) fn trino(&self) -> &Trino {
        self.attach();
        self.bare_trino()
    }

    /// Spark, with the catalogs `iceberg`, `disk` and `nessie`: see [`World::attach`].
    pub(crate) fn spark(&self) -> &Spark {
        self.attach();
        self.bare_spark()
    }

    /// Trino, whatever is attached to it.
    pub(crate) fn bare_trino(&self) -> &Trino {
        started("Trino", &self.trino, || Trino::start(self.installed()?, &self.folder("trino")))
    }

    fn bare_spark(&self) -> &Spark {
        // As the test runs: what was built in one clone may run in another.
        let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("run the tests with `cargo xtask test`");
        let script = Path::new(&package).join("../interop/spark.py");
        started("Spark", &self.spark, || Spark::start(&self.installed()?.spark, &script, &self.folder("spark")))
    }

    /// A Spark cluster that takes submissions.
    pub(crate) fn standalone(&self) -> &Standalone {
        started("the Spark cluster", &self.standalone, || {
            Standalone::start(&self.installed()?.spark, &self.folder("standalone"))
        })
    }

    /// A Spark Connect server.
    pub(crate) fn connect(&self) -> &Connect {
        started("Spark Connect", &self.connect, || Connect::start(&self.installed()?.spark, &self.folder("connect")))
    }

    /// The factory's database, whose changes can be captured.
    pub(crate) fn source(&self) -> &FactorySource {
        started("PostgreSQL", &self.source, || {
            FactorySource::start_with(&self.folder("postgres"), &[("wal_level", "logical")])
        })
    }

    fn host(&self) -> &Host {
        started("the host", &self.host, || Host::start_light(&self.built, &self.folder("host"), 0))
    }

    /// What hosts of a test's own are made of.
    pub(crate) fn built(&self) -> &Built {
        &self.built
    }

    /// A Python with the models of Airbyte's API.
    pub(crate) fn airbyte_python(&self) -> &Path {
        &self.installed().expect("the engines").airbyte_python
    }

    /// The host, for environments of a test's own.
    pub(crate) fn host_client(&self) -> Client {
        self.host().client()
    }

    /// Where the host keeps what is its own.
    pub(crate) fn host_data(&self) -> PathBuf {
        self.host().data().to_owned()
    }

    /// An environment on this machine's disk, with a catalog of its own.
    pub(crate) fn disk(&self) -> Lake {
        Lake(self.host().client())
    }

    /// An environment in a bucket, with a catalog of its own.
    pub(crate) fn bucket(&self) -> Lake {
        let base = started("the environment in a bucket", &self.bucket, || {
            let s3 = json!({"endpoint": self.s3().endpoint(), "secret": "keys"});
            self.environment("bucket", &json!({"storage": format!("s3://{}/bucket", S3::BUCKET), "s3": s3}))
        });
        Lake(Client::new(base.base()))
    }

    /// An environment whose catalog is Nessie.
    pub(crate) fn branch(&self) -> Lake {
        let base = started("the environment on Nessie", &self.branch, || Ok(self.branch_with("nessie", &json!({}))?.0));
        Lake(Client::new(base.base()))
    }

    /// An environment on the same tables as [`World::branch`], with these parts of its document changed.
    pub(crate) fn branch_with(&self, name: &str, changes: &Value) -> Result<Lake> {
        self.on_nessie(name, &self.nessie().iceberg(), changes)
    }

    /// An environment on a branch of Nessie that is its alone, with these parts of its document changed.
    pub(crate) fn own_branch(&self, name: &str, changes: &Value) -> Result<Lake> {
        self.nessie().make_branch(name)?;
        self.on_nessie(name, &self.nessie().iceberg_on(name), changes)
    }

    fn on_nessie(&self, name: &str, uri: &str, changes: &Value) -> Result<Lake> {
        let mut changes = changes.clone();
        changes["lakehouse"] = bindings::lakehouse(self.s3(), uri);
        Ok(Lake(self.environment_with(name, &[(KEYS, &bindings::keys())], &changes)?))
    }

    /// Changes parts of an environment's document.
    pub(crate) fn rebind(&self, name: &str, changes: &Value) -> Result<()> {
        let client = self.host().client();
        let path = format!("/environments/{name}");
        let mut document = client.get(&path)?["document"].clone();
        for (part, value) in changes.as_object().into_iter().flatten() {
            document[part] = value.clone();
        }
        let answer = client.send("PUT", &path, Some(&document), &[])?;
        ensure!(answer.status < 300, "PUT {path} was answered with {}: {}", answer.status, answer.body);
        Ok(())
    }

    /// The host's process.
    pub(crate) fn host_process(&self) -> Option<u32> {
        self.host().pid()
    }

    /// Settings of a catalog of Trino's over Nessie.
    pub(crate) fn trino_on_nessie(&self) -> Vec<(&'static str, String)> {
        bindings::trino_catalog(self.s3(), &self.nessie().iceberg())
    }

    /// Settings of a catalog of Trino's over a branch of Nessie.
    pub(crate) fn trino_on_branch(&self, branch: &str) -> Vec<(&'static str, String)> {
        bindings::trino_catalog(self.s3(), &self.nessie().iceberg_on(branch))
    }

    /// An environment of its own: the light one with what `changes` sets.
    pub(crate) fn environment_with(&self, name: &str, secrets: &[(&str, &str)], changes: &Value) -> Result<Client> {
        environment_on(&self.host().client(), name, secrets, changes)
    }

    fn environment(&self, name: &str, lakehouse: &Value) -> Result<Client> {
        self.environment_with(name, &[(KEYS, &bindings::keys())], &json!({"lakehouse": lakehouse}))
    }

    /// Attaches the engines to the lakehouses: `iceberg` is the environment in the bucket, under the name that the host's own
    /// SQL has for it, so that its views mean the same to them.
    fn attach(&self) {
        started("attaching the engines", &self.attached, || {
            let (disk, bucket) = (self.disk(), self.bucket());
            self.branch();
            let (nessie, s3) = (self.nessie().iceberg(), self.s3().endpoint());
            let (bucket, disk) = (format!("{}/iceberg", bucket.0.base()), format!("{}/iceberg", disk.0.base()));
            let mut trino = bindings::trino_on(self.s3());
            trino.push(("iceberg.rest-catalog.uri", bucket.clone()));
            self.bare_trino().attach("iceberg", &borrowed(&trino))?;
            self.bare_trino().attach("nessie", &borrowed(&self.trino_on_nessie()))?;
            let spark = [
                ("type", "rest"),
                // Tables that another program changes are loaded anew by every statement.
                ("cache-enabled", "false"),
                ("io-impl", "org.apache.iceberg.aws.s3.S3FileIO"),
                ("client.region", "us-east-1"),
                ("s3.endpoint", &s3),
                ("s3.path-style-access", "true"),
                ("s3.access-key-id", S3::ACCESS_KEY),
                ("s3.secret-access-key", S3::SECRET_KEY),
            ];
            self.bare_spark().attach("iceberg", &[&spark[..], &[("uri", bucket.as_str())]].concat())?;
            let warehouse = ("warehouse", Nessie::WAREHOUSE);
            self.bare_spark().attach("nessie", &[&spark[..], &[("uri", nessie.as_str()), warehouse]].concat())?;
            self.bare_spark().attach("disk", &[("type", "rest"), ("cache-enabled", "false"), ("uri", disk.as_str())])
        });
    }

    /// An empty folder of the run, for a server.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder for a server");
        folder
    }

    /// Ends everything: the host first, whose services are the others. Called once, after all tests. Where one of them `failed`,
    /// the servers' logs are kept.
    pub(crate) fn end(mut self, failed: bool) {
        if failed {
            eprintln!("the servers' logs are kept in {}", self.folder.path().display());
            self.folder.disable_cleanup(true);
        }
        drop((self.host, self.standalone, self.connect));
        drop((self.spark, self.trino, self.operator, self.kubernetes, self.tracker, self.ecr, self.feast));
        drop((self.nessie, self.source, self.s3, self.network));
    }
}

fn started<'a, T>(what: &str, server: &'a Server<T>, start: impl FnOnce() -> Result<T>) -> &'a T {
    let server = server.get_or_init(|| {
        // Another server that this one needs may have ended the test already.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(start))
            .unwrap_or_else(|_| Err(anyhow!("what it needs did not start")))
            .map_err(|error| format!("{error:#}"))
    });
    match server {
        Ok(server) => server,
        Err(error) => panic!("{what} did not start: {error}"),
    }
}

/// Starts all servers side by side.
pub(crate) fn warm_up(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let engines: [fn(&World); 4] = [
        |world| _ = world.bare_trino(),
        |world| _ = world.bare_spark(),
        |world| _ = world.nessie(),
        |world| _ = world.source(),
    ];
    let mut starts: Vec<fn(&World)> = Vec::new();
    if world.installed.is_some() {
        starts.extend(engines);
    }
    if Operator::asked_for() {
        starts.push(|world| _ = world.operator());
    } else if Home::asked_for() {
        starts.push(|world| _ = world.kubernetes());
    }
    let start = |start: fn(&World)| {
        let world = Arc::clone(world);
        std::thread::spawn(move || start(&world))
    };
    starts.into_iter().map(start).collect()
}

/// A test with a sentence for a name.
pub(crate) fn test(world: &Arc<World>, name: &str, body: impl FnOnce(&World) + Send + 'static) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        body(&world);
        Ok::<(), Failed>(())
    })
}
