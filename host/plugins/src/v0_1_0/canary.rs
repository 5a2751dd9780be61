//! Interface `canary`.

use asgard_contract::Result;
use asgard_contract::deployer::ServingRequest;

use crate::v0_1_0::bindings::canary::CanaryPluginPre;
use crate::v0_1_0::bindings::canary::exports::asgard::canary::canary as wit;
use crate::v0_1_0::{handle, step};

handle!(
    /// Shares a model's requests between two versions.
    Canary,
    Canary,
    canary,
    CanaryPluginPre<crate::host::Host>
);

impl Canary {
    /// Serves a version beside the one that is served; `weight` of a hundred requests are its own. Answers with a state of
    /// [`Serving`](crate::Serving).
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn start(&self, request: &ServingRequest, weight: u32) -> Result<Vec<u8>> {
        let ServingRequest {
            deployment_id,
            model_name,
            model_version,
            image,
            model_files,
            requirements,
            replicas,
            namespace,
        } = request.clone();
        let request = wit::Request {
            deployment_id,
            model_name,
            model_version,
            image,
            model_files,
            requirements,
            replicas,
            namespace,
            weight,
        };
        step!(self, asgard_canary_canary.call_start(&request))
    }
}
