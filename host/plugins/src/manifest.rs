//! Reads `plugin.toml`.

use asgard_contract::manifest::Manifest;
use asgard_contract::misfit;

use crate::refusal::RefusedPlugin;
use crate::schema;

/// Longer summaries do not fit a list.
const SUMMARY_LIMIT: usize = 300;

/// Reads and checks a manifest.
///
/// # Errors
/// With the line or the field that is wrong and what was expected.
pub fn parse_manifest(text: &str) -> Result<Manifest, RefusedPlugin> {
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        let message = error.to_string().replace(error.message(), &misfit::told(error.message()));
        RefusedPlugin::Manifest { field: None, message: message.trim_end().to_owned() }
    })?;
    check(&manifest)?;
    Ok(manifest)
}

/// What the types of a manifest cannot say.
pub(crate) fn check(manifest: &Manifest) -> Result<(), RefusedPlugin> {
    let wrong = |field: &str, message: String| Err(RefusedPlugin::Manifest { field: Some(field.to_owned()), message });
    if !is_plugin_name(&manifest.name) {
        return wrong(
            "name",
            format!(
                "`name` is `{}`, expected 1 to 64 lower-case letters, digits and `-`, starting with a letter",
                manifest.name.escape_debug()
            ),
        );
    }
    if manifest.summary.trim().is_empty() || manifest.summary.len() > SUMMARY_LIMIT {
        return wrong("summary", format!("`summary` must be one sentence of at most {SUMMARY_LIMIT} bytes"));
    }
    if manifest.exports.is_empty() {
        return wrong(
            "exports",
            "`exports` is empty: name at least one interface, such as `[\"connector\"]`".to_owned(),
        );
    }
    schema::Schema::compile(&manifest.configuration).map_err(|reason| RefusedPlugin::ConfigurationSchema { reason })?;
    if manifest.configuration.get("type").and_then(serde_json::Value::as_str) != Some("object") {
        return Err(RefusedPlugin::ConfigurationSchema { reason: "expected `type = \"object\"`".to_owned() });
    }
    Ok(())
}

fn is_plugin_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "postgres"
        version = "0.1.0"
        summary = "Tables of a PostgreSQL database."
        exports = ["connector"]
        capabilities = ["sockets", "credentials"]
    "#;

    #[test]
    fn a_manifest_without_configuration_takes_none() {
        let manifest = parse_manifest(GOOD).unwrap();
        assert_eq!(manifest.name, "postgres");
        assert_eq!(manifest.configuration["additionalProperties"], false);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (GOOD.replace("postgres", "Post gres"), "`name` is `Post gres`"),
            (GOOD.replace("\"connector\"", ""), "`exports` is empty"),
            (GOOD.replace("\"connector\"", "\"conector\""), "`conector`: expected one of"),
            (GOOD.replace("\"0.1.0\"", "\"one\""), "unexpected character"),
            (GOOD.replace("summary", "sumary"), "no field `sumary` here"),
            (GOOD.replace("\"sockets\"", "\"network\""), "`network`: expected one of"),
            (format!("{GOOD}\n[configuration]\ntype = \"objekt\""), "no usable JSON Schema"),
            (format!("{GOOD}\n[configuration]\ntype = \"string\""), "expected `type = \"object\"`"),
        ];
        for (text, expected) in cases {
            let message = parse_manifest(&text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message:?} does not say {expected:?}");
        }
    }
}
