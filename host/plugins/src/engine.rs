//! The one place that builds the engine.
//!
//! Instances come from a pool: their memory is reserved once and reset between calls, which makes a fresh instance
//! per step cheap. The pool reserves address space, not memory; where a limit on address space (`ulimit -v`, some
//! containers) does not allow it, instances are made one by one instead, slower and with the same limits.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::refusal::RuntimeError;

/// Calls that may run at one time; the next one waits. Each takes one stack and at least one memory of the pool.
pub(crate) const CONCURRENT_CALLS: u32 = 128;

/// Of those, at most so many are syncs.
pub(crate) const CONCURRENT_SYNCS: u32 = 96;

/// Core instances of one component. Rust's components have 3 or 4; Python's and JavaScript's are linked from dozens.
pub(crate) const CORE_INSTANCES: u32 = 64;

/// Memories of one component. Rust's have one.
pub(crate) const MEMORIES: u32 = 4;

/// Tables of one component.
pub(crate) const TABLES: u32 = 64;

/// Entries of one table. Large programs in C# or Python were seen with more than ten thousand.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

/// What 32-bit addresses reach. The limit that counts is the environment's, checked as the memory grows.
const LARGEST_MEMORY: usize = 4 << 30;

/// The guest's own stack: twice the engine's default, for recursive parsers.
const GUEST_STACK: usize = 1 << 20;

/// The guest's stack and the host functions it calls.
const CALL_STACK: usize = 2 << 20;

/// Of a memory that goes back to the pool, this much stays resident and is overwritten instead of unmapped: the
/// pages a step usually touches. Page faults would cost more than the copy.
const KEEP_RESIDENT: usize = 256 << 10;

/// Memories that keep those pages while nobody uses them: bounds what an idle host holds to 4 MiB.
const WARM_SLOTS: u32 = 16;

/// The engine, from the pool where the address space allows.
pub(crate) fn build() -> Result<Engine, RuntimeError> {
    let pooled = Engine::new(&configuration(InstanceAllocationStrategy::Pooling(pool())));
    match pooled {
        Ok(engine) => Ok(engine),
        Err(reason) => {
            tracing::warn!(reason = format!("{reason:#}"), "no pool of plugin instances; calls will be slower");
            Engine::new(&configuration(InstanceAllocationStrategy::OnDemand))
                .map_err(|reason| RuntimeError::Engine { reason: format!("{reason:#}") })
        }
    }
}

fn configuration(allocation: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(CALL_STACK)
        .allocation_strategy(allocation);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(CONCURRENT_CALLS)
        .total_stacks(CONCURRENT_CALLS)
        // Two memories for each call on average: more than one is rare.
        .total_memories(CONCURRENT_CALLS * 2)
        .total_core_instances(CONCURRENT_CALLS * 16)
        .total_tables(CONCURRENT_CALLS * 4)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memory_size(LARGEST_MEMORY)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        .max_unused_warm_slots(WARM_SLOTS)
        .pagemap_scan(Enabled::Auto);
    pool
}
