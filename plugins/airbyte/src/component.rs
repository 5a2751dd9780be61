//! What the component exports, and the host's capabilities as a [`Host`].

use std::cell::RefCell;

use asgard_sdk::connector::{
    Event, Guest, GuestSync, Ingestion, ResourceDefinition, Source, SourceType, StreamDescriptor, Sync,
};
use asgard_sdk::{Result, configuration, context, http, key_value};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::inventory::Inventory;
use crate::{jobs, sources, trial};

struct Airbyte;

/// The capabilities that this call was lent.
struct Lent;

impl Host for Lent {
    fn send(&self, request: &http::Request) -> Result<http::Response> {
        http::send(request)
    }
    fn recall(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(key_value::get_many(bucket, &[key.to_owned()])?.into_iter().next().flatten())
    }
    fn remember(&self, bucket: &str, key: &str, value: &[u8]) -> Result<()> {
        key_value::set_many(bucket, &[(key.to_owned(), value.to_vec())])
    }
    fn forget(&self, bucket: &str) -> Result<()> {
        key_value::delete_bucket(bucket)
    }
    fn resets(&self) -> u32 {
        context::resets()
    }
    fn log(&self, level: context::Level, message: &str) {
        context::log(level, message);
    }
}

impl Guest for Airbyte {
    type Sync = OpenSync;

    fn source_types() -> Result<Vec<SourceType>> {
        sources::types(&configuration::<Configuration>()?)
    }

    fn check(source: Source) -> Result<()> {
        trial::check(&Lent, &configuration()?, &source)
    }

    fn discover(source: Source) -> Result<Vec<StreamDescriptor>> {
        trial::discover(&Lent, &configuration()?, &source)
    }

    fn provision(definition: ResourceDefinition) -> Result<Vec<u8>> {
        Inventory::new(&Lent, &configuration()?)?.provision(&definition)
    }

    fn retire(definition: ResourceDefinition) -> Result<()> {
        Inventory::new(&Lent, &configuration()?)?.retire(&definition)
    }

    fn open(ingestion: Ingestion) -> Result<Sync> {
        let run = jobs::Run::open(Lent, configuration()?, ingestion, &context::task_id())?;
        Ok(Sync::new(OpenSync(RefCell::new(run))))
    }

    fn cancel(ingestion: Ingestion) -> Result<()> {
        jobs::cancel(&Lent, &configuration()?, &ingestion, &context::task_id())
    }
}

struct OpenSync(RefCell<jobs::Run<Lent>>);

impl GuestSync for OpenSync {
    fn next(&self) -> Result<Event> {
        self.0.borrow_mut().next_event()
    }
}

asgard_sdk::export_connector!(Airbyte with_types_in asgard_sdk::bindings::connector);
