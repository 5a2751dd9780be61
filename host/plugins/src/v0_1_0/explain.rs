//! Interface `explain`.

use asgard_contract::Result;

use crate::v0_1_0::bindings::explain::ExplainPluginPre;
use crate::v0_1_0::{handle, step};

handle!(
    /// How the plugin's engine would run a statement.
    Explain,
    Explain,
    explain,
    ExplainPluginPre<crate::host::Host>
);

impl Explain {
    /// The engine's plan of a compiled model, as text.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn explain(&self, compiled_sql: &str) -> Result<String> {
        let compiled_sql = compiled_sql.to_owned();
        step!(self, asgard_explain_explain.call_explain(&compiled_sql))
    }
}
