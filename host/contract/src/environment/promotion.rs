//! Promotion: one environment's bindings in another, less what belongs to the other's own surroundings.
//!
//! | part of the document | after a promotion |
//! | --- | --- |
//! | bindings: which plugin, its version and digest, the order of connectors | as in the origin |
//! | a binding's configuration | as in the origin; secrets (`secret://NAME`) and endpoints keep the target's value where it has one |
//! | a binding's grants of addresses, folders and credentials (`http`, `sockets`, `files`, `kubernetes`) | the target's, where it binds the same plugin |
//! | a binding's other grants | as in the origin |
//! | Python programs that a grant or a service names | as in the origin |
//! | other programs, services | the target's; those that it lacks come along |
//! | name, description, lakehouse, cluster, limits, secrets | the target's |
//!
//! A value of a configuration is an endpoint by its form (`scheme://…`, `HOST:PORT`) or by its key (`host`, `port`, `url`, `uri`,
//! `endpoint`, `address`, `bucket`, alone or at the end as in `tracking_uri`). A placeholder (`${services.…}`, `${lakehouse.…}`) is none:
//! it means the environment's own.
//!
//! A plugin that the target did not bind in that role brings everything along, endpoints too: there is nothing of the target's
//! to keep. [`Promotion::brought`] names them, since they lead to the origin's backends.

use serde_json::{Map, Value};

use super::{Binding, Change, Environment, Program};
use crate::manifest::Role;

/// Last words of keys that hold endpoints.
const ENDPOINT_KEYS: [&str; 8] = ["host", "port", "url", "uri", "endpoint", "address", "bucket", "hostname"];

/// What a promotion would make.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    pub document: Environment,
    /// Where the target keeps its own: `before` is its value, `after` the origin's.
    pub kept: Vec<Change>,
    /// Secrets and endpoints that come from the origin, because the target had none in their place.
    pub brought: Vec<String>,
}

/// The document of `to` with the bindings of `from`.
pub fn promote(from: &Environment, to: &Environment) -> Promotion {
    let mut work = Work { kept: Vec::new(), brought: Vec::new() };
    let mut document = to.clone();
    document.ingestion = Vec::new();
    for (index, binding) in from.ingestion.iter().enumerate() {
        // The second binding of a plugin has the target's second one as its counterpart.
        let earlier = from.ingestion.iter().take(index).filter(|other| other.plugin == binding.plugin).count();
        let counterpart = to.ingestion.iter().filter(|other| other.plugin == binding.plugin).nth(earlier);
        document.ingestion.push(work.binding(&format!("ingestion[{index}]"), binding, counterpart));
    }
    for role in Role::ALL {
        let Some(slot) = document.slot(role) else { continue };
        let counterpart = to.bindings(role).first().copied();
        *slot = from.bindings(role).first().map(|binding| {
            let same = counterpart.filter(|other| other.plugin == binding.plugin);
            work.binding(role.as_str(), binding, same)
        });
    }
    for (name, service) in &from.services {
        document.services.entry(name.clone()).or_insert_with(|| service.clone());
    }
    for (name, program) in &from.programs {
        match program {
            Program::Python { .. } => drop(document.programs.insert(name.clone(), program.clone())),
            Program::Path { .. } => drop(document.programs.entry(name.clone()).or_insert_with(|| program.clone())),
        }
    }
    Promotion { document, kept: work.kept, brought: work.brought }
}

struct Work {
    kept: Vec<Change>,
    brought: Vec<String>,
}

impl Work {
    fn binding(&mut self, place: &str, origin: &Binding, target: Option<&Binding>) -> Binding {
        let mut made = origin.clone();
        let field = format!("{place}.configuration");
        let own = target.map(|target| &target.configuration);
        made.configuration = self.value(&field, "", &origin.configuration, own);
        match target {
            Some(target) => {
                made.grants.http.clone_from(&target.grants.http);
                made.grants.sockets.clone_from(&target.grants.sockets);
                made.grants.files.clone_from(&target.grants.files);
                made.grants.kubernetes.clone_from(&target.grants.kubernetes);
                self.keep(&format!("{place}.grants.http"), &target.grants.http, &origin.grants.http);
                self.keep(&format!("{place}.grants.sockets"), &target.grants.sockets, &origin.grants.sockets);
                self.keep(&format!("{place}.grants.files"), &target.grants.files, &origin.grants.files);
                let cluster = format!("{place}.grants.kubernetes");
                self.keep(&cluster, &target.grants.kubernetes, &origin.grants.kubernetes);
            }
            None => {
                self.bring(&format!("{place}.grants.http"), origin.grants.http.is_empty());
                self.bring(&format!("{place}.grants.sockets"), origin.grants.sockets.is_empty());
                self.bring(&format!("{place}.grants.files"), origin.grants.files.is_empty());
                self.bring(&format!("{place}.grants.kubernetes"), origin.grants.kubernetes.is_empty());
            }
        }
        made
    }

    /// The origin's value, with the target's own secrets and endpoints in it.
    fn value(&mut self, field: &str, key: &str, origin: &Value, target: Option<&Value>) -> Value {
        match origin {
            Value::Object(fields) => {
                let mut made = Map::new();
                for (key, inner) in fields {
                    let own = target.and_then(|target| target.get(key));
                    made.insert(key.clone(), self.value(&format!("{field}.{key}"), key, inner, own));
                }
                Value::Object(made)
            }
            Value::Array(items) => {
                let own = |index| target.and_then(|target| target.get(index));
                let made =
                    items.iter().enumerate().map(|(i, item)| self.value(&format!("{field}[{i}]"), key, item, own(i)));
                Value::Array(made.collect())
            }
            origin if belongs_to_its_environment(key, origin) => match target.filter(|own| !own.is_null()) {
                Some(own) => {
                    self.keep(field, own, origin);
                    own.clone()
                }
                None => {
                    self.brought.push(field.to_owned());
                    origin.clone()
                }
            },
            other => other.clone(),
        }
    }

    fn keep<T: serde::Serialize + PartialEq + ?Sized>(&mut self, field: &str, target: &T, origin: &T) {
        if target != origin {
            let shown = |value: &T| serde_json::to_value(value).ok();
            self.kept.push(Change { field: field.to_owned(), before: shown(target), after: shown(origin) });
        }
    }

    fn bring(&mut self, field: &str, is_empty: bool) {
        if !is_empty {
            self.brought.push(field.to_owned());
        }
    }
}

/// A secret or an endpoint.
fn belongs_to_its_environment(key: &str, value: &Value) -> bool {
    let text = match value {
        Value::String(text) => text.as_str(),
        Value::Number(_) => "",
        _ => return false,
    };
    if text.contains("${services.") || text.contains("${lakehouse.") {
        return false;
    }
    let last = key.rsplit(['_', '-']).next().unwrap_or(key).to_ascii_lowercase();
    ENDPOINT_KEYS.contains(&last.as_str()) || has_scheme(text) || is_host_and_port(text)
}

fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|each| each.is_ascii_alphanumeric() || "+.-".contains(each))
    })
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok()
            && host.contains('.')
            && host.chars().all(|each| each.is_ascii_alphanumeric() || ".-".contains(each))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(text: &str) -> Environment {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_bindings_come_along_and_the_surroundings_stay() {
        let from = document(
            r#"
            name = "staging"
            description = "s"
            lakehouse.storage = "s3://staging"
            lakehouse.s3 = { secret = "staging-bucket" }
            [programs.python]
            type = "python"
            requirements = ["new"]
            [silver]
            plugin = "spark"
            version = "2.0.0"
            configuration = { image = "spark:4", url = "https://staging:6443", token = "secret://staging", cores = 2, peers = ["a.staging:80"] }
            grants.http = [{ host = "staging:6443", credential = { type = "bearer", secret = "staging" } }]
            grants.objects = true
            [gold]
            plugin = "trino"
            configuration = { host = "trino.staging", port = 8080 }
            grants.sockets = ["trino.staging:8080"]
            "#,
        );
        let to = document(
            r#"
            name = "production"
            lakehouse.storage = "s3://production"
            lakehouse.s3 = { secret = "bucket" }
            [secrets.warehouse]
            from = "env"
            name = "W"
            [limits]
            step_seconds = 9
            [programs.python]
            type = "python"
            requirements = ["old"]
            [silver]
            plugin = "spark"
            version = "1.0.0"
            configuration = { image = "spark:3", url = "https://production:6443", token = "secret://production", peers = ["a.production:80"] }
            grants.http = [{ host = "production:6443", credential = { type = "bearer", secret = "production" } }]
            [features]
            plugin = "feast"
            "#,
        );
        let promotion = promote(&from, &to);
        let made = promotion.document;
        assert_eq!((made.name.as_str(), made.description.as_deref()), ("production", None));
        assert_eq!((&made.lakehouse, &made.limits, &made.secrets), (&to.lakehouse, &to.limits, &to.secrets));
        assert_eq!(made.programs, from.programs);
        let silver = made.silver.unwrap();
        assert_eq!(silver.version, Some(semver::Version::new(2, 0, 0)));
        assert_eq!(
            silver.configuration,
            json!({"image": "spark:4", "url": "https://production:6443", "token": "secret://production", "cores": 2, "peers": ["a.production:80"]})
        );
        assert_eq!(silver.grants.http, to.silver.unwrap().grants.http);
        assert!(silver.grants.objects);
        assert_eq!(made.gold, from.gold);
        assert_eq!(made.features, None);
        let kept: Vec<&str> = promotion.kept.iter().map(|kept| kept.field.as_str()).collect();
        let expected = ["peers[0]", "token", "url"].map(|each| format!("silver.configuration.{each}"));
        assert_eq!(kept, [expected[0].as_str(), &expected[1], &expected[2], "silver.grants.http"]);
        assert_eq!(promotion.brought, ["gold.configuration.host", "gold.configuration.port", "gold.grants.sockets"]);
    }

    #[test]
    fn promoting_twice_changes_nothing_more() {
        let from = document("name = 'a'\n[[ingestion]]\nplugin = 'p'\nconfiguration = { url = 'x://a' }\n");
        let to = document("name = 'b'\n[[ingestion]]\nplugin = 'p'\nconfiguration = { url = 'x://b' }\n");
        let once = promote(&from, &to).document;
        assert_eq!(promote(&from, &once).document, once);
    }

    #[test]
    fn endpoints_are_known_by_their_form_or_their_key() {
        for (key, value) in [
            ("tracking_uri", json!("mlflow")),
            ("port", json!(5432)),
            ("where", json!("http://a")),
            ("where", json!("db.internal:5432")),
            ("password", json!("secret://x")),
        ] {
            assert!(belongs_to_its_environment(key, &value), "{key} {value}");
        }
        for (key, value) in [
            ("image", json!("spark:4")),
            ("tracking_uri", json!("${services.mlflow.url}")),
            ("ratio", json!("1:2")),
            ("cores", json!(2)),
            ("support", json!("yes")),
            ("host", json!(true)),
        ] {
            assert!(!belongs_to_its_environment(key, &value), "{key} {value}");
        }
    }
}
