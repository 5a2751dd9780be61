//! Removes ended tasks and their logs once they are kept no longer.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Tasks;

/// Days are what is kept by: an hour more is no difference.
const EVERY: Duration = Duration::from_secs(3600);

/// Removes what is old, at the start and every hour, until `shutdown`.
pub(crate) async fn run(tasks: &Tasks, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        let removing = tasks.store().remove_old_tasks(tasks.config().retention);
        tokio::select! {
            () = shutdown.cancelled() => return,
            removed = removing => match removed {
                Ok(removed) if removed.tasks + removed.logs > 0 => {
                    tracing::info!(tasks = removed.tasks, logs = removed.logs, "ended tasks and logs that were kept long enough are removed");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "old tasks could not be removed"),
            },
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
