//! An environment's document at the host.

use std::time::{Duration, Instant};

use anyhow::Result;
use asgard_contract::environment::Environment;
use reqwest::Method;
use serde_json::Value;

use crate::client::{Client, NotYet, field, segment};
use crate::environments::Way;

/// How long what a document needs may be made ready, such as a connector's Python environment.
const PATIENCE: Duration = Duration::from_secs(600);

/// What it would change.
pub(super) async fn plan(client: &Client, document: &Environment) -> Result<Value> {
    let path = format!("/environments/{}/plan", segment(&document.name));
    client.change(Method::POST, &path, &[], document).await
}

pub(super) fn is_new(plan: &Value) -> bool {
    field(plan, "revision").as_i64() == Some(0)
}

/// Makes it true, unless the environment is another by now than when it was planned. Answers with its revision. While what the
/// document needs is being made ready, the host is asked again.
pub(super) async fn apply(client: &Client, document: &Environment, plan: &Value, way: &Way) -> Result<Value> {
    let path = format!("/environments/{}", segment(&document.name));
    let query = way.query(field(plan, "revision").as_i64());
    let asked = Instant::now();
    loop {
        let error = match client.change(Method::PUT, &path, &query, document).await {
            Ok(applied) => return Ok(field(&applied, "revision").clone()),
            Err(error) => error,
        };
        match error.downcast_ref::<NotYet>() {
            Some(NotYet { after, .. }) if asked.elapsed() + *after < PATIENCE => {
                eprintln!("{}: {error}", document.name);
                tokio::time::sleep(*after).await;
            }
            _ => return Err(error),
        }
    }
}
