//! Interfaces `training` and `model-registry`.

use asgard_contract::Error;
use asgard_contract::deployer::{TrainingOutcome, TrainingRequest};

use crate::bench::{Bench, configured};
use crate::report::{Found, Suite, ensure, fail, said, skip};
use crate::stepper::{self, FOREIGN, stepper};

const NO_SUCH_MODEL: &str = "asgard-conformance-no-such-model";

stepper!(TrainingWork, asgard_plugins::Training, TrainingRequest, TrainingOutcome);

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
