//! How an environment goes: with its document, its secrets and what runs for it. Its tables and files stay where they are.
//!
//! It goes only when nobody has anything in it any more: resources and unfinished tasks keep it. What its deployments serve is ended, as
//! nobody could end it later.

use asgard_contract::{Error, Result};
use asgard_tasks::TaskStatus;

use super::Environments;
use crate::{Pipeline, models};

impl Pipeline {
    /// Removes an environment. `force`: although what its deployments serve may go on.
    ///
    /// # Errors
    /// `not-found`; `conflict` while there are resources in it, or tasks that have not ended, or where something that is served
    /// cannot be ended.
    pub async fn delete_environment(&self, name: &str, force: bool) -> Result<()> {
        self.store.check_environment_deletable(name).await?;
        if !force {
            self.end_served(name).await.map_err(|error| {
                let way_out =
                    "Nothing was removed; to remove the environment all the same, force it (`--force`, `?force=true`)";
                Error::conflict(format!("{}. {way_out}", error.to_string().trim_end_matches('.')))
            })?;
        }
        self.environments.remove(name).await
    }

    async fn end_served(&self, name: &str) -> Result<()> {
        let active = self.environments.get(name).await?;
        let (deployments, _) = self.tasks.list(&models::tasks_of(&active), u32::MAX, 0).await?;
        for task in deployments.iter().filter(|task| task.status == TaskStatus::Succeeded) {
            let id = task.subject.as_deref().unwrap_or_default();
            self.remove_served(&active, task)
                .await
                .map_err(|error| error.about(&format!("what deployment `{id}` serves cannot be ended")))?;
        }
        Ok(())
    }
}

impl Environments {
    async fn remove(&self, name: &str) -> Result<()> {
        let _changing = self.changing.lock().await;
        self.store.delete_environment(name).await?;
        self.take_down(name).await
    }

    /// Forgets an environment that the store has no more, and ends what runs for it here.
    pub(super) async fn take_down(&self, name: &str) -> Result<()> {
        self.known.write().await.remove(name);
        self.lakehouses.lock().await.retain(|place, _| place.environment != name);
        self.supervisor.end_services_of(name).await
    }
}
