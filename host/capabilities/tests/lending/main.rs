//! What is lent, as the runtime gets it: an environment's file on one side, `Lent` on the other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod credentials;
mod files;
mod host;
mod http;
mod kubernetes;
mod lakehouse;
mod lending;
mod objects;
mod processes;
mod rebinding;
mod server;
mod services;
mod sockets;
