//! Interface `readiness`.

use asgard_contract::Error;

use crate::bench::{Bench, configured};
use crate::report::{Found, Suite, ensure, skip};

/// Every check of `readiness`.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    suite.check("readiness: the backend is reached, and told about in words", configured(bench, reached(bench))).await;
}

/// Asked twice: what the first left behind would be in the way of the second.
async fn reached(bench: &Bench) -> Found {
    for task in ["conformance-readiness-1", "conformance-readiness-2"] {
        let told = match bench.plugin.readiness(bench.call(task).await?).check().await {
            Err(Error::Forbidden { message } | Error::Unsupported { message }) => return skip(message),
            told => told?,
        };
        ensure(!told.trim().is_empty(), || "it answers with an empty text".to_owned())?;
    }
    Ok(())
}
