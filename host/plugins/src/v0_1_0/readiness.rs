//! Interface `readiness`.

use asgard_contract::Result;

use crate::v0_1_0::bindings::readiness::ReadinessPluginPre;
use crate::v0_1_0::{handle, step};

handle!(
    /// Whether the plugin's backend is there.
    Readiness,
    Readiness,
    readiness,
    ReadinessPluginPre<crate::host::Host>
);

impl Readiness {
    /// Reaches the backend. Answers with what was reached, in one sentence.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn check(&self) -> Result<String> {
        step!(self, asgard_readiness_readiness.call_check())
    }
}
