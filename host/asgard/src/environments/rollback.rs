//! `asgard rollback`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::{Way, shown};
use crate::client::{Place, field, items, segment};

/// Make an earlier revision of an environment true again, as a new revision.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The environment.
    name: String,
    /// The revision, as `asgard environment revisions NAME` numbers them.
    revision: i64,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    place: Place,
}

impl Rollback {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let client = self.place.client()?;
        let path = format!("/environments/{}", segment(&self.name));
        let now = client.get(&path, &[]).await?;
        let expected = field(&now, "revision").as_i64();
        let query = [("with", format!("{}@{}", self.name, self.revision))];
        let difference = client.get(&format!("{path}/diff"), &query).await?;
        shown::changes(items(&difference, "changes"));
        let body = json!({"revision": self.revision});
        let query = self.way.query(expected);
        let answer = client.change(Method::POST, &format!("{path}/rollback"), &query, &body).await?;
        println!("{} is at revision {}, which says what {} did", self.name, field(&answer, "revision"), self.revision);
        Ok(ExitCode::SUCCESS)
    }
}
