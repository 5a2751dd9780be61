//! The plugin runtime: the only crate that knows wasmtime.
//!
//! A [`Runtime`] loads components into [`Plugin`]s; a [`Plugin`] and a [`Call`] give a handle to one of its interfaces;
//! each of the handle's methods is one step in an instance of its own. Nothing outlives a step but a [`Sync`], whose
//! instance lives as long as the sync does.
//!
//! ```no_run
//! # async fn example(component: Vec<u8>, call: asgard_plugins::Call) -> Result<(), Box<dyn std::error::Error>> {
//! use asgard_plugins::{Runtime, RuntimeConfig, parse_manifest};
//!
//! let runtime = Runtime::new(RuntimeConfig { cache: None })?;
//! let manifest = parse_manifest(&std::fs::read_to_string("plugin.toml")?)?;
//! let plugin = runtime.load(&component, &manifest).await?;
//! for source_type in plugin.connector(call).source_types().await? {
//!     println!("{}", source_type.name);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What a guest can do to the host
//! Use the processor and the memory that its limits give it, and what was lent to it. A guest that breaks a limit, traps or
//! answers nonsense fails its own call with an [`asgard_contract::Error`]; its instance is gone, and others go on.

mod cache;
mod call;
mod contract;
mod engine;
mod failure;
mod host;
mod inspection;
mod limits;
mod logbook;
mod manifest;
mod meter;
mod plugin;
mod refusal;
mod runtime;
pub mod schema;
mod session;
mod ticker;
mod v0_1_0;
mod wasi;

pub use call::Call;
pub use inspection::Inspection;
pub use manifest::parse_manifest;
pub use plugin::Plugin;
pub use refusal::{RefusedPlugin, RuntimeError};
pub use runtime::{Runtime, RuntimeConfig};
pub use v0_1_0::canary::Canary;
pub use v0_1_0::connector::{Connector, Room, Sync};
pub use v0_1_0::explain::Explain;
pub use v0_1_0::feature_push::FeaturePush;
pub use v0_1_0::feature_source::FeatureSource;
pub use v0_1_0::image_build::ImageBuild;
pub use v0_1_0::model_registry::ModelRegistry;
pub use v0_1_0::readiness::Readiness;
pub use v0_1_0::serving::Serving;
pub use v0_1_0::training::Training;
pub use v0_1_0::transform::Transform;
