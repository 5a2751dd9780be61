//! Plugins: versions side by side, bytes that stay as long as somebody may have started with them.

use asgard_contract::manifest::Manifest;
use asgard_store::{Store, StoreError, testing};
use serde_json::json;

fn manifest(version: &str) -> Manifest {
    serde_json::from_value(json!({"name": "sql", "version": version, "summary": "SQL", "exports": ["transform"]}))
        .unwrap()
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn the_newest_release_is_the_one_without_a_version() {
    let (_folder, store) = store().await;
    for (version, digest) in [("0.9.0", "a"), ("0.10.0", "b"), ("1.0.0-rc.1", "c")] {
        store.add_plugin(&manifest(version), digest, digest.as_bytes()).await.unwrap();
    }
    assert_eq!(store.plugin("sql", None).await.unwrap().unwrap().digest, "b");
    let old = semver::Version::new(0, 9, 0);
    assert_eq!(store.plugin("sql", Some(&old)).await.unwrap().unwrap().digest, "a");
    assert_eq!(store.plugin("spark", None).await.unwrap(), None);
    let versions: Vec<String> =
        store.plugins().await.unwrap().iter().map(|plugin| plugin.manifest.version.to_string()).collect();
    assert_eq!(versions, ["1.0.0-rc.1", "0.10.0", "0.9.0"]);
}

#[tokio::test]
async fn a_version_that_exists_takes_no_other_bytes() {
    let (_folder, store) = store().await;
    let first = store.add_plugin(&manifest("1.0.0"), "a", b"a").await.unwrap();
    assert_eq!(store.add_plugin(&manifest("1.0.0"), "a", b"a").await.unwrap(), first);
    let error = store.add_plugin(&manifest("1.0.0"), "b", b"b").await.unwrap_err();
    assert!(matches!(&error, StoreError::Conflict(text) if text.contains("new version")), "{error}");
    assert_eq!(store.plugin_component("b").await.unwrap(), None);
}

#[tokio::test]
async fn the_bytes_of_a_replaced_bundled_version_are_still_found_by_their_digest() {
    let (_folder, store) = store().await;
    store.replace_plugin(&manifest("1.0.0"), "a", b"old").await.unwrap();
    store.replace_plugin(&manifest("1.0.0"), "b", b"new").await.unwrap();
    assert_eq!(store.plugin("sql", None).await.unwrap().unwrap().digest, "b");
    assert_eq!(store.plugin_component("a").await.unwrap().unwrap(), b"old");
    assert_eq!(store.plugin_component("b").await.unwrap().unwrap(), b"new");
    assert_eq!(store.plugin_manifests("a").await.unwrap(), [manifest("1.0.0")]);
}

#[tokio::test]
async fn the_same_bytes_may_be_two_versions_and_two_plugins() {
    let (_folder, store) = store().await;
    let other = Manifest { name: "other".to_owned(), ..manifest("1.0.0") };
    for manifest in [&manifest("1.0.0"), &manifest("2.0.0"), &other] {
        store.add_plugin(manifest, "a", b"a").await.unwrap();
    }
    let mut found = store.plugin_manifests("a").await.unwrap();
    found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    assert_eq!(found, [other, manifest("1.0.0"), manifest("2.0.0")]);
    assert_eq!(store.plugin_manifests("b").await.unwrap(), []);
}
