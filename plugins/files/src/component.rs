//! The component's exports.

use std::cell::RefCell;

use asgard_sdk::connector::{
    Event, Guest, GuestSync, Ingestion, ResourceDefinition, Source, SourceType, StreamDescriptor, Sync,
};
use asgard_sdk::{Result, context};

use crate::configuration::{Configuration, SCHEMA};
use crate::{discovery, sync};

struct Files;

impl Guest for Files {
    type Sync = OpenSync;

    fn source_types() -> Result<Vec<SourceType>> {
        Ok(vec![SourceType { name: "files".to_owned(), title: "Files".to_owned(), schema: SCHEMA.to_owned() }])
    }

    fn check(source: Source) -> Result<()> {
        discovery::check(&Configuration::of(&source)?)
    }

    fn discover(source: Source) -> Result<Vec<StreamDescriptor>> {
        discovery::discover(&Configuration::of(&source)?)
    }

    /// An ingestion remembers how its text files are to be split: what was found when its columns were.
    fn provision(definition: ResourceDefinition) -> Result<Vec<u8>> {
        match definition {
            ResourceDefinition::Ingestion(ingestion) => discovery::dialects(&ingestion)?.write(),
            ResourceDefinition::Source(_) | ResourceDefinition::Sink(_) => Ok(Vec::new()),
        }
    }

    fn retire(_definition: ResourceDefinition) -> Result<()> {
        Ok(())
    }

    fn open(ingestion: Ingestion) -> Result<Sync> {
        Ok(Sync::new(OpenSync(RefCell::new(sync::Run::new(ingestion, context::task_id())?))))
    }

    fn cancel(_ingestion: Ingestion) -> Result<()> {
        Ok(())
    }
}

struct OpenSync(RefCell<sync::Run>);

impl GuestSync for OpenSync {
    fn next(&self) -> Result<Event> {
        self.0.borrow_mut().next_event()
    }
}

asgard_sdk::export_connector!(Files with_types_in asgard_sdk::bindings::connector);
