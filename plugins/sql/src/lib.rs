//! Silver and gold on the host's embedded engine.
//!
//! The plugin decides what is run and where the result goes; the engine is the host's, behind the lakehouse capability. A
//! silver run is Spark SQL and goes through as it is. A gold model is a dbt model: its Jinja is rendered here
//! ([`asgard_dbt`]), and what is left is one statement in Trino's SQL.

pub mod gold;
pub mod run;
pub mod silver;
pub mod work;

// The exports' symbols have names that only a component may have.
#[cfg(target_arch = "wasm32")]
mod component;
