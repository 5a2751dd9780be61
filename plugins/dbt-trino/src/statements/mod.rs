//! Models by Trino's own protocol, without dbt.
//!
//! The first step asks what is there, and decides on a script of statements; each of them is posted in one step and asked for in
//! the next ones. The script is in the state: a model that was rendered again might see its own table and take itself for an
//! incremental run.
//!
//! # When Trino forgets a query
//! A coordinator that is restarted knows none of its queries. What the query had committed by then is found in the table: its
//! snapshot, or files with the query's id in their names. Otherwise nothing was written, and the run fails with that.

mod run;
mod script;
mod state;

pub use run::{advance, cancel, start};
pub(crate) use script::properties;
pub use script::script;
pub use state::{Kind, Query, State, Statement};
