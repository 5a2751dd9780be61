//! The component's exports.

use std::cell::RefCell;

use asgard_sdk::connector::{
    Guest, GuestSync, Ingestion, ResourceDefinition, Source, SourceType, StreamDescriptor, Sync,
};
use asgard_sdk::{Result, context};

use crate::configuration::{Configuration, SCHEMA};
use crate::lent::Lent;
use crate::{inspection, sync};

struct Postgres;

impl Guest for Postgres {
    type Sync = OpenSync;

    fn source_types() -> Result<Vec<SourceType>> {
        Ok(vec![SourceType { name: "postgres".to_owned(), title: "PostgreSQL".to_owned(), schema: SCHEMA.to_owned() }])
    }

    fn check(source: Source) -> Result<()> {
        inspection::check(&Lent, &Configuration::of(&source)?)
    }

    fn discover(source: Source) -> Result<Vec<StreamDescriptor>> {
        inspection::discover(&Lent, &Configuration::of(&source)?)
    }

    /// Streams whose changes are captured have a publication and a replication slot; others need nothing.
    fn provision(definition: ResourceDefinition) -> Result<Vec<u8>> {
        if let ResourceDefinition::Ingestion(ingestion) = definition {
            inspection::provision(&Lent, &ingestion)?;
        }
        Ok(Vec::new())
    }

    fn retire(definition: ResourceDefinition) -> Result<()> {
        match definition {
            ResourceDefinition::Ingestion(ingestion) => inspection::retire(&Lent, &ingestion),
            ResourceDefinition::Source(_) | ResourceDefinition::Sink(_) => Ok(()),
        }
    }

    fn open(ingestion: Ingestion) -> Result<Sync> {
        let mut run = sync::Run::new(Box::new(Lent), ingestion, context::task_id())?;
        run.join()?;
        Ok(Sync::new(OpenSync(RefCell::new(run))))
    }

    /// The connection ends with the instance, and with it the transaction.
    fn cancel(_ingestion: Ingestion) -> Result<()> {
        Ok(())
    }
}

struct OpenSync(RefCell<sync::Run>);

impl GuestSync for OpenSync {
    fn next(&self) -> Result<asgard_sdk::connector::Event> {
        self.0.borrow_mut().next_event()
    }
}

asgard_sdk::export_connector!(Postgres with_types_in asgard_sdk::bindings::connector);
