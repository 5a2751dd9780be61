//! What an issuer's claims mean here: the host's file, and how claims are read by it.

use asgard_contract::{Error, Result};
use asgard_store::{AccessRole, Reach};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::access::caller::Grant;

/// The file that `asgard serve --oidc` names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// As the issuer writes it itself, to the letter.
    pub issuer: String,
    /// What tokens for this host have in `aud`; one of them is enough.
    pub audience: Vec<String>,
    /// The claim that says who someone is, in the audit trail and in revisions.
    #[serde(default = "sub")]
    pub subject_claim: String,
    /// The claim that grants are found by. `realm_access.roles` is the member `roles` of the claim `realm_access`.
    #[serde(default = "groups")]
    pub claim: String,
    /// By how much clocks may differ.
    #[serde(default = "minute")]
    pub clock_skew_seconds: u64,
    /// All that apply to someone count.
    #[serde(default, rename = "grant")]
    pub grants: Vec<OidcGrant>,
}

/// What someone gets whose claim has a value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcGrant {
    /// The claim is this, or this is one of its words or items.
    pub value: String,
    pub role: AccessRole,
    /// None: all.
    pub environments: Option<Vec<String>>,
}

fn sub() -> String {
    "sub".to_owned()
}

fn groups() -> String {
    "groups".to_owned()
}

/// What OpenID Connect's own implementations allow.
fn minute() -> u64 {
    60
}

impl OidcConfig {
    /// # Errors
    /// `invalid-input` with the line that is wrong.
    pub(super) fn check(&self) -> Result<()> {
        address("issuer", &self.issuer)?;
        if self.audience.is_empty() {
            return Err(Error::invalid(
                "audience",
                "is empty: without one, tokens for other programs would be taken too",
            ));
        }
        if self.grants.is_empty() {
            return Err(Error::invalid("grant", "is missing: without a `[[grant]]` nobody may do anything"));
        }
        for (index, grant) in self.grants.iter().enumerate() {
            if grant.environments.as_ref().is_some_and(Vec::is_empty) {
                let field = format!("grant[{index}].environments");
                return Err(Error::invalid(field, "is empty: name one, or leave it out for all of them"));
            }
        }
        Ok(())
    }

    /// Who it is.
    pub(super) fn subject(&self, claims: &Map<String, Value>) -> Option<String> {
        find(claims, &self.subject_claim)?.as_str().filter(|subject| !subject.is_empty()).map(str::to_owned)
    }

    /// What they get.
    pub(super) fn granted(&self, claims: &Map<String, Value>) -> Vec<Grant> {
        let Some(claim) = find(claims, &self.claim) else { return Vec::new() };
        let applies = self.grants.iter().filter(|grant| has(claim, &grant.value));
        applies.map(|grant| Grant { role: grant.role, reach: Reach::of(grant.environments.clone()) }).collect()
    }
}

/// An address that nobody on the way can change what comes from.
///
/// # Errors
/// `invalid-input`.
pub(super) fn address(field: &str, text: &str) -> Result<Url> {
    let wrong = |why: &str| Error::invalid(field, format!("`{text}` {why}"));
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no address: {error}")))?;
    let here = url.host().is_some_and(|host| match host {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    });
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err(wrong("is not safe on the way: expected `https://…`")),
    }
}

/// A claim by its whole name, which may have dots in it, or else member by member.
fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(claim) = claims.get(name) {
        return Some(claim);
    }
    let (first, rest) = name.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

/// Lists have items; texts such as `scope` have words.
fn has(claim: &Value, value: &str) -> bool {
    match claim {
        Value::String(text) => text == value || text.split_whitespace().any(|word| word == value),
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = r#"
        issuer = "https://login.example.com/realms/data"
        audience = ["asgard"]
        claim = "realm_access.roles"

        [[grant]]
        value = "platform"
        role = "admin"

        [[grant]]
        value = "data"
        role = "operator"
        environments = ["staging"]
    "#;

    fn granted(claims: Value) -> Vec<String> {
        let config: OidcConfig = toml::from_str(FILE).unwrap();
        config.check().unwrap();
        config.granted(claims.as_object().unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_grant_whose_value_someone_has_counts() {
        let of_roles = |roles: Value| granted(json!({"realm_access": {"roles": roles}}));
        assert_eq!(of_roles(json!(["data", "other"])), ["`operator` of staging"]);
        assert_eq!(of_roles(json!(["data", "platform"])), ["`admin` of all environments", "`operator` of staging"]);
        assert_eq!(of_roles(json!("openid data")), ["`operator` of staging"]);
        for nothing in [json!([]), json!(["dat", "DATA"]), json!("database"), json!(5), json!(null)] {
            assert!(of_roles(nothing.clone()).is_empty(), "{nothing}");
        }
        assert!(granted(json!({"roles": ["platform"]})).is_empty());
        assert_eq!(granted(json!({"realm_access.roles": ["data"]})).len(), 1);
    }

    #[test]
    fn a_file_that_would_let_in_too_many_or_nobody_is_refused() {
        for (from, to, field) in [
            ("https://login", "http://login", "issuer"),
            ("[\"asgard\"]", "[]", "audience"),
            ("[\"staging\"]", "[]", "grant[1].environments"),
        ] {
            let config: OidcConfig = toml::from_str(&FILE.replace(from, to)).unwrap();
            let error = config.check().unwrap_err();
            assert!(matches!(&error, Error::InvalidInput { field: Some(named), .. } if named == field), "{error:?}");
        }
        assert!(toml::from_str::<OidcConfig>(&FILE.replace("admin", "root")).is_err());
        assert!(toml::from_str::<OidcConfig>(&FILE.replace("claim =", "claims =")).is_err());
    }
}
