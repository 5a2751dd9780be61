//! An environment's document at the host.

use anyhow::Result;
use asgard_contract::environment::Environment;
use reqwest::Method;
use serde_json::Value;

use crate::client::{Client, field, segment};
use crate::environments::Way;

/// What it would change.
pub(super) async fn plan(client: &Client, document: &Environment) -> Result<Value> {
    let path = format!("/environments/{}/plan", segment(&document.name));
    client.change(Method::POST, &path, &[], document).await
}

pub(super) fn is_new(plan: &Value) -> bool {
    field(plan, "revision").as_i64() == Some(0)
}

/// Makes it true, unless the environment is another by now than when it was planned. Answers with its revision.
pub(super) async fn apply(client: &Client, document: &Environment, plan: &Value, way: &Way) -> Result<Value> {
    let path = format!("/environments/{}", segment(&document.name));
    let query = way.query(field(plan, "revision").as_i64());
    let applied = client.change(Method::PUT, &path, &query, document).await?;
    Ok(field(&applied, "revision").clone())
}
