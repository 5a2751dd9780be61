//! Following what other hosts on the same database make of the environments.
//!
//! A document that another host applied is true everywhere; this host finds it within half a second and swaps it in as its own
//! PUT would. What cannot be activated here (a bucket that this host does not reach) leaves the revision before in use, is told in
//! the log, and is tried again.

use std::time::Duration;

use super::Environments;

/// A question of one small table; a person who changed something on one host does not notice the time on another.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What failed once will fail for a while.
const TRY_AGAIN: Duration = Duration::from_secs(10);

impl Environments {
    /// Never ends by itself.
    pub(crate) async fn follow(&self) {
        loop {
            let pause = match self.catch_up().await {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "environments could not be brought up to date with other hosts");
                    TRY_AGAIN
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn catch_up(&self) -> asgard_contract::Result<()> {
        for (name, revision) in self.store.environment_heads().await? {
            let known = self.active.read().await.get(&name).map(|active| active.revision);
            if known == Some(revision) {
                continue;
            }
            if let Some(newest) = self.store.environment(&name).await? {
                let active = self.activate(newest).await?;
                active.lender.start_services();
                tracing::info!(environment = name, revision = active.revision, "another host changed this environment");
            }
        }
        Ok(())
    }
}
