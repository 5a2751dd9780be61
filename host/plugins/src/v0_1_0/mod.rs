//! Version 0.1.0 of the contract: one module per package, of the same name. Converts and delegates; decides nothing.
//!
//! Imports ([`http`] to [`context`]) turn a guest's call into one of what was lent to it. Exports ([`connector`] to
//! [`readiness`]) turn a call of the host into one of the guest, in an instance of its own.

mod bindings;
mod types;

mod context;
mod credentials;
mod files;
mod http;
mod key_value;
mod kubernetes;
mod lakehouse;
mod objects;
mod processes;
mod services;
mod sockets;

pub(crate) mod canary;
pub(crate) mod connector;
pub(crate) mod explain;
pub(crate) mod feature_push;
pub(crate) mod feature_source;
pub(crate) mod image_build;
pub(crate) mod model_registry;
pub(crate) mod readiness;
pub(crate) mod serving;
pub(crate) mod training;
pub(crate) mod transform;

use std::collections::BTreeSet;

use asgard_contract::Step;
use asgard_contract::manifest::Interface;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use crate::call::Call;
use crate::host::Host;

/// Links all that a guest may import. Whether it was lent is asked when it is called.
pub(crate) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    use bindings::imports::asgard;

    asgard::plugin::types::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::plugin::context::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::http::client::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::sockets::tcp::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::credentials::password::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::processes::processes::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::services::services::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::objects::objects::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::files::folders::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::key_value::store::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::lakehouse::lakehouse::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)?;
    asgard::kubernetes::resources::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)
}

/// The interfaces of one component, each with its functions looked up.
pub(crate) struct Exports {
    connector: Option<bindings::connector::ConnectorPluginPre<Host>>,
    transform: Option<bindings::transform::TransformPluginPre<Host>>,
    explain: Option<bindings::explain::ExplainPluginPre<Host>>,
    feature_source: Option<bindings::feature_source::FeatureSourcePluginPre<Host>>,
    feature_push: Option<bindings::feature_push::FeaturePushPluginPre<Host>>,
    training: Option<bindings::training::TrainingPluginPre<Host>>,
    model_registry: Option<bindings::model_registry::ModelRegistryPluginPre<Host>>,
    image_build: Option<bindings::image_build::ImageBuildPluginPre<Host>>,
    serving: Option<bindings::serving::ServingPluginPre<Host>>,
    canary: Option<bindings::canary::CanaryPluginPre<Host>>,
    readiness: Option<bindings::readiness::ReadinessPluginPre<Host>>,
}

impl Exports {
    /// # Errors
    /// When a function of one of the `interfaces` is missing or has another type.
    pub(crate) fn find(component: &InstancePre<Host>, interfaces: &BTreeSet<Interface>) -> wasmtime::Result<Self> {
        use bindings as b;

        let with = |interface| interfaces.contains(&interface).then(|| component.clone());
        Ok(Self {
            connector: with(Interface::Connector).map(b::connector::ConnectorPluginPre::new).transpose()?,
            transform: with(Interface::Transform).map(b::transform::TransformPluginPre::new).transpose()?,
            explain: with(Interface::Explain).map(b::explain::ExplainPluginPre::new).transpose()?,
            feature_source: with(Interface::FeatureSource)
                .map(b::feature_source::FeatureSourcePluginPre::new)
                .transpose()?,
            feature_push: with(Interface::FeaturePush).map(b::feature_push::FeaturePushPluginPre::new).transpose()?,
            training: with(Interface::Training).map(b::training::TrainingPluginPre::new).transpose()?,
            model_registry: with(Interface::ModelRegistry)
                .map(b::model_registry::ModelRegistryPluginPre::new)
                .transpose()?,
            image_build: with(Interface::ImageBuild).map(b::image_build::ImageBuildPluginPre::new).transpose()?,
            serving: with(Interface::Serving).map(b::serving::ServingPluginPre::new).transpose()?,
            canary: with(Interface::Canary).map(b::canary::CanaryPluginPre::new).transpose()?,
            readiness: with(Interface::Readiness).map(b::readiness::ReadinessPluginPre::new).transpose()?,
        })
    }
}

/// A handle to one interface of a plugin, with the call that its methods use.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $interface:ident, $exports:ident, $pre:ty) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            plugin: crate::plugin::Plugin,
            call: std::sync::Arc<crate::call::Call>,
        }

        impl $name {
            pub(crate) fn new(plugin: &crate::plugin::Plugin, call: crate::call::Call) -> Self {
                Self { plugin: plugin.clone(), call: std::sync::Arc::new(call) }
            }

            fn exports(&self) -> asgard_contract::Result<$pre> {
                let found = &self.plugin.exports().$exports;
                found.clone().ok_or_else(|| self.plugin.lacks(asgard_contract::manifest::Interface::$interface))
            }
        }
    };
}

/// What a step says, without the secrets that its plugin was told.
fn concealed<T>(call: &Call, step: Step<T>) -> Step<T> {
    call.lent.used_secrets.conceal_step(step)
}

/// One step: a fresh instance, one call of `$guest`'s `$function`, and the instance is gone. The answer is still the
/// binding's type.
macro_rules! step {
    ($handle:expr, $guest:ident . $function:ident ( $($argument:expr),* )) => {{
        let exports = $handle.exports()?;
        let mut session =
            crate::session::Session::open(&$handle.plugin, &$handle.call, crate::session::Lifetime::Step).await?;
        let name = stringify!($function).strip_prefix("call_").unwrap_or_default();
        session
            .run(name, move |store| {
                Box::pin(async move {
                    let instance = exports.instantiate_async(&mut *store).await?;
                    instance.$guest().$function(store, $($argument),*).await
                })
            })
            .await
    }};
}

/// An interface's own copy of the step protocol's types.
macro_rules! step_types {
    ($wit:ident) => {
        impl From<$wit::Status> for asgard_contract::Status<Outcome> {
            fn from(status: $wit::Status) -> Self {
                match status {
                    $wit::Status::Running(running) => crate::v0_1_0::types::running(running),
                    $wit::Status::Succeeded(outcome) => Self::Succeeded { outcome: outcome.into() },
                    $wit::Status::Failed(error) => Self::Failed { error: error.into() },
                }
            }
        }
    };
}

/// An interface's own copy of the types that features have.
macro_rules! dtypes {
    ($wit:ident) => {
        impl From<asgard_contract::features::Dtype> for $wit::Dtype {
            fn from(dtype: asgard_contract::features::Dtype) -> Self {
                use asgard_contract::features::Dtype;

                match dtype {
                    Dtype::Int32 => Self::Int32,
                    Dtype::Int64 => Self::Int64,
                    Dtype::Float32 => Self::Float32,
                    Dtype::Float64 => Self::Float64,
                    Dtype::String => Self::String,
                    Dtype::Bytes => Self::Bytes,
                    Dtype::Bool => Self::Bool,
                    Dtype::UnixTimestamp => Self::UnixTimestamp,
                    Dtype::ArrayInt32 => Self::ArrayInt32,
                    Dtype::ArrayInt64 => Self::ArrayInt64,
                    Dtype::ArrayFloat32 => Self::ArrayFloat32,
                    Dtype::ArrayFloat64 => Self::ArrayFloat64,
                    Dtype::ArrayString => Self::ArrayString,
                }
            }
        }
    };
}

use {dtypes, handle, step, step_types};
