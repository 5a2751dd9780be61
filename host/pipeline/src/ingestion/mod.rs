//! Ingestion: sources, sinks, and the syncs between them.

mod events;
mod ingestions;
mod schedule;
mod sinks;
mod sources;
mod streams;
mod sync;

use std::sync::Arc;

pub use ingestions::{Ingestion, IngestionPatch, Job, NewIngestion, StreamResult};
pub use schedule::{Schedule, ScheduleType};
pub(crate) use sinks::Record as SinkRecord;
pub use sinks::{NewSink, Sink, SinkPatch};
pub use sources::{NewSource, Source, SourcePatch};
pub use streams::StreamChoice;

pub(crate) use sync::KIND;

use crate::Pipeline;

pub(crate) fn register(pipeline: &Arc<Pipeline>) {
    pipeline.tasks.register(sync::KIND, Arc::new(sync::SyncHandler::new(pipeline)));
}
