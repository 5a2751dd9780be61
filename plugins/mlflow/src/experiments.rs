//! Experiments: the folder that a script's runs go into.

use asgard_sdk::{Error, Result};
use serde_json::json;

use crate::client::Client;
use crate::wire::{CreatedExperiment, ExperimentAnswer, Experiments};

/// How many a page holds; the server's own limit is higher, its default is none at all.
const PAGE: u32 = 1000;

/// The id of the experiment of this name, which is made when there is none.
///
/// # Errors
/// `conflict` for an experiment that was deleted: MLflow keeps its name. Those of the server.
pub fn ensure(client: &Client, name: &str) -> Result<String> {
    match find(client, name) {
        Err(Error::NotFound(_)) => {}
        found => return found,
    }
    match client.post::<CreatedExperiment>("experiments/create", &json!({ "name": name })) {
        Ok(created) => Ok(created.experiment_id),
        // Another deployment was quicker.
        Err(Error::Conflict(_)) => find(client, name),
        Err(error) => Err(error),
    }
}

fn find(client: &Client, name: &str) -> Result<String> {
    let answer: ExperimentAnswer = client.get("experiments/get-by-name", &[("experiment_name", name)])?;
    if answer.experiment.lifecycle_stage == "deleted" {
        return Err(Error::Conflict(format!(
            "experiment `{name}` was deleted in MLflow, which keeps its name: restore it there, or choose another name"
        )));
    }
    Ok(answer.experiment.experiment_id)
}

/// The ids of all experiments that are not deleted.
///
/// # Errors
/// Those of the server.
pub fn active(client: &Client) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let body =
            json!({ "max_results": PAGE, "view_type": "ACTIVE_ONLY", "page_token": token.as_deref().unwrap_or("") });
        let page: Experiments = client.post("experiments/search", &body)?;
        ids.extend(page.experiments.into_iter().map(|experiment| experiment.experiment_id));
        match page.next_page_token.filter(|next| !next.is_empty()) {
            Some(next) => token = Some(next),
            None => return Ok(ids),
        }
    }
}
