//! What the host remembers: one database, queries beside their rows, one file per resource.
//!
//! All SQL of the host is in this crate. It is SQLite in one file of the data folder, `asgard.db`, or a PostgreSQL server that
//! several hosts share; statements keep to what both take (`$1` placeholders, `ON CONFLICT`, `RETURNING`, no functions of one
//! alone), and what differs is in `database.rs`. The tests run on both.
//!
//! - **Writers queue, readers do not.** SQLite has one writer at a time. Writes go through one connection and start with
//!   `BEGIN IMMEDIATE`, so a transaction never finds halfway that it may not write; readers have connections of their own and
//!   see the last commit. Other processes on the same file (`asgard secret set` beside a running host) are waited for. On
//!   PostgreSQL those queue that look before they write; the steps of tasks do not.
//! - **A commit is on disk when it returns** (WAL with `synchronous = FULL`; PostgreSQL's own setting): what a request or a step
//!   was told is stored survives a power cut.
//! - **Secrets are encrypted** with a key that is not in the database, see [`secrets`](Store::set_secret). Nothing here logs
//!   a value.

mod access;
mod audit;
mod database;
mod environments;
mod error;
mod hosts;
mod idempotency;
mod installation;
mod key_values;
mod plugins;
mod resources;
mod schedules;
mod secrets;
mod statement;
pub mod tasks;
#[doc(hidden)]
pub mod testing;
mod time;
mod tokens;

pub use access::{AccessRole, NoRole, Reach};
pub use audit::{AuditEntry, AuditFilter, AuditOutcome, AuditRetention, NewAuditEntry};
pub use database::{Store, StoreConfig};
pub use environments::{CurrentRevision, EnvironmentRevision};
pub use error::{StoreError, StoreResult};
pub use hosts::HostLock;
pub use idempotency::{Claim, StoredAnswer};
pub use plugins::RegisteredPlugin;
pub use resources::{Entry, Resource, ResourceKind};
pub use schedules::{CatchUp, Fired, Overlap, Schedule};
pub use secrets::{KeySource, StoredSecret};
pub use tokens::{ApiToken, NewToken};
