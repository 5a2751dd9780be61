//! Interface `serving`.

use asgard_contract::deployer::{ServingOutcome as Outcome, ServingRequest};
use asgard_contract::{Result, Status, Step};
use serde_json::{Map, Value};

use crate::v0_1_0::bindings::serving::ServingPluginPre;
use crate::v0_1_0::bindings::serving::exports::asgard::deployer::serving as wit;
use crate::v0_1_0::{concealed, handle, step, step_types};

handle!(
    /// Serves models over HTTP.
    Serving,
    Serving,
    serving,
    ServingPluginPre<crate::host::Host>
);

impl Serving {
    /// The first step; a newer version takes the older one's place without a lost request.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn start(&self, request: &ServingRequest) -> Result<Step<Outcome>> {
        let request = wit::Request::from(request.clone());
        Ok(concealed(&self.call, step!(self, asgard_deployer_serving.call_start(&request))?.into()))
    }

    /// The next step.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn advance(&self, state: &[u8]) -> Result<Step<Outcome>> {
        let state = state.to_vec();
        Ok(concealed(&self.call, step!(self, asgard_deployer_serving.call_advance(&state))?.into()))
    }

    /// Ends the work. May be repeated.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn cancel(&self, state: &[u8]) -> Result<()> {
        let state = state.to_vec();
        step!(self, asgard_deployer_serving.call_cancel(&state))
    }

    /// Whether it still answers, by the state of the step that succeeded.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn inspect(&self, state: &[u8]) -> Result<Status<Outcome>> {
        let state = state.to_vec();
        let status = step!(self, asgard_deployer_serving.call_inspect(&state))?.into();
        Ok(self.call.lent.used_secrets.conceal_status(status))
    }

    /// Ends what is served; nothing happens if it has ended.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn remove(&self, state: &[u8]) -> Result<()> {
        let state = state.to_vec();
        step!(self, asgard_deployer_serving.call_remove(&state))
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
        Self { url: outcome.url, external_ip: outcome.external_ip }
    }
}

impl From<ServingRequest> for wit::Request {
    fn from(request: ServingRequest) -> Self {
        Self {
            deployment_id: request.deployment_id,
            model_name: request.model_name,
            model_version: request.model_version,
            image: request.image,
            model_files: request.model_files,
            requirements: request.requirements,
            replicas: request.replicas,
            namespace: request.namespace,
        }
    }
}
