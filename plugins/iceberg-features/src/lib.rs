//! Feature views over Iceberg tables.
//!
//! A view's rows stay where they are: in the table that it is made over. What a feature was at a time is found by one
//! statement over the tables' current snapshots ([`historical`]), and what it is now is copied to the key-value store
//! ([`online`]), the latest row of each entity. Rows may be pushed there before the table has them ([`push`]). Semantics are Feast's: a
//! row holds from its event time on, for the view's time to live (0 = for ever), until a later row of the same entity.

pub mod historical;
pub mod materialise;
pub mod online;
pub mod push;
pub mod registration;
pub mod run;
pub mod values;

// The exports' symbols have names that only a component may have.
#[cfg(target_arch = "wasm32")]
mod component;
