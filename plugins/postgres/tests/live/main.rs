//! The connector against a real PostgreSQL server, over the operating system's sockets.

mod check;
mod discover;
mod errors;
mod network;
mod server;
mod sync;
mod types;
