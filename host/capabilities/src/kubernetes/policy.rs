//! Which grant covers a namespace, a kind and a verb.
//!
//! | a grant says | it covers |
//! | --- | --- |
//! | `namespaces = ["a", "b"]` | these, by their whole name; there is no pattern for all |
//! | `kinds = ["batch/v1/Job"]` | this kind in this version of its API |
//! | `verbs = ["get"]` | this verb on each of them; `get` includes the events about a resource |

use std::collections::BTreeSet;

use asgard_contract::environment::{KubernetesGrant, Verb};
use asgard_contract::{Error, Result};

use super::Reference;
use crate::holder::Holder;

/// The grants of one binding, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Policy(Vec<Grant>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    namespaces: BTreeSet<String>,
    /// `API_VERSION/KIND`.
    kinds: BTreeSet<String>,
    verbs: BTreeSet<Verb>,
    substitute_secrets: bool,
}

impl Policy {
    /// # Errors
    /// `invalid-input` with the part of a grant that is none.
    pub(crate) fn parse(grants: &[KubernetesGrant]) -> Result<Self> {
        let parsed = grants.iter().enumerate().map(|(index, grant)| parse(&format!("kubernetes[{index}]"), grant));
        Ok(Self(parsed.collect::<Result<_>>()?))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// `forbidden`, with what to add.
    pub(super) fn decide(&self, holder: &Holder, namespace: &str, reference: &Reference, verb: Verb) -> Result<()> {
        let kind = format!("{}/{}", reference.api_version, reference.kind);
        let covers = |grant: &Grant| {
            grant.namespaces.contains(namespace) && grant.kinds.contains(&kind) && grant.verbs.contains(&verb)
        };
        if self.0.iter().any(covers) {
            return Ok(());
        }
        let addition =
            format!(r#"add `{{ namespaces = ["{namespace}"], kinds = ["{kind}"], verbs = ["{verb}"] }}` to"#);
        Err(holder.forbidden(&format!("{verb} `{kind}` in namespace `{namespace}`"), "kubernetes", &addition))
    }

    /// Whether a `v1/Secret` that is applied to the namespace may be made of the environment's secrets.
    pub(super) fn substitutes_secrets(&self, namespace: &str) -> bool {
        self.0.iter().any(|grant| {
            grant.substitute_secrets && grant.namespaces.contains(namespace) && grant.kinds.contains("v1/Secret")
        })
    }

    /// Every namespace and kind that is granted, with each verb on it, once. The references name no resource.
    pub(super) fn each(&self) -> Vec<(Reference, Verb)> {
        let mut all = BTreeSet::new();
        for grant in &self.0 {
            for namespace in &grant.namespaces {
                for kind in &grant.kinds {
                    all.extend(grant.verbs.iter().map(|verb| (namespace, kind, *verb)));
                }
            }
        }
        let named = |(namespace, kind, verb): (&String, &String, Verb)| {
            split(kind).map(|(api_version, kind)| (Reference::new(api_version, kind, namespace, ""), verb))
        };
        all.into_iter().filter_map(named).collect()
    }
}

fn parse(field: &str, grant: &KubernetesGrant) -> Result<Grant> {
    let invalid = |part: String, message: String| Err(Error::invalid(format!("{field}.{part}"), message));
    for (part, is_empty) in [
        ("namespaces", grant.namespaces.is_empty()),
        ("kinds", grant.kinds.is_empty()),
        ("verbs", grant.verbs.is_empty()),
    ] {
        if is_empty {
            return invalid(part.to_owned(), "names none, so nothing is granted: name one".to_owned());
        }
    }
    for (index, namespace) in grant.namespaces.iter().enumerate() {
        if !is_label(namespace) {
            let message = format!("`{namespace}` is no namespace: expected lower-case letters, digits and `-`");
            return invalid(format!("namespaces[{index}]"), message);
        }
    }
    for (index, kind) in grant.kinds.iter().enumerate() {
        if split(kind).is_none() {
            let message = format!("`{kind}` is no kind: expected one such as `v1/Pod` or `batch/v1/Job`");
            return invalid(format!("kinds[{index}]"), message);
        }
        if grant.verbs.contains(&Verb::Logs) && kind == "v1/Pod" || !only_logs(&grant.verbs) {
            continue;
        }
        return invalid(format!("kinds[{index}]"), format!("`{kind}` has no logs: only `v1/Pod` has"));
    }
    Ok(Grant {
        namespaces: grant.namespaces.iter().cloned().collect(),
        kinds: grant.kinds.iter().cloned().collect(),
        verbs: grant.verbs.clone(),
        substitute_secrets: grant.substitute_secrets,
    })
}

fn only_logs(verbs: &BTreeSet<Verb>) -> bool {
    verbs.iter().all(|verb| *verb == Verb::Logs)
}

/// `batch/v1/Job` as `batch/v1` and `Job`.
fn split(kind: &str) -> Option<(&str, &str)> {
    let (version, kind) = kind.rsplit_once('/')?;
    let good = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    let parts = version.split('/').count();
    (parts <= 2 && version.split('/').all(good) && good(kind) && kind.starts_with(|c: char| c.is_ascii_uppercase()))
        .then_some((version, kind))
}

/// RFC 1123.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 63 && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Result<Policy> {
        #[derive(serde::Deserialize)]
        struct Text {
            kubernetes: Vec<KubernetesGrant>,
        }
        Policy::parse(&toml::from_str::<Text>(text).unwrap().kubernetes)
    }

    #[test]
    fn a_grant_covers_what_it_names_and_nothing_else() {
        let policy = policy(
            r#"kubernetes = [
                { namespaces = ["jobs"], kinds = ["batch/v1/Job", "v1/Pod"], verbs = ["apply", "get"] },
                { namespaces = ["jobs", "spare"], kinds = ["v1/Secret"], verbs = ["apply"], substitute_secrets = true },
            ]"#,
        )
        .unwrap();
        let holder = Holder::for_test("spark");
        let decide = |namespace: &str, kind: &str, verb| {
            let (api_version, kind) = split(kind).unwrap();
            let reference = Reference {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.to_owned(),
                name: "x".to_owned(),
            };
            policy.decide(&holder, namespace, &reference, verb)
        };
        for (namespace, kind, verb, allowed) in [
            ("jobs", "batch/v1/Job", Verb::Apply, true),
            ("jobs", "v1/Pod", Verb::Get, true),
            ("jobs", "v1/Pod", Verb::Delete, false),
            ("spare", "v1/Pod", Verb::Get, false),
            ("spare", "v1/Secret", Verb::Apply, true),
            ("jobs", "batch/v1beta1/Job", Verb::Apply, false),
            ("kube-system", "v1/Secret", Verb::Apply, false),
            ("", "v1/Secret", Verb::Apply, false),
        ] {
            assert_eq!(decide(namespace, kind, verb).is_ok(), allowed, "{verb} {kind} in {namespace}");
        }
        let refused = decide("spare", "v1/Pod", Verb::Logs).unwrap_err().to_string();
        let addition = r#"add `{ namespaces = ["spare"], kinds = ["v1/Pod"], verbs = ["logs"] }` to"#;
        assert!(refused.contains(addition) && refused.contains("grants.kubernetes"), "{refused}");
        assert!(policy.substitutes_secrets("spare") && !policy.substitutes_secrets("kube-system"));
        assert_eq!(policy.each().len(), 6);
    }

    #[test]
    fn what_is_no_grant_is_refused_with_its_part() {
        for (grant, part) in [
            (r#"namespaces = [], kinds = ["v1/Pod"], verbs = ["get"]"#, "kubernetes[0].namespaces"),
            (r#"namespaces = ["*"], kinds = ["v1/Pod"], verbs = ["get"]"#, "kubernetes[0].namespaces[0]"),
            (r#"namespaces = ["a"], kinds = ["v1/Pod", "*"], verbs = ["get"]"#, "kubernetes[0].kinds[1]"),
            (r#"namespaces = ["a"], kinds = ["Pod"], verbs = ["get"]"#, "kubernetes[0].kinds[0]"),
            (r#"namespaces = ["a"], kinds = ["a/b/c/Pod"], verbs = ["get"]"#, "kubernetes[0].kinds[0]"),
            (r#"namespaces = ["a"], kinds = ["batch/v1/Job"], verbs = ["logs"]"#, "kubernetes[0].kinds[0]"),
            (r#"namespaces = ["a"], kinds = ["v1/Pod"], verbs = []"#, "kubernetes[0].verbs"),
        ] {
            let error = policy(&format!("kubernetes = [{{ {grant} }}]")).unwrap_err();
            assert!(matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == part), "{error:?}");
        }
    }
}
