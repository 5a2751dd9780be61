//! What a plugin asks for and its binding does not give.

use asgard_contract::environment::Grants;
use asgard_contract::manifest::{Capability, Manifest};

use super::{Finding, Verdict};

/// A warning for each capability that is asked for and not granted: the plugin may do without it, and says so itself when it cannot.
pub(super) fn findings(place: &str, manifest: &Manifest, grants: &Grants) -> Vec<Finding> {
    let missing = manifest.capabilities.iter().filter(|capability| !given(**capability, grants));
    let said = missing.filter_map(|capability| {
        let line = line(*capability)?;
        let name = &manifest.name;
        let message =
            format!("plugin `{name}` asks for `{capability}` and is granted none: add `grants.{line}` if it is needed");
        Some(Finding::new(format!("{place}.grants"), Verdict::Warned, message))
    });
    said.collect()
}

fn given(capability: Capability, grants: &Grants) -> bool {
    match capability {
        Capability::Http => !grants.http.is_empty(),
        Capability::Sockets => !grants.sockets.is_empty(),
        // Proofs are always lent; only `reveal` has a grant.
        Capability::Credentials => true,
        Capability::Processes => !grants.processes.is_empty(),
        Capability::Services => !grants.services.is_empty(),
        Capability::Objects => grants.objects,
        Capability::Files => !grants.files.is_empty(),
        Capability::KeyValue => grants.key_value,
        Capability::Lakehouse => !(grants.lakehouse.read.is_empty() && grants.lakehouse.write.is_empty()),
        Capability::Kubernetes => !grants.kubernetes.is_empty(),
    }
}

/// What to write below a binding.
fn line(capability: Capability) -> Option<&'static str> {
    Some(match capability {
        Capability::Http => r#"http = [{ host = "HOST:PORT" }]"#,
        Capability::Sockets => r#"sockets = ["HOST:PORT"]"#,
        Capability::Processes => r#"processes = ["PROGRAM"]"#,
        Capability::Services => r#"services = ["PROGRAM"]"#,
        Capability::Objects => "objects = true",
        Capability::Files => r#"files = ["FOLDER"]"#,
        Capability::KeyValue => "key_value = true",
        Capability::Lakehouse => r#"lakehouse = { read = ["bronze"], write = ["silver"] }"#,
        Capability::Kubernetes => {
            r#"kubernetes = [{ namespaces = ["NAMESPACE"], kinds = ["v1/Pod"], verbs = ["get"] }]"#
        }
        // Never missing.
        Capability::Credentials => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_and_not_given_is_told_with_the_line_to_add() {
        let manifest: Manifest = toml::from_str(
            "name = 'p'\nversion = '1.0.0'\nsummary = 's'\nexports = ['connector']\n\
             capabilities = ['http', 'objects', 'credentials', 'kubernetes']\n",
        )
        .unwrap();
        let grants = Grants { objects: true, ..Grants::default() };
        let findings = findings("silver", &manifest, &grants);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].message.contains("grants.http = [") && findings[0].field == "silver.grants");
        assert!(findings[1].message.contains("grants.kubernetes = ["));
    }
}
