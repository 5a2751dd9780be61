//! What every plugin of an interface must do: one suite for each, against the component itself, with no host running.
//!
//! A [`Bench`](bench) stands in the host's place: an empty lakehouse on a temporary disk, objects and key-values in memory, and what a
//! [`Setup`] grants. Checks that need a backend are skipped with the reason where the setup has none, so that an author sees
//! something useful at the first run and more with every line of the setup.
//!
//! What is asked is what the host relies on:
//! - a step may be taken again from the same state, as after a crash between the step and its storing, and the work is done once;
//! - `cancel` may be repeated;
//! - errors are typed: wrong input names its field, and a state that is none is refused instead of trapping;
//! - a connector's rows are those it declared, and none comes twice when a sync is opened again at its checkpoint.

mod bench;
mod canary;
mod component;
mod connector;
mod explain;
mod feature_push;
mod feature_source;
mod image_build;
mod model;
mod readiness;
mod report;
mod serving;
mod setup;
mod stepper;
mod training;
mod transform;

use std::path::PathBuf;

use asgard_contract::manifest::{Interface, Manifest};
use asgard_plugins::{Runtime, RuntimeError};

pub use report::{Check, Outcome, Report};
pub use setup::{ModelSetup, Setup, SourceSetup, TrainingSetup};

use crate::bench::Bench;
use crate::report::Suite;

/// A plugin to be tested.
pub struct Subject {
    pub component: Vec<u8>,
    pub manifest: Manifest,
    pub setup: Setup,
    /// The `asgard` binary, which stands around processes of the plugin.
    pub keeper: PathBuf,
}

/// Runs the suite of every interface that the plugin exports.
///
/// # Errors
/// When this machine cannot run plugins at all. What is wrong with the plugin is in the report.
pub async fn run(subject: Subject) -> Result<Report, RuntimeError> {
    let runtime = Runtime::new(asgard_plugins::RuntimeConfig { cache: None })?;
    let mut suite = Suite::default();
    let Some(plugin) = component::check(&mut suite, &runtime, &subject).await else { return Ok(suite.report()) };
    let bench = match Bench::open(plugin, &subject).await {
        Ok(bench) => bench,
        Err(error) => {
            suite.failed("the setup fits the plugin", &error.to_string());
            return Ok(suite.report());
        }
    };
    for interface in bench.plugin.interfaces().clone() {
        match interface {
            Interface::Connector => connector::check(&mut suite, &bench).await,
            Interface::Transform => transform::check(&mut suite, &bench).await,
            Interface::Explain => explain::check(&mut suite, &bench).await,
            Interface::FeatureSource => feature_source::check(&mut suite, &bench).await,
            Interface::FeaturePush => feature_push::check(&mut suite, &bench).await,
            Interface::Training => training::training(&mut suite, &bench).await,
            Interface::ModelRegistry => training::model_registry(&mut suite, &bench).await,
            Interface::ImageBuild => image_build::check(&mut suite, &bench).await,
            Interface::Serving => serving::check(&mut suite, &bench).await,
            Interface::Canary => canary::check(&mut suite, &bench).await,
            Interface::Readiness => readiness::check(&mut suite, &bench).await,
        }
    }
    bench.close().await;
    Ok(suite.report())
}
