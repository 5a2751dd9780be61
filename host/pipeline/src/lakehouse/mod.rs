//! The lakehouse as people use it, beside what the transformations make of it: looking at tables, asking them, changing and
//! maintaining them.

mod maintenance;
mod tables;
mod upkeep;

use std::sync::Arc;

pub use asgard_contract::lakehouse::Dialect;
pub use asgard_lakehouse::{AsOf, Change, RowsQuery, SnapshotInfo, TableColumn, TableDetails, TableEntry, TableKind};
pub use maintenance::{ExpireSnapshots, Maintenance, RemoveOrphans};
pub use tables::{Question, Rows};

use crate::Pipeline;

pub(crate) fn register(pipeline: &Arc<Pipeline>) {
    pipeline.tasks.register(maintenance::KIND, Arc::new(maintenance::MaintenanceHandler::new(pipeline)));
}
