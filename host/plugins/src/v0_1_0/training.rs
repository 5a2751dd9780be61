//! Interface `training`.

use asgard_contract::deployer::{TrainingOutcome as Outcome, TrainingRequest};
use asgard_contract::{Result, Step};
use serde_json::{Map, Value};

use crate::v0_1_0::bindings::training::TrainingPluginPre;
use crate::v0_1_0::bindings::training::exports::asgard::deployer::training as wit;
use crate::v0_1_0::{concealed, handle, step, step_types};

handle!(
    /// Runs training scripts.
    Training,
    Training,
    training,
    TrainingPluginPre<crate::host::Host>
);

impl Training {
    /// Starts the script, once per deployment.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn start(&self, request: &TrainingRequest) -> Result<Step<Outcome>> {
        let request = wit::Request::from(request.clone());
        Ok(concealed(&self.call, step!(self, asgard_deployer_training.call_start(&request))?.into()))
    }

    /// The next step.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn advance(&self, state: &[u8]) -> Result<Step<Outcome>> {
        let state = state.to_vec();
        Ok(concealed(&self.call, step!(self, asgard_deployer_training.call_advance(&state))?.into()))
    }

    /// Ends the script and all that it started.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn cancel(&self, state: &[u8]) -> Result<()> {
        let state = state.to_vec();
        step!(self, asgard_deployer_training.call_cancel(&state))
    }
}

step_types!(wit);

impl From<wit::Step> for Step<Outcome> {
    fn from(step: wit::Step) -> Self {
        Self { state: step.state, status: step.status.into(), details: Value::Object(Map::new()) }
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(outcome: wit::Outcome) -> Self {
        Self { run_id: outcome.run_id, model_uri: outcome.model_uri, metrics: outcome.metrics }
    }
}

impl From<TrainingRequest> for wit::Request {
    fn from(request: TrainingRequest) -> Self {
        Self {
            deployment_id: request.deployment_id,
            script_name: request.script_name,
            script: request.script,
            experiment: request.experiment,
            model_name: request.model_name,
            requirements: request.requirements,
            environment: request.environment,
            timeout_ms: request.timeout_ms,
            tags: request.tags,
            features: request.features,
        }
    }
}
