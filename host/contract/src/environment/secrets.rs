//! Which secrets a document names, and where those are that the host does not keep itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Catalog, Cluster, Credential, Environment};

/// Where a secret is kept, if not in the host's store. Looked up whenever it is used, so that a changed value needs no restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// A variable of the host process.
    Env { name: String },
    /// A file that the host may read, without the line break at its end. What a Kubernetes secret or a vault's agent mounts.
    File { path: String },
    /// A key of a Kubernetes secret in the environment's cluster.
    Kubernetes { namespace: String, name: String, key: String },
}

/// A place in a document that names a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUse {
    /// `silver.grants.http[0].credential.secret`.
    pub field: String,
    pub name: String,
}

/// Every place of a document that names a secret: credentials by name, configurations as `secret://NAME`.
pub fn secrets_in(document: &Environment) -> Vec<SecretUse> {
    let mut found = Vec::new();
    let mut add = |field: String, name: &str| found.push(SecretUse { field, name: name.to_owned() });
    if let Some(s3) = &document.lakehouse.s3 {
        add("lakehouse.s3.secret".to_owned(), &s3.secret);
    }
    if let Catalog::Rest { authorization: Some(credential), .. } = &document.lakehouse.catalog {
        add("lakehouse.catalog.authorization.secret".to_owned(), of_credential(credential));
    }
    if let Some(Cluster::Token { secret, .. }) = &document.kubernetes {
        add("kubernetes.secret".to_owned(), secret);
    }
    for (_, place, binding) in document.places() {
        in_value(&format!("{place}.configuration"), &binding.configuration, &mut add);
        for (index, grant) in binding.grants.http.iter().enumerate() {
            if let Some(credential) = &grant.credential {
                add(format!("{place}.grants.http[{index}].credential.secret"), of_credential(credential));
            }
        }
    }
    found
}

fn of_credential(credential: &Credential) -> &str {
    match credential {
        Credential::Bearer { secret }
        | Credential::Basic { secret, .. }
        | Credential::OauthClientCredentials { secret, .. }
        | Credential::AwsSigv4 { secret, .. } => secret,
    }
}

fn in_value(field: &str, value: &Value, add: &mut impl FnMut(String, &str)) {
    match value {
        Value::String(text) => {
            if let Some(reference) = text.strip_prefix("secret://").filter(|name| !name.is_empty()) {
                // `#access_key_id` and `#secret_access_key` name a part of it.
                add(field.to_owned(), reference.split_once('#').map_or(reference, |(name, _)| name));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                in_value(&format!("{field}[{index}]"), item, add);
            }
        }
        Value::Object(fields) => {
            for (key, inner) in fields {
                in_value(&format!("{field}.{key}"), inner, add);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_wherever_a_document_may_name_one() {
        let document: Environment = toml::from_str(
            r#"
            name = "x"
            [lakehouse]
            storage = "s3://b"
            s3 = { secret = "bucket" }
            catalog = { type = "rest", uri = "http://c", authorization = { type = "basic", username = "u", secret = "c" } }
            [[ingestion]]
            plugin = "postgres"
            configuration = { proxy = [{ password = "secret://proxy" }] }
            [silver]
            plugin = "spark"
            grants.http = [{ host = "a:1" }, { host = "b:1", credential = { type = "bearer", secret = "spark" } }]
            "#,
        )
        .unwrap();
        let found: Vec<_> = secrets_in(&document).into_iter().map(|each| (each.field, each.name)).collect();
        let expected = [
            ("lakehouse.s3.secret", "bucket"),
            ("lakehouse.catalog.authorization.secret", "c"),
            ("ingestion[0].configuration.proxy[0].password", "proxy"),
            ("silver.grants.http[1].credential.secret", "spark"),
        ];
        assert_eq!(found, expected.map(|(field, name)| (field.to_owned(), name.to_owned())));
    }
}
