//! The stack of production, all of it on this machine: Nessie over a bucket, Spark's operator, Trino with dbt, Feast, MLflow, Kaniko and
//! Kubernetes. `deploy/environments/production.toml` is the environment that is bound to such servers; rows come straight from their
//! database, by the connector `postgres`, where that one has Airbyte.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use asgard_journey::client::Client;
use asgard_journey::s3::S3;
use serde_json::{Value, json};

use crate::bindings;
use crate::feast::Feast;
use crate::installed::Installed;
use crate::kubernetes::{Home, Kubernetes};
use crate::nessie::Nessie;
use crate::network::Network;
use crate::operator::Operator;
use crate::tracker::Tracker;
use crate::trino::Trino;

/// Where silver runs.
const SPARK: &str = "spark";

/// Where scripts, builds and models are.
const MODELS: &str = "models";

/// All servers; they end when dropped, those who ask before those who answer.
pub struct Stack {
    feast: Feast,
    tracker: Tracker,
    trino: Trino,
    operator: Operator,
    kubernetes: Kubernetes,
    nessie: Nessie,
    s3: S3,
    _network: Network,
    installed: Installed,
}

impl Stack {
    /// The environment's name.
    pub const NAME: &str = "production";

    /// Starts all of them, side by side; what they keep is in `folder`. `weed`: SeaweedFS.
    ///
    /// # Errors
    /// What the environment does not name; with the end of a log when a server does not come up.
    pub fn start(weed: &Path, folder: &Path) -> Result<Self> {
        let installed = Installed::from_environment()?;
        let home = Home::from_environment()?;
        let below = |name: &str| -> Result<PathBuf> {
            let folder = folder.join(name);
            std::fs::create_dir_all(&folder)?;
            Ok(folder)
        };
        let network = Network::take()?;
        let address = network.machine();
        let s3 = S3::start_at(weed, &below("s3")?, address)?;
        let [of_nessie, of_trino, of_tracker, of_feast, of_kubernetes, of_operator] =
            ["nessie", "trino", "mlflow", "feast", "kubernetes", "operator"].map(below);
        let (nessie, trino, tracker, feast, cluster) = thread::scope(|scope| {
            let nessie = scope.spawn(|| Nessie::start(&s3, &of_nessie?, address));
            let trino = scope.spawn(|| Trino::start(&installed, &of_trino?));
            let tracker = scope.spawn(|| Tracker::start(&of_tracker?, address));
            let feast = scope.spawn(|| Feast::start_on(&s3, &of_feast?));
            let cluster = cluster(&home, &installed, &network, [of_kubernetes, of_operator]);
            (ended(nessie.join()), ended(trino.join()), ended(tracker.join()), ended(feast.join()), cluster)
        });
        let (kubernetes, operator) = cluster.context("Kubernetes")?;
        let stack = Self {
            feast: feast?,
            tracker: tracker?,
            trino: trino?,
            operator,
            kubernetes,
            nessie: nessie?,
            s3,
            _network: network,
            installed,
        };
        let catalog = bindings::trino_catalog(&stack.s3, &stack.nessie.iceberg());
        stack.trino.attach("nessie", &bindings::borrowed(&catalog))?;
        Ok(stack)
    }

    /// Makes the environment that is bound to them; answers with a client of it.
    ///
    /// # Errors
    /// The host's; Kubernetes' own.
    pub fn environment(&self, host: &Client) -> Result<Client> {
        let kubernetes = &self.kubernetes;
        let mut document = bindings::in_pods(kubernetes, self.tracker.url(), MODELS, &json!({}))?;
        document["lakehouse"] = bindings::lakehouse(&self.s3, &self.nessie.iceberg());
        let mut programs = json!({});
        for part in [
            bindings::spark_operator(kubernetes, self.operator.image(), SPARK)?,
            bindings::dbt_trino(&self.installed.dbt, "dbt", self.trino.url()),
            bindings::feast(&self.feast),
        ] {
            for (section, value) in part.as_object().into_iter().flatten() {
                if section != "programs" {
                    document[section.as_str()] = value.clone();
                    continue;
                }
                for (program, value) in value.as_object().into_iter().flatten() {
                    programs[program.as_str()] = value.clone();
                }
            }
        }
        document["programs"] = programs;
        let secrets = [(bindings::KEYS, bindings::keys()), (Feast::SECRET, S3::SECRET_KEY.to_owned())];
        bindings::environment_on(host, Self::NAME, &bindings::borrowed(&secrets), &document)
    }

    /// What `POST /sink` is asked: a sink where the environment's tables are.
    pub fn sink(&self) -> Value {
        bindings::sink(&self.s3)
    }

    /// How `kubectl` logs in.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubernetes.kubeconfig()
    }
}

/// One needs the other.
fn cluster(
    home: &Home,
    installed: &Installed,
    network: &Network,
    [of_kubernetes, of_operator]: [Result<PathBuf>; 2],
) -> Result<(Kubernetes, Operator)> {
    let kubernetes = Kubernetes::start(home, network, &of_kubernetes?)?;
    let operator = Operator::start(&kubernetes, &installed.spark, &of_operator?)?;
    Ok((kubernetes, operator))
}

fn ended<T>(joined: thread::Result<Result<T>>) -> Result<T> {
    joined.unwrap_or_else(|_| Err(anyhow!("starting a server ended oddly")))
}
