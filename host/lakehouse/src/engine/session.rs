//! What a statement runs with: its own memory, its own folder for what does not fit, and settings.
//!
//! Memory is per statement: operators that can (sorts, aggregations) spill to disk when it is used up, others end the
//! statement with an error that names the limit. What all statements have together is in [`super::threads`]. Footers of Parquet files are cached for all statements together; data
//! files never change once they are written.

use std::sync::Arc;
use std::time::Duration;

use asgard_contract::environment::Limits;
use asgard_contract::{Error, Result};
use chrono::Utc;
use datafusion::execution::context::ExecutionProps;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;

use super::threads;
use super::yielding::Yielding;
use crate::storage::Stores;

/// Makes sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    /// Without memory of its own: what all statements share.
    shared: RuntimeEnv,
    base: SessionState,
    pub(super) memory_bytes: u64,
    pub(super) time: Duration,
    /// Of a result that is written; none = as many as there are.
    pub(super) rows: Option<u64>,
}

impl Sessions {
    pub(super) fn new(limits: &Limits, stores: &Stores) -> Result<Self> {
        let shared =
            RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(stores.clone())).build().map_err(|error| {
                Error::internal(format!("the SQL engine cannot be set up: {}", error.strip_backtrace()))
            })?;
        let mut config = SessionConfig::new()
            .with_target_partitions(threads::cores().max(2))
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        let options = config.options_mut();
        // The functions of both dialects take plain strings; views would be cast at each call.
        options.execution.parquet.schema_force_view_types = false;
        options.optimizer.expand_views_at_output = false;
        // DataFusion 53.1 leaves a MIN or MAX that is null so far out of the filter that it makes of all of them, and so skips the
        // rows that would give it a value: `max(a), max(b)` loses a `b` wherever `a` does not grow.
        options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
        // DataFusion 53.1 takes the fields of a list's structs below the UNNEST that makes structs of the list.
        options.optimizer.enable_leaf_expression_pushdown = false;
        // Kept back by each sort to merge what it spilled. The engine's 10 MiB are more than a small limit has for all.
        let share = limits.query_memory_bytes / 32;
        options.execution.sort_spill_reservation_bytes = usize::try_from(share).unwrap_or(usize::MAX).min(10 << 20);
        let base =
            SessionStateBuilder::new().with_config(config).with_physical_optimizer_rule(Arc::new(Yielding)).build();
        Ok(Self {
            shared,
            base,
            memory_bytes: limits.query_memory_bytes,
            time: Duration::from_secs(limits.query_seconds),
            rows: limits.query_rows,
        })
    }

    /// A session for one statement, with this much memory. All of its `current_timestamp`s are now.
    pub(super) fn open(&self, memory_bytes: u64) -> Result<SessionState> {
        let memory = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::OsTmpDirectory)
            .build()
            .map_err(|error| Error::internal(format!("no place to spill to: {}", error.strip_backtrace())))?;
        let environment = RuntimeEnv {
            memory_pool: Arc::new(FairSpillPool::new(memory)),
            disk_manager: Arc::new(disk),
            ..self.shared.clone()
        };
        let mut properties = ExecutionProps::new();
        properties.query_execution_start_time = Some(Utc::now());
        Ok(SessionStateBuilder::new_from_existing(self.base.clone())
            .with_runtime_env(Arc::new(environment))
            .with_execution_props(properties)
            .build())
    }
}
