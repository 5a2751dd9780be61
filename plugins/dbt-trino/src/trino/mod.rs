//! Trino's statement protocol: <https://trino.io/docs/current/develop/client-protocol.html>.
//!
//! | file | what it does |
//! | --- | --- |
//! | `client` | one exchange each: post a statement, ask for what is next, end it; short questions to their end |
//! | `wire` | the answers' shape |
//! | `fault` | Trino's errors as the contract's |
//! | `types` | types of columns: Iceberg's words, and Trino's own for statements |

mod client;
mod fault;
mod types;
mod wire;

pub use client::{Answer, Client, Followed, Rows};
pub use fault::{NO_CATALOG, explained, field_of};
pub use types::Type;
pub use wire::{QueryError, Stats};
