//! The contract as Rust, generated from `wit/`: imports once, one module per exported interface.

/// What a plugin may call: the capabilities.
pub mod imports {
    wit_bindgen::generate!({
        world: "asgard:capabilities/imports",
        path: [
            "../../wit/plugin/0.1.0",
            "../../wit/http/0.1.0",
            "../../wit/sockets/0.1.0",
            "../../wit/credentials/0.1.0",
            "../../wit/processes/0.1.0",
            "../../wit/services/0.1.0",
            "../../wit/objects/0.1.0",
            "../../wit/files/0.1.0",
            "../../wit/key-value/0.1.0",
            "../../wit/lakehouse/0.1.0",
            "../../wit/kubernetes/0.1.0",
            "../../wit/capabilities/0.1.0",
        ],
        generate_all,
        additional_derives: [PartialEq, Clone],
    });
}

macro_rules! exported_interface {
    ($(#[$doc:meta])* $module:ident, $package:tt, $world:tt, $export:tt, $bindings:tt) => {
        $(#[$doc])*
        pub mod $module {
            wit_bindgen::generate!({
                world: $world,
                path: [
                    "../../wit/plugin/0.1.0",
                    "../../wit/http/0.1.0",
                    "../../wit/sockets/0.1.0",
                    "../../wit/credentials/0.1.0",
                    "../../wit/processes/0.1.0",
                    "../../wit/services/0.1.0",
                    "../../wit/objects/0.1.0",
                    "../../wit/files/0.1.0",
                    "../../wit/key-value/0.1.0",
                    "../../wit/lakehouse/0.1.0",
                    "../../wit/kubernetes/0.1.0",
                    "../../wit/capabilities/0.1.0",
                    $package,
                ],
                with: {
                    "asgard:plugin/types@0.1.0": crate::bindings::imports::asgard::plugin::types,
                    "asgard:plugin/context@0.1.0": crate::bindings::imports::asgard::plugin::context,
                    "asgard:http/client@0.1.0": crate::bindings::imports::asgard::http::client,
                    "asgard:sockets/tcp@0.1.0": crate::bindings::imports::asgard::sockets::tcp,
                    "asgard:credentials/password@0.1.0": crate::bindings::imports::asgard::credentials::password,
                    "asgard:processes/processes@0.1.0": crate::bindings::imports::asgard::processes::processes,
                    "asgard:services/services@0.1.0": crate::bindings::imports::asgard::services::services,
                    "asgard:objects/objects@0.1.0": crate::bindings::imports::asgard::objects::objects,
                    "asgard:files/folders@0.1.0": crate::bindings::imports::asgard::files::folders,
                    "asgard:key-value/store@0.1.0": crate::bindings::imports::asgard::key_value::store,
                    "asgard:lakehouse/lakehouse@0.1.0": crate::bindings::imports::asgard::lakehouse::lakehouse,
                    "asgard:kubernetes/resources@0.1.0": crate::bindings::imports::asgard::kubernetes::resources,
                },
                pub_export_macro: true,
                export_macro_name: $export,
                default_bindings_module: $bindings,
            });
        }
    };
}

exported_interface!(
    /// Exports of a connector.
    connector,
    "../../wit/connector/0.1.0",
    "asgard:connector/connector-plugin",
    "export_connector",
    "asgard_sdk::bindings::connector"
);

exported_interface!(
    /// Exports of a transform.
    transform,
    "../../wit/transform/0.1.0",
    "asgard:transform/transform-plugin",
    "export_transform",
    "asgard_sdk::bindings::transform"
);

exported_interface!(
    /// Exports of a transform whose engine tells how it would run a statement.
    explain,
    "../../wit/explain/0.1.0",
    "asgard:explain/explain-plugin",
    "export_explain",
    "asgard_sdk::bindings::explain"
);

exported_interface!(
    /// Exports of a feature source.
    feature_source,
    "../../wit/feature-source/0.1.0",
    "asgard:feature-source/feature-source-plugin",
    "export_feature_source",
    "asgard_sdk::bindings::feature_source"
);

exported_interface!(
    /// Exports of a feature source whose online store takes rows that are pushed.
    feature_push,
    "../../wit/feature-push/0.1.0",
    "asgard:feature-push/feature-push-plugin",
    "export_feature_push",
    "asgard_sdk::bindings::feature_push"
);

exported_interface!(
    /// Exports of a trainer.
    training,
    "../../wit/deployer/0.1.0",
    "asgard:deployer/training-plugin",
    "export_training",
    "asgard_sdk::bindings::training"
);

exported_interface!(
    /// Exports of a model registry.
    model_registry,
    "../../wit/deployer/0.1.0",
    "asgard:deployer/model-registry-plugin",
    "export_model_registry",
    "asgard_sdk::bindings::model_registry"
);

exported_interface!(
    /// Exports of an image builder.
    image_build,
    "../../wit/deployer/0.1.0",
    "asgard:deployer/image-build-plugin",
    "export_image_build",
    "asgard_sdk::bindings::image_build"
);

exported_interface!(
    /// Exports of a server of models.
    serving,
    "../../wit/deployer/0.1.0",
    "asgard:deployer/serving-plugin",
    "export_serving",
    "asgard_sdk::bindings::serving"
);

exported_interface!(
    /// Exports of a plugin that shares a model's requests between two versions.
    canary,
    "../../wit/canary/0.1.0",
    "asgard:canary/canary-plugin",
    "export_canary",
    "asgard_sdk::bindings::canary"
);

exported_interface!(
    /// Exports of a plugin that tells whether its backend is there.
    readiness,
    "../../wit/readiness/0.1.0",
    "asgard:readiness/readiness-plugin",
    "export_readiness",
    "asgard_sdk::bindings::readiness"
);
