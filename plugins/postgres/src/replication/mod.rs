//! Logical replication: what an ingestion has in the database, and the log as the server decodes it.
//!
//! An ingestion with streams of mode `change-data-capture` has a publication of their tables and a replication slot, both named
//! after it. The slot makes the server keep its log from the last acknowledged position on; acknowledged is what the host has
//! committed, never more. A slot that nobody reads keeps all of the log, so `retire` removes it.
//!
//! | file | holds |
//! | --- | --- |
//! | `objects` | both of an ingestion: made and removed; its slot |
//! | `publication` | its publication: made, found fit |
//! | `identity` | whether the log tells a table's rows apart |
//! | `feed` | the replication connection: positions told, positions acknowledged |
//! | `messages` | pgoutput's messages, version 1 |
//! | `lsn` | positions in the log |

pub mod feed;
pub mod identity;
mod lsn;
pub mod messages;
pub mod objects;
pub mod publication;

pub use lsn::Lsn;
