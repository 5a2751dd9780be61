//! An environment as its file says it: bindings, grants, services, secrets, lakehouse, limits.
//!
//! What is not said, or said as it is by default, does not stand in the text that is made of a document: files, answers and
//! comparisons show what somebody decided.

mod comparison;
mod kubernetes;
mod promotion;
mod secrets;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::manifest::Role;

pub use comparison::{Change, compare, compare_values};
pub use kubernetes::{Cluster, KubernetesGrant, Verb};
pub use promotion::{Promotion, promote};
pub use secrets::{SecretSource, SecretUse, secrets_in};

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The whole file. `asgard apply` and one PUT make it true.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Lower-case letters, digits and `-`.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub lakehouse: Lakehouse,
    /// Where `kubernetes` grants and secrets are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Cluster>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// Long-lived programs of the environment itself, such as a tracking server: name -> what to run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, Service>,
    /// Programs that grants may name: name -> how to get it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, Program>,
    /// Secrets that are kept outside of the host: name -> where. All others are in its store.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
    /// In order; a source goes to the first connector that declares its type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingestion: Vec<Binding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silver: Option<Binding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold: Option<Binding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Binding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Binding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Binding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Binding>,
}

impl Environment {
    /// Every binding with its place in the document: `silver`, `ingestion[0]`.
    pub fn places(&self) -> Vec<(Role, String, &Binding)> {
        let mut places = Vec::new();
        for role in Role::ALL {
            for (index, binding) in self.bindings(role).into_iter().enumerate() {
                let place = if role == Role::Ingestion { format!("ingestion[{index}]") } else { role.to_string() };
                places.push((role, place, binding));
            }
        }
        places
    }

    /// Where the binding of a role is; none for `ingestion`, which has a list.
    fn slot(&mut self, role: Role) -> Option<&mut Option<Binding>> {
        Some(match role {
            Role::Ingestion => return None,
            Role::Silver => &mut self.silver,
            Role::Gold => &mut self.gold,
            Role::Features => &mut self.features,
            Role::Training => &mut self.training,
            Role::Build => &mut self.build,
            Role::Serving => &mut self.serving,
        })
    }

    /// The plugins that fill a role, in order; all roles but `ingestion` have one at most.
    pub fn bindings(&self, role: Role) -> Vec<&Binding> {
        let one = match role {
            Role::Ingestion => return self.ingestion.iter().collect(),
            Role::Silver => &self.silver,
            Role::Gold => &self.gold,
            Role::Features => &self.features,
            Role::Training => &self.training,
            Role::Build => &self.build,
            Role::Serving => &self.serving,
        };
        one.iter().collect()
    }
}

/// Role -> plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    pub plugin: String,
    /// None: the newest version that is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<semver::Version>,
    /// `sha256:…` of the component: exactly these bytes, or none. Without it, those that are registered under the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Satisfies the manifest's schema. `${services.NAME.url}` stands for a service's address, `${lakehouse.catalog.uri}` and
    /// its like for what the lakehouse is made of.
    #[serde(default = "empty_object", skip_serializing_if = "is_empty_object")]
    pub configuration: serde_json::Value,
    #[serde(default, skip_serializing_if = "is_default")]
    pub grants: Grants,
}

fn empty_object() -> serde_json::Value {
    serde_json::json!({})
}

fn is_empty_object(value: &serde_json::Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// How much of each capability a binding lends. Nothing by default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpGrant>,
    /// Address patterns: `db.internal:5432`, `*.example.com:*`, `10.0.0.0/8:5432`, `*:5432` (any public address).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<String>,
    /// Whether `credentials.reveal` may answer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reveal_secrets: bool,
    /// Programs of the environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessGrant>,
    /// Names of programs of the environment, for services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub objects: bool,
    /// Folders to read: absolute paths, or paths below the environment's own folder, which are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub key_value: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub lakehouse: LakehouseGrant,
    /// Resources of the environment's cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kubernetes: Vec<KubernetesGrant>,
}

/// One granted host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGrant {
    /// As in [`Grants::sockets`]; `${services.NAME.address}` stands for a service of the environment.
    pub host: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// Whether `secret://NAME` in a request's body is replaced by the secret, and a bearer token or a password that the
    /// plugin names by reference is sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub substitute_secrets: bool,
}

/// One granted program: its name, or a table that says more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the name of a program, or `{ program = \"NAME\", substitute_secrets = true }`")]
pub enum ProcessGrant {
    Program(String),
    Detailed(DetailedProcessGrant),
}

/// A granted program that sees secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailedProcessGrant {
    pub program: String,
    /// Whether `secret://NAME` in a process's variables and in its JSON files is replaced by the secret.
    #[serde(default, skip_serializing_if = "is_default")]
    pub substitute_secrets: bool,
}

impl ProcessGrant {
    /// The program's name.
    pub fn program(&self) -> &str {
        match self {
            Self::Program(program) | Self::Detailed(DetailedProcessGrant { program, .. }) => program,
        }
    }

    /// Whether its processes see secrets.
    pub fn substitutes_secrets(&self) -> bool {
        matches!(self, Self::Detailed(DetailedProcessGrant { substitute_secrets: true, .. }))
    }
}

/// What the host attaches to a request. Secrets by name only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    Bearer {
        secret: String,
    },
    Basic {
        username: String,
        secret: String,
    },
    OauthClientCredentials {
        token_url: String,
        client_id: String,
        secret: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
    },
    /// The secret is `ACCESS_KEY:SECRET_KEY`.
    AwsSigv4 {
        region: String,
        service: String,
        secret: String,
    },
}

/// Which namespaces of the lakehouse.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LakehouseGrant {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
}

/// A program of the environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Program {
    /// An executable that is there already: a path, or a name to look up in PATH.
    Path { path: String },
    /// The interpreter of a Python environment that the host makes from packages when it is first needed.
    Python {
        /// PEP 508 lines.
        requirements: Vec<String>,
    },
}

/// A long-lived program of the environment. `{port}` and `{data}` (its own folder) are replaced in arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub program: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    pub health_path: String,
    #[serde(default = "two_minutes")]
    pub ready_timeout_seconds: u64,
}

fn two_minutes() -> u64 {
    120
}

/// Where the tables are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lakehouse {
    #[serde(default, skip_serializing_if = "is_default")]
    pub catalog: Catalog,
    /// `file:///…` or `s3://bucket/prefix`; none = `lakehouse/` in the host's data folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// How the bucket of `storage` is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub maintenance: Maintenance,
}

/// What the host does to tables by itself: small files are put together, and what nobody needs any more goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Maintenance {
    pub automatic: bool,
    /// Snapshots older than this are forgotten. How far back `as_of` reaches.
    pub snapshot_hours: u64,
    /// Of every table and branch, whatever their age.
    pub snapshots_at_least: u32,
    /// Files that no snapshot has are deleted when they are older. A day at least.
    pub orphan_hours: u64,
}

impl Default for Maintenance {
    fn default() -> Self {
        // Iceberg's own defaults: five days of snapshots, three days for files that nothing has.
        Self { automatic: true, snapshot_hours: 120, snapshots_at_least: 1, orphan_hours: 72 }
    }
}

/// Access to buckets of S3, or of a store that speaks its protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    #[serde(default = "us_east_1")]
    pub region: String,
    /// None: AWS itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the bucket is in the path; none = it is where there is an endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Names a secret that is `ACCESS_KEY:SECRET_KEY`.
    pub secret: String,
}

/// What stores without regions take.
fn us_east_1() -> String {
    "us-east-1".to_owned()
}

/// The catalog of the lakehouse.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Catalog {
    /// One SQLite file beside the tables.
    #[default]
    Sqlite,
    /// Another program's, by the Iceberg REST protocol: Nessie, Polaris, another host's `/iceberg`. `storage` must be a place
    /// where that catalog lets tables be.
    Rest {
        uri: String,
        /// For catalogs that have several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        warehouse: Option<String>,
        /// `bearer`, `basic` or `oauth_client_credentials`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authorization: Option<Credential>,
    },
}

/// Limits of a plugin's call and of a statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory_bytes: u64,
    /// Of one step, waiting included.
    pub step_seconds: u64,
    /// CPU time of one step in the guest itself.
    pub cpu_seconds: u64,
    pub http_body_bytes: u64,
    /// Kept of one call.
    pub log_lines: u32,
    pub query_seconds: u64,
    pub query_memory_bytes: u64,
    /// Of a result that a statement writes; none = as many as there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_rows: Option<u64>,
    /// Streams of one sync that are read at the same time, where the connector can.
    pub parallel_streams: u32,
    /// Of a whole task, from its first step; none = as long as it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Concurrency::is_default")]
    pub concurrency: Concurrency,
}

/// How many tasks are under way at once, on all hosts; those beyond wait for their turn. None = as many as the hosts can do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Concurrency {
    /// In all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// By role. Training, build and serving are steps of one deployment: the least of theirs holds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<Role, u32>,
    /// By name of the plugin, which stands for its backend.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, u32>,
}

impl Concurrency {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            step_seconds: 120,
            cpu_seconds: 60,
            http_body_bytes: 64 << 20,
            log_lines: 1000,
            query_seconds: 600,
            query_memory_bytes: 2 << 30,
            query_rows: None,
            parallel_streams: 4,
            task_seconds: None,
            concurrency: Concurrency::default(),
        }
    }
}
