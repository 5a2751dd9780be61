//! What is not taken, and what its author is told. None of it has run.

use asgard_contract::Error;
use asgard_contract::manifest::{Capability, Interface, Manifest};
use asgard_plugins::RefusedPlugin;

use crate::setup::{component, manifest, runtime};

/// The refusal of a component under a manifest.
async fn refused(component: &[u8], manifest: &Manifest) -> RefusedPlugin {
    runtime().load(component, manifest).await.unwrap_err()
}

/// A component as text. Its exports have no functions, which is found out last.
fn assembled(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_the_reason() {
    let echo = component("echo");
    let mut damaged = echo.to_vec();
    damaged[echo.len() / 2..].fill(0xff);
    let cases: [(&[u8], &str); 6] = [
        (b"", "starts with nothing"),
        (b"#!/bin/sh\n", "starts with `#!/b`, expected `\\0asm`"),
        (b"\0asm\x01\0\0\0", "a core WebAssembly module, not a component: build it for the target `wasm32-wasip2`"),
        (&echo[..echo.len() / 2], "truncated or damaged"),
        (&echo[..20], "truncated or damaged"),
        (&damaged, "truncated or damaged"),
    ];
    for (bytes, expected) in cases {
        let message = refused(bytes, &manifest("echo")).await.to_string();
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}

#[tokio::test]
async fn exports_that_the_manifest_does_not_agree_with_are_named() {
    let mut promising = manifest("echo");
    promising.exports.insert(Interface::FeatureSource);
    let missing = refused(component("echo"), &promising).await;
    assert_eq!(
        missing.to_string(),
        "plugin.toml says that the plugin exports `feature-source`, and the component does not: add the export, or take \
         it out of `exports`"
    );

    let mut hiding = manifest("rows");
    hiding.exports = [Interface::Transform].into();
    assert!(
        refused(component("rows"), &hiding)
            .await
            .to_string()
            .contains("exports `transform`, and the component does not")
    );
}

#[tokio::test]
async fn a_capability_that_is_used_and_not_asked_for_is_named_with_the_line_to_write() {
    let mut silent = manifest("greedy");
    silent.capabilities.remove(&Capability::Sockets);
    let refused = refused(component("greedy"), &silent).await;
    assert_eq!(
        refused.to_string(),
        "the component imports the capability `sockets`, and plugin.toml does not ask for it: write `capabilities = \
         [\"http\", \"sockets\", \"processes\", \"services\", \"objects\", \"files\", \"key-value\", \"lakehouse\"]`"
    );
    let Error::InvalidInput { field, .. } = Error::from(refused) else { panic!() };
    assert_eq!(field.as_deref(), Some("manifest.capabilities"));
}

#[tokio::test]
async fn imports_that_nobody_offers_are_named() {
    let exporting = r#"(instance $i) (export "asgard:transform/transform@0.1.0" (instance $i))"#;
    let cases = [
        (
            format!(r#"(component (import "wasi:http/outgoing-handler@0.2.0" (instance)) {exporting})"#),
            "imports `wasi:http/outgoing-handler@0.2.0`, which no capability of this host offers: use `asgard:sockets` and",
        ),
        (
            format!(r#"(component (import "acme:gpu/compute@1.0.0" (instance)) {exporting})"#),
            "imports `acme:gpu/compute@1.0.0`, which no capability of this host offers",
        ),
        (
            format!(r#"(component (import "wasi:cli/stdout@0.3.0" (instance)) {exporting})"#),
            "wants `wasi:cli/stdout@0.3.0`, and this host offers WASI 0.2",
        ),
        (
            format!(r#"(component (import "asgard:http/client@0.9.0" (instance)) {exporting})"#),
            "wants `asgard:http/client@0.9.0`, and this host offers the contract in version 0.1.0",
        ),
        (
            r#"(component (instance $i) (export "asgard:transform/transform@2.0.0" (instance $i)))"#.to_owned(),
            "wants `asgard:transform/transform@2.0.0`, and this host offers the contract in version 0.1.0",
        ),
        ("(component)".to_owned(), "exports no interface of the contract: expected at least one of `connector`"),
        (format!("(component {exporting})"), "does not fit the contract"),
        (
            format!(
                r#"(component (core module $m (table 200000 funcref)) (core instance (instantiate $m)) {exporting})"#
            ),
            "cannot be compiled for this host",
        ),
    ];
    for (text, expected) in cases {
        let message = refused(&assembled(&text), &manifest("echo")).await.to_string();
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}

#[test]
fn an_inspection_names_what_a_component_exports_and_uses() {
    let greedy = runtime().inspect(component("greedy")).unwrap();
    assert_eq!(greedy.interfaces, [Interface::Transform].into());
    assert_eq!(greedy.capabilities, manifest("greedy").capabilities);
    let echo = runtime().inspect(component("echo")).unwrap();
    assert!(echo.capabilities.is_empty(), "what a component does not use, it does not import");
    assert!(echo.digest.starts_with("sha256:") && echo.digest.len() == 71, "{}", echo.digest);
    assert_ne!(echo.digest, greedy.digest);
}
