//! Reads PostgreSQL inside the sandbox and hands over Arrow rows.
//!
//! The protocol is spoken here, in [`wire`] and [`session`]; connections, TLS and the proofs of passwords are lent by the
//! host ([`capabilities`]). [`replication`] reads the server's log. [`types`] is the one table of what PostgreSQL's types become.

pub mod below;
pub mod capabilities;
pub mod catalog;
// Its exports have names that native linkers refuse.
#[cfg(target_family = "wasm")]
mod component;
pub mod configuration;
pub mod inspection;
#[cfg(target_family = "wasm")]
mod lent;
pub mod replication;
pub mod rows;
pub mod session;
mod streams;
pub mod sync;
pub mod types;
pub mod wire;
