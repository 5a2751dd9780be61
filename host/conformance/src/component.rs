//! Component and manifest, before anything of the plugin runs.

use asgard_contract::Error;
use asgard_plugins::{Plugin, Runtime};
use serde_json::json;

use crate::Subject;
use crate::report::{Found, Suite, ensure, fail, skip};

/// No schema has a property of this name.
const UNKNOWN: &str = "asgard-conformance-no-such-property";

/// The plugin, unless the host would refuse it.
pub(crate) async fn check(suite: &mut Suite, runtime: &Runtime, subject: &Subject) -> Option<Plugin> {
    let mut loaded = None;
    let taken = async {
        match runtime.load(&subject.component, &subject.manifest).await {
            Ok(plugin) => {
                loaded = Some(plugin);
                Ok(())
            }
            Err(refused) => fail(refused.to_string()),
        }
    };
    suite.check("component and manifest agree, and the host takes them", taken).await;
    let plugin = loaded?;
    suite.check("the manifest asks for what the component imports and no more", asks(runtime, subject)).await;
    let unknown = async {
        let mut configuration = subject.setup.configuration.clone();
        if let Some(fields) = configuration.as_object_mut() {
            fields.insert(UNKNOWN.to_owned(), json!(true));
        }
        match plugin.validate_configuration(&configuration) {
            Err(Error::InvalidInput { field: Some(_), .. }) => Ok(()),
            Ok(_) => skip("the schema allows more properties: `additionalProperties = false` would find misspelt ones"),
            Err(error) => Err(error.into()),
        }
    };
    suite.check("a misspelt key of the configuration is refused with its field", unknown).await;
    let fits = async {
        match plugin.validate_configuration(&subject.setup.configuration) {
            Ok(_) => Ok(()),
            Err(error) if subject.setup.configuration == json!({}) => {
                skip(format!("it needs a configuration ({error}): give one with `--config`"))
            }
            Err(error) => Err(error.into()),
        }
    };
    suite.check("the configuration of the setup is taken", fits).await;
    Some(plugin)
}

async fn asks(runtime: &Runtime, subject: &Subject) -> Found {
    let inspection = runtime.inspect(&subject.component).map_err(Error::from)?;
    let idle: Vec<String> =
        subject.manifest.capabilities.difference(&inspection.capabilities).map(ToString::to_string).collect();
    ensure(idle.is_empty(), || format!("it asks for {}, and does not import it: take it out", idle.join(", ")))
}
