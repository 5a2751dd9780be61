//! Work on files off the runtime's threads.

use std::io;

use asgard_contract::{Error, Result};

/// Runs `work` where it may block.
///
/// # Errors
/// Those of `work`; `unavailable` when the host is shutting down.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(Error::internal(format!("a defect of the host: {error}"))),
        Err(_) => Err(Error::unavailable("the host is shutting down")),
    }
}

/// For files of the host itself, where no failure is expected: `making the folder`, `/data/x`.
pub(crate) fn file_error(act: &str, path: &std::path::Path, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::StorageFull {
        return Error::unavailable(format!("{act} {}: the disk is full", path.display()));
    }
    Error::internal(format!("{act} {}: {error}", path.display()))
}
