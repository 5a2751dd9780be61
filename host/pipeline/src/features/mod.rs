//! Feature views and services, point-in-time joins, online reads and pushes.

mod push;
mod registry;
mod retrieval;
mod run;

use std::sync::Arc;

pub use push::Push;
pub use registry::{FeatureStatus, NewService, NewView, Registered, ServiceRecord, ViewStatus};
pub use retrieval::{EntityInput, Historical, HistoricalQuery, OnlineQuery, Selected};
pub(crate) use retrieval::{JOINED, entity_rows, join_of};

pub(crate) use run::KIND;

use crate::Pipeline;

pub(crate) fn register(pipeline: &Arc<Pipeline>) {
    pipeline.tasks.register(run::KIND, Arc::new(run::FeatureHandler::new(pipeline)));
}
