//! Interface `explain`.

use asgard_contract::Error;

use crate::bench::{Bench, configured};
use crate::report::{Found, Suite, ensure, skip};

/// Every check of `explain`.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    suite.check("explain: the plan of a statement is told in words", configured(bench, told(bench))).await;
}

async fn told(bench: &Bench) -> Found {
    let explain = bench.plugin.explain(bench.call("conformance-explain").await?);
    let told = match explain.explain("SELECT 1 AS one, 'a' AS letter").await {
        Err(Error::Forbidden { message } | Error::Unsupported { message }) => return skip(message),
        told => told?,
    };
    ensure(!told.trim().is_empty(), || "it answers with an empty text".to_owned())
}
