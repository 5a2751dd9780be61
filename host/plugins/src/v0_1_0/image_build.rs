//! Interface `image-build`.

use asgard_contract::deployer::{BuildOutcome as Outcome, BuildRequest};
use asgard_contract::{Result, Step};
use serde_json::{Map, Value};

use crate::v0_1_0::bindings::image_build::ImageBuildPluginPre;
use crate::v0_1_0::bindings::image_build::exports::asgard::deployer::image_build as wit;
use crate::v0_1_0::{concealed, handle, step, step_types};

handle!(
    /// Makes container images of models.
    ImageBuild,
    ImageBuild,
    image_build,
    ImageBuildPluginPre<crate::host::Host>
);

impl ImageBuild {
    /// The first step.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn start(&self, request: &BuildRequest) -> Result<Step<Outcome>> {
        let BuildRequest { deployment_id, model_name, model_version, model_files, requirements } = request.clone();
        let request = wit::Request { deployment_id, model_name, model_version, model_files, requirements };
        Ok(concealed(&self.call, step!(self, asgard_deployer_image_build.call_start(&request))?.into()))
    }

    /// The next step.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn advance(&self, state: &[u8]) -> Result<Step<Outcome>> {
        let state = state.to_vec();
        Ok(concealed(&self.call, step!(self, asgard_deployer_image_build.call_advance(&state))?.into()))
    }

    /// Ends the build. May be repeated.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn cancel(&self, state: &[u8]) -> Result<()> {
        let state = state.to_vec();
        step!(self, asgard_deployer_image_build.call_cancel(&state))
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
        Self { image: outcome.image }
    }
}
