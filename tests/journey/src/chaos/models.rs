//! Models that come of a pipeline's runs: each leaves one version, which is served in the place of the one before, and was made of one
//! row of features for each run until then.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::COMPARE_EVERY;
use super::syncs::Differences;
use crate::client::Client;
use crate::modeller;

/// The versions of one model.
pub(super) struct Models(String);

impl Models {
    pub(super) fn new(model: String) -> Self {
        Self(model)
    }

    /// The step of a pipeline that makes a version of features.
    pub(super) fn step(&self, needs: &str, features: Value) -> Value {
        let mut with = modeller::deployment(&self.0);
        with["features"] = features;
        json!({"id": "model", "kind": "deployment", "needs": [needs], "with": with})
    }

    /// Deployments and versions, beside the runs that were asked for.
    pub(super) fn compare(&self, client: &Client, runs: u64) -> Result<Differences> {
        let deployments = self.deployments(client)?;
        let count = deployments.len() as u64;
        let mut differences = Differences { lost: runs.saturating_sub(count), doubled: count.saturating_sub(runs) };
        let mut made: HashMap<&str, &Value> = HashMap::new();
        for deployment in &deployments {
            match deployment["model_version"].as_str() {
                Some(version) if deployment["status"] == "deployed" => {
                    let other = made.insert(version, &deployment["run_id"]);
                    differences.doubled += u64::from(other.is_some());
                }
                _ => differences.lost += 1,
            }
        }
        // Newest first: no more have come since the tables were compared before.
        for deployment in deployments.iter().take(COMPARE_EVERY as usize) {
            differences.add(features_of(client, deployment)?);
        }
        let versions = self.versions(client)?;
        for number in 1..=runs {
            let number = number.to_string();
            let is_there = versions.iter().any(|version| version["version"] == number.as_str());
            differences.lost += u64::from(!is_there);
        }
        for version in &versions {
            match made.remove(version["version"].as_str().unwrap_or_default()) {
                Some(run) if *run == version["run_id"] => {}
                Some(_) => differences.lost += 1,
                None => differences.doubled += 1,
            }
        }
        differences.lost += made.len() as u64;
        // Deployments come one after the other: the last version is the one that is served.
        if served(&versions) != [runs.to_string()] {
            differences.lost += 1;
        }
        Ok(differences)
    }

    /// Removes all deployments; answers how many versions are served nevertheless.
    pub(super) fn remove(&self, client: &Client) -> Result<u64> {
        for deployment in self.deployments(client)? {
            let id = deployment["deployment_id"].as_str().context("a deployment has no id")?;
            let answer = client.send("DELETE", &format!("/mlops/deployments/{id}"), None, &[])?;
            ensure!(answer.status == 204, "deployment {id} is not removed: {}", answer.body);
        }
        Ok(served(&self.versions(client)?).len() as u64)
    }

    fn deployments(&self, client: &Client) -> Result<Vec<Value>> {
        let mut all = client.get("/mlops/deployments?page_size=1000")?;
        let mut own = std::mem::take(all.as_array_mut().context("no deployments")?);
        own.retain(|deployment| deployment["model_name"] == self.0.as_str());
        Ok(own)
    }

    /// None before the first.
    fn versions(&self, client: &Client) -> Result<Vec<Value>> {
        let mut answer = client.send("GET", &format!("/mlops/models/{}", self.0), None, &[])?;
        if answer.status == 404 {
            return Ok(Vec::new());
        }
        let versions = answer.body["latest_versions"].as_array_mut().map(std::mem::take);
        versions.with_context(|| format!("the model was answered with {}", answer.body))
    }
}

/// The rows of features that the script got, beside the runs until then: as many as the version's number.
fn features_of(client: &Client, deployment: &Value) -> Result<Differences> {
    let id = deployment["deployment_id"].as_str().context("a deployment has no id")?;
    // One without a version has been counted.
    let Some(wanted) = deployment["model_version"].as_str().and_then(|version| version.parse::<u64>().ok()) else {
        return Ok(Differences::default());
    };
    let log = client.get(&format!("/mlops/deployments/{id}/logs?limit=1000"))?;
    let lines = log["lines"].as_array().context("no lines")?.iter().filter_map(|line| line["message"].as_str());
    let mut told = lines.filter_map(|line| line.strip_suffix(" rows of features for the script")?.parse::<u64>().ok());
    // A step that a kill broke off may have told it as well.
    let rows = told.next_back().unwrap_or_default();
    Ok(Differences { lost: wanted.saturating_sub(rows), doubled: rows.saturating_sub(wanted) })
}

/// The numbers of the versions that answer.
fn served(versions: &[Value]) -> Vec<&str> {
    let served = versions.iter().filter(|version| version["stage"] == "Production");
    served.filter_map(|version| version["version"].as_str()).collect()
}
