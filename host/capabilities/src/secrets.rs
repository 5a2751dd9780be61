//! Secrets by name. A configuration carries references, `secret://NAME`; only capabilities resolve them.
//!
//! What was looked up on behalf of a plugin is kept out of what it says, in this call and in later ones: a plugin that was told a
//! secret may log it, a process that was told one may print it an hour later, and a backend may answer with the credentials that the
//! host attached. See [`Used`].

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use asgard_contract::{Error, Progress, Result, Status, Step};
use async_trait::async_trait;
use serde_json::Value;

/// What stands in a text in the place of a secret.
pub const MASK: &str = "**********";

/// Shorter values are no secrets, and masking each of their letters would leave no text.
const SHORTEST: usize = 4;

/// Of the lines of a secret that has several. Shorter ones are such as `{`, and stand in many a text.
const SHORTEST_LINE: usize = 8;

/// Where secrets are kept.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret's value.
    ///
    /// # Errors
    /// `not-found` with the name and what to do (`asgard secret set NAME`).
    async fn get(&self, environment: &str, name: &str) -> Result<String>;
}

/// The name in `secret://NAME`, or none when the text is no reference.
pub fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("secret://").filter(|name| !name.is_empty())
}

/// Replaces every text of a JSON value that is a reference by the secret; whether there was any.
///
/// # Errors
/// Those of the secret store.
pub(crate) async fn substitute(value: &mut Value, environment: &str, secrets: &dyn Secrets) -> Result<bool> {
    let mut names = BTreeSet::new();
    each_text(value, &mut |text| names.extend(reference(text).map(str::to_owned)));
    let mut found = HashMap::new();
    for name in names {
        let secret = secrets.get(environment, &name).await?;
        found.insert(name, secret);
    }
    each_text(value, &mut |text| {
        if let Some(secret) = reference(text).and_then(|name| found.get(name)) {
            *text = secret.clone();
        }
    });
    Ok(!found.is_empty())
}

/// Whether any text of a JSON value is a reference.
pub(crate) fn refers(value: &Value) -> bool {
    match value {
        Value::String(text) => reference(text).is_some(),
        Value::Array(items) => items.iter().any(refers),
        Value::Object(fields) => fields.values().any(refers),
        _ => false,
    }
}

fn each_text(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, visit)),
        Value::Object(fields) => fields.values_mut().for_each(|field| each_text(field, visit)),
        _ => {}
    }
}

/// Secrets that were looked up for one plugin. Values are compared as they are: one that was encoded on the way (Base64, a URL) is
/// not recognised.
#[derive(Clone, Default)]
pub struct Used(Arc<RwLock<Noted>>);

#[derive(Default)]
struct Noted {
    names: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Used {
    /// From now on the value is kept out of all texts.
    pub fn note(&self, name: &str, value: &str) {
        let mut noted = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // An S3 key is two in one, and the second half is the secret one.
        let parts = [value.trim(), value.split_once(':').map_or("", |(_, secret)| secret.trim())];
        let parts = parts.into_iter().filter(|part| part.len() >= SHORTEST);
        // What prints a key in PEM has it masked line by line.
        let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
        noted.values.extend(parts.chain(lines).map(str::to_owned));
        noted.names.insert(name.to_owned());
    }

    /// The names of all that were looked up.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).names.clone()
    }

    /// The text with [`MASK`] in the place of every secret.
    pub fn conceal<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let noted = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // Longest first: one may be the start of another.
        let mut found: Vec<&String> = noted.values.iter().filter(|value| text.contains(value.as_str())).collect();
        found.sort_by_key(|value| std::cmp::Reverse(value.len()));
        let mask = |text: Cow<'a, str>, value: &String| Cow::Owned(text.replace(value.as_str(), MASK));
        found.into_iter().fold(Cow::Borrowed(text), mask)
    }

    /// A JSON value without secrets in its texts.
    #[must_use]
    pub fn conceal_value(&self, mut value: Value) -> Value {
        each_text(&mut value, &mut |text| {
            if let Cow::Owned(clean) = self.conceal(text) {
                *text = clean;
            }
        });
        value
    }

    /// What a step says, without secrets in its words. Its state is the plugin's own, and is shown to nobody.
    #[must_use]
    pub fn conceal_step<T>(&self, step: Step<T>) -> Step<T> {
        let details = self.conceal_value(step.details);
        Step { status: self.conceal_status(step.status), details, ..step }
    }

    /// As [`conceal_step`](Self::conceal_step). An outcome is left as it is: it has no words, and the address of an image or of a model
    /// that a mask stood in would be another.
    #[must_use]
    pub fn conceal_status<T>(&self, status: Status<T>) -> Status<T> {
        match status {
            Status::Running { progress, poll_after_ms } => {
                Status::Running { progress: self.conceal_progress(progress), poll_after_ms }
            }
            Status::Failed { error } => Status::Failed { error: self.conceal_error(error) },
            succeeded @ Status::Succeeded { .. } => succeeded,
        }
    }

    /// As [`conceal_step`](Self::conceal_step).
    #[must_use]
    pub fn conceal_progress(&self, progress: Progress) -> Progress {
        Progress { message: self.conceal(&progress.message).into_owned(), ..progress }
    }

    /// An error without secrets in its words.
    #[must_use]
    pub fn conceal_error(&self, error: Error) -> Error {
        let clean = |message: String| self.conceal(&message).into_owned();
        match error {
            Error::InvalidInput { field, message } => Error::InvalidInput { field, message: clean(message) },
            Error::Unauthenticated { message } => Error::Unauthenticated { message: clean(message) },
            Error::Forbidden { message } => Error::Forbidden { message: clean(message) },
            Error::NotFound { message } => Error::NotFound { message: clean(message) },
            Error::Conflict { message } => Error::Conflict { message: clean(message) },
            Error::Unavailable { message, retry_after_ms } => {
                Error::Unavailable { message: clean(message), retry_after_ms }
            }
            Error::Unsupported { message } => Error::Unsupported { message: clean(message) },
            Error::Internal { message } => Error::Internal { message: clean(message) },
        }
    }
}

/// The secrets that a plugin's references mean, noted as they are looked up.
///
/// A name may end in `#access_key_id` or `#secret_access_key`: the two halves of a key that is kept as `ACCESS_KEY:SECRET_KEY`, for
/// programs that want them apart.
pub(crate) struct Noting {
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) used: Used,
}

#[async_trait]
impl Secrets for Noting {
    async fn get(&self, environment: &str, name: &str) -> Result<String> {
        let (whole, part) = name.split_once('#').map_or((name, None), |(whole, part)| (whole, Some(part)));
        let value = self.secrets.get(environment, whole).await?;
        self.used.note(whole, &value);
        match part {
            Some(part) => half(whole, &value, part),
            None => Ok(value),
        }
    }
}

fn half(name: &str, value: &str, part: &str) -> Result<String> {
    let wrong = |message: String| Error::invalid(format!("secret://{name}#{part}"), message);
    let Some((id, key)) = value.split_once(':') else {
        return Err(wrong(format!(
            "secret `{name}` has no parts: `#{part}` is for a key kept as `ACCESS_KEY:SECRET_KEY`"
        )));
    };
    match part {
        "access_key_id" => Ok(id.to_owned()),
        "secret_access_key" => Ok(key.to_owned()),
        _ => Err(wrong(format!("a secret has no part `{part}`: there are `access_key_id` and `secret_access_key`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;

    #[async_trait]
    impl Secrets for One {
        async fn get(&self, _: &str, name: &str) -> Result<String> {
            Ok(if name == "keys" { "AKIA:wJalr:x" } else { "plain" }.to_owned())
        }
    }

    #[tokio::test]
    async fn a_reference_may_name_half_of_a_key() {
        let noting = Noting { secrets: Arc::new(One), used: Used::default() };
        let of = |name| noting.get("e", name);
        assert_eq!(of("keys").await.unwrap(), "AKIA:wJalr:x");
        assert_eq!(of("keys#access_key_id").await.unwrap(), "AKIA");
        assert_eq!(of("keys#secret_access_key").await.unwrap(), "wJalr:x");
        assert!(of("keys#other").await.unwrap_err().to_string().contains("access_key_id"));
        assert!(of("plain#access_key_id").await.unwrap_err().to_string().contains("no parts"));
    }

    #[test]
    fn secrets_that_were_used_are_masked_wherever_they_stand() {
        let used = Used::default();
        let pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n}\n-----END PRIVATE KEY-----\n";
        for value in ["hunter2", "hunter2-longer", "AKIA:wJalr/key", "abc", " \n", pem] {
            used.note(value, value);
        }
        for (text, expected) in [
            ("nothing", "nothing"),
            ("login hunter2 failed: hunter2", "login ********** failed: **********"),
            ("hunter2-longer", "**********"),
            ("signed with wJalr/key", "signed with **********"),
            ("abc stays", "abc stays"),
            ("it begins with MIIEvQIBADANBg and", "it begins with ********** and"),
            ("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n}\n-----END PRIVATE KEY-----", "**********"),
            ("{}", "{}"),
        ] {
            assert_eq!(used.conceal(text), expected);
        }
        let error = used.conceal_error(Error::invalid("config.password", "`hunter2` is wrong"));
        assert_eq!(error, Error::invalid("config.password", "`**********` is wrong"));
    }
}
