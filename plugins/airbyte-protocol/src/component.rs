//! What the component exports, and the host's capabilities as a [`Host`].

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use asgard_sdk::connector::{
    Event, Guest, GuestSync, Ingestion, ResourceDefinition, Source, SourceType, StreamDescriptor, Sync,
};
use asgard_sdk::{Result, configuration, context, processes};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::sync::Run;
use crate::{command, specification, sync};

struct AirbyteProtocol;

/// The capabilities that this call was lent.
struct Lent;

impl Host for Lent {
    fn start(&self, key: &str, spec: &processes::Spec) -> Result<()> {
        processes::start(key, spec)
    }
    fn status(&self, key: &str) -> Result<processes::ProcessStatus> {
        processes::status(key)
    }
    fn output(&self, key: &str, offset: u64, max: u32) -> Result<processes::Chunk> {
        processes::output(key, offset, max)
    }
    fn read_file(&self, key: &str, path: &str) -> Result<Vec<u8>> {
        processes::read_file(key, path)
    }
    fn remove(&self, key: &str) -> Result<()> {
        processes::remove(key)
    }
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
    fn warn(&self, reason: &str, message: &str) {
        context::event("Warning", reason, message);
    }
    fn now_ms(&self) -> u64 {
        context::now_ms()
    }
    fn sleep_ms(&self, milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }
    fn unique_key(&self, what: &str) -> String {
        // Its keys are random in every instance.
        format!("{what}-{:016x}", RandomState::new().hash_one(what))
    }
}

impl Guest for AirbyteProtocol {
    type Sync = OpenSync;

    fn source_types() -> Result<Vec<SourceType>> {
        specification::source_types(&Lent, &configuration::<Configuration>()?)
    }

    fn check(source: Source) -> Result<()> {
        let configuration: Configuration = configuration()?;
        command::check(&Lent, &configuration.connector_of(&source)?, &source)
    }

    fn discover(source: Source) -> Result<Vec<StreamDescriptor>> {
        let configuration: Configuration = configuration()?;
        let discovered = command::discover(&Lent, &configuration.connector_of(&source)?, &source)?;
        Ok(discovered.iter().map(|discovered| discovered.stream.descriptor()).collect())
    }

    /// A connector's process keeps nothing between two runs.
    fn provision(_definition: ResourceDefinition) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn retire(_definition: ResourceDefinition) -> Result<()> {
        Ok(())
    }

    fn open(ingestion: Ingestion) -> Result<Sync> {
        let configuration: Configuration = configuration()?;
        let connector = configuration.connector_of(&ingestion.source)?;
        Ok(Sync::new(OpenSync(RefCell::new(Run::open(Lent, connector, ingestion, &context::task_id())?))))
    }

    fn cancel(_ingestion: Ingestion) -> Result<()> {
        sync::end(&Lent)
    }
}

struct OpenSync(RefCell<Run<Lent>>);

impl GuestSync for OpenSync {
    fn next(&self) -> Result<Event> {
        self.0.borrow_mut().next_event()
    }
}

asgard_sdk::export_connector!(AirbyteProtocol with_types_in asgard_sdk::bindings::connector);
