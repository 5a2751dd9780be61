//! The contract's version 0.1.0 as Rust, generated from `wit/`: imports once, one module per exported interface.
//!
//! Interfaces are generated apart from each other because a plugin exports the ones it has: the generated `…Pre` of
//! an interface looks up that interface's functions and no others.

/// What a plugin may call.
pub(crate) mod imports {
    wasmtime::component::bindgen!({
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
        imports: {
            "asgard:plugin/context": trappable,
            // A handle that is not in the instance's table is a defect of the guest's runtime: a trap, not an error.
            "asgard:sockets/tcp": async | trappable,
            default: async,
        },
        with: { "asgard:sockets/tcp.connection": asgard_capabilities::sockets::Connection },
    });
}

macro_rules! exported_interface {
    ($(#[$doc:meta])* $module:ident, $package:tt, $world:tt) => {
        $(#[$doc])*
        pub(crate) mod $module {
            wasmtime::component::bindgen!({
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
                imports: { default: async },
                exports: { default: async },
                with: {
                    "asgard:plugin/types@0.1.0": crate::v0_1_0::bindings::imports::asgard::plugin::types,
                    "asgard:plugin/context@0.1.0": crate::v0_1_0::bindings::imports::asgard::plugin::context,
                    "asgard:http/client@0.1.0": crate::v0_1_0::bindings::imports::asgard::http::client,
                    "asgard:sockets/tcp@0.1.0": crate::v0_1_0::bindings::imports::asgard::sockets::tcp,
                    "asgard:credentials/password@0.1.0": crate::v0_1_0::bindings::imports::asgard::credentials::password,
                    "asgard:processes/processes@0.1.0": crate::v0_1_0::bindings::imports::asgard::processes::processes,
                    "asgard:services/services@0.1.0": crate::v0_1_0::bindings::imports::asgard::services::services,
                    "asgard:objects/objects@0.1.0": crate::v0_1_0::bindings::imports::asgard::objects::objects,
                    "asgard:files/folders@0.1.0": crate::v0_1_0::bindings::imports::asgard::files::folders,
                    "asgard:key-value/store@0.1.0": crate::v0_1_0::bindings::imports::asgard::key_value::store,
                    "asgard:lakehouse/lakehouse@0.1.0": crate::v0_1_0::bindings::imports::asgard::lakehouse::lakehouse,
                    "asgard:kubernetes/resources@0.1.0": crate::v0_1_0::bindings::imports::asgard::kubernetes::resources,
                },
            });
        }
    };
}

exported_interface!(connector, "../../wit/connector/0.1.0", "asgard:connector/connector-plugin");
exported_interface!(transform, "../../wit/transform/0.1.0", "asgard:transform/transform-plugin");
exported_interface!(explain, "../../wit/explain/0.1.0", "asgard:explain/explain-plugin");
exported_interface!(feature_source, "../../wit/feature-source/0.1.0", "asgard:feature-source/feature-source-plugin");
exported_interface!(feature_push, "../../wit/feature-push/0.1.0", "asgard:feature-push/feature-push-plugin");
exported_interface!(training, "../../wit/deployer/0.1.0", "asgard:deployer/training-plugin");
exported_interface!(model_registry, "../../wit/deployer/0.1.0", "asgard:deployer/model-registry-plugin");
exported_interface!(image_build, "../../wit/deployer/0.1.0", "asgard:deployer/image-build-plugin");
exported_interface!(serving, "../../wit/deployer/0.1.0", "asgard:deployer/serving-plugin");
exported_interface!(canary, "../../wit/canary/0.1.0", "asgard:canary/canary-plugin");
exported_interface!(readiness, "../../wit/readiness/0.1.0", "asgard:readiness/readiness-plugin");
