//! Interface `image-build`.

use asgard_contract::deployer::{BuildOutcome, BuildRequest};

use crate::bench::{Bench, configured};
use crate::model::{Model, without_files};
use crate::report::{Found, Suite, ensure};
use crate::stepper::{self, FOREIGN, stepper};

stepper!(BuildWork, asgard_plugins::ImageBuild, BuildRequest, BuildOutcome);

/// Every check of `image-build`.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    suite.check(&format!("image-build: {FOREIGN}"), configured(bench, foreign(bench))).await;
    suite.check("image-build: work that was cancelled may be cancelled again", cancelled(bench)).await;
    suite.check("image-build: an image is built once, whatever crashes", built(bench)).await;
}

async fn work(bench: &Bench, request: BuildRequest) -> Found<BuildWork> {
    Ok(BuildWork { handle: bench.plugin.image_build(bench.call(&request.deployment_id).await?), request })
}

async fn foreign(bench: &Bench) -> Found {
    stepper::refuses_foreign_states(&work(bench, without_files()).await?).await
}

async fn cancelled(bench: &Bench) -> Found {
    let model = Model::of(bench).await?;
    stepper::cancelled(&work(bench, model.build("cancelled")).await?).await
}

async fn built(bench: &Bench) -> Found {
    let model = Model::of(bench).await?;
    let image = stepper::to_its_end(&work(bench, model.build("1")).await?).await?.image;
    ensure(image.contains("@sha256:"), || format!("`{image}` may be another image tomorrow: it has no digest"))
}
