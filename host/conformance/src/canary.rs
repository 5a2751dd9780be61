//! Interface `canary`.

use asgard_contract::Error;
use asgard_contract::deployer::ServingRequest;

use crate::bench::{Bench, configured};
use crate::model::Model;
use crate::report::{Found, Suite, ensure, fail, skip};
use crate::serving::serve;
use crate::stepper;

/// Every check of `canary`.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    let alone = "canary: there is none beside a model that is not served";
    suite.check(alone, configured(bench, alone_is_refused(bench))).await;
    suite.check("canary: a version gets its share, and gives it back twice", shared(bench)).await;
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

async fn shared(bench: &Bench) -> Found {
    let model = Model::of(bench).await?;
    let client = reqwest::Client::new();
    let answers = async |url: &str, when: &str| match model.ask(&client, url).await {
        Ok(()) => Ok(()),
        Err(why) => fail(format!("{when}, the model does not answer: {why}")),
    };
    let (work, served) = serve(bench, model.serving("1")).await?;
    let canary = bench.plugin.canary(bench.call("conformance-2").await?);
    let request = model.serving("2");
    canary.start(&request, 10).await?;
    let state = canary.start(&request, 10).await?;
    let shared = stepper::done_from(&work, &state).await?;
    ensure(shared.outcome.url == served.outcome.url, || {
        format!("the model is served at {} and its canary at {}", served.outcome.url, shared.outcome.url)
    })?;
    answers(&served.outcome.url, "while requests are shared").await?;
    work.handle.remove(&shared.state).await?;
    work.handle.remove(&shared.state).await?;
    answers(&served.outcome.url, "after its canary was removed").await?;
    work.handle.remove(&served.state).await?;
    Ok(())
}
