//! The names of the contract as they stand in a component: which export is which interface, which import is which
//! capability, and which versions of them this host speaks.

use asgard_contract::manifest::{Capability, Interface};

/// The interfaces with the names under which components export them, less the version.
pub(crate) const INTERFACES: [(Interface, &str); 11] = [
    (Interface::Connector, "asgard:connector/connector"),
    (Interface::Transform, "asgard:transform/transform"),
    (Interface::Explain, "asgard:explain/explain"),
    (Interface::FeatureSource, "asgard:feature-source/feature-source"),
    (Interface::FeaturePush, "asgard:feature-push/feature-push"),
    (Interface::Training, "asgard:deployer/training"),
    (Interface::ModelRegistry, "asgard:deployer/model-registry"),
    (Interface::ImageBuild, "asgard:deployer/image-build"),
    (Interface::Serving, "asgard:deployer/serving"),
    (Interface::Canary, "asgard:canary/canary"),
    (Interface::Readiness, "asgard:readiness/readiness"),
];

/// The capabilities with the names under which components import them, less the version.
pub(crate) const CAPABILITIES: [(Capability, &str); 10] = [
    (Capability::Http, "asgard:http/client"),
    (Capability::Sockets, "asgard:sockets/tcp"),
    (Capability::Credentials, "asgard:credentials/password"),
    (Capability::Processes, "asgard:processes/processes"),
    (Capability::Services, "asgard:services/services"),
    (Capability::Objects, "asgard:objects/objects"),
    (Capability::Files, "asgard:files/folders"),
    (Capability::KeyValue, "asgard:key-value/store"),
    (Capability::Lakehouse, "asgard:lakehouse/lakehouse"),
    (Capability::Kubernetes, "asgard:kubernetes/resources"),
];

/// Lent to every plugin, so no capability.
pub(crate) const ALWAYS_LENT: [&str; 2] = ["asgard:plugin/types", "asgard:plugin/context"];

/// The contract's versions that this host runs, newest last. Each has its adapter.
pub(crate) const VERSIONS: [semver::Version; 1] = [semver::Version::new(0, 1, 0)];

/// Splits `asgard:http/client@0.1.0` into its name and its version.
pub(crate) fn split(import: &str) -> (&str, Option<semver::Version>) {
    match import.split_once('@') {
        Some((name, version)) => (name, semver::Version::parse(version).ok()),
        None => (import, None),
    }
}

/// Whether one of the adapters runs a component that was built against `wanted`: the same major and minor version,
/// and no later patch, whose functions an earlier adapter would lack.
pub(crate) fn speaks(wanted: &semver::Version) -> bool {
    VERSIONS
        .iter()
        .any(|known| known.major == wanted.major && known.minor == wanted.minor && known.patch >= wanted.patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_split_from_its_version() {
        assert_eq!(split("asgard:http/client@0.1.0"), ("asgard:http/client", Some(semver::Version::new(0, 1, 0))));
        assert_eq!(split("env"), ("env", None));
    }

    #[test]
    fn only_versions_with_an_adapter_are_spoken() {
        assert!(speaks(&semver::Version::new(0, 1, 0)));
        assert!(!speaks(&semver::Version::new(0, 1, 1)), "functions of a later patch are missing here");
        assert!(!speaks(&semver::Version::new(0, 2, 0)));
        assert!(!speaks(&semver::Version::new(1, 1, 0)));
    }
}
