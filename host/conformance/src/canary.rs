//! Interface `canary`.

use asgard_contract::Error;
use asgard_contract::deployer::ServingRequest;

use crate::bench::{Bench, configured};
use crate::report::{Found, Suite, fail, skip};

/// Every check of `canary`.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    let alone = "canary: there is none beside a model that is not served";
    suite.check(alone, configured(bench, alone_is_refused(bench))).await;
}

async fn alone_is_refused(bench: &Bench) -> Found {
    let request = ServingRequest {
        deployment_id: "conformance".to_owned(),
        model_name: "conformance-no-such-model".to_owned(),
        model_version: "1".to_owned(),
        image: Some("registry.invalid/conformance@sha256:0".to_owned()),
        model_files: vec![("MLmodel".to_owned(), "conformance/MLmodel".to_owned())],
        requirements: Vec::new(),
        replicas: 1,
        namespace: "default".to_owned(),
    };
    let answer = bench.plugin.canary(bench.call("conformance-canary").await?).start(&request, 10).await;
    match answer {
        Err(Error::Conflict { .. }) => Ok(()),
        Err(Error::Forbidden { message } | Error::Unsupported { message }) => skip(message),
        Err(other) => fail(format!("expected conflict, found {other}")),
        Ok(_) => fail("a canary was started beside nothing"),
    }
}
