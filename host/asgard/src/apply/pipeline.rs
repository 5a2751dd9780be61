//! A pipeline's document: what `PUT /pipelines/{name}` takes, with its kind, its name and its environment.

use anyhow::Result;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::{Client, field, segment};

/// A pipeline as files have it.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    name: String,
    /// None: the host's own choice.
    environment: Option<String>,
    /// All else is for the host to read.
    #[serde(flatten)]
    body: Map<String, Value>,
}

/// The value of `kind`.
pub(super) const KIND: &str = "pipeline";

impl Document {
    /// Its name, as lines of output have it.
    pub(super) fn title(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{environment}/{}", self.name),
            None => self.name.clone(),
        }
    }

    pub(super) fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// What it would change.
    pub(super) async fn plan(&self, client: &Client) -> Result<Value> {
        client.change(Method::POST, &format!("{}/plan", self.path()), &[], &self.body()).await
    }

    /// Makes it true.
    pub(super) async fn apply(&self, client: &Client) -> Result<()> {
        client.change(Method::PUT, &self.path(), &[], &self.body()).await.map(drop)
    }

    fn path(&self) -> String {
        let place = self.environment.as_deref().map(|name| format!("/environments/{}", segment(name)));
        format!("{}/pipelines/{}", place.unwrap_or_default(), segment(&self.name))
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = self.body.clone();
        body.remove("kind");
        body
    }
}

/// The plan of one that cannot be there yet.
pub(super) fn new() -> Value {
    json!({"is_new": true, "changes": []})
}

pub(super) fn is_new(plan: &Value) -> bool {
    field(plan, "is_new") == &Value::Bool(true)
}
