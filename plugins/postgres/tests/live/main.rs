//! The connector against a real PostgreSQL server, over the operating system's sockets.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod changes;
mod check;
mod discover;
mod errors;
mod interruptions;
mod lake;
mod names;
mod network;
mod server;
mod sources;
mod sync;
mod types;
