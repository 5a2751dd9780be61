//! Interface `serving`.

use std::time::Duration;

use asgard_contract::Status;
use asgard_contract::deployer::{ServingOutcome, ServingRequest};

use crate::bench::{Bench, configured};
use crate::model::{Model, serving, without_files};
use crate::report::{Found, Suite, ensure, fail, is_lost, said};
use crate::stepper::{self, Done, FOREIGN, stepper};

stepper!(ServingWork, asgard_plugins::Serving, ServingRequest, ServingOutcome);

/// A model that is served is asked as often while it is replaced.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(20);

/// Every check of `serving`.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    suite.check(&format!("serving: {FOREIGN}"), configured(bench, foreign(bench))).await;
    suite.check("serving: a model is served, replaced without a lost request and removed twice", served(bench)).await;
}

/// Serves a version until it answers.
pub(crate) async fn serve(bench: &Bench, request: ServingRequest) -> Found<(ServingWork, Done<ServingOutcome>)> {
    let work = work(bench, request).await?;
    let done = stepper::done(&work).await?;
    Ok((work, done))
}

async fn work(bench: &Bench, request: ServingRequest) -> Found<ServingWork> {
    Ok(ServingWork { handle: bench.plugin.serving(bench.call(&request.deployment_id).await?), request })
}

async fn foreign(bench: &Bench) -> Found {
    let work = work(bench, serving(without_files())).await?;
    stepper::refuses_foreign_states(&work).await?;
    for answer in [work.handle.inspect(b"{}").await.map(|_| ()), work.handle.remove(b"{}").await] {
        if let Err(error) = answer
            && is_lost(&error)
        {
            return fail(said(&error));
        }
    }
    Ok(())
}

async fn served(bench: &Bench) -> Found {
    let model = Model::of(bench).await?;
    let client = reqwest::Client::new();
    let (_, first) = serve(bench, model.serving("1")).await?;
    let url = first.outcome.url.clone();
    if let Err(why) = model.ask(&client, &url).await {
        return fail(format!("it is served and does not answer: {why}"));
    }
    // As a caller who goes on asking at the URL that was told.
    let asking = async {
        loop {
            if let Err(why) = model.ask(&client, &url).await {
                return why;
            }
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
    };
    let (work, second) = tokio::select! {
        replaced = serve(bench, model.serving("2")) => replaced?,
        lost = asking => return fail(format!("a request was lost while version 2 took the place of version 1: {lost}")),
    };
    if let Err(why) = model.ask(&client, &second.outcome.url).await {
        return fail(format!("version 2 is served and does not answer: {why}"));
    }
    match work.handle.inspect(&second.state).await? {
        Status::Succeeded { outcome } => ensure(outcome.url == second.outcome.url, || {
            format!("it was served at {} and is inspected at {}", second.outcome.url, outcome.url)
        })?,
        other => return fail(format!("it answers and is inspected as {other:?}")),
    }
    work.handle.remove(&second.state).await?;
    work.handle.remove(&second.state).await?;
    ensure(!matches!(work.handle.inspect(&second.state).await, Ok(Status::Succeeded { .. })), || {
        "it was removed and is inspected as served".to_owned()
    })
}
