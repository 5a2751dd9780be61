//! What a deployment does when something that it needs goes away, in each of its phases: it ends, as `deployed` or as `failed` with the
//! reason, and leaves nothing behind.
//!
//! In a cluster of its own, with all around it: other tests go on meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_live::kubernetes::{Home, Kubernetes};
use asgard_live::network::Network;
use asgard_live::tracker::Tracker;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::models::{followed, in_pods, make_features, request};
use crate::world::{World, environment_on, test, until};

/// Until a phase is reached: an image of a gigabyte is fetched and unpacked on a machine that much else runs on.
const PHASE_WITHIN: Duration = Duration::from_secs(600);

/// Longer than a restart takes, and than the first tries of those who notice.
const AWAY: Duration = Duration::from_secs(6);

/// What ends in the cluster ends a little later for those who look.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// Of the namespace and of the environment.
const NAME: &str = "outages";

const REPOSITORY: &str = "models/pairs";

/// What goes away, and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    Host,
    ApiServer,
    Tracker,
    Registry,
    /// The pod of the phase; nobody brings that one back.
    Pod,
}

impl Outage {
    const ALL: [Self; 5] = [Self::Host, Self::ApiServer, Self::Tracker, Self::Registry, Self::Pod];

    /// Whether a deployment may fail of it in a phase: a script that logs to nobody, a builder that pushes to nobody, what was killed.
    /// In all other phases nothing is lost that cannot be waited for.
    fn may_end(self, phase: Phase) -> bool {
        match self {
            Self::Host | Self::ApiServer => false,
            Self::Tracker => phase == Phase::Training,
            Self::Registry => phase == Phase::Building,
            Self::Pod => phase != Phase::Deploying,
        }
    }
}

/// Phases that take a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Training,
    Building,
    Deploying,
}

impl Phase {
    const ALL: [Self; 3] = [Self::Training, Self::Building, Self::Deploying];

    /// As the API has it.
    fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Building => "building",
            Self::Deploying => "deploying",
        }
    }

    /// Of its pods.
    fn component(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Building => "build",
            Self::Deploying => "model",
        }
    }
}

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "whatever_goes_away_in_a_phase_a_deployment_ends_and_leaves_nothing_behind", ends)]
}

fn ends(world: &World) {
    let mut stage = Stage::start(world);
    for outage in Outage::ALL {
        // One deployment goes through all phases, unless one of them ends it.
        let mut deployment = stage.deploy();
        let mut met = Vec::new();
        for phase in Phase::ALL {
            if !stage.reaches(&deployment, phase) {
                stage.ended(&deployment, outage, &met);
                (deployment, met) = (stage.deploy(), Vec::new());
                assert!(
                    stage.reaches(&deployment, phase),
                    "it ends before {phase:?}: {}",
                    stage.look(&deployment).unwrap()
                );
            }
            eprintln!("{outage:?} goes away in {phase:?}");
            stage.strike(outage, &deployment, phase);
            met.push(phase);
        }
        stage.ended(&deployment, outage, &met);
    }
}

/// Everything that may go away. Those who ask are dropped before those who answer.
struct Stage {
    environment: Client,
    host: Host,
    tracker: Tracker,
    kubernetes: Kubernetes,
    _network: Network,
    /// Where the last deployment that was served answers, and with which version.
    served: Option<(String, Value)>,
}

impl Stage {
    fn start(world: &World) -> Self {
        let network = Network::take().unwrap();
        let kubernetes =
            Kubernetes::start(&Home::from_environment().unwrap(), &network, &world.folder("outages-cluster")).unwrap();
        let tracker = Tracker::start(&world.folder("outages-tracker"), network.machine()).unwrap();
        let host = Host::start_light(world.built(), &world.folder("outages-host"), 0).unwrap();
        let mut bindings = in_pods(&kubernetes, tracker.url(), NAME, &json!({}));
        bindings["kubernetes"] = json!({"type": "kubeconfig", "path": kubernetes.kubeconfig()});
        let environment = environment_on(&host.client(), NAME, &[], &bindings).unwrap();
        make_features(&environment);
        Self { environment, host, tracker, kubernetes, _network: network, served: None }
    }

    /// Answers with the deployment's id.
    fn deploy(&self) -> String {
        let submitted = self.environment.post("/mlops/deploy", &request("pairs", &json!({"replicas": 1}))).unwrap();
        submitted["deployment_id"].as_str().unwrap().to_owned()
    }

    fn look(&self, deployment: &str) -> Option<Value> {
        self.environment.look(&format!("/mlops/deployments/{deployment}")).ok()
    }

    /// Waits until a deployment is at work in a phase; false where it has ended before.
    fn reaches(&self, deployment: &str, phase: Phase) -> bool {
        until(&format!("{} begins", phase.name()), PHASE_WITHIN, || {
            let found = self.look(deployment)?;
            if ["deployed", "failed"].iter().any(|end| found["status"] == *end) {
                return Some(false);
            }
            let begun = |pod: &Value| phase == Phase::Deploying || pod["status"]["phase"] == "Running";
            (found["progress"] == phase.name() && self.pods(deployment, phase).iter().any(begun)).then_some(true)
        })
    }

    fn pods(&self, deployment: &str, phase: Phase) -> Vec<Value> {
        let selector = format!("asgard.dev/deployment={deployment},app.kubernetes.io/component={}", phase.component());
        let path = format!("/api/v1/namespaces/{NAME}/pods?labelSelector={selector}");
        self.kubernetes.find(&path).unwrap().unwrap()["items"].as_array().unwrap().clone()
    }

    fn strike(&mut self, outage: Outage, deployment: &str, phase: Phase) {
        match outage {
            Outage::Host => self.host.crash_and_restart().unwrap(),
            Outage::ApiServer => {
                self.kubernetes.crash_api_server().unwrap();
                sleep(AWAY);
                self.kubernetes.restart_api_server().unwrap();
            }
            Outage::Tracker => {
                self.tracker.crash().unwrap();
                sleep(AWAY);
                self.tracker.restart().unwrap();
            }
            Outage::Registry => {
                self.kubernetes.registry_mut().crash().unwrap();
                sleep(AWAY);
                self.kubernetes.registry_mut().restart().unwrap();
            }
            Outage::Pod => {
                for pod in self.pods(deployment, phase) {
                    let name = pod["metadata"]["name"].as_str().unwrap();
                    let killed = ["-n", NAME, "delete", "pod", name, "--force", "--grace-period=0"];
                    self.kubernetes.kubectl(&killed).unwrap();
                }
            }
        }
    }

    /// Follows a deployment that met an outage in these phases to its end, and looks at what is there then.
    fn ended(&mut self, deployment: &str, outage: Outage, met: &[Phase]) {
        let ended = followed(&self.environment, &json!({"deployment_id": deployment}));
        let why = ended["error"].as_str().unwrap_or_default();
        eprintln!("{outage:?} in {met:?}: {} {why}", ended["status"]);
        if ended["status"] == "deployed" {
            let url = ended["inference_url"].as_str().unwrap().to_owned();
            self.served = Some((url, ended["model_version"].clone()));
        } else {
            assert!(met.iter().any(|phase| outage.may_end(*phase)), "{outage:?} in {met:?}: {ended}");
            assert!(!why.is_empty(), "{ended}");
        }
        // A deployment that failed leaves what was served before.
        if let Some((url, version)) = &self.served {
            let answer = Client::new(url).post("/predict", &json!({"features": [[0, 1], [1, 1]]})).unwrap();
            assert_eq!((&answer["predictions"], &answer["version"]), (&json!([1, 0]), version), "{answer}");
        }
        self.has_nothing_left();
    }

    fn has_nothing_left(&self) {
        let labels = "app.kubernetes.io/managed-by=asgard,app.kubernetes.io/component!=model";
        let kinds = "jobs,pods,configmaps,secrets";
        until("what was made for training and build is gone", GONE_WITHIN, || {
            let left = self.kubernetes.kubectl(&["-n", NAME, "get", kinds, "-l", labels, "-o", "name"]).ok()?;
            left.is_empty().then_some(())
        });
        // A tag is there for the whole image.
        let registry = self.kubernetes.registry();
        for tag in registry.tags(REPOSITORY).unwrap() {
            assert_eq!(registry.missing(REPOSITORY, &tag).unwrap(), Vec::<String>::new(), "{tag}");
        }
        let tasks = self.environment.get("/tasks?page_size=100").unwrap();
        for task in tasks["tasks"].as_array().unwrap().iter().filter(|task| task["kind"] == "deployment") {
            let ended = ["succeeded", "failed", "cancelled"].iter().any(|end| task["status"] == *end);
            assert!(ended, "{task}");
        }
        self.tracker_has_nothing_open();
    }

    /// No run is left open, and no run has two versions.
    fn tracker_has_nothing_open(&self) {
        let api = format!("{}/api/2.0/mlflow", self.tracker.url());
        let client = Client::new(api);
        let experiments = client.post("/experiments/search", &json!({"max_results": 100})).unwrap();
        let ids: Vec<&Value> =
            experiments["experiments"].as_array().unwrap().iter().map(|found| &found["experiment_id"]).collect();
        let open = json!({"experiment_ids": ids, "filter": "attributes.status = 'RUNNING'", "max_results": 100});
        let open = client.post("/runs/search", &open).unwrap();
        assert!(open["runs"].as_array().is_none_or(Vec::is_empty), "{open}");
        let versions = client.get("/model-versions/search?max_results=1000").unwrap();
        let versions = versions["model_versions"].as_array().cloned().unwrap_or_default();
        let runs: BTreeSet<&str> = versions.iter().filter_map(|version| version["run_id"].as_str()).collect();
        assert_eq!(runs.len(), versions.len(), "{versions:?}");
    }
}
