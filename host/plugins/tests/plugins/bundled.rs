//! The plugins that come with the host agree with their own manifests, and with the host.

use std::path::Path;

use asgard_plugins::parse_manifest;

use crate::components::build;
use crate::setup::runtime;

#[tokio::test]
async fn every_bundled_plugin_is_taken_under_its_manifest() {
    let folder = Path::new("../../plugins");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| folder.join(name).join("plugin.toml").is_file()).collect();
    assert!(!names.is_empty());
    let packages: Vec<String> = names.iter().map(|name| format!("asgard-plugin-{name}")).collect();
    let components = build(&packages).unwrap();
    for name in names {
        let manifest =
            parse_manifest(&std::fs::read_to_string(folder.join(&name).join("plugin.toml")).unwrap()).unwrap();
        let component = &components[&format!("asgard_plugin_{}", name.replace('-', "_"))];
        let inspection = runtime().inspect(component).unwrap();
        assert_eq!(inspection.capabilities, manifest.capabilities, "`{name}` asks for what it uses, and no more");
        let plugin = runtime().load(component, &manifest).await.unwrap_or_else(|refused| panic!("{name}: {refused}"));
        assert_eq!(plugin.manifest().name, name);
    }
}
