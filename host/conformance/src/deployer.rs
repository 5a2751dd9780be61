//! Interfaces `training`, `model-registry`, `image-build` and `serving`. All but one need a tracker, a registry or a cluster, so
//! most is asked only with a setup.

use asgard_contract::deployer::{
    BuildOutcome, BuildRequest, ServingOutcome, ServingRequest, TrainingOutcome, TrainingRequest,
};
use asgard_contract::{Error, Result, Step};
use async_trait::async_trait;

use crate::bench::{Bench, configured};
use crate::report::{Found, Suite, ensure, fail, is_lost, said, skip};
use crate::stepper::{self, Stepper};

const NO_SUCH_MODEL: &str = "asgard-conformance-no-such-model";
const FOREIGN: &str = "a state that it never gave is refused, and traps nothing";

/// Work of one of the three interfaces that have steps.
macro_rules! stepper {
    ($work:ident, $handle:ty, $request:ty, $outcome:ty) => {
        struct $work {
            handle: $handle,
            request: $request,
        }

        #[async_trait]
        impl Stepper for $work {
            type Outcome = $outcome;
            async fn start(&self) -> Result<Step<$outcome>> {
                self.handle.start(&self.request).await
            }
            async fn advance(&self, state: &[u8]) -> Result<Step<$outcome>> {
                self.handle.advance(state).await
            }
            async fn cancel(&self, state: &[u8]) -> Result<()> {
                self.handle.cancel(state).await
            }
        }
    };
}

stepper!(TrainingWork, asgard_plugins::Training, TrainingRequest, TrainingOutcome);
stepper!(BuildWork, asgard_plugins::ImageBuild, BuildRequest, BuildOutcome);
stepper!(ServingWork, asgard_plugins::Serving, ServingRequest, ServingOutcome);

/// Every check of `training`.
pub(crate) async fn training(suite: &mut Suite, bench: &Bench) {
    let foreign = async { stepper::refuses_foreign_states(&training_work(bench, "foreign", "").await?).await };
    suite.check(&format!("training: {FOREIGN}"), configured(bench, foreign)).await;
    suite.check("training: a script is run once, whatever crashes", trains(bench)).await;
}

async fn training_work(bench: &Bench, task: &str, script: &str) -> Found<TrainingWork> {
    let task = format!("conformance-{task}");
    let request = TrainingRequest {
        deployment_id: task.clone(),
        script_name: "train.py".to_owned(),
        script: script.to_owned(),
        experiment: "conformance".to_owned(),
        model_name: "conformance".to_owned(),
        requirements: Vec::new(),
        environment: Vec::new(),
        timeout_ms: 600_000,
        tags: Vec::new(),
        features: None,
    };
    Ok(TrainingWork { handle: bench.plugin.training(bench.call(&task).await?), request })
}

async fn trains(bench: &Bench) -> Found {
    let Some(setup) = &bench.setup.training else {
        return skip("it needs a tracker and a script: `[training] script = \"train.py\"` in `--config`");
    };
    let Ok(script) = std::fs::read_to_string(&setup.script) else {
        return fail(format!("{} cannot be read", setup.script.display()));
    };
    let outcome = stepper::to_its_end(&training_work(bench, "training", &script).await?).await?;
    ensure(!outcome.run_id.is_empty() && !outcome.model_uri.is_empty(), || {
        format!("it ended without a model: {outcome:?}")
    })
}

/// Every check of `model-registry`.
pub(crate) async fn model_registry(suite: &mut Suite, bench: &Bench) {
    let registry = async || Ok::<_, Error>(bench.plugin.model_registry(bench.call("conformance-registry").await?));
    let information = async {
        registry().await?.information().await?;
        Ok(())
    };
    suite.check("model-registry: the backend tells about itself", configured(bench, information)).await;
    let missing = async {
        let registry = registry().await?;
        for answer in [
            registry.get_model(NO_SUCH_MODEL).await.map(|_| ()),
            registry.fetch(NO_SUCH_MODEL, "1", "conformance/").await.map(|_| ()),
        ] {
            match answer {
                Err(Error::NotFound { .. }) => {}
                Err(error) => return fail(format!("expected not-found, found {}", said(&error))),
                Ok(()) => return fail("a model that nobody registered was found"),
            }
        }
        Ok(())
    };
    suite.check("model-registry: a model that is not there is not found", configured(bench, missing)).await;
}

/// Every check of `image-build`.
pub(crate) async fn image_build(suite: &mut Suite, bench: &Bench) {
    let foreign = async {
        let request = BuildRequest {
            deployment_id: "conformance".to_owned(),
            model_name: "conformance".to_owned(),
            model_version: "1".to_owned(),
            model_files: Vec::new(),
            requirements: Vec::new(),
        };
        let handle = bench.plugin.image_build(bench.call("conformance-build").await?);
        stepper::refuses_foreign_states(&BuildWork { handle, request }).await
    };
    suite.check(&format!("image-build: {FOREIGN}"), configured(bench, foreign)).await;
    suite.skipped(&["image-build: an image is built once, whatever crashes"], "it needs a registry and a model");
}

/// Every check of `serving`.
pub(crate) async fn serving(suite: &mut Suite, bench: &Bench) {
    let foreign = async {
        let request = ServingRequest {
            deployment_id: "conformance".to_owned(),
            model_name: "conformance".to_owned(),
            model_version: "1".to_owned(),
            image: None,
            model_files: Vec::new(),
            requirements: Vec::new(),
            replicas: 1,
            namespace: "default".to_owned(),
        };
        let work = ServingWork { handle: bench.plugin.serving(bench.call("conformance-serving").await?), request };
        stepper::refuses_foreign_states(&work).await?;
        for answer in [work.handle.inspect(b"{}").await.map(|_| ()), work.handle.remove(b"{}").await] {
            if let Err(error) = answer
                && is_lost(&error)
            {
                return fail(said(&error));
            }
        }
        Ok(())
    };
    suite.check(&format!("serving: {FOREIGN}"), configured(bench, foreign)).await;
    suite.skipped(&["serving: a model is served, inspected and removed twice"], "it needs a model");
}
